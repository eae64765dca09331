"""Writing in the composer: plain text, commands, options, suggestions and files."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from discord import app_commands
from playwright.async_api import Route, WebSocketRoute, expect

from playground.server import Playground
from tests.browser import Window, Windows
from tests.playground.page.bot import PageBot

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def answered(window: Window, prompt: str) -> None:
    await expect(window.last.get_by_role("img", name=f"A picture of {prompt}").first).to_be_visible()


async def test_a_command_typed_as_plain_text_makes_a_picture(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await expect(window.writing).to_have_attribute(
        "placeholder", "Try /imagine a boat with a white sail on the sea"
    )
    await window.writing.press_sequentially("/imagine a red star")
    await window.page.keyboard.press("Enter")
    await answered(window, "a red star")
    assert bot.heard[-1]["prompt"] == "a red star"
    await expect(window.last.locator(".origin")).to_contain_text("Anna used /imagine")


async def test_a_command_pasted_whole_is_taken_apart(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/imagine prompt: a blue moon steps: 7 size:Wide")
    await expect(window.option("prompt")).to_have_value("a blue moon")
    await expect(window.option("steps")).to_have_value("7")
    await window.option("prompt").press("Enter")
    await answered(window, "a blue moon")
    heard = bot.heard[-1]
    assert (heard["prompt"], heard["steps"], heard["size"]) == ("a blue moon", 7, "3:2")


async def test_an_example_fills_the_composer_and_enter_sends_it(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.page.get_by_role("button", name="a boat with a white sail on the sea").click()
    await expect(window.option("prompt")).to_be_focused()
    await window.page.keyboard.press("Enter")
    await answered(window, "a boat with a white sail on the sea")
    await expect(window.writing).to_be_focused()
    await expect(window.page.locator(".chips")).to_be_hidden()


async def test_a_picture_can_be_asked_for_with_the_keyboard_alone(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    keyboard = window.page.keyboard
    await expect(window.writing).to_be_focused()
    await keyboard.type("/")
    await expect(window.page.get_by_role("option").first).to_contain_text("/imagine")
    await keyboard.type("ima")
    await expect(window.page.get_by_role("option")).to_have_count(1)
    await keyboard.press("Tab")
    await keyboard.type("green hills")
    await keyboard.press("Tab")
    await keyboard.type("si")
    await keyboard.press("Enter")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(window.option("size")).to_have_value("Wide")
    await keyboard.type("sam")
    await keyboard.press("Enter")
    await keyboard.type("ddi")
    await expect(window.page.get_by_role("option", name="DDIM")).to_be_visible()
    await keyboard.press("Enter")
    await keyboard.press("Enter")
    await answered(window, "green hills")
    heard = bot.heard[-1]
    assert (heard["prompt"], heard["size"], heard["sampler"]) == ("green hills", "3:2", "ddim")


async def test_enter_sends_at_once_what_is_just_what_is_suggested(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/imagine prompt:a lamp sampler:")
    await window.option("sampler").press_sequentially("ddim")
    await expect(window.page.get_by_role("option", name="DDIM")).to_be_visible()
    await window.page.keyboard.press("Enter")
    await answered(window, "a lamp")
    assert bot.heard[-1]["sampler"] == "ddim"


async def test_what_is_missing_or_out_of_range_is_said_and_not_sent(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    before = len(bot.heard)
    panel = window.page.locator(".composer-panel")
    await window.writing.press_sequentially("/imagine ")
    await window.page.keyboard.press("Enter")
    await expect(panel).to_contain_text("This option is required.")
    await expect(window.option("prompt")).to_have_attribute("aria-invalid", "true")
    await window.option("prompt").fill("a house")
    await window.page.locator(".more-options").fill("steps")
    await window.page.keyboard.press("Enter")
    for wrong, said in (
        ("99", "The largest value is 50."),
        ("0", "The smallest value is 1."),
        ("x", "whole number"),
    ):
        await window.option("steps").fill(wrong)
        await window.page.keyboard.press("Enter")
        await expect(panel).to_contain_text(said)
    assert len(bot.heard) == before
    await window.option("steps").fill("12")
    await window.page.keyboard.press("Enter")
    await answered(window, "a house")
    assert bot.heard[-1]["steps"] == 12


async def test_backspace_takes_a_command_apart_again(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    keyboard = window.page.keyboard
    await window.writing.press_sequentially("/imagine x")
    await expect(window.option("prompt")).to_have_value("x")  # the commands may have come while it was typed
    await keyboard.press("Tab")
    await keyboard.type("steps")
    await keyboard.press("Enter")
    await expect(window.option("steps")).to_be_focused()
    await keyboard.press("Backspace")
    await expect(window.option("steps")).to_have_count(0)
    await expect(window.option("prompt")).to_be_focused()
    await keyboard.press("Backspace")
    await keyboard.press("Backspace")
    await expect(window.writing).to_have_value("/imagine")
    await keyboard.press("Escape")
    await expect(window.page.locator(".composer-panel")).to_be_hidden()


async def test_the_last_command_comes_back_with_the_up_arrow(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/imagine a white cat")
    await window.page.keyboard.press("Enter")
    await answered(window, "a white cat")
    await window.writing.press("ArrowUp")
    await expect(window.option("prompt")).to_have_value("a white cat")


async def test_subcommands_are_offered_side_by_side(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/queue")
    await window.page.get_by_role("option", name="/queue show").click()
    await window.page.get_by_role("button", name="Send").click()
    await expect(window.last).to_contain_text("Nobody waits.")
    await expect(window.last.locator(".origin")).to_contain_text("used /queue show")


async def test_a_file_goes_into_the_option_that_takes_one(
    playground: Playground, bot: PageBot, windows: Windows, tmp_path: Path
) -> None:
    window = await windows.open(playground.url)
    file = tmp_path / "start.txt"
    file.write_text("hello")
    await window.writing.fill("/imagine a ship")
    async with window.page.expect_file_chooser() as chosen:
        await window.page.get_by_role("button", name="Attach a file").click()
    await (await chosen.value).set_files(file)
    await expect(window.page.locator(".pill-file-name")).to_have_text("start.txt")
    await window.option("prompt").press("Enter")
    await answered(window, "a ship")
    assert bot.heard[-1]["image"] == "start.txt"


async def test_a_file_dropped_on_the_chat_is_sent_with_a_message(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.page.evaluate(
        """() => {
            const files = new DataTransfer();
            files.items.add(new File(["hello"], "<b>note.txt", {type: "text/plain"}));
            const chat = document.querySelector("main");
            const how = {dataTransfer: files, bubbles: true, cancelable: true};
            for (const type of ["dragenter", "drop"]) chat.dispatchEvent(new DragEvent(type, how));
        }"""
    )
    await expect(window.page.get_by_role("list", name="Files to send")).to_contain_text("note")
    await window.writing.fill("look at this")
    await window.page.keyboard.press("Enter")
    await expect(window.last).to_contain_text("look at this")
    await expect(window.last.locator(".file-name")).to_contain_text("note")
    await expect(window.page.get_by_role("list", name="Files to send")).to_be_hidden()


async def test_a_file_over_the_limit_is_refused_in_words(
    playground: Playground, bot: PageBot, windows: Windows, tmp_path: Path
) -> None:
    window = await windows.open(playground.url)
    file = tmp_path / "large.bin"
    file.write_bytes(bytes(10 * 1024 * 1024 + 1))
    await window.page.locator(".composer-row > input[type=file]").set_input_files(file)
    await expect(window.page.locator(".composer-note")).to_contain_text("at most 10 MB")


async def test_plain_words_reach_the_others_at_once(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    anna = await windows.open(playground.url)
    bruno = await windows.open(f"{playground.url}/#user=Bruno")
    await anna.writing.press_sequentially("Hel")
    await expect(bruno.page.locator(".typing")).to_have_text("Anna is typing…")
    await anna.writing.press_sequentially("lo **all**")
    await anna.writing.press("Shift+Enter")
    await anna.writing.press_sequentially("two lines")
    await anna.writing.press("Enter")
    await expect(bruno.last.locator("strong")).to_have_text("all")
    await expect(bruno.last).to_contain_text("two lines")
    await expect(bruno.page.locator(".typing")).to_be_empty()
    await expect(anna.writing).to_have_value("")


async def test_where_a_person_may_not_write_the_composer_says_so(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.page.get_by_role("button", name="notices").click()
    await expect(window.writing).to_be_disabled()
    await expect(window.writing).to_have_attribute(
        "placeholder", "You may read #notices, but not write here."
    )
    mina = await windows.open(f"{playground.url}/#user=Mina")
    await mina.page.get_by_role("button", name="notices").click()
    await expect(mina.writing).to_be_enabled()


async def test_unfinished_words_wait_in_their_channel(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("half a thought")
    await window.page.get_by_role("button", name="showcase").click()
    await expect(window.writing).to_have_value("")
    await window.writing.fill("/imagine half a command")
    await window.page.get_by_role("button", name="pictures").click()
    await expect(window.writing).to_have_value("half a thought")
    await window.page.get_by_role("button", name="showcase").click()
    await expect(window.option("prompt")).to_have_value("half a command")


async def test_a_command_sent_before_the_list_of_commands_is_there_still_counts(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    allowed = asyncio.Event()

    async def hold(route: Route) -> None:
        await allowed.wait()
        await route.continue_()

    await window.page.route(re.compile(r"/applications/[0-9]+/commands"), hold)
    await window.page.reload()
    await window.writing.fill("/imagine a quick fox")
    await window.writing.press("Enter")
    await expect(window.writing).to_have_value("/imagine a quick fox")
    allowed.set()
    await answered(window, "a quick fox")


async def test_what_is_typed_before_the_page_has_connected_stays(
    playground: Playground, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    connected = asyncio.Event()

    async def hold(socket: WebSocketRoute) -> None:
        await connected.wait()
        socket.connect_to_server()

    await window.page.route_web_socket("**/*", hold)
    await window.page.reload()
    await window.writing.fill("first words")
    connected.set()
    await expect(window.page.get_by_role("button", name="pictures")).to_be_visible()
    await expect(window.writing).to_be_enabled()
    await expect(window.writing).to_have_value("first words")
    await window.close()  # nobody else may wait for sockets there


async def test_a_command_to_nobody_is_not_sent_as_words(windows: Windows) -> None:
    async with Playground() as empty:
        window = await windows.open(empty.url)
        await window.writing.fill("/imagine a cat")
        await window.writing.press("Enter")
        await expect(window.page.locator(".composer-note")).to_contain_text("No bot is connected yet")
        await expect(window.writing).to_have_value("/imagine a cat")
        await window.close()


async def test_people_channels_roles_and_numbers_are_options_too(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/say text:many kinds to:Min")
    await window.option("to").focus()
    await expect(window.page.get_by_role("option", name="Mina")).to_be_visible()
    await window.page.keyboard.press("Enter")
    for name, typed in (("where", "show"), ("role", "regu")):
        await window.page.keyboard.type(name)
        await window.page.keyboard.press("Enter")
        await window.page.keyboard.type(typed)
        await window.page.keyboard.press("Tab")
    await window.page.keyboard.type("amount")
    await window.page.keyboard.press("Enter")
    await window.page.keyboard.type("-2.5")
    await window.page.keyboard.press("Enter")
    await expect(window.last).to_contain_text("many kinds")
    assert bot.heard[-1] == {"text": "many kinds", "names": ["mina", "showcase", "Regular"], "amount": -2.5}


async def test_a_lost_session_leaves_what_is_being_written_alone(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await expect(window.writing).to_have_attribute("placeholder", re.compile("Try /imagine"))
    await window.writing.press_sequentially("/imagine half of ")
    await expect(window.option("prompt")).to_be_focused()
    async with window.page.expect_websocket():
        playground.gateway.invalidate(people=True)
    await window.page.locator(".message-area").get_by_text("Loading messages").wait_for(state="hidden")
    await window.page.keyboard.type("it")
    await expect(window.option("prompt")).to_have_value("half of it")
    await expect(window.option("prompt")).to_be_focused()


async def test_a_command_that_was_registered_again_meanwhile_is_still_sent(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.writing.fill("/imagine a patient fox")
    for command in bot.tree.get_commands():
        if isinstance(command, app_commands.Command):
            command.description += "!"
    await bot.tree.sync()
    await expect(window.page.locator(".command-name")).to_have_attribute("title", re.compile("!$"))
    await expect(window.option("prompt")).to_have_value("a patient fox")
    await window.option("prompt").press("Enter")
    await answered(window, "a patient fox")
