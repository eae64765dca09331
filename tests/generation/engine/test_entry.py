"""Tasks in hand: who may begin while memory is short, and what counts as in flight."""

from __future__ import annotations

from typing import Any, cast

from generation.engine.batch import BatchKey
from generation.engine.entry import Entry, drawn
from tests.generation.toys import Bench, a_request, a_task

IMAGE = cast(Any, object())
"""Of an image it counts only that there is one."""


def an_entry(**state: Any) -> Entry:
    entry = Entry(a_task(a_request()), BatchKey(height=8, width=8, chunks=1), 0)
    for name, value in state.items():
        setattr(entry, name, value)
    return entry


def test_who_is_to_begin_alone_waits_for_those_that_are_drawn_and_others_wait_for_it() -> None:
    flying, alone, later = an_entry(image=IMAGE), an_entry(alone=True), an_entry()
    assert alone.is_held([flying, alone, later], [])
    assert later.is_held([flying, alone, later], [])
    assert not flying.is_held([flying, alone, later], [])
    assert alone.is_held([alone, later], [IMAGE]), "one is still to be decoded"
    assert not alone.is_held([alone, later], [])
    assert later.is_held([alone, later], [])
    assert not later.is_held([flying, later], [])


def test_what_is_between_its_two_passes_is_in_flight() -> None:
    between, waiting, ready = an_entry(first_pass=IMAGE), an_entry(waits=True), an_entry()
    every = [between, waiting, ready]
    assert [any(each is one.task.request for each in drawn(every)) for one in every] == [True, False, False]
    may_be = drawn(every, or_ready=True)
    assert [any(each is one.task.request for each in may_be) for one in every] == [True, False, True]


def test_a_shortage_halves_how_many_are_in_one_call(sd_bench: Bench) -> None:
    engine, key = sd_bench.again(cap=8).engine, BatchKey(height=8, width=8, chunks=1)
    caps = []
    for images in (8, 4, 3):
        engine._run_short(key, [IMAGE] * images, MemoryError())
        caps.append(engine._caps.of(key))
    assert caps == [4, 2, 1]
