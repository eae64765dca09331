"""Nothing anyone writes becomes markup, a script or a request to another machine."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from playground.drafts import draft
from playground.nouns import MessageFlag, Upload
from playground.server import Playground
from tests.browser import Window, Windows
from tests.playground.page.bot import PageBot

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACKS = [
    "<img src=x onerror=document.title='owned'>",
    "<script>document.title='owned'</script>",
    "[click](javascript:document.title='owned')",
    "<javascript:document.title='owned'>",
    '"><svg onload=document.title=1>',
    "`<b>x</b>` ```html\n<iframe src=//example.com></iframe>```",
    "<style>*{display:none}</style>",
    "&lt;b&gt; &#x3C;img src=x&#x3E;",
    "||<img src=https://example.com/x.png>||",
]


async def unharmed(window: Window) -> None:
    """No element in the list of messages that the page did not make itself, and no handler attribute."""
    found = await window.page.evaluate(
        """() => [...document.querySelectorAll(".messages *")].filter((element) =>
            ["SCRIPT", "IFRAME", "STYLE", "OBJECT"].includes(element.tagName)
            || element.getAttributeNames().some((name) => name.startsWith("on"))
            || /^(javascript|data):/i.test(element.getAttribute("href") ?? "")
            || (element.tagName === "IMG" && !element.getAttribute("src").startsWith("/attachments/"))
        ).map((element) => element.outerHTML)"""
    )
    assert found == []
    assert "owned" not in await window.page.title()


async def test_markup_in_a_prompt_stays_text(playground: Playground, bot: PageBot, windows: Windows) -> None:
    window = await windows.open(playground.url)
    for attack in ATTACKS:
        await window.writing.fill(f"/imagine prompt:{attack}")
        await window.option("prompt").press("Enter")
        alt = "A picture of " + attack.replace("\n", " ")
        await expect(window.last.get_by_role("img").first).to_have_attribute("alt", alt)
        await unharmed(window)


async def test_markup_in_everything_a_bot_may_send_stays_text(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    nasty = "<img src=x onerror=alert(1)>"
    world = playground.world
    embed = {
        "title": nasty,
        "description": nasty,
        "url": "https://example.com/",
        "author": {"name": nasty},
        "footer": {"text": nasty},
        "fields": [{"name": nasty, "value": nasty}],
        "image": {"url": "https://example.com/tracker.png"},
        "thumbnail": {"url": "http://192.0.2.1/tracker.png"},
    }
    select = {
        "type": 3,
        "custom_id": "s",
        "placeholder": nasty,
        "options": [{"label": nasty, "value": nasty, "description": nasty}],
    }
    rows = [
        {"type": 1, "components": [{"type": 2, "style": 1, "label": nasty, "custom_id": nasty}]},
        {"type": 1, "components": [select]},
    ]
    file = Upload(key=0, filename="<b>&quot;.svg", content=b"<svg onload='alert(1)'/>")
    body = {"content": nasty, "embeds": [embed], "components": rows}
    world.post(world.bot, world.first_channel, draft(body, [file]))
    await expect(window.last.locator(".embed-title")).to_have_text(nasty)
    await expect(window.last.get_by_text("not loaded").first).to_be_visible()
    await window.last.get_by_role("combobox").click()
    await expect(window.page.get_by_role("option").first).to_contain_text(nasty)
    await unharmed(window)


async def test_media_of_other_machines_is_named_but_not_fetched(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(playground.url)
    item = {"media": {"url": "https://example.com/cat.png"}, "description": "a cat"}
    body = {"flags": int(MessageFlag.COMPONENTS_V2), "components": [{"type": 12, "items": [item]}]}
    playground.world.post(playground.world.bot, playground.world.first_channel, draft(body, ()))
    await expect(window.last).to_contain_text("a cat")
    await expect(window.last).to_contain_text("not loaded")
    await unharmed(window)


async def test_mentions_are_shown_by_name_and_ping_nobody(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(f"{playground.url}/#user=Bruno")
    bruno = next(person for person in playground.world.people if person.name == "Bruno")
    await window.writing.fill(f"/say text:@everyone and <@{bruno.id}> and <@12345>")
    await window.option("text").press("Enter")
    mentions = window.last.locator(".prose .mention")
    await expect(mentions).to_have_text(["@everyone", "@Bruno", "@unknown-user"])
    assert not await window.last.evaluate("row => row.classList.contains('mentions-me')")


async def test_the_page_runs_under_a_strict_policy(playground: Playground, windows: Windows) -> None:
    window = await windows.open(playground.url)
    answer = await window.page.request.get(playground.url)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "'self'" in policy
    assert (
        await window.page.evaluate(
            "document.querySelectorAll('[style*=expression], script:not([src])').length"
        )
        == 0
    )


async def test_the_page_works_under_its_other_name(
    playground: Playground, bot: PageBot, windows: Windows
) -> None:
    window = await windows.open(f"http://localhost:{playground.port}/#user=Bruno")
    await window.writing.fill("/imagine a red hat")
    await window.page.keyboard.press("Enter")
    await expect(window.last.get_by_role("img", name="A picture of a red hat")).to_be_visible()
    await expect(window.last.locator(".origin")).to_contain_text("Bruno used /imagine")
