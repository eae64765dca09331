"""Shared pictures: shown to a server, found, liked, remixed, taken out again, and judged by moderators."""

from __future__ import annotations

import pytest

from playground.nouns import Json
from playground.person import Asked, Person
from playground.reading import button_labels, components_of, is_ephemeral, pictures_of, text_of
from tests.journeys.stage import Stage, draws, result, says, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE = "More: like this one, where it comes from, save its prompt…"


async def opened(stage: Stage) -> str:
    """A gallery in the showcase."""
    place = stage.mina.channel("showcase")
    said = await told(stage.mina, await stage.mina.command("server gallery", {"channel": place}))
    assert said.startswith("**Gallery** what people share is shown in <#")
    return place


async def shares(person: Person, card: Json, **fields: str) -> str:
    form = await person.press(card, "Share")
    return await told(
        person, await person.submit(form, {name.title(): text for name, text in fields.items()})
    )


async def in_gallery(person: Person, place: str, *words: str) -> Json:
    """The newest message of the gallery with these words."""
    return await person.message(lambda m: m["channel_id"] == place and says(*words)(m))


async def page(person: Person, asked: Asked) -> Json:
    return await person.answer(asked, lambda m: is_ephemeral(m) and "###" in text_of(m))


def labels(card: Json) -> list[str]:
    return [label for label in button_labels(card) if "like" in label.lower()]


async def test_a_picture_is_shared_liked_found_and_remixed_by_somebody_else(stage: Stage) -> None:
    anna, bruno = stage.anna, stage.bruno
    card = await draws(anna, "a *red* circle", steps=3, seed=7)
    assert "Share" not in button_labels(card)  # there is no gallery yet
    assert "has no gallery" in await told(anna, await anna.command("gallery new"))
    place = await opened(stage)
    card = await draws(anna, "a *red* <b>circle</b>", steps=3, seed=7)
    assert button_labels(card)[:5] == ["Reroll", "Edit", "Settings", "Share", "Delete"]
    assert await told(bruno, await bruno.press(card, "Share")) == "Only who asked for a picture shares it."
    said = await shares(anna, card, title="Round **thing**", tags="#Warm, simple")
    assert said.startswith("It is in the gallery: https://discord.com/channels/")
    post = await in_gallery(bruno, place, "Round")
    assert post["id"] in said
    text = text_of(post)
    assert "### Round \\*\\*thing\\*\\*" in text
    assert "> a \\*red\\* \\<b\\>circle" in text
    assert "#warm" in text
    assert f"shared by <@{anna.id}>" in text
    assert post["mentions"] == []
    assert len(pictures_of(post)) == 1
    assert button_labels(post) == ["Like", "Use this prompt", "Remix", "Report"]
    again = await told(anna, await anna.press(card, "Share"))
    assert again.endswith(post["id"])
    assert again.startswith("It is shared already: ")

    assert await told(anna, await anna.press(post, "Like")) == "This is yours; likes come from others."
    await bruno.press(post, "Like")
    post = await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
    assert len(pictures_of(post)) == 1
    assert post["components"][0]["components"][1]["items"][0]["media"]["url"] == pictures_of(post)[0]["url"]
    await bruno.press(post, "1 like")
    post = await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["Like"])

    line = await told(bruno, await bruno.press(post, "Use this prompt"))
    assert "/imagine prompt:a *red* <b>circle</b>" in line
    form = await bruno.press(post, "Remix")
    remix = await result(bruno, await bruno.submit(form, {"Prompt": "a blue circle"}))
    assert (await shares(bruno, remix)).startswith("It is in the gallery: ")
    child = await in_gallery(anna, place, "a blue circle", "remixed from")
    assert f"remixed from <@{anna.id}>: [this one](https://discord.com/channels/" in text_of(child)
    assert f"/{place}/{post['id']})" in text_of(child)

    link = f"https://discord.com/channels/{anna.guild['id']}/{place}/{child['id']}"
    tree = await told(anna, await anna.command("lineage", {"message": link}))
    first, second = tree.splitlines()[1:]
    assert "red" in first
    assert f"/{post['id']})" in first
    assert "**▸** a blue circle" in second
    assert "no link" in await told(anna, await anna.command("lineage", {"message": "https://a.b/c"}))

    found = await page(bruno, await bruno.command("gallery search", {"words": 'RED "circ* ('}))
    assert "Round" in text_of(found)
    assert "a blue circle" not in text_of(found)
    assert is_ephemeral(found)
    assert {each["value"] for each in await bruno.autocomplete("gallery top", "tag", "wa")} == {"warm"}
    tagged = await page(bruno, await bruno.command("gallery top", {"tag": "WARM", "when": "week"}))
    assert "Round" in text_of(tagged)
    menu = next(part for part in components_of(found) if part.get("custom_id") == "gallery:open")
    shown = await bruno.answer(await bruno.select(found, "gallery:open", [menu["options"][0]["value"]]))
    assert len(pictures_of(shown)) == 1
    alike = await page(bruno, await bruno.select(shown, MORE, ["alike"]))
    assert "a blue circle" in text_of(alike)

    form = await bruno.select(post, MORE, ["mine"])
    saved = await told(bruno, await bruno.submit(form, {"Prompt": "{prompt}, round"}))
    assert saved == "Saved `Round **thing** after @Anna` as one of your styles."
    styled = await draws(bruno, "a hat", style="Round **thing** after @Anna")
    assert "a hat, round" in text_of(styled)

    await anna.press(await anna.answer(await anna.select(post, MORE, ["out"])), "Take it out")
    await bruno.until(lambda: post["id"] in bruno.deleted)
    assert "Round" not in text_of(await page(bruno, await bruno.command("gallery new")))
    child = await anna.message(lambda m: m["id"] == child["id"] and "remixed from" not in text_of(m))
    await bruno.press(remix, "Delete")
    await bruno.until(lambda: child["id"] in bruno.deleted)
