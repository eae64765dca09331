"""Cards of jobs, and all their words."""

from __future__ import annotations

from typing import Any

from bot.card import Card
from bot.cards import card_for
from generation.job import Finished, Job
from generation.request import Seed, Variation, Wording
from tests.bot.things import SHELF, done, job, pictures


def words(card: Card) -> str:
    return "\n".join((*card.text, *card.small))


def finished(of: Job, seconds: float | None = None) -> Card:
    return card_for(Finished(job=done(of), pictures=pictures(of)), SHELF, seconds=seconds)


def varied(times: int) -> tuple[Variation, ...]:
    return tuple(Variation(seed=Seed(100 + number), strength=0.15) for number in range(times))


def chosen(*prompts: str, prompt: str = "a {red|blue} zebra", **changes: Any) -> Job:
    words = tuple(Wording(prompt=each, negative_prompt="") for each in prompts)
    return job(prompt, count=len(prompts), chosen=words, **changes)
