"""Whose turn it is."""

from __future__ import annotations

import pytest

from generation.queue import FairQueue


def filled(*things: str) -> FairQueue[str]:
    """A queue of things like "a1": the letter is the person."""
    queue: FairQueue[str] = FairQueue()
    for thing in things:
        queue.push(thing, thing[0])
    return queue


def drained(queue: FairQueue[str]) -> list[str]:
    order = []
    while len(queue):
        thing = next(iter(queue))
        queue.take(thing)
        order.append(thing)
    return order


def test_people_take_turns_whatever_each_has_put_in() -> None:
    assert drained(filled("a1", "a2", "a3", "b1", "c1", "b2")) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_the_order_shown_is_the_order_in_which_things_are_taken() -> None:
    queue = filled("a1", "a2", "b1", "c1", "c2", "c3", "b2", "a3")
    assert list(queue) == drained(queue)


def test_whoever_was_served_waits_behind_a_newcomer() -> None:
    queue = filled("a1", "a2", "a3")
    queue.take("a1")
    queue.push("b1", "b")
    queue.take("a2")
    assert list(queue) == ["b1", "a3"]


def test_somebody_who_comes_back_joins_at_the_end() -> None:
    queue = filled("a1", "b1", "b2")
    queue.take("a1")
    queue.push("a2", "a")
    assert list(queue) == ["b1", "a2", "b2"]


def test_a_thing_that_was_lost_goes_before_everybody_and_costs_no_turn() -> None:
    queue = filled("a1", "b1", "b2")
    queue.push_first("b0", "b")
    assert drained(queue) == ["b0", "a1", "b1", "b2"]


def test_removing_leaves_the_others_turns_alone() -> None:
    queue = filled("a1", "b1", "a2", "b2")
    assert queue.remove("a1")
    assert not queue.remove("a1")
    assert list(queue) == ["a2", "b1", "b2"]


def test_a_person_with_nothing_left_is_forgotten() -> None:
    queue = filled("a1")
    queue.take("a1")
    assert len(queue) == 0
    assert list(queue) == []


def test_a_thing_waits_once() -> None:
    queue = filled("a1")
    with pytest.raises(ValueError, match="waits already"):
        queue.push("a1", "b")
    with pytest.raises(KeyError):
        queue.take("b1")


def test_a_thousand_of_one_person_do_not_hold_up_another() -> None:
    queue = filled(*(f"a{n}" for n in range(1000)), "b1")
    assert drained(queue).index("b1") == 1
