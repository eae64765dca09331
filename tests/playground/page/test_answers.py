"""What the bot answers, and what people do with it: cards, buttons, selects, modals, pictures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from playground.drafts import draft
from playground.nouns import Upload
from playground.server import Playground
from tests.browser import Window, Windows
from tests.playground.bots import png
from tests.playground.page.bot import PageBot

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def ask(window: Window, line: str) -> None:
    await window.writing.fill(f"{line} ")
    await window.page.keyboard.press("Enter")


async def card(window: Window, prompt: str, more: str = "") -> None:
    await ask(window, f"/imagine prompt:{prompt} {more}")
    await expect(window.last.get_by_role("img", name=f"A picture of {prompt}").first).to_be_visible()


async def test_a_deferred_answer_thinks_and_then_speaks(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    bot.gate.clear()
    await ask(window, "/slow")
    await expect(window.last).to_contain_text("is thinking…")
    bot.gate.set()
    await expect(window.last).to_contain_text("There you are.")
    await expect(window.last).not_to_contain_text("thinking")


async def test_an_ephemeral_answer_is_for_one_and_can_be_dismissed(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    anna = await windows.open(playground.url)
    bruno = await windows.open(f"{playground.url}/#user=Bruno")
    await ask(anna, "/secret")
    await expect(anna.last).to_contain_text("Only you can see this")
    await ask(bruno, "/say something for all")
    await expect(bruno.last).to_contain_text("something for all")
    await expect(bruno.page.get_by_text("A secret.")).to_have_count(0)
    await anna.page.get_by_role("button", name="Dismiss message").click()
    await expect(anna.page.get_by_text("A secret.")).to_have_count(0)


async def test_a_button_shows_that_it_was_pressed_until_the_bot_answers(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await card(window, "a red boat")
    await window.button("Reroll").click()
    await expect(window.last.get_by_role("img", name="A picture of a red boat again")).to_be_visible()
    await expect(window.last.locator("[aria-busy=true]")).to_have_count(0)


@pytest.fixture
def patient(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the playground's clock, moved by hand, ends what nobody answers."""
    monkeypatch.setattr(playground.interactions, "patience", 600.0)


@pytest.mark.usefixtures("patient")
async def test_a_press_that_nobody_answers_fails_visibly(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await ask(window, "/forgotten")
    await expect(window.last).to_contain_text("Press it")
    await window.button("Nothing").click()
    await expect(window.button("Nothing")).to_have_attribute("aria-busy", "true")
    playground.clock.advance(600)
    await expect(window.last.get_by_role("alert")).to_have_text("This interaction failed.")
    await expect(window.button("Nothing")).not_to_have_attribute("aria-busy", "true")


@pytest.mark.usefixtures("patient")
async def test_a_command_that_nobody_answers_fails_visibly(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    bot.heard.clear()
    await ask(window, "/silent")
    echo = window.page.locator(".echo")
    await expect(echo).to_contain_text("Sending command…")
    await expect(echo).to_contain_text("Anna used /silent")
    playground.clock.advance(600)
    await expect(echo.get_by_role("alert")).to_have_text("The bot did not respond in time.")
    await echo.get_by_role("button", name="Dismiss message").click()
    await expect(echo).to_have_count(0)


async def test_a_deleted_message_goes(playground: Playground, bot: PageBot, windows: Windows) -> None:
    window = await windows.open(playground.url)
    await card(window, "a black box")
    await window.button("Delete").click()
    await expect(window.page.get_by_role("img", name="A picture of a black box")).to_have_count(0)


async def test_galleries_hold_one_to_ten_pictures(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    for count in range(1, 11):
        await card(window, f"{count} green dots", f"count:{count}")
        pictures = window.last.locator(".mosaic img")
        await expect(pictures).to_have_count(count)
        sides = await pictures.evaluate_all(
            "all => all.flatMap((one) => [one.clientWidth, one.clientHeight]).toSorted((a, b) => a - b)"
        )
        assert sides[0] > 60
        assert await window.overflow() <= 0


async def test_the_lightbox_is_used_with_the_keyboard(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    keyboard = window.page.keyboard
    await card(window, "two blue squares", "count:2")
    opener = window.last.get_by_role("button", name=re.compile("^Open picture")).first
    await opener.focus()
    await keyboard.press("Enter")
    box = window.page.get_by_role("dialog", name="Picture")
    await expect(box).to_contain_text("1 of 2 · 128 × 128 · picture0.png")
    await keyboard.press("ArrowRight")
    await expect(box).to_contain_text("2 of 2")
    await expect(box).to_contain_text("A picture of two blue squares")
    for _ in range(8):
        await keyboard.press("Tab")
        assert await window.page.evaluate(
            """() => [document.body, ...document.querySelectorAll("dialog, dialog *")]
                .includes(document.activeElement)"""
        )
    async with window.page.expect_download() as download:
        await box.get_by_role("link", name="Download").click()
    assert (await download.value).suggested_filename == "picture1.png"
    await keyboard.press("Escape")
    await expect(box).to_have_count(0)
    await expect(opener).to_be_focused()


async def test_a_modal_is_filled_in_checked_and_sent(
    playground: Playground, bot: PageBot, windows: Windows, tmp_path: Path
) -> None:
    window = await windows.open(playground.url)
    keyboard = window.page.keyboard
    file = tmp_path / "sketch.png"
    file.write_bytes(b"not really")
    await card(window, "a modal case")
    await window.button("Settings").click()
    modal = window.page.get_by_role("dialog", name="Change it")
    await expect(modal.get_by_label("Prompt")).to_be_focused()
    await keyboard.type("ab")
    await modal.get_by_role("button", name="Submit").click()
    await expect(modal).to_contain_text("Write at least 3 characters.")
    await expect(modal).to_contain_text("Choose one.")
    await modal.get_by_label("Prompt").fill("abc def")
    await modal.get_by_label("Sampler").focus()
    await keyboard.press("Enter")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(modal.get_by_label("Sampler")).to_contain_text("Euler a")
    await modal.get_by_text("WebP").click()
    await modal.locator("input[type=file]").set_input_files(file)
    await modal.get_by_role("button", name="Submit").click()
    await expect(modal).to_have_count(0)
    await expect(window.last).to_contain_text("abc def | Euler a | webp | sketch.png")


async def test_escape_leaves_a_modal_and_gives_the_focus_back(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await card(window, "a way out")
    await window.button("Settings").focus()
    await window.page.keyboard.press("Enter")
    await expect(window.page.get_by_role("dialog", name="Change it")).to_be_visible()
    await window.page.keyboard.press("Escape")
    await expect(window.page.get_by_role("dialog")).to_have_count(0)
    await expect(window.button("Settings")).to_be_focused()


async def test_embeds_and_selects_of_classic_messages(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await ask(window, "/classic")
    embed = window.last.locator(".embed")
    await expect(embed.locator(".embed-title em")).to_have_text("this")
    await expect(embed).to_contain_text("A footer")
    await expect(embed.locator("dt")).to_have_text(["Steps", "Seed"])
    await window.last.get_by_role("combobox", name="Choose a sampler").click()
    await window.page.get_by_role("option", name="DDIM").click()
    await expect(window.last).to_contain_text("You chose DDIM.")
    people = window.page.get_by_role("combobox", name="Choose people").last
    await people.click()
    await window.page.get_by_role("option", name="Mina").click()
    await window.page.get_by_role("option", name="Anna").click()
    await window.page.get_by_role("button", name="Done").click()
    await expect(window.last).to_contain_text(re.compile("You chose (Anna and Mina|Mina and Anna)"))


async def test_a_command_of_a_message_menu_reaches_the_bot(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("words to repeat")
    await window.page.keyboard.press("Enter")
    await expect(window.last).to_contain_text("words to repeat")
    await window.last.hover()
    await window.last.get_by_role("button", name="More about this message").click()
    await window.page.get_by_role("menuitem", name="Repeat this").click()
    await expect(window.last).to_contain_text("It said: words to repeat")


async def test_a_messages_menu_opens_by_a_right_click_and_a_touch(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("words for a menu")
    await window.page.keyboard.press("Enter")
    await expect(window.last).to_contain_text("words for a menu")
    await window.last.get_by_text("words for a menu").click(button="right")
    await window.page.get_by_role("menuitem", name="Repeat this").click()
    await expect(window.last).to_contain_text("It said: words for a menu")
    await expect(window.last.locator(".origin")).to_contain_text("Anna used Repeat this")

    phone = await windows.open(playground.url, size=(390, 844), touch=True)
    more = phone.last.get_by_role("button", name="More about this message")
    await expect(more.locator("..")).to_have_css("opacity", "1")
    await more.tap()
    await expect(phone.page.get_by_role("menuitem", name="Repeat this")).to_be_visible()


async def test_buttons_fit_the_card_on_a_phone(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url, size=(390, 844), touch=True)
    await card(window, "four red dots", "count:4")
    assert await window.overflow() <= 0
    for name in ("Reroll", "Settings", "Delete"):
        box = await window.button(name).bounding_box()
        assert box is not None
        assert box["height"] >= 40
        assert box["x"] + box["width"] <= 390


async def test_a_spoiler_is_covered_until_it_is_pressed(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window, world = await windows.open(playground.url), playground.world
    file = Upload(key=0, filename="SPOILER_end.png", content=png(9, 9))
    secret = draft({"content": "it ends ||well||"}, [file])
    message = world.post(world.people[1], world.first_channel, secret)
    text = window.last.get_by_role("button", name="Spoiler, press to show")
    await expect(window.last.get_by_text("well")).to_be_hidden()
    await text.focus()
    await window.page.keyboard.press("Enter")
    await expect(window.last.get_by_text("well")).to_be_visible()
    message = world.edit(message, draft({"content": "it ||all|| ends ||well||"}, (), message))
    await expect(text).to_have_text("all")
    await expect(window.last.get_by_text("well")).to_be_visible()
    await window.last.get_by_role("button", name="Spoiler: show").click()
    world.edit(message, draft({"content": "so it ends"}, (), message))
    await expect(window.last).to_contain_text("so it ends")
    await expect(window.last.locator(".cover")).to_have_count(0)
