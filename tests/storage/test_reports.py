"""Reports and what moderators decide about them; the board of a week."""

from __future__ import annotations

import asyncio

import pytest

from generation.job import UserId
from generation.request import InvalidRequest
from storage.boards import WEEK, Boards, begin_of, week_of
from storage.database import Database
from storage.gallery import Gallery, PostId
from storage.jobs import Jobs
from storage.reports import Decision, Reports
from tests.storage.things import SERVER, a_post

BEA, CLO, MOD = UserId(5), UserId(6), UserId(7)


@pytest.fixture
def reports(database: Database) -> Reports:
    return Reports(database)


@pytest.fixture
def boards(database: Database) -> Boards:
    return Boards(database)


async def test_a_report_waits_until_one_moderator_decides(
    jobs: Jobs, gallery: Gallery, reports: Reports
) -> None:
    post = await a_post(jobs, gallery)
    assert await reports.report(post.id, by=BEA, reason=" rude ") == 1
    assert await reports.report(post.id, by=BEA, reason="still rude") == 0
    assert await reports.report(post.id, by=CLO, reason="x" * 9999) == 2
    first, second = await reports.waiting(SERVER)
    assert (first.post, first.person, first.reason, len(second.reason)) == (post.id, BEA, "rude", 500)
    assert await reports.waiting(77) == ()

    decided = await asyncio.gather(
        reports.decide(post.id, Decision.HIDDEN, by=MOD), reports.decide(post.id, Decision.KEPT, by=CLO)
    )
    assert sorted(decided) == [0, 2]
    assert await reports.waiting(SERVER) == ()
    hidden = await gallery.get(post.id)
    assert hidden is not None
    assert hidden.is_hidden == (decided[0] == 2)
    assert {report.decision for report in await reports.of(post.id)} == {
        Decision.HIDDEN if hidden.is_hidden else Decision.KEPT
    }
    await gallery.unshare(post.id)
    assert await reports.of(post.id) == ()


async def test_a_report_needs_a_post_in_sight_and_a_reason(
    jobs: Jobs, gallery: Gallery, reports: Reports
) -> None:
    post = await a_post(jobs, gallery)
    with pytest.raises(InvalidRequest, match="what is wrong"):
        await reports.report(post.id, by=BEA, reason="  ")
    await gallery.hide(post.id, by=MOD)
    for post_id in (post.id, PostId(1)):
        with pytest.raises(InvalidRequest, match="not in the gallery"):
            await reports.report(post_id, by=BEA, reason="rude")


async def test_the_board_holds_what_was_liked_of_its_week_and_is_posted_once(
    jobs: Jobs, gallery: Gallery, boards: Boards, database: Database
) -> None:
    posts = [await a_post(jobs, gallery, f"number {number}") for number in range(4)]
    week = week_of(posts[0].shared_at)
    for post, likes in zip(posts, (1, 2, 0, 3), strict=True):
        for person in range(likes):
            await gallery.like(post.id, UserId(100 + person))
    async with database.transaction() as transaction:  # the last one was shared a week later
        await transaction.execute("UPDATE posts SET day = day + 7 WHERE id = ?", (posts[3].id,))
    assert [post.prompt for post in await boards.best(SERVER, week)] == ["number 1", "number 0"]
    assert [post.prompt for post in await boards.best(SERVER, week + 1)] == ["number 3"]
    assert await boards.best(77, week) == ()

    assert sorted(await asyncio.gather(*(boards.claim(SERVER, week) for _ in range(3)))) == [
        False,
        False,
        True,
    ]
    await boards.give_back(SERVER, week)
    assert await boards.claim(SERVER, week)
    await boards.posted(SERVER, week, 8, 80)
    await boards.give_back(SERVER, week)
    assert not await boards.claim(SERVER, week)


def test_a_week_begins_on_monday_at_midnight() -> None:
    monday = 1_795_392_000  # 2026-11-23
    assert week_of(monday) == week_of(monday + WEEK - 1) == week_of(monday - 1) + 1
    assert begin_of(week_of(monday)) == monday
