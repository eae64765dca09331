"""Writing in the composer: plain text, commands, options, suggestions and files."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from playground.server import Playground
from tests.browser import Windows
from tests.playground.page.bot import PageBot

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_command_typed_as_plain_text_makes_a_picture(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    await expect(window.writing).to_have_attribute("placeholder", "Try /imagine a red circle on a blue background")
    await window.writing.press_sequentially("/imagine a red star")
    await window.page.keyboard.press("Enter")
    shown = window.last.get_by_role("img", name="A picture of a red star")
    await expect(shown).to_be_visible()
    assert bot.heard[-1]["prompt"] == "a red star"
    await window.page.screenshot(path="/tmp/page/t1.png")
