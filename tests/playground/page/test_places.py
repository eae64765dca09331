"""Channels, people, histories and connections: where one is and what one is told."""

from __future__ import annotations

import asyncio
import dataclasses
import re

import pytest
from playwright.async_api import Route, expect

from playground import threads
from playground.drafts import Draft, draft
from playground.server import Playground
from tests.browser import DESKTOP, PHONE, Windows
from tests.playground.page.bot import PageBot
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


def said(text: str) -> Draft:
    return draft({"content": text}, ())


async def test_two_windows_are_two_people(playground: Playground, bot: PageBot, windows: Windows) -> None:
    anna = await windows.open(f"{playground.url}/#user=Anna")
    bruno = await windows.open(f"{playground.url}/#user=Bruno")
    await anna.writing.fill("/imagine a red door")
    await anna.page.keyboard.press("Enter")
    for window in (anna, bruno):
        await expect(window.last.locator(".origin")).to_contain_text("Anna used /imagine")
        await expect(window.last.get_by_role("img", name="A picture of a red door")).to_be_visible()


async def test_the_menu_at_the_bottom_changes_who_one_is(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await expect(window.page.get_by_role("button", name=re.compile("moderators"))).to_have_count(0)
    await window.page.get_by_role("button", name=re.compile("Anna Switch person")).click()
    await window.page.get_by_role("menuitemradio", name="Mina").click()
    await expect(window.page.get_by_role("button", name=re.compile("Mina Switch person"))).to_be_visible()
    await expect(window.page.get_by_role("button", name="moderators")).to_be_visible()
    assert "user=" in window.page.url


async def test_the_menu_at_the_bottom_changes_the_language_of_commands(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await window.page.get_by_role("button", name=re.compile("Anna Switch person")).click()
    await window.page.get_by_role("menuitemradio", name="Deutsch").click()
    await window.writing.fill("/im")
    await expect(window.page.get_by_text("Malt ein Bild")).to_be_visible()
    assert playground.world.people[0].locale == "de"


async def test_a_deep_link_opens_its_channel(playground: Playground, bot: PageBot, windows: Windows) -> None:
    showcase = next(c for c in playground.world.channels.values() if c.name == "showcase")
    window = await windows.open(f"{playground.url}/#user=Bruno&channel={showcase.id}")
    await expect(window.page.get_by_role("heading", name="Welcome to #showcase")).to_be_visible()


async def test_other_channels_say_that_there_is_something_new(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    anna = await windows.open(playground.url)
    bruno = await windows.open(f"{playground.url}/#user=Bruno")
    await bruno.page.get_by_role("button", name="showcase").click()
    for text in ("one", "two"):
        await bruno.writing.fill(text)
        await bruno.writing.press("Enter")
    row = anna.page.locator(".channel", has_text="showcase")
    await expect(row.locator(".unread")).to_have_text("2")
    await expect(anna.page).to_have_title(re.compile(r"^\(2\) "))
    await row.click()
    await expect(row.locator(".unread")).to_have_count(0)
    await expect(anna.last).to_contain_text("two")


async def test_the_bot_answers_in_direct_messages(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    direct = window.page.get_by_role("region", name="Direct messages")
    await direct.get_by_role("button").first.click()
    await expect(window.page.get_by_text("This is the beginning of your messages")).to_be_visible()
    await window.writing.fill("/imagine a private star")
    await window.page.keyboard.press("Enter")
    await expect(window.last.get_by_role("img", name="A picture of a private star")).to_be_visible()
    await expect(direct.get_by_role("button")).to_have_count(1)


async def test_people_write_to_each_other_in_direct_messages(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    anna = await windows.open(playground.url)
    mina = await windows.open(f"{playground.url}/#user=Mina")
    members = anna.page.get_by_role("complementary", name="Members")
    await members.get_by_role("button", name="Mina").click()
    await anna.page.get_by_role("menuitem", name="Message Mina").click()
    await expect(anna.writing).to_have_attribute("placeholder", "Message Mina")
    await anna.writing.fill("/imagine is a word here")
    await anna.writing.press("Enter")
    row = mina.page.locator(".channel", has_text="Anna")
    await expect(row.locator(".unread")).to_have_text("1")
    await row.click()
    await expect(mina.last).to_contain_text("/imagine is a word here")


async def test_history_is_there_after_a_reload_and_further_up(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    channel = playground.world.first_channel
    people = list(playground.world.people)
    for number in range(130):
        author = people[number // 3 % 3]
        playground.world.post(author, channel, said(f"line {number}"))
    await expect(window.last).to_contain_text("line 129")
    await window.page.reload()
    await expect(window.last).to_contain_text("line 129")
    scroller = window.page.locator(".scroller")
    assert await scroller.evaluate("s => s.scrollHeight - s.scrollTop - s.clientHeight") < 5
    await expect(window.page.get_by_text("line 129", exact=True)).to_be_in_viewport()
    while not await window.page.get_by_text("line 0", exact=True).count():
        await scroller.evaluate("s => { s.scrollTop = 0; }")
        await window.page.wait_for_function("() => !document.querySelector('.scroller').scrollTop === false")
    playground.world.post(people[1], channel, said("a late one"))
    jump = window.page.get_by_role("button", name=re.compile("1 new message"))
    await jump.click()
    await expect(window.page.get_by_text("a late one", exact=True)).to_be_in_viewport()
    await expect(jump).to_be_hidden()


async def test_who_reads_the_newest_keeps_seeing_it(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    world = playground.world
    for number in range(20):
        world.post(world.people[number % 3], world.first_channel, said(f"many lines\n{number}"))
    await window.writing.fill("/imagine prompt:the newest count:4")
    await window.page.keyboard.press("Enter")
    await expect(window.last.locator(".mosaic img")).to_have_count(4)
    for size in (PHONE, DESKTOP, (1280, 400)):
        await window.page.set_viewport_size({"width": size[0], "height": size[1]})
        await expect(window.button("Reroll")).to_be_in_viewport(ratio=1)
    await expect(window.page.locator(".jump-present")).to_be_hidden()


async def test_a_dropped_connection_is_said_calmly_and_nothing_is_missed(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    world = playground.world
    for text in ("long before", *("and then",) * 50):
        world.post(world.people[1], world.first_channel, said(text))
    window = await windows.open(playground.url)
    await expect(window.messages.first).to_be_visible()
    playground.gateway.drop(people=True)
    world.post(world.people[1], world.first_channel, said("while you were away"))
    await expect(window.last).to_contain_text("while you were away")

    may_go, older = asyncio.Event(), "**/messages?*before=*"

    async def held(route: Route) -> None:
        await may_go.wait()
        await route.continue_()

    await window.page.route(older, held)
    to_the_top = "(scroller) => scroller.scrollTo(0, 0)"
    async with window.page.expect_request(older):
        await window.page.locator(".scroller").evaluate(to_the_top)
    playground.gateway.invalidate(people=True)
    world.post(world.people[1], world.first_channel, said("in a new session"))
    await expect(window.last).to_contain_text("in a new session")
    may_go.set()  # what was asked for in the lost session comes now
    await window.page.locator(".scroller").evaluate(to_the_top)
    await window.page.get_by_text("long before", exact=True).wait_for()
    await expect(window.page.get_by_text("Reconnecting")).to_have_count(0)


async def test_without_a_bot_the_page_says_so(windows: Windows) -> None:
    async with Playground() as empty:
        window = await windows.open(empty.url)
        await expect(window.page.get_by_text("No bot is connected yet.")).to_be_visible()
        await window.writing.fill("/")
        await expect(window.page.locator(".composer-panel")).to_contain_text("No bot is connected yet")
        await window.close()


async def test_a_playground_that_ends_is_noticed(windows: Windows) -> None:
    async with Playground() as short:
        window = await windows.open(short.url)
    await expect(window.page.get_by_text("The connection was lost. Reconnecting…")).to_be_visible()
    assert all("WebSocket" in error or "Failed to load" in error for error in window.errors)
    window.errors.clear()
    await window.close()


async def test_a_playground_that_was_started_again_is_found_again(windows: Windows) -> None:
    port = free_port()
    async with Playground(port=port) as before:
        window = await windows.open(before.url)
    async with Playground(port=port) as after:
        await window.page.get_by_text("Welcome to #pictures").wait_for()
        after.world.post(after.world.people[1], after.world.first_channel, said("a new world"))
        await expect(window.last).to_contain_text("a new world")
        window.errors.clear()
        await window.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_nothing_is_wider_than_the_window(
    playground: Playground, bot: PageBot, windows: Windows, scheme: str
) -> None:
    window = await windows.open(playground.url, scheme="light" if scheme == "light" else "dark")
    await window.writing.fill("w" * 400)
    await window.writing.press("Enter")
    await expect(window.last).to_contain_text("w" * 400)
    await window.writing.fill("/imagine " + "word" * 60)
    for width, height in (DESKTOP, PHONE, (320, 640), (768, 1024), (1920, 1080)):
        await window.page.set_viewport_size({"width": width, "height": height})
        assert await window.overflow() <= 0


async def test_on_a_phone_the_channels_are_in_a_drawer(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url, size=PHONE, touch=True)
    opener = window.page.get_by_role("button", name="Channels")
    row = window.page.locator(".channel", has_text="showcase")
    await expect(row).to_be_hidden()
    await opener.tap()
    await expect(row).to_be_visible()
    box = await row.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    await row.tap()
    await expect(row).to_be_hidden()
    await expect(window.page.locator(".channel-title")).to_have_text("showcase")


async def test_an_address_of_a_message_leads_to_it(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(f"{playground.url}/#user=Bruno")
    world = playground.world
    showcase = next(channel for channel in world.channels.values() if channel.name == "showcase")
    target = world.post(world.people[0], showcase, said("the one that is meant"))
    for number in range(70):
        world.post(world.people[number % 2], showcase, said(f"after it {number}"))
    address = f"https://discord.com/channels/{world.guild.id}/{showcase.id}/{target.id}"
    world.post(world.people[0], world.first_channel, said(f"see {address}"))
    await window.last.get_by_role("button", name="#showcase › message").click()
    await expect(window.page.get_by_text("the one that is meant", exact=True)).to_be_in_viewport()


async def test_code_can_be_copied(playground: Playground, bot: PageBot, windows: Windows) -> None:
    window = await windows.open(playground.url)
    await window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place = playground.world.first_channel
    message = playground.world.post(playground.world.people[1], place, said("```\n/imagine a cat\n```"))
    link = f"https://discord.com/channels/{place.guild}/{place.id}/{message.id}"
    await window.last.get_by_role("button", name="Copy", exact=True).click()
    await expect(window.page.get_by_text("Copied.")).to_be_visible()
    assert await window.page.evaluate("navigator.clipboard.readText()") == "/imagine a cat"
    await window.last.get_by_text("/imagine a cat").click(button="right")
    await window.page.get_by_role("menuitem", name="Copy message link").click()
    await window.page.wait_for_function(
        "link => navigator.clipboard.readText().then(copied => copied === link)", arg=link
    )


async def test_another_server_and_a_thread_can_be_gone_to(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    world = playground.world
    window = await windows.open(f"{playground.url}/#user=Bruno")
    await window.page.get_by_role("button", name="Servers").click()
    await window.page.get_by_role("menuitemradio", name="The Neighbours").click()
    await expect(window.page.get_by_role("heading", name="The Neighbours")).to_be_visible()
    channels = window.page.get_by_role("region", name="Text channels").get_by_role("button")
    await expect(channels).to_have_text(["lobby", "library"])
    members = window.page.get_by_role("complementary", name="Members")
    await expect(members).to_contain_text("Bruno")
    await expect(members).not_to_contain_text("Atelier")
    await expect(window.page.get_by_text("Atelier has no commands here for you")).to_be_visible()
    await window.writing.fill("hello, neighbours")
    await window.writing.press("Enter")
    await expect(window.last).to_contain_text("hello, neighbours")
    assert await window.overflow() <= 0

    await window.page.get_by_role("button", name="Servers").click()
    await window.page.get_by_role("menuitemradio", name="The Studio").click()
    anna = world.people[0]
    thread = threads.begin(world, anna, world.first_channel, "an aside")
    world.post(anna, thread, said("in a thread"))
    await window.page.get_by_role("button", name="an aside").click()
    await expect(window.last).to_contain_text("in a thread")
    await expect(window.writing).to_be_enabled()
    threads.put(world, dataclasses.replace(world.channels[thread.id], locked=True))
    await expect(window.writing).to_be_disabled()
    threads.remove(world, thread)
    await expect(window.page.get_by_role("button", name="an aside")).to_have_count(0)
