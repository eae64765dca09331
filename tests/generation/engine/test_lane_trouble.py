"""What goes wrong in a pipeline ends one picture, in words, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from generation.messages import Stepped, TaskFailed
from generation.request import Size
from tests.generation.engine.lanes import Lane, threads

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def _raising(error: Exception) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise error

    return forward


@pytest.mark.parametrize(
    ("part", "method"), [("text_encoder", "forward"), ("transformer", "forward"), ("vae", "decode")]
)
def test_an_error_in_any_part_ends_one_picture_only(
    part: str, method: str, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expected = lane.draw()
    for error, words in (
        (torch.OutOfMemoryError("tried to allocate 640 GiB"), "not enough memory to draw this"),
        (ZeroDivisionError("division by zero"), r"went wrong (ZeroDivisionError)"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(getattr(lane.model.pipe, part), method, _raising(error))
            assert words in lane.failure()
        assert lane.draw() == expected


def test_an_error_after_some_steps_leaves_the_engine_as_it_was(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lane.draw()
    with monkeypatch.context() as patch:
        lane.begin(steps=9)
        lane.engine.tick()
        lane.engine.tick()
        patch.setattr(lane.model.pipe.transformer, "forward", _raising(RuntimeError("broken")))
        last = lane.end()[-1]
    assert isinstance(last, TaskFailed)
    assert [report.step for report in lane.said if isinstance(report, Stepped)] == [1, 2]
    assert not threads()
    assert lane.draw() == expected


def test_numbers_that_run_away_are_told_instead_of_drawn(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    with monkeypatch.context() as patch:
        weight = lane.model.pipe.vae.decoder.conv_out.bias
        patch.setattr(weight, "data", torch.full_like(weight.data, float("nan")))
        assert "numbers ran away" in lane.failure()
    lane.draw()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": Size(width=72, height=64)}, "multiples of 16. The nearest that works is 64x64"),
        ({"size": Size(width=4096, height=64)}, "each edge must be 64 to"),
        ({"sampler": "Euler"}, "draws with a sampler of its own; leave the sampler out"),
        ({"model": "another"}, "is the model now"),
    ],
    ids=["odd", "huge", "sampler", "model"],
)
def test_what_the_model_cannot_draw_fails_with_a_sentence(
    changes: dict[str, Any], words: str, lane: Lane
) -> None:
    assert words in lane.failure(**changes)
    assert len(lane.said) == 1
