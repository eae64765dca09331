"""How long something will take, in words that promise no more than is known."""

from __future__ import annotations

import pytest

from bot.expecting import about, expected_at


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (4.9, None),
        (5, "5 s"),
        (12.4, "10 s"),
        (27.4, "25 s"),
        (28, "30 s"),
        (41, "40 s"),
        (54, "50 s"),
        (57, "1 min"),
        (58, "1 min"),
        (100, "2 min"),
        (3440, "57 min"),
        (3460, "1 h"),
        (30_000, "8 h"),
    ],
)
def test_durations_are_told_in_round_numbers(seconds: float, said: str | None) -> None:
    assert about(seconds) == said


def test_times_are_told_a_little_late_and_never_to_the_second() -> None:
    assert expected_at(4.0, now=1000.0) is None
    assert expected_at(40.0, now=1000.0) == 1045
    assert expected_at(41.0, now=1000.0) == 1050
    late = expected_at(600.0, now=1_000_000.0)
    assert late is not None
    assert late % 60 == 0
    assert late >= 1_000_600
