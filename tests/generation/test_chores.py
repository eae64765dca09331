"""What is done beside the rest ends with it, and goes on after a failure."""

from __future__ import annotations

import asyncio
import logging

import pytest

from generation.chores import again_and_again, beside


async def for_ever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("nobody asked")


async def test_what_is_done_beside_a_block_ends_with_it() -> None:
    with pytest.raises(KeyError):
        async with beside(for_ever, name="a chore") as task:
            await asyncio.sleep(0)
            assert task.get_name() == "a chore"
            assert not task.done()
            raise KeyError
    assert task.cancelled()


async def test_it_has_let_go_of_everything_when_the_block_is_left() -> None:
    let_go = False

    async def tidy_up_slowly() -> None:
        nonlocal let_go
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            let_go = True

    async with beside(tidy_up_slowly, name="a chore"):
        await asyncio.sleep(0)
    assert let_go


async def test_its_failure_is_raised_only_to_who_awaits_it() -> None:
    async with beside(fail, name="a chore") as task:
        with pytest.raises(ValueError, match="nobody asked"):
            await task
    async with beside(fail, name="a chore"):
        await asyncio.sleep(0)


class Enough(BaseException):
    """No failure that it would go on after."""


async def test_after_a_failure_it_is_tried_again_and_the_log_says_what_was_foreseen_in_a_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = [OSError("the disk is full"), ValueError("a mistake"), Enough()]

    async def work() -> None:
        raise failures.pop(0)

    with pytest.raises(Enough):
        await again_and_again(work, every=0, failure="could not tidy up", passing=(OSError,))
    foreseen, surprise = caplog.records
    assert foreseen.levelno == logging.WARNING
    assert foreseen.getMessage() == "could not tidy up: the disk is full"
    assert foreseen.exc_info is None
    assert surprise.levelno == logging.ERROR
    assert surprise.getMessage() == "could not tidy up"
    assert surprise.exc_info is not None
