"""Sharing, liking and hiding: what may be, what is counted, and what is gone with what."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from generation.guides import Adapter
from generation.image import PictureGone
from generation.job import JobState, UserId
from generation.request import InvalidRequest, Wording
from generation.safety import Review, Safety, Verdict
from storage.database import Database
from storage.gallery import Gallery, Message, Post
from storage.jobs import Jobs
from storage.pictures import Pictures, digest_of
from storage.postwords import read_title
from storage.reviews import Reviews
from tests.storage.keeping import Kept
from tests.storage.things import ADDRESS, REQUEST, SERVER, a_job, a_picture, a_post, done, drawn

ADA, BEA, CLO = UserId(4), UserId(5), UserId(6)


async def test_a_post_says_what_its_picture_was_drawn_from(jobs: Jobs, gallery: Gallery) -> None:
    words = (
        Wording(prompt="a red cat <lora:ink:0.5>", negative_prompt=""),
        Wording(prompt="a dog", negative_prompt=""),
    )
    request = replace(
        REQUEST, prompt="a {red|blue} cat", chosen=words, style="Inky", adapters=(Adapter(name="glow"),)
    )
    job = a_job(request=request)
    await jobs.keep(job, ADDRESS)
    await jobs.settle(done(job), [a_picture(0), a_picture(1, b"another")])

    post, is_new = await gallery.share(
        job.id, 0, server=SERVER, by=ADA, title="  My\n\u202e cat ", tags=["Red  Cat", "CAT", "red cat"]
    )
    assert is_new
    assert (post.prompt, post.style, post.loras) == ("a red cat <lora:ink:0.5>", "Inky", ("glow", "ink"))
    assert (post.title, post.tags, post.likes, post.person) == ("My cat", ("red cat", "cat"), 0, ADA)
    assert (post.size, post.digest, post.model) == (REQUEST.size, digest_of(a_picture(0).png), REQUEST.model)
    assert await gallery.get(post.id) == post
    second, is_new = await gallery.share(job.id, 1, server=SERVER, by=ADA)
    assert (second.prompt, is_new) == ("a dog", True)
    assert await gallery.of_job(job.id) == (post, second)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  My\n cat ", "My cat"),
        ("\u202elive\u2066!", "live!"),
        ("\u200b\u3164", None),
        ("\u0301" * 9, None),
        ("\U0001f468\u200d\U0001f467 5\ufe0f\u20e3", "\U0001f468\u200d\U0001f467 5\ufe0f\u20e3"),
        ("x" * 99 + " yz", "x" * 99),
    ],
)
def test_a_title_can_be_seen_and_turns_nothing_around(typed: str, kept: str | None) -> None:
    assert read_title(typed) == kept


async def test_sharing_twice_gives_the_first_also_at_once(jobs: Jobs, gallery: Gallery) -> None:
    job = await drawn(jobs)
    shared = await asyncio.gather(*(gallery.share(job.id, 0, server=SERVER, by=ADA) for _ in range(4)))
    assert sorted(is_new for _, is_new in shared) == [False, False, False, True]
    assert len({post.id for post, _ in shared}) == 1


async def test_what_may_not_be_seen_is_not_shared(
    jobs: Jobs, gallery: Gallery, pictures: Pictures, reviews: Reviews
) -> None:
    async def refused(job_id: str, said: str, **changes: object) -> None:
        arguments = {"server": SERVER, "by": ADA, **changes}
        with pytest.raises((InvalidRequest, PictureGone), match=said):
            await gallery.share(job_id, 0, **arguments)  # type: ignore[arg-type]

    await refused("0" * 16, "not there")
    job = await drawn(jobs)
    await refused(job.id, "Only the person who asked", by=BEA)
    await refused(job.id, "drawn elsewhere", server=77)
    with pytest.raises(InvalidRequest, match="9 tags"):
        await gallery.share(job.id, 0, server=SERVER, by=ADA, tags=[f"t{n}" for n in range(9)])
    with pytest.raises(PictureGone):
        await gallery.share(job.id, 2, server=SERVER, by=ADA)
    await pictures.forget(job.id)
    await refused(job.id, "not there")
    await refused((await drawn(jobs, private=True)).id, "private")

    for verdict in (Verdict.FLAGGED, Verdict.UNCHECKED):
        shown = a_job(safety=Safety.SPOILER)
        await jobs.keep(shown, ADDRESS)
        await jobs.settle(done(shown), [replace(a_picture(), verdict=verdict)])
        await refused(shown.id, "safety checker")
    for decision in (Review.REJECTED, Review.APPROVED):
        held = a_job(safety=Safety.HOLD)
        await jobs.keep(held, ADDRESS)
        await jobs.settle(
            replace(done(held), review=Review.WAITING), [replace(a_picture(), verdict=Verdict.FLAGGED)]
        )
        await refused(held.id, "not approved")
        await reviews.decide(held.id, decision, by=BEA)
        if decision is Review.REJECTED:
            await refused(held.id, "not approved")
    _, is_new = await gallery.share(held.id, 0, server=SERVER, by=ADA)
    assert is_new

    waiting = a_job()
    await jobs.keep(waiting, ADDRESS)
    await refused(waiting.id, "not there")
    await jobs.settle(waiting.moved(JobState.CANCELLED))
    await refused(waiting.id, "not there")


async def test_a_like_counts_once_for_each_and_never_ones_own(jobs: Jobs, gallery: Gallery) -> None:
    post = await a_post(jobs, gallery)
    liked = await asyncio.gather(*(gallery.like(post.id, BEA) for _ in range(5)), gallery.like(post.id, CLO))
    assert sum(each.has_changed for each in liked) == 2
    assert (await gallery.get(post.id) or post).likes == 2
    with pytest.raises(InvalidRequest, match="yours"):
        await gallery.like(post.id, ADA)
    assert (await gallery.unlike(post.id, BEA)).likes == 1
    assert not (await gallery.unlike(post.id, BEA)).has_changed
    await gallery.hide(post.id, by=CLO)
    with pytest.raises(InvalidRequest, match="not in the gallery"):
        await gallery.like(post.id, BEA)
    assert await gallery.unshare(post.id)
    assert not await gallery.unshare(post.id)
    with pytest.raises(InvalidRequest, match="not in the gallery"):
        await gallery.unlike(post.id, CLO)


async def test_who_removes_a_picture_removes_all_that_shows_it(
    jobs: Jobs, gallery: Gallery, pictures: Pictures, database: Database
) -> None:
    post = await a_post(jobs, gallery, "a zeppelin", tags=["airship"])
    await gallery.like(post.id, BEA)
    assert await gallery.shown(post.id, 7, 70, 1)
    assert not await gallery.shown(post.id, 7, 71, 1), "there is one already"
    await pictures.forget(post.job_id)

    assert await gallery.get(post.id) is None
    for table in ("posts", "likes", "gallery_words", "gallery_tags"):
        assert await database.fetch_all(f"SELECT * FROM {table}") == [], table
    assert await gallery.takedowns() == (Message(channel_id=7, message_id=70),)
    await gallery.taken_down(Message(channel_id=7, message_id=70))
    assert await gallery.takedowns() == ()


async def test_a_number_is_never_given_to_another_post(jobs: Jobs, gallery: Gallery) -> None:
    first = await a_post(jobs, gallery)
    await gallery.unshare(first.id)
    assert (await a_post(jobs, gallery)).id > first.id


async def test_what_moderators_hid_is_not_shared_again(jobs: Jobs, gallery: Gallery) -> None:
    post = await a_post(jobs, gallery)
    assert await gallery.hide(post.id, by=BEA)
    assert not await gallery.hide(post.id, by=CLO)
    again, is_new = await gallery.share(post.job_id, 0, server=SERVER, by=ADA)
    assert (again.is_hidden, is_new) == (True, False)
    await gallery.unshare(post.id)
    with pytest.raises(InvalidRequest, match="Moderators took"):
        await gallery.share(post.job_id, 0, server=SERVER, by=ADA)

    other = await a_post(jobs, gallery)
    await gallery.hide(other.id, by=BEA)
    assert await gallery.unhide(other.id, by=CLO)
    await gallery.unshare(other.id)
    _, is_new = await gallery.share(other.job_id, 0, server=SERVER, by=ADA)
    assert is_new


async def test_messages_that_lag_behind_are_known(jobs: Jobs, gallery: Gallery) -> None:
    post = await a_post(jobs, gallery)
    assert await gallery.without_message() == (post,)
    await gallery.shown(post.id, 7, 70, 0)
    assert await gallery.without_message() == ()
    assert await gallery.outdated() == ()
    await gallery.like(post.id, BEA)
    [lagging] = await gallery.outdated()
    assert (lagging.id, lagging.likes, lagging.message_id) == (post.id, 1, 70)
    await gallery.says(lagging)
    assert await gallery.outdated() == ()


async def test_tags_are_told_by_how_many_posts_have_them(jobs: Jobs, gallery: Gallery) -> None:
    for tags in (["cat", "red"], ["cat", "cake"], ["_c%"]):
        await a_post(jobs, gallery, tags=tags)
    assert await gallery.tags(SERVER) == (("cat", 2), ("_c%", 1), ("cake", 1), ("red", 1))
    assert await gallery.tags(SERVER, "CA", 5) == (("cat", 2), ("cake", 1))
    assert await gallery.tags(77) == ()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    some.lists(
        some.tuples(
            some.sampled_from(["like", "unlike", "hide", "unhide", "share", "unshare"]),
            some.integers(0, 1),
            some.integers(5, 9),
        ),
        max_size=25,
    )
)
def test_the_likes_of_a_post_are_those_that_are_there_whatever_is_done(
    kept: Kept, steps: list[tuple[str, int, int]]
) -> None:
    async def check() -> None:
        jobs = [await drawn(kept.jobs) for _ in range(2)]
        posts: list[Post | None] = [
            (await kept.gallery.share(job.id, 0, server=SERVER, by=ADA, title="twice red", tags=["a", tag]))[
                0
            ]
            for job, tag in zip(jobs, "bc", strict=True)
        ]
        expected: list[set[int]] = [set(), set()]
        for what, which, person in steps:
            post = posts[which]
            if what == "share":
                posts[which], is_new = await kept.gallery.share(jobs[which].id, 0, server=SERVER, by=ADA)
                assert is_new == (post is None)
            elif post is None:
                continue
            elif what == "unshare":
                await kept.gallery.unhide(post.id, by=BEA)
                await kept.gallery.unshare(post.id)
                posts[which], expected[which] = None, set()
            elif what == "hide":
                await kept.gallery.hide(post.id, by=CLO)
            elif what == "unhide":
                await kept.gallery.unhide(post.id, by=BEA)
            else:
                try:
                    liked = await getattr(kept.gallery, what)(post.id, UserId(person))
                except InvalidRequest:
                    assert what == "like"
                    continue
                assert liked.has_changed == ((person in expected[which]) == (what == "unlike"))
                expected[which] = {*expected[which], person} if what == "like" else expected[which] - {person}
                assert liked.likes == len(expected[which])
        rows = await kept.database.fetch_all(
            "SELECT likes, (SELECT count(*) FROM likes WHERE post = posts.id) AS counted FROM posts"
        )
        assert all(row["likes"] == row["counted"] for row in rows)
        async with kept.database.transaction() as transaction:  # what is found is what is there
            for index in ("posts_found", "gallery_trigrams"):
                await transaction.execute(
                    f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)"
                )
        for there, counted in (
            ("SELECT word, count(*) FROM post_words GROUP BY word", "SELECT word, posts FROM gallery_words"),
            (
                "SELECT value, count(*) FROM posts, json_each(tags) WHERE hidden_at IS NULL GROUP BY value",
                "SELECT tag, posts FROM gallery_tags",
            ),
        ):
            told = [await kept.database.fetch_all(f"{each} ORDER BY 1") for each in (there, counted)]
            assert [*map(tuple, told[0])] == [*map(tuple, told[1])]

    kept.run(check())
