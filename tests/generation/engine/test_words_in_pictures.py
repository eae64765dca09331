"""Weights, negative prompts and long prompts, seen in the pictures that the embedded model draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from generation.engine.loop import DiffusionEngine
from generation.messages import Drawn, Report
from generation.prompting.styles import shipped
from generation.request import Seed, Size
from tests.generation.toys import MINI, Bench, a_request, a_task, picture

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

COLOURS = ("red", "green", "blue")


def shares(bench: Bench, prompt: str, negative_prompt: str, seeds: Sequence[int]) -> dict[str, float]:
    """Of pictures of these seeds, the share in which each of the colours outshines the others."""
    said: list[Report] = []
    engine = DiffusionEngine(bench.model, said.append, cap=8, padded=False)
    for seed in seeds:
        request = a_request(
            MINI,
            prompt=prompt,
            negative_prompt=negative_prompt,
            size=Size(width=128, height=128),
            steps=6,
            guidance=2.5,
            sampler="DPM++ 2M Karras",
            seed=Seed(seed),
        )
        engine.admit(a_task(request, index=seed))
    while engine.busy:
        engine.tick()
    pictures = [np.asarray(picture(report.png), float) for report in said if isinstance(report, Drawn)]
    assert len(pictures) == len(seeds)
    return {
        colour: mean(_share(each, channel) for each in pictures) for channel, colour in enumerate(COLOURS)
    }


def _share(pixels: np.ndarray[tuple[int, ...], np.dtype[np.float64]], channel: int) -> float:
    others = np.delete(pixels, channel, axis=2).max(axis=2)
    return float((pixels[..., channel] > others + 50).mean())


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def test_a_weight_of_1_4_moves_the_picture_towards_the_words(mini_bench: Bench) -> None:
    gained = []
    for one, other in (("red", "blue"), ("green", "red")):
        plain = shares(mini_bench, f"{other} circle, ({one} circle:1)", "", range(2))
        heavy = shares(mini_bench, f"{other} circle, ({one} circle:1.4)", "", range(2))
        gained.append(heavy[one] - plain[one])
    assert mean(gained) > 0.05, gained


def test_a_negative_prompt_removes_what_it_names(mini_bench: Bench) -> None:
    plain = shares(mini_bench, "a circle on a white background", "", range(6))
    most = max(plain, key=plain.__getitem__)
    without = shares(mini_bench, "a circle on a white background", most, range(6))
    assert plain[most] > 0.01, "else there is nothing to remove"
    assert without[most] < plain[most] / 4


def test_what_stands_behind_the_first_75_tokens_is_drawn_too(mini_bench: Bench) -> None:
    filler = "please, " * 40
    first = shares(mini_bench, f"{filler} a red circle on a blue background", "", range(2))
    second = shares(mini_bench, f"{filler} a red circle on a green background", "", range(2))
    assert first["blue"] > second["blue"]
    assert first["green"] < second["green"]


def test_a_shipped_style_gives_the_picture_its_look(mini_bench: Bench) -> None:
    looks = {style.name: style for style in shipped()}

    def drawn(style: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        prompt = "a red house on green grass"
        png = mini_bench.draw(
            prompt=prompt if style is None else looks[style].applied(prompt, "").prompt,
            size=Size(width=128, height=128),
            steps=6,
            guidance=2.5,
            sampler="DPM++ 2M Karras",
        )
        return np.asarray(picture(png), float)

    plain, night, sketch = drawn(None), drawn("Night"), drawn("Pencil sketch")
    assert night.mean() < plain.mean() * 0.7
    assert np.ptp(sketch, axis=2).mean() < np.ptp(plain, axis=2).mean() * 0.5  # paper, and hardly a colour
