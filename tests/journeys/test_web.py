"""A server opens its gallery to the web, and closes it."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from playground.reading import button_labels, components_of, pictures_of, text_of
from tests.journeys.kept import rows, until
from tests.journeys.stage import draws, staged, told
from tests.journeys.test_sharing import in_gallery, opened, page, reports, shares
from tests.ports import free_port

NOTHING = "Nothing has been shared here yet"


async def test_who_manages_a_server_opens_its_gallery_and_closes_it(tmp_path: Path) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    async with (
        staged(tmp_path, WEB_GALLERY="true", WEB_PORT=str(port)) as stage,
        aiohttp.ClientSession(site) as browser,
    ):
        guild = stage.playground.world.guild
        gallery = f"/{guild.id}"

        async def status() -> int:
            async with browser.get(gallery) as answer:
                return answer.status

        assert await status() == 404
        said = await told(stage.mina, await stage.mina.command("server web", {"open": True}))
        assert "**Gallery on the web** open" in said
        assert f"{site}{gallery}" in said.replace("\\", "")
        assert "There is no gallery yet" in said
        assert await status() == 404
        place = await opened(stage)
        async with browser.get("/") as answer:
            assert str(answer.url) == f"{site}{gallery}"
            text = await answer.text()
        assert f"<bdi>{guild.name}</bdi>" in text
        assert "Nothing is shared here yet." in text
        async with browser.get(gallery, headers={"Accept-Language": "de-CH"}) as answer:
            assert "Hier ist noch nichts geteilt." in await answer.text()

        card = await draws(stage.anna, "a red <b>circle</b>", steps=3)
        assert f"sees it on the web, too: {site}{gallery}" in await shares(
            stage.anna, card, title="Round", tags="warm"
        )
        async with browser.get(gallery) as answer:
            text = await answer.text()
        assert 'alt="Round: a red &lt;b&gt;circle&lt;/b&gt;"' in text
        assert "Anna</bdi>" in text
        [thumbnail] = re.findall(r'src="(/[^"]*\.webp)"', text)
        async with browser.get(thumbnail) as answer:
            assert (answer.status, answer.content_type) == (200, "image/webp")
        async with browser.get(thumbnail.replace(".webp", ".png")) as answer:
            original = await answer.read()
        async with browser.get(pictures_of(card)[0]["url"]) as answer:
            assert original == await answer.read()

        await told(stage.mina, await stage.mina.command("server gallery"))
        assert await status() == 404
        await told(stage.mina, await stage.mina.command("server gallery", {"channel": place}))
        assert await status() == 200
        await told(stage.mina, await stage.mina.command("server web", {"open": False}))
        assert await status() == 404
        async with browser.get(thumbnail) as answer:
            assert answer.status == 404


async def test_what_only_adults_may_see_is_neither_in_the_web_nor_found_elsewhere(tmp_path: Path) -> None:
    port = free_port()
    async with (
        staged(tmp_path, WEB_GALLERY="true", WEB_PORT=str(port)) as stage,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as browser,
    ):
        anna, mina = stage.anna, stage.mina

        async def shown() -> str | None:
            async with browser.get(f"/{stage.playground.world.guild.id}") as answer:
                return await answer.text() if answer.status == 200 else None

        async def restrict(place: str, nsfw: bool) -> None:
            await mina.manage(place, nsfw=nsfw)
            noted = f"SELECT 1 FROM eras WHERE channel = {place} AND adults = {int(nsfw)}"
            await until(lambda: rows(stage, noted))

        async def new_ones() -> str:
            return text_of(await page(anna, await anna.command("gallery new")))

        place = await opened(stage)
        await shares(anna, await draws(anna, "a bright thing"))
        await told(mina, await mina.command("server web", {"open": True}))
        assert "a bright thing" in (await shown() or "")

        await restrict(place, True)
        assert f"age-restricted; ask again in <#{place}>" in await told(
            anna, await anna.command("gallery new")
        )
        assert await shown() is None
        await told(mina, await mina.command("server web", {"open": False}))
        said = await told(mina, await mina.command("server web", {"open": True}))
        assert "asks nobody how old they are" in said
        assert "127.0.0.1" not in said
        cards = [await draws(anna, f"a dark {number}", channel_id=place) for number in ("one", "two")]
        said = await shares(anna, cards[0])
        assert "It is in the gallery" in said
        assert "on the web" not in said
        dark = await in_gallery(anna, place, "a dark one")
        new = await page(anna, await anna.command("gallery new", channel_id=place))
        assert "a dark one" in text_of(new)
        assert "a bright thing" in text_of(new)

        said = await told(mina, await mina.command("server gallery", {"channel": mina.channel("pictures")}))
        assert said.startswith("**Gallery**")
        assert "asks nobody" not in said
        assert "Nothing is shared here yet." in (await shown() or "")
        assert NOTHING in await new_ones()
        menu = next(part for part in components_of(new) if part.get("custom_id") == "gallery:open")
        old = await anna.select(new, "gallery:open", [menu["options"][0]["value"]])
        assert pictures_of(await anna.answer(old)), "one's own"
        assert "asked for in an age-restricted channel" in await shares(anna, cards[1])
        await reports(stage.bruno, dark, "too dark")
        held = await mina.answer(await mina.command("moderate"))
        await mina.press(held, "Hide")
        held = await mina.message(lambda m: m["id"] == held["id"] and button_labels(m) == ["Show it again"])
        assert "shared in an age-restricted channel" in await told(
            mina, await mina.press(held, "Show it again")
        )

        assert await stage.bot.stop() == 0
        await mina.manage(place, nsfw=False)  # which the bot finds out at its next start
        await stage.bot.start()
        await until(lambda: rows(stage, f"SELECT 1 FROM eras WHERE channel = {place} AND NOT adults"))
        assert "a bright thing" in await new_ones()
        assert "in the gallery again" in await told(mina, await mina.press(held, "Show it again"))
        assert "a dark one" in (await shown() or "")
        # Deleted, it cannot be asked any more; what is known of it stays.
        await restrict(place, True)
        assert NOTHING in await new_ones()
        said = await told(
            mina, await mina.command("server gallery", {"channel": mina.channel("after-hours")})
        )
        assert "asks nobody how old they are" in said
        await told(mina, await mina.command("server gallery", {"channel": mina.channel("pictures")}))
        await mina.remove_channel(place)
        assert NOTHING in await new_ones()
        assert "Nothing is shared here yet." in (await shown() or "")
