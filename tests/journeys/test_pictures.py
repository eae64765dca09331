"""The main job with the embedded model: ask, watch, receive, look at the pixels, ask for another."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from generation import metadata
from playground.nouns import Json, User
from playground.person import Asked, Person, RefusedError
from playground.reading import button_labels, pictures_of, previews_of, text_of
from tests.generation.engine.test_batch import largest_difference
from tests.generation.engine.test_guard import RED, build_checker
from tests.journeys.stage import MINI, Stage, asks, draws, result, says, staged, told
from training.checker import judge
from training.scenes import Colour, Position, Shape, Single, Size, Style, Thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    checker = build_checker(tmp_path_factory.mktemp("checker"), RED, threshold=-1.5)  # it flags everything
    folder, more = tmp_path_factory.mktemp("bot"), {"SAFETY_CHECKER": str(checker), "BATCH": "10"}
    async with staged(folder, model=MINI, **more) as stage:
        yield stage


async def files_of(person: Person, card: Json) -> list[bytes]:
    return [await person.fetch(picture) for picture in pictures_of(card)]


def pixels(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def is_mostly(colour: tuple[int, int, int], channel: int) -> bool:
    """Whether this channel outshines the other two."""
    return colour[channel] > 1.4 * max(value for index, value in enumerate(colour) if index != channel)


def average(image: Image.Image, box: tuple[int, int, int, int]) -> tuple[int, int, int]:
    colour = image.crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(colour, tuple)
    return colour[0], colour[1], colour[2]


async def test_a_prompt_becomes_a_picture_of_what_it_says(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle on a blue background", seed=7)
    (png,) = await files_of(stage.anna, card)
    image = pixels(png)
    assert image.size == (128, 128)
    assert is_mostly(average(image, (0, 0, 10, 10)), 2)
    assert is_mostly(average(image, (56, 56, 72, 72)), 0)


async def test_the_card_shows_what_made_it_and_offers_what_comes_next(stage: Stage) -> None:
    card = await draws(
        stage.anna, "a red circle", steps=8, guidance=3.5, sampler="Euler a", seed=7, aspect="square 1:1"
    )
    said = text_of(card)
    for fact in ("a red circle", "128 × 128", "8 steps", "guidance 3.5", "Euler a", "seed 7", stage.anna.id):
        assert fact in said
    assert button_labels(card) == [
        *("Reroll", "Edit", "Settings", "Delete"),
        *("Vary a little", "Vary a lot", "Upscale", "Inpaint"),
    ]
    (picture,) = pictures_of(card)
    assert picture["description"] == "a red circle"


async def test_the_settings_are_written_into_the_file(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", negative_prompt="blue", steps=8, seed=7)
    (png,) = await files_of(stage.anna, card)
    settings = metadata.read(png)
    assert settings.prompt == "a red circle"
    assert settings.negative_prompt == "blue"
    assert (settings.steps, settings.seed) == (8, 7)
    assert "parameters" in Image.open(io.BytesIO(png)).info


async def test_several_pictures_come_in_one_message_each_reproducible_alone(stage: Stage) -> None:
    card = await draws(stage.anna, "a green square", count=3, steps=8, seed=20)
    several = await files_of(stage.anna, card)
    assert len(several) == 3
    third = await draws(stage.anna, "a green square", steps=8, seed=22)
    (alone,) = await files_of(stage.anna, third)
    assert largest_difference(pixels(alone), pixels(several[2])) <= 1, "in company the last bits may differ"


async def test_two_people_see_their_pictures_grow_side_by_side(stage: Stage) -> None:
    people = (stage.anna, stage.bruno)
    words = ("a yellow star on a black background", "a red heart on a white background")
    asked = [
        await asks(person, prompt, steps=150, seed=3) for person, prompt in zip(people, words, strict=True)
    ]

    async def watched(person: Person, one: Asked) -> Json:
        card = await person.answer(one, previews_of)
        (preview,) = previews_of(card)
        try:
            image = Image.open(io.BytesIO(await person.fetch(preview)))
        except RefusedError:  # the next one has taken its place
            return await watched(person, one)
        assert (image.format, image.size) == ("WEBP", (256, 256))
        assert preview["description"] == "The picture so far; it is still being drawn."
        assert says("Drawing")(card)
        return card

    growing = await asyncio.gather(*(watched(person, one) for person, one in zip(people, asked, strict=True)))
    finished = [await result(person, one) for person, one in zip(people, asked, strict=True)]
    for person, card, before in zip(people, finished, growing, strict=True):
        assert card["id"] == before["id"]
        assert not previews_of(card)
        (png,) = await files_of(person, card)
        record = metadata.read(png).record
        assert record is not None
        assert max(rows for rows, _, _ in metadata.calls_of(record)) == 4, "they shared calls of the model"


async def test_a_reroll_and_its_reroll_are_new_pictures_of_the_same_prompt(stage: Stage) -> None:
    first = await draws(stage.anna, "a red circle", steps=8)
    second = await result(stage.bruno, await stage.bruno.press(first, "Reroll"))
    third = await result(stage.anna, await stage.anna.press(second, "Reroll"))
    drawn = [(await files_of(stage.anna, card))[0] for card in (first, second, third)]
    assert len({pixels(png).tobytes() for png in drawn}) == 3
    assert {metadata.read(png).prompt for png in drawn} == {"a red circle"}
    assert stage.bruno.id in text_of(second)


async def test_words_that_the_model_never_saw_are_named(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle and a spaceship", steps=4)
    assert "The embedded model does not know: spaceship" in text_of(card)


async def test_it_works_in_a_direct_message(stage: Stage) -> None:
    direct = await stage.anna.direct_messages()
    card = await draws(stage.anna, "a red circle", steps=4, channel_id=direct)
    assert card["channel_id"] == direct
    again = await result(stage.anna, await stage.anna.press(card, "Reroll"))
    assert again["channel_id"] == direct


async def test_two_people_at_once_get_each_their_own(stage: Stage) -> None:
    red, green = await asyncio.gather(
        draws(stage.anna, "a red circle", steps=8, seed=1),
        draws(stage.bruno, "a green square", steps=8, seed=1),
    )
    assert "a red circle" in text_of(red)
    assert stage.anna.id in text_of(red)
    assert "a green square" in text_of(green)
    assert stage.bruno.id in text_of(green)


async def test_torch_is_in_the_worker_and_not_in_the_bots_process(stage: Stage) -> None:
    await draws(stage.anna, "a red circle", steps=2)
    assert "torch" not in mapped_by(stage.bot.process.pid)
    assert any("torch" in mapped_by(pid) for pid in stage.bot.workers())


def mapped_by(pid: int) -> str:
    """The files that a process has mapped into its memory, libraries among them."""
    return Path(f"/proc/{pid}/maps").read_text()


async def test_a_picture_is_checked_in_the_process_that_draws_it(stage: Stage) -> None:
    async def flagged(becomes: str) -> str:
        asked = await stage.mina.command("server safety", {"flagged": becomes})
        return await told(stage.mina, asked)

    assert "no safety checker" not in await flagged("spoiler")
    card = await draws(stage.anna, "a red circle", steps=4)
    assert "hidden behind a spoiler where the safety check flags it" in text_of(card)
    assert pictures_of(card)[0]["filename"].startswith("SPOILER_")
    await flagged("off")
    assert "safety" not in text_of(await draws(stage.anna, "a red circle", steps=4))


# A crowd ----------------------------------------------------------------------------------------------------

THINGS = (
    (Colour.RED, Shape.CIRCLE, Colour.WHITE),
    (Colour.BLUE, Shape.SQUARE, Colour.YELLOW),
    (Colour.GREEN, Shape.HEART, Colour.WHITE),
    (Colour.BLACK, Shape.CROSS, Colour.PINK),
    (Colour.WHITE, Shape.CIRCLE, Colour.BLUE),
    (Colour.YELLOW, Shape.SQUARE, Colour.PURPLE),
    (Colour.ORANGE, Shape.HEART, Colour.CYAN),
    (Colour.PURPLE, Shape.CROSS, Colour.WHITE),
    (Colour.PINK, Shape.CIRCLE, Colour.BLACK),
    (Colour.RED, Shape.SQUARE, Colour.CYAN),
)
SAMPLERS = ("DPM++ 2M Karras", "Euler", "DDIM", "UniPC", "Heun")


def a_person(number: int, like: User) -> User:
    return User(
        id=type(like.id)(like.id + number), username=f"p{number}", name=f"P {number}", token=f"t{number}"
    )


async def test_ten_people_at_once(stage: Stage) -> None:
    """Their pictures grow side by side, and everybody gets what they asked for."""
    async with AsyncExitStack() as stack:
        world, people = stage.playground.world, []
        for number in range(10):
            user = a_person(number + 1, world.people[2])
            world.users[user.id] = user
            at = {"api": stage.playground.api, "gateway": stage.playground.gateway.url, "token": user.token}
            people.append(await stack.enter_async_context(Person(**at)))

        async def drawn_for(number: int) -> Json:
            colour, shape, ground = THINGS[number]
            asked = await asks(
                people[number],
                f"a {colour} {shape} on a {ground} background",
                sampler=SAMPLERS[number % len(SAMPLERS)],
                steps=20 + number,
                guidance=2.5 + number / 10,
                seed=number,
            )
            return await result(people[number], asked)

        cards = await asyncio.gather(*map(drawn_for, range(10)))
        growing = grown_before_the_first_was_done(stage.anna, cards)
        rows = []
        for (colour, shape, ground), person, card in zip(THINGS, people, cards, strict=True):
            png = await person.fetch(pictures_of(card)[0])
            scene = Single(
                thing=Thing(colour=colour, shape=shape),
                size=Size.MEDIUM,
                position=Position.CENTER,
                background=ground,
                style=Style.PLAIN,
            )
            assert judge(scene, Image.open(io.BytesIO(png)))["all"], text_of(card)
            record = metadata.read(png).record
            assert record is not None
            rows.append(max(call[0] for call in record["unet_calls"]))
        assert growing >= 5, f"{growing} had begun when the first was done"
        assert min(rows) >= 4, "two rows of each picture: everybody shared calls"


def grown_before_the_first_was_done(witness: Person, cards: Sequence[Json]) -> int:
    begun, ids = set[str](), {card["id"] for card in cards}
    for name, message in witness.events:
        if name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or message["id"] not in ids:
            continue
        if "Drawing" in text_of(message):
            begun.add(message["id"])
        if any(picture["filename"].endswith(".png") for picture in message["attachments"]):
            return len(begun)
    raise AssertionError("nothing was drawn")
