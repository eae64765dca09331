"""What was shared where only adults see it is shown nowhere else, as long as its channel is such a place."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from generation.job import UserId
from generation.request import InvalidRequest
from storage.boards import Boards, week_of
from storage.database import Database
from storage.eras import Eras
from storage.exhibits import Exhibits
from storage.finding import Finder, Wanted, Window
from storage.gallery import Gallery, Post
from storage.jobs import Jobs
from storage.lineage import Lineages
from storage.orders import Orders
from storage.paging import Span
from tests.storage.things import ADDRESS, REQUEST, SERVER, a_job, a_picture, a_post, done

ADA, BEA = UserId(4), UserId(5)
HALL, CELLAR = 70, 71
"""A channel for all, and one for adults."""


@pytest.fixture
def eras(database: Database) -> Eras:
    return Eras(database)


async def hung(jobs: Jobs, gallery: Gallery) -> tuple[Post, Post, Post]:
    """One shared in the hall, one in the cellar, one in the hall again; each likes the same things."""
    first = await a_post(jobs, gallery, "a red cat", tags=["red"], channel=HALL)
    second = await a_post(
        jobs, gallery, "a red dog", tags=["red", "dogs"], channel=CELLAR, adults=True, parent=first.job_id
    )
    third = await a_post(jobs, gallery, "a red fox", tags=["red"], channel=HALL, parent=second.job_id)
    for post in (first, second, third):
        await gallery.like(post.id, BEA)
    return first, second, third


async def found(finder: Finder, post: Post, *, adults: bool) -> list[set[str]]:
    """What each way of looking finds."""
    wanted = Wanted(adults=adults)
    pages = [
        await finder.new(SERVER, wanted),
        await finder.top(SERVER, wanted),
        await finder.top(SERVER, replace(wanted, window=Window.WEEK)),
        await finder.new(SERVER, replace(wanted, tag="red")),
        await finder.top(SERVER, replace(wanted, tag="red")),
        await finder.search(SERVER, "red", wanted),
    ]
    ways = [{each.prompt for each in page.posts} for page in pages]
    ways.append({each.prompt for each in await finder.random(SERVER, wanted, count=9)})
    alike = await finder.more_like(post, adults=adults)
    ways.append({each.prompt for each in alike.posts} | {post.prompt})
    return ways


async def test_what_only_adults_may_see_is_found_among_adults_only(
    jobs: Jobs, gallery: Gallery, database: Database
) -> None:
    finder = Finder(database)
    first, second, third = await hung(jobs, gallery)
    everything, open_to_all = {"a red cat", "a red dog", "a red fox"}, {"a red cat", "a red fox"}
    assert await found(finder, first, adults=True) == [everything] * 8
    assert await found(finder, first, adults=False) == [open_to_all] * 8
    assert [post.id for post in (await finder.mine(SERVER, ADA)).posts] == [third.id, second.id, first.id]

    for looked_for in ("dog", "dgo"):
        page = await finder.search(SERVER, looked_for)
        assert (page.posts, page.instead) == ((), None)
    assert await gallery.tags(SERVER, adults=True) == (("red", 3), ("dogs", 1))
    assert await gallery.tags(SERVER) == (("red", 2),)
    assert await gallery.tags(SERVER, "do") == ()
    kept = await gallery.get(second.id)
    assert kept is not None
    assert kept.for_adults


async def test_boards_and_trees_tell_of_it_among_adults_only(
    jobs: Jobs, gallery: Gallery, database: Database
) -> None:
    first, second, third = await hung(jobs, gallery)
    week = week_of(first.shared_at)
    boards, lineages = Boards(database), Lineages(database)
    assert {post.id for post in await boards.best(SERVER, week)} == {first.id, third.id}
    assert len(await boards.best(SERVER, week, adults=True)) == 3
    for adults in (False, True):
        tree = await lineages.of(first.job_id, server=SERVER, viewer=BEA, adults=adults)
        assert tree is not None
        told = [node.post for node in tree.descendants]
        assert told == [second.id if adults else None, third.id]
    origins = await Exhibits(database).origins(third)
    assert [(post.id, post.for_adults) for post in origins] == [(second.id, True), (first.id, False)]


async def test_it_goes_by_the_channel_in_which_it_was_shared(
    jobs: Jobs, gallery: Gallery, database: Database, eras: Eras
) -> None:
    finder = Finder(database)
    first, second, third = await hung(jobs, gallery)
    assert await eras.channels(SERVER) == {HALL: False, CELLAR: True}
    assert await eras.channels(SERVER + 1) == {}
    away = a_job(asker=ADA)
    await jobs.keep(away, replace(ADDRESS, user_id=ADA, guild_id=SERVER + 1))
    await jobs.settle(done(away), [a_picture()])
    other, _ = await gallery.share(away.id, 0, server=SERVER + 1, by=ADA, channel=72)
    fourth = await a_post(jobs, gallery, channel=HALL)
    assert await eras.since(first.id) == (HALL, CELLAR, HALL)
    assert await eras.since(second.id) == (HALL, CELLAR)
    assert await eras.since(third.id) == await eras.since(fourth.id) == (HALL,)
    assert await eras.since(other.id) == (72,)
    await gallery.unshare(fourth.id)

    async def shown() -> list[int]:
        return [post.id for post in (await finder.new(SERVER)).posts]

    assert await eras.note(HALL, adults=True)
    assert not await eras.note(HALL, adults=True)
    assert await shown() == []
    assert await eras.note(CELLAR, adults=False)
    assert await shown() == [second.id]
    await eras.note(HALL, adults=False)
    assert await shown() == [third.id, second.id, first.id]
    assert not await eras.note(12345, adults=True)
    # Sharing itself notes it, too.
    await a_post(jobs, gallery, "a red owl", channel=HALL, adults=True)
    assert await shown() == [second.id]
    elsewhere = await a_post(jobs, gallery, "a red hen", channel=CELLAR)
    assert await shown() == [elsewhere.id, second.id]


async def test_what_only_adults_may_see_is_not_walked_through_at_the_ends(
    jobs: Jobs, gallery: Gallery, database: Database, eras: Eras
) -> None:
    orders = Orders(database, time.time)

    async def seen(*, adults: bool = False) -> Span:
        return await orders.span(SERVER, Window.ALL, adults=adults)

    first, second, third = await hung(jobs, gallery)
    all_ = Span(first.id - 1, third.id + 1)
    assert await seen(adults=True) == all_
    assert await seen() == Span(first.id, third.id + 1, for_all=True)
    await eras.note(HALL, adults=True)
    assert await seen() == Span(0, 0)
    await eras.note(CELLAR, adults=False)
    assert await seen() == Span(second.id, third.id, for_all=True)
    await eras.note(HALL, adults=False)
    assert await seen() == all_
    # What was shared before there were eras is for all.
    async with database.transaction() as transaction:
        await transaction.execute("DELETE FROM eras WHERE first != ?", (second.id,))
    await eras.note(CELLAR, adults=True)
    assert await seen() == Span(first.id - 1, second.id, for_all=True)


async def test_what_was_asked_for_among_adults_is_shared_and_told_among_adults_only(
    jobs: Jobs, gallery: Gallery, database: Database
) -> None:
    job = a_job(asker=ADA, request=REQUEST, for_adults=True)
    await jobs.keep(job, replace(ADDRESS, user_id=ADA))
    await jobs.settle(done(job), [a_picture(0, b"0"), a_picture(1, b"1")])
    with pytest.raises(InvalidRequest, match="asked for in an age-restricted channel"):
        await gallery.share(job.id, 0, server=SERVER, by=ADA, channel=HALL)
    lineages = Lineages(database)
    for viewer, adults, is_open in ((BEA, False, False), (BEA, True, True), (ADA, False, True)):
        tree = await lineages.of(job.id, server=SERVER, viewer=viewer, adults=adults)
        assert tree is not None
        assert tree.self.is_open is is_open
    post, _ = await gallery.share(job.id, 0, server=SERVER, by=ADA, channel=CELLAR, adults=True)
    assert post.for_adults
