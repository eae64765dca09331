"""Kinds of batches share the work evenly."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from generation.engine.turns import MOST_TURNS, Turns, evened


def serve(costs: dict[str, float], calls: int) -> tuple[Counter[str], list[str]]:
    turns: Turns[str] = Turns()
    order = [turns.next(costs) for _ in range(calls)]
    named = [key for key in order if key is not None]
    return Counter(named), named


def test_a_key_that_costs_a_quarter_gets_four_calls_for_one() -> None:
    served, _ = serve({"small": 1.0, "large": 4.0}, 500)
    assert served == {"small": 400, "large": 100}


def test_what_a_granted_call_cost_is_known_until_the_next() -> None:
    turns: Turns[str] = Turns()
    turns.next({"only": 3.0})
    assert turns.paid == 3.0
    turns.next({})
    assert turns.paid == 0.0


def test_rough_costs_are_evened_and_unknown_ones_taken_for_the_most() -> None:
    assert evened({"tiny": 1.0, "large": 1000.0, "unknown": 0.0}) == {
        "tiny": 1000.0 / MOST_TURNS,
        "large": 1000.0,
        "unknown": 1000.0,
    }
    assert evened({"one": 0.0, "two": 0.0}) == {"one": 1.0, "two": 1.0}


def test_one_key_alone_gets_every_call() -> None:
    assert serve({"only": 3.0}, 7)[0] == {"only": 7}


def test_nothing_to_do_is_nobodys_turn() -> None:
    assert Turns[str]().next({}) is None


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 50), min_size=1))
def test_everybody_gets_the_same_share_of_the_work(costs: dict[str, float]) -> None:
    served, order = serve(costs, 2000)
    work = {key: served[key] * cost for key, cost in costs.items()}
    assert max(work.values()) - min(work.values()) <= 2 * max(costs.values())
    assert order[0] in costs


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60))
def test_who_comes_and_goes_saves_nothing_up(present: list[str]) -> None:
    """After any history, a key with something to do waits for at most one call of each other per unit."""
    turns: Turns[str] = Turns()
    for key in present:
        turns.next({key: 1.0})
    first_two = [turns.next({"a": 1.0, "b": 1.0}) for _ in range(2)]
    assert set(first_two) == {"a", "b"}
