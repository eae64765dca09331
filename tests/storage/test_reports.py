"""Reports and what moderators decide about them; the board of a week."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from generation.job import UserId
from generation.request import InvalidRequest
from storage.boards import WEEK, Boards, begin_of, week_of
from storage.database import Database
from storage.gallery import Gallery, PostId
from storage.jobs import Jobs
from storage.people import People
from storage.pictures import Pictures
from storage.privacy import Privacy
from storage.reports import Decision, Notice, Reports
from tests.storage.things import ADDRESS, SERVER, a_job, a_picture, a_post, done

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
    [known] = await reports.decided(SERVER, 9)
    assert (known.reason, known.reported_by, known.person) == ("rude", BEA, post.person)
    # Who shared it may make it go, and what was decided is known nevertheless.
    await gallery.unshare(post.id)
    assert await reports.of(post.id) == ()
    assert await reports.decided(SERVER, 9) == (replace(known, reason=None, reported_by=UserId(0)),)

    other = await a_post(jobs, gallery)
    await gallery.unshare(other.id, by=MOD)
    newest = (await reports.decided(SERVER, 1))[0]
    assert (newest.decision, newest.decided_by, newest.post) == (Decision.REMOVED, MOD, other.id)
    assert await reports.decided(77, 9) == ()


async def test_a_notice_is_to_be_closed_once_it_is_decided_or_its_post_is_gone(
    jobs: Jobs, gallery: Gallery, reports: Reports
) -> None:
    posts = [await a_post(jobs, gallery, f"number {number}") for number in range(3)]
    notices = [
        Notice(channel_id=8, message_id=80 + place, server=SERVER, post=post.id, job_id=post.job_id, index=0)
        for place, post in enumerate(posts)
    ]
    for post, notice in zip(posts, notices, strict=True):
        await reports.report(post.id, by=BEA, reason="rude")
        await reports.shown(notice)
    assert await reports.outdated() == ()
    await reports.decide(posts[0].id, Decision.KEPT, by=MOD)
    await gallery.unshare(posts[1].id)
    gone = replace(notices[1], is_there=False)
    assert await reports.outdated() == (notices[0], gone)
    await reports.closed(notices[0])
    assert await reports.outdated() == (gone,)
    await reports.shown(late := replace(gone, message_id=99))  # it went before that was known
    assert await reports.outdated() == (gone, late)


@pytest.mark.parametrize("goes", [False, True])
async def test_a_notice_that_says_hidden_is_told_anew_once_its_post_is_shown_again_or_gone(
    jobs: Jobs, gallery: Gallery, reports: Reports, goes: bool
) -> None:
    post = await a_post(jobs, gallery)
    await reports.report(post.id, by=BEA, reason="rude")
    await reports.shown(
        Notice(channel_id=8, message_id=80, server=SERVER, post=post.id, job_id=post.job_id, index=0)
    )
    assert await reports.last(SERVER, post.id) is None
    await reports.decide(post.id, Decision.HIDDEN, by=MOD)
    [notice] = await reports.outdated()
    assert (notice.waits, notice.is_hidden, notice.said_hidden) == (False, True, False)
    await reports.told(notice)
    assert await reports.outdated() == ()
    await (gallery.unshare(post.id) if goes else gallery.unhide(post.id, by=CLO))
    after = replace(notice, is_there=not goes, is_hidden=False, said_hidden=True)
    assert await reports.outdated() == (after,)
    last = await reports.last(SERVER, post.id)
    assert last is not None
    assert (last.decision, last.decided_by) == ((Decision.HIDDEN, MOD) if goes else (Decision.SHOWN, CLO))
    await reports.closed(notice)
    assert await reports.outdated() == ()


async def test_a_notice_that_names_somebody_who_is_forgotten_is_told_anew(
    jobs: Jobs, gallery: Gallery, reports: Reports, database: Database, pictures: Pictures
) -> None:
    posts = [await a_post(jobs, gallery, f"number {number}") for number in range(2)]
    for post, reporter in zip(posts, (BEA, CLO), strict=True):
        await reports.report(post.id, by=reporter, reason="rude")
        await reports.shown(
            Notice(channel_id=8, message_id=post.id, server=SERVER, post=post.id, job_id=post.job_id, index=0)
        )
    privacy = Privacy(database, pictures, await People.opened(database))
    await privacy.forget(BEA)
    [notice] = await reports.outdated()
    assert (notice.post, notice.waits) == (posts[0].id, True)
    await reports.told(notice)
    assert await reports.outdated() == ()
    await reports.decide(posts[0].id, Decision.KEPT, by=MOD)
    assert await reports.outdated() == (replace(notice, waits=False, outdated=0),)
    await reports.closed(notice)

    await reports.decide(posts[1].id, Decision.HIDDEN, by=MOD)
    await privacy.forget(CLO)  # with the report, of which the moderator is still named
    [notice] = await reports.outdated()
    await privacy.forget(MOD)  # while the message is written
    await reports.told(notice)
    assert await reports.outdated() == (replace(notice, said_hidden=True, outdated=1),)
    await reports.told(replace(notice, outdated=1))
    assert await reports.outdated() == ()


async def test_what_is_hidden_with_another_of_the_same_file_is_decided_with_it(
    jobs: Jobs, gallery: Gallery, reports: Reports
) -> None:
    first, apart = await a_post(jobs, gallery), await a_post(jobs, gallery)
    job = a_job(asker=BEA)
    await jobs.keep(job, replace(ADDRESS, user_id=BEA))
    await jobs.settle(done(job), [a_picture(0, f"{first.job_id} 0".encode())])
    second, _ = await gallery.share(job.id, 0, server=SERVER, by=BEA)
    for post in (first, apart, second):
        await reports.report(post.id, by=CLO, reason="rude")
    assert await reports.decide(first.id, Decision.HIDDEN, by=MOD) == 1
    assert [each.post for each in await reports.waiting(SERVER)] == [apart.id]
    decided = await reports.decided(SERVER, 9)
    assert {(each.post, each.person) for each in decided} == {(first.id, first.person), (second.id, BEA)}


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

    claimed = await asyncio.gather(*(boards.claim(SERVER, week, [posts[1].id]) for _ in range(3)))
    [board] = [each for each in claimed if each is not None]
    assert await boards.unposted() == (board,)
    await boards.give_back(board)
    again = await boards.claim(SERVER, week, [posts[1].id, posts[0].id])
    assert again is not None
    await boards.posted(again, 8, 80, found=False)
    await boards.give_back(again)
    assert await boards.claim(SERVER, week, []) is None
    assert await boards.unposted() == ()
    assert [post.id for post in await boards.of(again.posts)] == [posts[1].id, posts[0].id]


async def test_what_leaves_a_board_makes_its_message_outdated_until_that_is_told(
    jobs: Jobs, gallery: Gallery, boards: Boards
) -> None:
    first, second, third, other = [await a_post(jobs, gallery, f"number {number}") for number in range(4)]
    week = week_of(first.shared_at)
    board = await boards.claim(SERVER, week, [first.id, second.id, third.id])
    assert board is not None
    await gallery.unshare(first.id)  # between posting it and noting that
    await boards.posted(board, 8, 80, found=False)
    [board] = await boards.outdated()
    assert (board.channel_id, board.message_id) == (8, 80)
    await boards.told(board)
    assert await boards.outdated() == ()

    await gallery.unshare(other.id)
    assert await boards.outdated() == ()
    await gallery.hide(second.id, by=MOD)
    [board] = await boards.outdated()
    assert [post.id for post in await boards.of(board.posts)] == [third.id]
    await gallery.unshare(third.id)  # while that is being told
    await boards.told(board)
    [board] = await boards.outdated()
    await boards.no_message(board)
    assert await boards.outdated() == ()

    await boards.no_board(SERVER, week + 1)
    assert await boards.claim(SERVER, week + 1, []) is None
    found = await boards.claim(SERVER, week + 2, [])
    assert found is not None
    await boards.posted(found, 8, 81, found=True)  # nobody knows what it shows
    assert [each.week for each in await boards.outdated()] == [week + 2]


def test_a_week_begins_on_monday_at_midnight() -> None:
    monday = 1_795_392_000  # 2026-11-23
    assert week_of(monday) == week_of(monday + WEEK - 1) == week_of(monday - 1) + 1
    assert begin_of(week_of(monday)) == monday
