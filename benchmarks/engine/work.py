"""What is drawn: requests with equal settings, mixed ones, and when they arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from pathlib import Path

from generation.request import GenerationRequest, Seed, Size

SAMPLER = "DPM++ 2M Karras"
GUIDANCE = 7.5
_SAMPLERS = (
    *("DPM++ 2M Karras", "Euler a", "DDIM", "Euler", "UniPC", "DPM++ 2M SDE Karras"),
    *("Heun", "LMS", "DEIS", "DPM++ 2M"),
)
"""Heun calls the UNet twice for a step."""
_GUIDANCES = (7.5, 1.0, 5.0, 12.0, 3.0)
"""At 1 there is no guidance: one row instead of two."""
_COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "pink", "white")
_SHAPES = ("circle", "square", "triangle", "star", "house")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Requests for one model at one size; equal numbers give equal requests."""

    source: str
    size: Size
    steps: int

    @classmethod
    def square(cls, source: Path, edge: int, steps: int) -> Work:
        return cls(source=str(source), size=Size(width=edge, height=edge), steps=steps)

    def equal(self, count: int, *, first: int = 0) -> list[GenerationRequest]:
        """Requests that differ in prompt and seed only, numbered from `first`."""
        return [self._request(number) for number in range(first, first + count)]

    def mixed(self, count: int, *, first: int = 0) -> list[GenerationRequest]:
        """Ten samplers, 0.4 to 1.5 times the usual steps, five guidances, one of them none."""
        steps = list(islice(self._mixed_steps(first), count))
        return [
            replace(
                self._request(first + number),
                sampler=_SAMPLERS[number % len(_SAMPLERS)],
                steps=steps[number],
                guidance=_GUIDANCES[(number + number // len(_SAMPLERS)) % len(_GUIDANCES)],
            )
            for number in range(count)
        ]

    def varied(self, count: int, *, first: int = 0) -> list[GenerationRequest]:
        """Equal settings but for the steps: 0.4 to 1.5 times the usual ones, evenly."""
        steps = list(islice(self._mixed_steps(first), count))
        return [replace(self._request(first + number), steps=steps[number]) for number in range(count)]

    @property
    def fewest(self) -> int:
        return max(1, round(self.steps * 0.4))

    @property
    def most(self) -> int:
        return max(self.fewest, round(self.steps * 1.5))

    def shortest(self) -> GenerationRequest:
        return replace(self, steps=self.fewest).equal(1)[0]

    def longest(self) -> GenerationRequest:
        return replace(self, steps=self.most).equal(1)[0]

    def _mixed_steps(self, seed: int) -> Iterator[int]:
        """Each number of steps once, in some order, again and again: any stretch has nearly the same mean."""
        dice = random.Random(seed)
        every = list(range(self.fewest, self.most + 1))
        while True:
            dice.shuffle(every)
            yield from every

    def _request(self, number: int) -> GenerationRequest:
        colour, ground = _COLOURS[number % 8], _COLOURS[(number + 3) % 8]
        return GenerationRequest(
            prompt=f"a {colour} {_SHAPES[number % 5]} on a {ground} background, {number}",
            model=self.source,
            size=self.size,
            steps=self.steps,
            guidance=GUIDANCE,
            sampler=SAMPLER,
            seed=Seed(number),
        )


def poisson(count: int, rate: float) -> list[float]:
    """Seconds at which people ask who do not know of each other; the last comes when `rate` says.

    Few of them would come at quite another rate by chance, and two loads could not be told apart.
    """
    dice = random.Random(count)
    times = list(accumulate(dice.expovariate(1.0) for _ in range(count)))
    return [time * count / rate / times[-1] for time in times]


def first_come_first_served(arrivals: list[float], services: list[float]) -> list[float]:
    """Seconds from asking to having, if they are drawn one after another, each in its own service time."""
    free, latencies = 0.0, []
    for arrival, service in zip(arrivals, services, strict=True):
        free = max(free, arrival) + service
        latencies.append(free - arrival)
    return latencies
