"""Questions to a worker get one answer each, and a sentence if there is none."""

from __future__ import annotations

import asyncio

import pytest

from generation.backends.questions import MOST, CannotDescribe, Questions
from generation.messages import Described


async def asked(questions: Questions, sent: list[int], many: int) -> list[asyncio.Task[str]]:
    tasks = [asyncio.create_task(questions.ask(sent.append)) for _ in range(many)]
    await asyncio.sleep(0)  # each runs until it waits for its answer
    assert len(sent) == many
    return tasks


async def test_each_gets_its_own_answer_in_whatever_order_they_come() -> None:
    questions, sent = Questions(), list[int]()
    first, second = await asked(questions, sent, 2)
    questions.take_in(Described(number=sent[1], text="a star"))
    questions.take_in(Described(number=sent[0], text="a circle"))
    questions.take_in(Described(number=99, text="for nobody"))
    assert (await first, await second) == ("a circle", "a star")


async def test_a_reason_a_lost_worker_and_too_many_questions_are_sentences() -> None:
    questions, sent = Questions(), list[int]()
    first, *others = await asked(questions, sent, MOST)
    with pytest.raises(CannotDescribe, match="Many are asking"):
        await questions.ask(sent.append)
    questions.take_in(Described(number=sent[0], reason="It broke."))
    with pytest.raises(CannotDescribe, match="It broke"):
        await first
    questions.lose()
    for other in others:
        with pytest.raises(CannotDescribe, match="was lost"):
            await other
