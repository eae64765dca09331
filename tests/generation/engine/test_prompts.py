"""Prompts are encoded once and kept for a while."""

from __future__ import annotations

from generation.engine.memory import Memory
from generation.engine.prompts import PromptEncoder
from tests.generation.toys import Bench


def test_a_prompt_is_encoded_once_while_it_is_kept(sd_bench: Bench) -> None:
    encoder = PromptEncoder(sd_bench.model, Memory(sd_bench.model))
    first = encoder.encode("a red circle")
    assert encoder.encode("a red circle") is first
    for number in range(100):
        encoder.encode(f"circle number {number}")
    again = encoder.encode("a red circle")
    assert again is not first
    assert again.states.equal(first.states)


def test_a_long_prompt_is_read_up_to_the_limit_and_says_so(sd_bench: Bench) -> None:
    encoder = PromptEncoder(sd_bench.model, Memory(sd_bench.model))
    short, long = encoder.encode("red"), encoder.encode("red " * 60)
    assert (short.tokens, short.limit) == (5, 77)
    assert long.tokens == 2 + 3 * 60
    assert long.states.shape == short.states.shape == (1, 77, 16)
    assert long.states.equal(encoder.encode("red " * 61).states), "what is beyond the limit changes nothing"
