"""Forms that buttons and menus open: Edit and Save as style."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from generation.upscalers import NONE_HERE
from playground.person import Asked
from playground.reading import button_labels, pictures_of, text_of
from tests.journeys.stage import Stage, draws, result, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG file that says nothing."""

MORE = "More: zoom out, pan, save as a style…"


def fields(asked: Asked) -> dict[str, str]:
    assert asked.modal is not None
    return {part["label"]: part["component"].get("value", "") for part in asked.modal["components"]}


async def test_edit_begins_with_what_it_was_and_changes_only_what_was_changed(stage: Stage) -> None:
    card = await draws(
        stage.anna, "a red {circle|square}", negative_prompt="blue", steps=3, guidance=4.5, seed=7, count=2
    )
    form = await stage.bruno.press(card, "Edit")
    assert fields(form) == {
        "Prompt": "a red {circle|square}",
        "Negative prompt": "blue",
        "Steps": "3",
        "Guidance": "4.5",
        "Seed": "7",
    }
    assert form.modal is not None
    assert [part["component"]["max_length"] for part in form.modal["components"]] == [2000, 2000, 40, 40, 40]
    changes = {"Prompt": "a green star", "Negative prompt": "", "Guidance": "6,5"}
    again = await result(stage.bruno, await stage.bruno.submit(form, changes))
    said = text_of(again)
    assert "> a green star" in said
    assert "3 steps · guidance 6.5 · Euler · seeds 7 to 8" in said
    assert f"asked by <@{stage.bruno.ready['user']['id']}>" in said
    assert "without: blue" not in said
    assert len(pictures_of(again)) == 2
    assert f"made from [this one](https://discord.com/channels/{stage.anna.guild['id']}/" in said
    assert f"/{card['id']})" in said
    settings = await told(stage.bruno, await stage.bruno.press(again, "Settings"))
    assert f"/{card['id']}" in settings  # where it comes from


async def test_an_empty_seed_is_a_new_one(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", seed=7)
    again = await result(
        stage.anna, await stage.anna.submit(await stage.anna.press(card, "Edit"), {"Seed": ""})
    )
    assert "seed 7 " not in text_of(again) + " "
    assert "seed " in text_of(again)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"Steps": "many"}, "`many` is no number of steps; type a whole number like 20."),
        ({"Steps": "100000"}, "100000 steps are not possible"),
        ({"Guidance": "a lot"}, "`a lot` is no guidance; type a number like 7.5."),
        ({"Guidance": "inf"}, "A guidance of inf is not possible"),
        ({"Seed": "-3"}, "`-3` is no seed"),
        ({"Seed": "99999999999999999999999999"}, "is out of range"),
    ],
)
async def test_what_cannot_be_is_a_private_sentence_and_what_was_typed_comes_back(
    typed: dict[str, str], sentence: str, stage: Stage
) -> None:
    card = await draws(stage.anna, "a red circle " * 8)
    asked = await stage.anna.submit(await stage.anna.press(card, "Edit"), typed)
    assert sentence in await told(stage.anna, asked)
    returned = await stage.anna.answer(asked, lambda message: message["attachments"])
    assert (
        typed.get("Prompt", "a red circle") in (await stage.anna.fetch(returned["attachments"][0])).decode()
    )


async def test_a_style_is_saved_from_a_picture_for_the_server_by_who_may_else_for_oneself(
    stage: Stage,
) -> None:
    card = await draws(stage.anna, "a red circle in oil", negative_prompt="blue")
    mine = await stage.anna.select(card, MORE, ["save as a style"])
    saved = await stage.anna.submit(mine, {"Name": "Inky", "Prompt": "{prompt} in ink"})
    assert "Saved `Inky` as one of your styles." in await told(stage.anna, saved)
    assert "> a star in ink" in text_of(await draws(stage.anna, "a star", style="inky"))
    assert "I do not know the style" in await told(
        stage.bruno, await stage.bruno.command("imagine", {"prompt": "a star", "style": "inky"})
    )
    form = await stage.mina.select(card, MORE, ["save as a style"])
    assert fields(form) == {"Name": "", "Prompt": "a red circle in oil", "Negative prompt": "blue"}
    saved = await stage.mina.submit(form, {"Name": "Oily", "Prompt": "{prompt} in oil"})
    assert "Saved `Oily` as one of the styles of this server." in await told(stage.mina, saved)
    assert "> a star in oil" in text_of(await draws(stage.bruno, "a star", style="oily"))
    nameless = await stage.mina.select(card, MORE, ["save as a style"])
    nameless = await stage.mina.submit(nameless, {"Name": "  ‎ "})
    assert "is not possible for a style" in await told(stage.mina, nameless)


async def test_a_message_of_ours_is_remixed_as_by_edit_and_any_other_by_what_its_file_says(
    stage: Stage,
) -> None:
    card = await draws(stage.anna, "a red circle", seed=7, steps=3, size="192x128")
    form = await stage.bruno.command("Remix this", target=card["id"])
    assert fields(form)["Prompt"] == "a red circle"
    again = await result(stage.bruno, await stage.bruno.submit(form, {"Prompt": "a blue one"}))
    settings = await told(stage.bruno, await stage.bruno.press(again, "Settings"))
    assert f"/{card['id']}" in settings

    file = await stage.anna.fetch(pictures_of(card)[0])
    posted = await stage.bruno.say("look", files=[("found.png", file)])
    form = await stage.anna.command("Remix this", target=posted["id"])
    assert fields(form) == {
        "Prompt": "a red circle",
        "Negative prompt": "",
        "Steps": "3",
        "Guidance": "5",
        "Seed": "7",
    }
    again = await result(stage.anna, await stage.anna.submit(form, {"Steps": "4"}))
    assert "192 × 128 · 4 steps" in text_of(again)
    assert "seed 7" in text_of(again)

    words = await stage.bruno.say("no picture here")
    refused = await stage.anna.command("Remix this", target=words["id"])
    assert await told(stage.anna, refused) == "There is no picture in that message."
    nothing = await stage.bruno.say("", files=[("plain.png", PLAIN)])
    refused = await stage.anna.command("Remix this", target=nothing["id"])
    assert await told(stage.anna, refused) == "This picture holds no settings."


async def test_upscale_on_a_message_asks_which_of_its_pictures(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", count=2)
    choice = await stage.bruno.answer(await stage.bruno.command("Upscale", target=card["id"]))
    assert button_labels(choice) == ["Picture 1", "Picture 2"]
    posted = await stage.bruno.say("", files=[("plain.png", PLAIN)])
    refused = await stage.bruno.command("Upscale", target=posted["id"])
    assert await told(stage.bruno, refused) == NONE_HERE


async def test_img2img_is_imagine_from_a_picture(stage: Stage) -> None:
    file = await stage.anna.fetch(pictures_of(await draws(stage.anna, "a red circle", size="192x128"))[0])
    options = {"image": ("photo.png", file), "prompt": "a blue one", "strength": 0.5}
    card = await result(stage.anna, await stage.anna.command("img2img", options))
    assert "160 × 104" in text_of(card)
    assert "from a picture, strength 0.5" in text_of(card)


async def test_a_form_that_was_open_while_the_bot_restarted_still_works(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        card = await draws(stage.anna, "a red circle", seed=7)
        assert button_labels(card)[:2] == ["Reroll", "Edit"]
        open_form = await stage.anna.press(card, "Edit")
        assert await stage.bot.stop() == 0
        await stage.bot.start()
        again = await result(stage.anna, await stage.anna.submit(open_form, {"Prompt": "a blue circle"}))
        assert "> a blue circle" in text_of(again)
        form = await stage.anna.press(card, "Edit")
        assert fields(form)["Seed"] == "7"
