"""Which progress is worth an edit."""

from __future__ import annotations

import pytest

from bot.pacing import EDIT_INTERVAL, FIRST_EDIT, NEARLY_DONE, Pace, backoff, remaining


def pace(
    now: float,
    *,
    edited_at: float | None = None,
    changed: bool = True,
    left: float | None = None,
    place: int = 1,
    late_in: float | None = None,
) -> float | None:
    known = Pace(
        now=now,
        asked_at=0.0,
        edited_at=edited_at,
        changed=changed,
        remaining=left,
        late_in=late_in,
        place=place,
    )
    return known.wait()


def test_nothing_new_is_no_edit() -> None:
    assert pace(100.0, changed=False) is None


def test_the_first_edit_waits_because_small_pictures_are_done_soon() -> None:
    assert pace(0.0) == FIRST_EDIT
    assert pace(FIRST_EDIT) == 0.0


def test_edits_of_one_message_keep_their_distance() -> None:
    assert pace(10.5, edited_at=10.0) == pytest.approx(EDIT_INTERVAL - 0.5)
    assert pace(10.0 + EDIT_INTERVAL, edited_at=10.0) == 0.0


def test_who_is_far_back_in_line_hears_of_it_less_often_but_hears() -> None:
    assert pace(10.0, edited_at=10.0, place=5) == pytest.approx(5 * EDIT_INTERVAL)
    assert pace(10.0, edited_at=10.0, place=200) == pytest.approx(30.0)
    assert pace(0.0, place=200) == FIRST_EDIT


def test_a_late_edit_is_due_at_once_and_not_in_the_past() -> None:
    assert pace(1000.0, edited_at=10.0) == 0.0


def test_a_promise_that_did_not_come_true_is_corrected_but_not_faster_than_anything_else() -> None:
    assert pace(50.0, edited_at=10.0, changed=False, late_in=7.0) == 7.0
    assert pace(50.0, edited_at=10.0, changed=False, late_in=0.0) == 0.0
    assert pace(10.5, edited_at=10.0, changed=False, late_in=0.0) == pytest.approx(EDIT_INTERVAL - 0.5)
    assert pace(50.0, edited_at=10.0, changed=True, late_in=7.0) == 0.0


def test_a_picture_that_is_nearly_done_gets_no_more_progress() -> None:
    assert pace(50.0, edited_at=10.0, left=NEARLY_DONE / 2) is None
    assert pace(50.0, edited_at=10.0, left=NEARLY_DONE * 2) == 0.0


def test_a_picture_of_half_a_second_costs_no_progress_edit() -> None:
    waits = [pace(0.4 * step / 20, left=0.4 * (1 - step / 20)) for step in range(1, 20)]
    assert waits == [None] * 19


def test_what_remains_is_learned_from_the_steps_so_far() -> None:
    assert remaining(step=0, steps=20, running_for=5.0) is None
    assert remaining(step=5, steps=20, running_for=5.0) == pytest.approx(15.0)
    assert remaining(step=20, steps=20, running_for=5.0) == 0.0


def test_tries_come_less_and_less_often_but_never_end() -> None:
    assert [backoff(attempt) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 8.0]
    assert backoff(1000) == 60.0
