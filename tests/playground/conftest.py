"""A playground for each test, and the bot and people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from playground import Person, Playground
from tests.playground.bots import Bot, person


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    """A playground that must not have violated Discord's OpenAPI document when the test is over."""
    async with Playground() as playground:
        yield playground
        assert playground.violations == []


@pytest.fixture
def bot() -> Bot:
    return Bot()


@pytest.fixture
async def anna(playground: Playground) -> AsyncIterator[Person]:
    async with person(playground, "Anna") as anna:
        yield anna


@pytest.fixture
async def bruno(playground: Playground) -> AsyncIterator[Person]:
    async with person(playground, "Bruno") as bruno:
        yield bruno


@pytest.fixture
async def mina(playground: Playground) -> AsyncIterator[Person]:
    async with person(playground, "Mina") as mina:
        yield mina
