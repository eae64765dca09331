"""Ten people ask at once: their pictures grow side by side, and everybody gets what they asked for."""

from __future__ import annotations

import asyncio
import io
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from PIL import Image

from generation import metadata
from playground.nouns import Json, User
from playground.person import Person
from playground.reading import pictures_of, text_of
from tests.journeys.stage import MINI, asks, result, staged
from training.checker import judge
from training.scenes import Colour, Position, Shape, Single, Size, Style, Thing

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


@pytest.mark.timeout(300)
async def test_ten_people_at_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(tmp_path, model=MINI, BATCH="10"))
        world = stage.playground.world
        people = []
        for number in range(10):
            user = a_person(number + 1, world.people[2])
            world.users[user.id] = user
            at = {"api": stage.playground.api, "gateway": stage.playground.gateway.url, "token": user.token}
            people.append(await stack.enter_async_context(Person(**at)))

        async def draws(number: int) -> Json:
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

        cards = await asyncio.gather(*map(draws, range(10)))
        growing = grown_before_the_first_was_done(stage.anna)
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


def grown_before_the_first_was_done(witness: Person) -> int:
    begun: set[str] = set()
    for name, message in witness.events:
        if name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            continue
        if "Drawing" in text_of(message):
            begun.add(message["id"])
        if any(picture["filename"].endswith(".png") for picture in message["attachments"]):
            return len(begun)
    raise AssertionError("nothing was drawn")
