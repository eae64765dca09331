"""Messages of a gallery that are to go, or to be told anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generation.job import JobId, UserId
from storage.database import Database
from storage.gallery import Gallery, Message
from storage.hanging import Hangings
from storage.jobs import Jobs
from storage.reports import Decision, Reports
from tests.storage.things import ADDRESS, SERVER, a_job, a_picture, a_post, done, drawn

BEA, MOD = UserId(5), UserId(7)


@pytest.fixture
def hangings(database: Database) -> Hangings:
    return Hangings(database)


async def test_the_message_of_what_is_hidden_goes_and_comes_again_when_it_is_not(
    jobs: Jobs, gallery: Gallery, hangings: Hangings, database: Database
) -> None:
    reports, post = Reports(database), await a_post(jobs, gallery)
    kept = await a_post(jobs, gallery, "another")
    for each, message in ((post, 71), (kept, 72)):
        await gallery.shown(each.id, 70, message, 0)
        await reports.report(each.id, by=BEA, reason="rude")
    assert await hangings.take_hidden_down() == 0
    await reports.decide(kept.id, Decision.KEPT, by=MOD)
    await reports.decide(post.id, Decision.HIDDEN, by=MOD)
    assert await hangings.take_hidden_down() == 1
    assert await hangings.take_hidden_down() == 0
    assert await gallery.takedowns() == (Message(channel_id=70, message_id=71),)
    assert await gallery.without_message() == ()
    assert await hangings.shown_again(post.id) == 0
    assert await gallery.unhide(post.id, by=MOD)
    assert [each.id for each in await gallery.without_message()] == [post.id]
    assert await hangings.take_hidden_down() == 0
    assert (await hangings.shown_again(post.id), await hangings.shown_again(kept.id)) == (1, 0)
    decided = await reports.decided(SERVER, 5)
    assert {(each.post, each.decision, each.decided_by) for each in decided} == {
        (post.id, Decision.SHOWN, MOD),
        (post.id, Decision.HIDDEN, MOD),
        (kept.id, Decision.KEPT, MOD),
    }


async def test_who_shares_the_same_file_is_hidden_with_it_and_comes_back_with_it(
    jobs: Jobs, gallery: Gallery, hangings: Hangings
) -> None:
    first = await a_post(jobs, gallery)
    other = a_job(asker=BEA)
    await jobs.keep(other, replace(ADDRESS, user_id=BEA))
    await jobs.settle(done(other), [a_picture(0, f"{first.job_id} 0".encode()), a_picture(1, b"another")])
    second, third = [(await gallery.share(other.id, index, server=SERVER, by=BEA))[0] for index in range(2)]
    assert first.digest == second.digest
    for number, post in enumerate((first, second, third)):
        await gallery.shown(post.id, 70, 71 + number, 0)
    assert await gallery.hide(first.id, by=MOD)
    hidden = await gallery.get(second.id)
    assert hidden is not None
    assert hidden.is_hidden
    assert await hangings.take_hidden_down() == 2
    assert not await gallery.hide(second.id, by=MOD)
    assert {post.id for post in await gallery.hidden(SERVER, 9)} == {first.id, second.id}
    assert (len(await gallery.hidden(SERVER, 1)), await gallery.hidden(SERVER + 1, 9)) == (1, ())
    assert await gallery.unhide(second.id, by=BEA)
    assert await gallery.hidden(SERVER, 9) == ()
    assert {post.id for post in await gallery.without_message()} == {first.id, second.id}
    assert not await gallery.unhide(first.id, by=BEA)


async def test_what_came_of_a_picture_is_told_anew_when_that_goes(
    jobs: Jobs, gallery: Gallery, hangings: Hangings
) -> None:
    root = await a_post(jobs, gallery, "the root")
    middle = await drawn(jobs, "in between", by=5, id=JobId(f"{2:016}"), parent=root.job_id)
    last = await drawn(jobs, "the last", by=5, id=JobId(f"{3:016}"), parent=middle.id)
    child, _ = await gallery.share(last.id, 0, server=SERVER, by=BEA)
    other = await a_post(jobs, gallery, "not of this family")
    for number, post in enumerate((root, child, other)):
        await gallery.shown(post.id, 70, 71 + number, 0)
    assert await gallery.outdated() == ()
    by_job = await hangings.descendants(job=root.job_id)
    assert set(by_job) == {root.id, child.id}
    assert child.id in await hangings.descendants(person=root.person)
    await hangings.tell_anew([child.id])
    assert [post.id for post in await gallery.outdated()] == [child.id]
    [outdated] = await gallery.outdated()
    await gallery.says(outdated)
    assert await gallery.outdated() == ()


async def test_what_is_to_be_told_anew_while_it_is_told_is_told_once_more(
    jobs: Jobs, gallery: Gallery, hangings: Hangings
) -> None:
    post, written = await a_post(jobs, gallery), await a_post(jobs, gallery, "not there yet")
    await gallery.shown(post.id, 70, 71, 0)
    await hangings.tell_anew([post.id])
    for _ in range(2):
        [outdated] = await gallery.outdated()
        await hangings.tell_anew([post.id])  # its message is just being edited
        await gallery.says(outdated)
    [outdated] = await gallery.outdated()
    await gallery.says(outdated)
    assert await gallery.outdated() == ()

    await hangings.tell_anew([written.id])  # its message is just being written
    await gallery.shown(written.id, 70, 72, 0)
    assert [each.id for each in await gallery.outdated()] == [written.id]
