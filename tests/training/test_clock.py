"""A stage ends after the minutes it trained, however often it was paused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.clock import Clock, load_checkpoint, save_checkpoint


class Watch:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def run(clock: Clock, watch: Watch, *durations: float) -> None:
    for duration in durations:
        watch.time += duration
        clock.tick()


def test_a_stage_is_done_after_its_minutes() -> None:
    watch = Watch()
    clock = Clock(minutes=1, now=watch)
    run(clock, watch, *[10] * 3)
    assert clock.progress == pytest.approx(0.5)
    run(clock, watch, *[10] * 3)
    assert clock.done


def test_a_pause_within_a_step_is_hardly_counted() -> None:
    watch = Watch()
    clock = Clock(minutes=10, now=watch)
    run(clock, watch, 1, 1, 500, 1)
    assert clock.seconds == pytest.approx(4.5)


def test_time_between_steps_that_was_declared_a_rest_is_not_counted() -> None:
    watch = Watch()
    clock = Clock(minutes=10, now=watch)
    run(clock, watch, 1)
    watch.time += 60
    clock.rested()
    run(clock, watch, 1)
    assert clock.seconds == pytest.approx(2)


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    watch = Watch()
    clock = Clock(minutes=1, warmup_steps=4, now=watch)
    assert clock.rate(flat=0.5) == pytest.approx(0.25)
    run(clock, watch, *[5] * 5)
    assert clock.rate(flat=0.5) == pytest.approx(1)
    run(clock, watch, *[5] * 7)
    assert clock.rate(flat=0.5) == pytest.approx(0)


def test_a_checkpoint_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "stage.pt"
    assert load_checkpoint(path) is None
    save_checkpoint(path, {"step": 3, "weights": torch.arange(4)})
    kept = load_checkpoint(path)
    assert kept is not None
    assert kept["step"] == 3
    assert kept["weights"].tolist() == [0, 1, 2, 3]
    assert [file.name for file in path.parent.iterdir()] == ["stage.pt"]
