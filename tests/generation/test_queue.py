"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.queue import MAX_WEIGHT, FairQueue


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


# Weights --------------------------------------------------------------------------------------------------

PEOPLE = "abcdef"
Weights = dict[str, int]


@dataclass
class Line:
    """A queue of people with weights, and what became of them."""

    weights: Weights
    queue: FairQueue[str] = field(default_factory=FairQueue)
    served: list[str] = field(default_factory=list)
    put: int = 0

    def push(self, person: str, times: int = 1) -> str:
        for _ in range(times):
            self.put += 1
            self.queue.push(f"{person}{self.put}", person, self.weights[person])
        return f"{person}{self.put}"

    def serve(self, passed_over: int = 0) -> None:
        """Take what is next, or what comes after so many for which there is no room."""
        waiting = list(self.queue)
        if waiting:
            self.queue.take(thing := waiting[min(passed_over, len(waiting) - 1)])
            self.served.append(thing[0])

    def drain(self) -> list[str]:
        before = len(self.served)
        while len(self.queue):
            self.serve()
        return self.served[before:]


def weights() -> st.SearchStrategy[Weights]:
    return st.fixed_dictionaries(dict.fromkeys(PEOPLE, st.integers(1, MAX_WEIGHT)))


PAST = st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 3), st.integers(0, 3)), max_size=30)
"""Who puts in something, how many turns follow, and how many things are passed over at the last of them."""


def after(past: list[tuple[str, int, int]], weights: Weights) -> Line:
    line = Line(weights)
    for person, turns, passed_over in past:
        line.push(person)
        for turn in range(turns):
            line.serve(passed_over if turn == turns - 1 else 0)
    return line


def test_a_weight_of_two_gets_two_turns_where_others_get_one() -> None:
    line = Line({"a": 2, "b": 1, "c": 1})
    for person in "abc":
        line.push(person, 4)
    assert "".join(line.drain()) == "abcabcaabcbc"


@settings(max_examples=25)
@given(PAST, weights())
def test_the_order_shown_is_the_order_taken_whatever_the_weights(
    past: list[tuple[str, int, int]], weights: Weights
) -> None:
    line = after(past, weights)
    shown = [thing[0] for thing in line.queue]
    assert line.drain() == shown


@settings(max_examples=25)
@given(PAST, weights(), st.lists(st.sampled_from(PEOPLE), max_size=40))
def test_a_newcomer_waits_for_one_thing_of_each_other_person_at_most(
    past: list[tuple[str, int, int]], weights: Weights, more: list[str]
) -> None:
    line = after(past, {**weights, "n": 1})
    for person in more:
        line.push(person)
    line.push("n", 3)
    before = line.drain()
    before = before[: before.index("n")]
    assert len(before) == len(set(before))


@settings(max_examples=25)
@given(PAST, weights(), st.lists(st.integers(0, 3), max_size=30))
def test_nobody_starves_whoever_else_keeps_coming(
    past: list[tuple[str, int, int]], weights: Weights, passed_over: list[int]
) -> None:
    """One whose turn it is not passed over for is served after a turn's worth of each other's weight."""
    line = after(past, {**weights, "n": 1})
    for person in PEOPLE:
        line.push(person, 40)
    line.push("n", 2)
    for skip in passed_over:
        line.serve(skip)
    line.queue.remove(next((thing for thing in line.queue if thing[0] == "n"), ""))
    line.push("n", 2)
    before = line.drain()
    ahead = Counter(before[: before.index("n")])
    assert all(ahead[person] <= weights[person] + 1 for person in PEOPLE)


@settings(max_examples=25)
@given(weights(), st.integers(1, 60))
def test_who_always_has_something_waiting_gets_a_share_by_weight(weights: Weights, turns: int) -> None:
    line = Line(weights)
    for person in PEOPLE:
        line.push(person, 60)
    for _ in range(turns):
        line.serve()
    got = Counter(line.served)
    for one, other in permutations(PEOPLE, 2):
        # Measured in turns of a person of weight 1; what is apart is less than the turns that are under way.
        apart = got[one] / weights[one] - got[other] / weights[other]
        assert apart <= 1 / weights[one] + 1e-9


@settings(max_examples=25)
@given(PAST, weights(), st.sampled_from(PEOPLE))
def test_who_was_idle_has_saved_up_nothing(
    past: list[tuple[str, int, int]], weights: Weights, idle: str
) -> None:
    """Whoever comes back is served no sooner, and no more often, than somebody who was never here."""
    weights = {**weights, "n": weights[idle]}
    for_the_idle, for_a_newcomer = after(past, weights), after(past, weights)
    for line in (for_the_idle, for_a_newcomer):
        for thing in [thing for thing in line.queue if thing[0] == idle]:
            line.queue.remove(thing)
    for_the_idle.push(idle, 10)
    for_a_newcomer.push("n", 10)
    came_back = for_the_idle.drain()
    came_new = for_a_newcomer.drain()
    for turn in range(1, len(came_back) + 1):
        assert came_back[:turn].count(idle) <= came_new[:turn].count("n")


@settings(max_examples=25)
@given(weights(), st.integers(1, 40))
def test_a_newcomer_with_much_to_ask_takes_turns_with_who_was_here(weights: Weights, turns: int) -> None:
    line = Line(weights)
    line.push("a", 80)
    for _ in range(turns):
        line.serve()
    line.push("b", 80)
    line.served.clear()
    for _ in range(30):
        line.serve()
        got = Counter(line.served)
        ahead = got["b"] / weights["b"] - got["a"] / weights["a"]
        assert ahead <= 1 / weights["a"] + 1 / weights["b"] + 1e-9


def test_asking_one_at_a_time_wins_no_turns() -> None:
    line = Line({"a": 1, "b": 3})
    line.push("b", 30)
    line.push("a")
    for _ in range(24):
        line.serve()
        if line.served[-1] == "a":
            line.push("a")
    assert Counter(line.served) == {"b": 18, "a": 6}


def test_who_was_passed_over_is_next_but_does_not_collect_turns() -> None:
    line = Line({"a": 1, "b": 1})
    line.push("b", 10)
    line.push("a", 20)
    for _ in range(5):
        line.queue.take(next(thing for thing in line.queue if thing[0] == "a"))
    assert "".join(line.drain())[:6] == "bababa"


def test_there_is_no_weight_below_one_or_above_the_most() -> None:
    queue: FairQueue[str] = FairQueue()
    for weight in (0, -1, MAX_WEIGHT + 1):
        with pytest.raises(ValueError, match="is no weight"):
            queue.push("a1", "a", weight)
    assert "a1" not in queue
