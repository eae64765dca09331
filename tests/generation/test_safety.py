"""What becomes of flagged pictures, as each server wants it, and that nothing passes unasked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from generation.image import Picture
from generation.job import Failed, Finished, Job, JobState, Progressed
from generation.judging import FLAGGED, UNCHECKED, is_suspect, judged
from generation.messages import Drawn
from generation.safety import Review, Safety, Verdict
from generation.size import Seed
from tests.generation.studios import HandBackend, Story
from tests.generation.test_job import a_job
from tests.generation.test_request import REQUEST

CLEAN, FLAG, UNSURE, UNASKED = Verdict.CLEAN, Verdict.FLAGGED, Verdict.UNCHECKED, Verdict.UNASKED


def running(safety: Safety, count: int = 1) -> Job:
    job = a_job(request=replace(REQUEST, count=count), safety=safety)
    return job.moved(JobState.RUNNING)


def drawn(*verdicts: Verdict) -> dict[int, Picture]:
    return {
        index: Picture(index=index, seed=Seed(index), size=REQUEST.size, png=b"png", verdict=verdict)
        for index, verdict in enumerate(verdicts)
    }


@pytest.mark.parametrize(
    ("safety", "verdicts", "state", "review", "kept"),
    [
        (Safety.OFF, (UNASKED, UNASKED), JobState.DONE, None, [0, 1]),
        (Safety.OFF, (FLAG, UNSURE), JobState.DONE, None, [0, 1]),
        (Safety.SPOILER, (FLAG, CLEAN), JobState.DONE, None, [0, 1]),
        (Safety.HOLD, (CLEAN, CLEAN), JobState.DONE, None, [0, 1]),
        (Safety.HOLD, (CLEAN, FLAG), JobState.DONE, Review.WAITING, [0, 1]),
        (Safety.HOLD, (CLEAN, UNSURE), JobState.DONE, Review.WAITING, [0, 1]),
        (Safety.HOLD, (CLEAN, UNASKED), JobState.DONE, Review.WAITING, [0, 1]),
        (Safety.REFUSE, (CLEAN, CLEAN), JobState.DONE, None, [0, 1]),
        (Safety.REFUSE, (FLAG, CLEAN), JobState.DONE, None, [1]),
        (Safety.REFUSE, (UNASKED, CLEAN), JobState.DONE, None, [1]),
        (Safety.REFUSE, (FLAG, UNSURE), JobState.FAILED, None, []),
    ],
)
def test_every_end(
    safety: Safety, verdicts: tuple[Verdict, ...], state: JobState, review: Review | None, kept: list[int]
) -> None:
    ended, pictures = judged(running(safety, len(verdicts)), drawn(*verdicts))
    assert (ended.state, ended.review, list(pictures)) == (state, review, kept)
    assert ended.may_be_seen is (review is None)


@pytest.mark.parametrize(
    ("verdict", "sentence"), [(FLAG, FLAGGED), (UNSURE, UNCHECKED), (UNASKED, UNCHECKED)]
)
def test_a_refusal_says_why(verdict: Verdict, sentence: str) -> None:
    ended, _ = judged(running(Safety.REFUSE), drawn(verdict))
    assert ended.failure == sentence


def test_a_spoiler_hides_all_but_what_is_clean_and_a_moderators_word_needs_none() -> None:
    hidden = [
        is_suspect(running(Safety.SPOILER), each) for each in drawn(CLEAN, FLAG, UNSURE, UNASKED).values()
    ]
    assert hidden == [False, True, True, True]
    assert not any(is_suspect(running(Safety.HOLD), each) for each in drawn(FLAG, UNSURE).values())


@pytest.mark.parametrize("safety", list(Safety))
async def test_a_task_asks_for_the_check_where_it_is_wanted(safety: Safety) -> None:
    async with Story() as story:
        story.studio.submit(a_job(safety=safety))
        assert (await story.took(1)).checked is (safety is not Safety.OFF)


async def test_what_is_held_is_kept_but_told_without_its_pictures() -> None:
    async with Story() as story:
        job = a_job(request=replace(REQUEST, count=1), safety=Safety.HOLD)
        story.studio.submit(job)
        task = await story.took(1)
        story.backend.begin(task.id)
        story.backend.say(Drawn(task=task.id, png=b"png", verdict=FLAG))
        await story.until(lambda: isinstance(story.events[-1], Finished))
        event = story.events[-1]
        assert isinstance(event, Finished)
        assert (event.job.review, event.pictures) == (Review.WAITING, ())
        kept, pictures = story.store.settled[job.id]
        assert kept.review is Review.WAITING
        assert [picture.verdict for picture in pictures] == [FLAG]


async def test_what_is_refused_is_not_kept() -> None:
    async with Story() as story:
        job = a_job(request=replace(REQUEST, count=1), safety=Safety.REFUSE)
        story.studio.submit(job)
        task = await story.took(1)
        story.backend.say(Drawn(task=task.id, png=b"png", verdict=FLAG))
        await story.until(lambda: isinstance(story.events[-1], Failed))
        assert story.store.settled[job.id][1] == ()


@pytest.mark.parametrize(("safety", "seen"), [(Safety.SPOILER, 1), (Safety.HOLD, 0), (Safety.REFUSE, 0)])
async def test_nobody_watches_what_must_be_checked_before_it_is_seen(safety: Safety, seen: int) -> None:
    async with Story(HandBackend()) as story:
        job = a_job(request=replace(REQUEST, count=1), safety=safety)
        story.studio.submit(job)
        story.backend.begin((await story.took(1)).id)
        await story.until(lambda: isinstance(story.of(job)[-1], Progressed))
        assert story.studio.watch(job.id, lambda *_: None) == seen
        await asyncio.sleep(0)
        assert len(story.backend.watched) == seen
