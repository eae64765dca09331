"""Starting from pictures that people bring and that the bot drew, with the embedded model."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image, ImageChops, ImageDraw

from generation import metadata
from generation.redraw import largest_difference, redraw
from generation.request import GenerationRequest
from playground.bodies import File
from playground.nouns import Json
from playground.person import Person
from playground.reading import button_labels, pictures_of, text_of
from tests.generation.engine.toydescriber import make_describer
from tests.generation.toys import write_safetensors
from tests.journeys.stage import MINI, Stage, draws, result, staged, told
from tests.journeys.test_pictures import average, files_of, is_mostly, pixels

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("bot")
    (folder / "embeddings").mkdir()
    write_safetensors(folder / "embeddings" / "zorp.safetensors", {"emb_params": [2, 128]})
    describer = str(make_describer(folder / "blip"))
    async with staged(folder, model=MINI, DESCRIBER=describer, BATCH="4") as stage:  # else that is measured
        yield stage


def a_file(image: Image.Image, name: str = "photo.png") -> tuple[str, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, format=Path(name).suffix[1:].upper().replace("JPG", "JPEG"))
    return name, buffer.getvalue()


async def drawn_by(person: Person, command: str, **options: object) -> Json:
    return await result(person, await person.command(command, options))


def request_of(png: bytes) -> GenerationRequest:
    request = metadata.read(png).request
    assert request is not None
    return request


async def drawn_again(stage: Stage, png: bytes) -> bool:
    """Whether what its file says draws every pixel of it again."""
    files = stage.bot.folder / "data" / "pictures"
    again = await asyncio.to_thread(redraw, metadata.read(png), model=MINI, files=files)
    return largest_difference(png, again) == 0


RED = (225, 30, 35)
WHITE = (250, 250, 250)


def a_circle() -> Image.Image:
    photo = Image.new("RGB", (300, 300), WHITE)
    ImageDraw.Draw(photo).ellipse((90, 90, 210, 210), fill=RED)
    return photo


async def test_a_picture_that_somebody_brings_is_gone_on_from(stage: Stage) -> None:
    card = await draws(
        stage.anna,
        "a blue circle on a white background",
        image=a_file(a_circle()),
        strength=0.8,
        steps=10,
        seed=3,
    )
    assert "from a picture, strength 0.8" in text_of(card)
    (png,) = await files_of(stage.anna, card)
    image = pixels(png)
    assert image.size == (128, 128)
    assert is_mostly(average(image, (56, 56, 72, 72)), 2), "it is blue now, and still in the middle"
    assert await drawn_again(stage, png)


async def test_a_reroll_of_it_starts_from_the_same_picture(stage: Stage) -> None:
    first = await draws(stage.anna, "a green square", image=a_file(a_circle()), strength=0.3, seed=3)
    second = await result(stage.bruno, await stage.bruno.press(first, "Reroll"))
    (one,), (two,) = [await files_of(stage.anna, card) for card in (first, second)]
    assert request_of(one).start == request_of(two).start
    assert request_of(one).seed != request_of(two).seed
    assert is_mostly(average(pixels(two), (56, 56, 72, 72)), 0), "a small strength leaves it red"


async def test_only_what_is_masked_is_drawn_anew(stage: Stage) -> None:
    photo = a_circle().resize((128, 128))
    mask = Image.new("L", (128, 128))
    ImageDraw.Draw(mask).rectangle((24, 24, 103, 103), fill=255)
    card = await drawn_by(
        stage.anna,
        "inpaint",
        prompt="a blue square on a white background",
        image=a_file(photo),
        mask=a_file(mask, "mask.png"),
        strength=1.0,
        steps=8,
        seed=5,
    )
    (png,) = await files_of(stage.anna, card)
    image = pixels(png)
    changed = ImageChops.difference(image, photo).getbbox()
    assert changed is not None
    assert changed[0] >= 24
    assert changed[1] >= 24
    assert changed[2] <= 104
    assert changed[3] <= 104
    assert is_mostly(average(image, (56, 56, 72, 72)), 2)
    assert await drawn_again(stage, png)


def a_hole() -> Image.Image:
    photo = a_circle().resize((128, 128)).convert("RGBA")
    photo.paste((0, 0, 0, 0), (24, 24, 104, 104))
    return photo


async def test_what_is_transparent_is_a_mask_too(stage: Stage) -> None:
    photo = a_hole()
    card = await drawn_by(
        stage.anna,
        "inpaint",
        prompt="a blue circle on a white background",
        image=a_file(photo),
        steps=8,
        seed=5,
    )
    image = pixels((await files_of(stage.anna, card))[0])
    opaque = photo.convert("RGB")
    assert ImageChops.difference(image, opaque).crop((0, 0, 128, 24)).getbbox() is None
    assert is_mostly(average(image, (56, 56, 72, 72)), 2)


async def test_a_picture_is_given_room(stage: Stage) -> None:
    photo = a_circle().resize((128, 128))
    card = await drawn_by(
        stage.anna,
        "outpaint",
        prompt="a red circle on a white background",
        image=a_file(photo),
        way="pan right",
        steps=8,
    )
    (png,) = await files_of(stage.anna, card)
    image = pixels(png)
    assert image.size == (192, 128)
    assert ImageChops.difference(image.crop((0, 0, 120, 128)), photo.crop((0, 0, 120, 128))).getbbox() is None
    assert min(average(image, (150, 20, 180, 108))) > 150, "white goes on to the right"
    assert await drawn_again(stage, png)


async def test_a_variation_is_near_its_picture_and_a_strong_one_farther(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle on a white background", seed=11, steps=8)
    assert button_labels(card)[4:7] == ["Vary a little", "Vary a lot", "Upscale"]
    (original,) = await files_of(stage.anna, card)

    async def varied(button: str) -> bytes:
        again = await result(stage.bruno, await stage.bruno.press(card, button))
        assert "a variation" in text_of(again)
        return (await files_of(stage.anna, again))[0]

    little, much = await varied("Vary a little"), await varied("Vary a lot")
    assert request_of(little).seed == request_of(original).seed == 11
    [variation] = request_of(little).variations
    assert variation.strength == 0.15
    assert len({little, much, original}) == 3
    assert await drawn_again(stage, little)


async def test_a_variation_of_a_variation_keeps_both(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", seed=11, steps=4, variation_seed=5, variation_strength=0.3)
    again = await result(stage.anna, await stage.anna.press(card, "Vary a little"))
    first, second = request_of((await files_of(stage.anna, again))[0]).variations
    assert (first.seed, first.strength, second.strength) == (5, 0.3, 0.15)


async def test_an_upscaled_picture_is_the_same_as_large_as_the_model_can(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle on a white background", seed=11, steps=8)
    (small,) = await files_of(stage.anna, card)
    larger = await result(stage.bruno, await stage.bruno.press(card, "Upscale"))
    assert "made larger by a second pass of the model (a hires pass), not by an upscaler" in text_of(larger)
    (large,) = await files_of(stage.bruno, larger)
    assert pixels(large).size == (192, 192)
    back = pixels(large).resize((128, 128), Image.Resampling.BOX)
    difference = ImageChops.difference(back, pixels(small)).convert("L")
    assert sum(difference.tobytes()) / (128 * 128) < 20
    asked = await stage.bruno.press(larger, "Upscale")
    assert "as large as I can make it" in await told(stage.bruno, asked)


async def test_what_is_around_a_picture_is_drawn_from_its_menu(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle on a white background", seed=11, steps=4)
    menu = "More: zoom out, pan, save as a style…"
    for way, size in (("zoom out 2×", (128, 128)), ("pan left", (192, 128))):
        wider = await result(stage.bruno, await stage.bruno.select(card, menu, [way]))
        (png,) = await files_of(stage.bruno, wider)
        assert pixels(png).size == size
        assert request_of(png).start is not None
    refused = await stage.bruno.select(card, menu, ["make square"])
    assert await told(stage.bruno, refused) == "That picture is square already."


async def test_part_of_a_picture_is_drawn_anew_from_a_form(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle on a white background", seed=11, steps=6)
    (before,) = await files_of(stage.anna, card)
    form = await stage.bruno.press(card, "Inpaint")
    mask = Image.new("L", (256, 256))
    mask.paste(255, (0, 0, 256, 128))
    asked = await stage.bruno.submit(
        form, {"What should be there": "a blue square", "Where": a_file(mask, "mask.png")}
    )
    again = await result(stage.bruno, asked)
    assert "> a blue square" in text_of(again)
    assert "part of a picture, strength 0.9" in text_of(again)
    (after,) = await files_of(stage.bruno, again)
    below = (0, 72, 128, 128)
    assert pixels(after).crop(below).tobytes() == pixels(before).crop(below).tobytes()
    assert pixels(after).tobytes() != pixels(before).tobytes()
    for values, sentence in (
        ({"Where": ("notes.txt", b"words")}, "that I can read"),
        ({"Where": a_file(Image.new("L", (300, 100), 255), "mask.png")}, "must have the same shape"),
        ({"Where": a_file(mask, "mask.png"), "Strength": "2"}, "`2` is no strength"),
    ):
        refused = await stage.bruno.submit(await stage.bruno.press(card, "Inpaint"), values)
        assert sentence in await told(stage.bruno, refused)


async def test_a_picture_is_described_beside_the_drawing(stage: Stage) -> None:
    asked = await stage.anna.command("describe", {"image": a_file(a_circle())})
    await draws(stage.bruno, "a red circle", steps=4)
    said = await told(stage.anna, asked)
    assert "**I see** " in said
    assert "/imagine prompt:" in said
    refused = await stage.anna.command("describe", {"image": ("notes.txt", b"words")})
    assert "that I can read" in await told(stage.anna, refused)


async def test_one_of_several_pictures_is_chosen_first(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", seed=20, count=3, steps=6)
    choice = await stage.bruno.answer(
        await stage.bruno.select(card, "More: go on from one of them, save as a style…", ["Picture 2"])
    )
    assert "Picture 2 of 3" in text_of(choice)
    assert len(pictures_of(choice)) == 1
    again = await result(stage.bruno, await stage.bruno.press(choice, "Vary a little"))
    assert {request_of(png).seed for png in await files_of(stage.bruno, again)} == {21}


# What goes wrong -----------------------------------------------------------------------------------------


def moving() -> File:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, format="WEBP", save_all=True, append_images=frames[1:])
    return ("dance.webp", buffer.getvalue())


def bomb() -> File:
    buffer = io.BytesIO()
    Image.new("1", (14_000, 14_000)).save(buffer, format="PNG")
    return ("bomb.png", buffer.getvalue())


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (lambda: ("photo.png", b"no picture"), "that I can read"),
        (lambda: ("notes.txt", b"words"), "that I can read"),
        (moving, "moves"),
        (bomb, "too many pixels"),
        (lambda: ("half.png", a_file(a_circle())[1][:-200]), "damaged"),
        (lambda: a_file(Image.new("RGB", (900, 20))), "too narrow"),
    ],
    ids=["no picture", "text", "moving", "bomb", "cut off", "strip"],
)
async def test_a_file_that_is_none_to_start_from_is_refused_privately(
    file: object, sentence: str, stage: Stage
) -> None:
    assert callable(file)
    asked = await stage.anna.command("imagine", {"prompt": "a red circle", "image": file()})
    assert sentence in await told(stage.anna, asked)


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ("imagine", {"strength": 0.5}, "give me one as `image`"),
        ("imagine", {"strength": 1.5, "image": a_file(a_circle())}, "A strength of 1.5 is not possible"),
        ("img2img", {"strength": 0.0, "image": a_file(a_circle())}, "A strength of 0 is not possible"),
        ("inpaint", {"blur": 1000, "image": a_file(a_hole())}, "A mask blur of 1000 is not possible"),
    ],
)
async def test_a_strength_or_a_blur_that_cannot_be_is_refused(
    command: str, options: dict[str, object], sentence: str, stage: Stage
) -> None:
    asked = await stage.anna.command(command, {"prompt": "a red circle", **options})
    assert sentence in await told(stage.anna, asked)


async def test_a_mask_of_another_shape_is_refused(stage: Stage) -> None:
    asked = await stage.anna.command(
        "inpaint",
        {
            "prompt": "a star",
            "image": a_file(a_circle()),
            "mask": a_file(Image.new("L", (300, 100), 255), "mask.png"),
        },
    )
    assert "must have the same shape" in await told(stage.anna, asked)


async def test_a_deleted_picture_is_no_start_any_more(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", image=a_file(a_circle()), steps=4, count=2)
    choice = await stage.anna.answer(
        await stage.anna.select(card, "More: go on from one of them, save as a style…", ["Picture 1"]),
        pictures_of,
    )
    await stage.anna.press(card, "Delete")
    await stage.anna.until(lambda: card["id"] not in stage.anna.seen)
    again = await stage.anna.press(choice, "Upscale")
    assert "no longer have that picture" in await told(stage.anna, again)


async def test_a_learned_word_is_known_and_drawn_again_from_its_file(stage: Stage) -> None:
    card = await draws(stage.anna, "a (ZORP:1.1) circle", steps=4)
    assert "does not know" not in text_of(card)
    (png,) = await files_of(stage.anna, card)
    settings = metadata.read(png)
    assert settings.record is not None
    assert list(settings.record["embeddings"]) == ["zorp"]
    words = stage.bot.folder / "embeddings"
    again = await asyncio.to_thread(redraw, settings, model=MINI, embeddings=words)
    assert largest_difference(png, again) == 0


async def test_a_second_pass_draws_it_larger(stage: Stage) -> None:
    card = await draws(
        stage.anna, "a red circle on a white background", seed=11, steps=8, hires=1.5, hires_strength=0.4
    )
    assert "then 192 × 192" in text_of(card)
    (png,) = await files_of(stage.anna, card)
    assert pixels(png).size == (192, 192)
    assert is_mostly(average(pixels(png), (84, 84, 108, 108)), 0)
    assert await drawn_again(stage, png)
    asked = await stage.bruno.press(card, "Upscale")
    assert "as large as I can make it: 192x192" in await told(stage.bruno, asked)
    asked = await stage.bruno.select(card, "More: zoom out, pan, save as a style…", ["zoom out 1.5×"])
    wider = await result(stage.bruno, asked)
    assert pixels((await files_of(stage.bruno, wider))[0]).size == (192, 192)
