"""Whether the weights of a LoRA have their places in a model is told before any is put in."""

from __future__ import annotations

import pytest
import torch

from generation.engine.lorafiles import fits, prefixed

LAYERS = {
    "to_q": torch.nn.Linear(8, 6),
    "conv": torch.nn.Conv2d(4, 5, 3),
    "norm": torch.nn.LayerNorm(8),
    "act": torch.nn.SiLU(),
}


def fit(place: str, down: tuple[int, ...] | None, up: tuple[int, ...] | None) -> set[bool]:
    """Of the two sides of a layer's LoRA with these shapes; None: that side is not there."""
    shapes = {"A": down, "B": up}
    weights = {f"{place}.lora_{side}.weight": torch.zeros(shape) for side, shape in shapes.items() if shape}
    return {fits(name, weights, LAYERS) for name in weights}


def test_both_sides_of_a_layer_that_is_there_fit() -> None:
    assert fit("to_q", (2, 8), (6, 2)) == {True}
    assert fit("conv", (2, 4, 3, 3), (5, 2, 1, 1)) == {True}


@pytest.mark.parametrize(
    ("place", "down", "up"),
    [
        ("to_q", (2, 9), (6, 2)),
        ("to_q", (2, 8), (7, 2)),
        ("to_q", (2, 8), (6, 3)),
        ("to_q", (0, 8), (6, 0)),
        ("to_q", (2, 8), None),
        ("to_q", None, (6, 2)),
        ("to_q", (2, 8, 1, 1), (6, 2, 1, 1)),
        ("conv", (2, 4), (5, 2)),
        ("conv", (2, 4, 1, 1), (5, 2, 1, 1)),
        ("conv", (2, 3, 3, 3), (5, 2, 1, 1)),
        ("to_v", (2, 8), (6, 2)),
        ("norm", (2, 8), (8, 2)),
        ("act", (2, 8), (8, 2)),
    ],
)
def test_what_does_not_fit_is_told(
    place: str, down: tuple[int, ...] | None, up: tuple[int, ...] | None
) -> None:
    assert fit(place, down, up) == {False}


def test_other_weights_of_a_layer_do_not_fit() -> None:
    weights = {"to_q.lora_A.weight": torch.zeros(2, 8), "to_q.lora_B.weight": torch.zeros(6, 2)}
    assert not fits("to_q.lora_magnitude_vector.weight", weights, LAYERS)


def test_weights_that_name_no_part_are_those_of_the_unet() -> None:
    assert prefixed(None) == {}
    assert prefixed({"to_q.lora_A.weight": 1}) == {"unet.to_q.lora_A.weight": 1}
    for named in ({"unet.to_q": 1}, {"text_encoder.q": 1, "loose": 2}, {"text_encoder_2.q": 1}):
        assert prefixed(named) == named
