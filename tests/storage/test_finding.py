"""Finding what was shared: the best, the newest, by words, one's own, by chance, and what is alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from generation.guides import Adapter
from generation.job import UserId
from storage import finding, orders
from storage.database import Database
from storage.finding import Finder, Wanted, Window
from storage.gallery import Gallery, Post
from storage.jobs import Jobs
from storage.paging import Cursor, Page
from storage.posts import DAY
from storage.postwords import words_of
from tests.storage.keeping import Kept
from tests.storage.things import SERVER, a_post

ADA, BEA = UserId(4), UserId(5)


@pytest.fixture
def finder(database: Database) -> Finder:
    return Finder(database)


def prompts(page: Page) -> list[str]:
    return [post.prompt for post in page.posts]


async def liked(gallery: Gallery, post: Post, likes: int) -> None:
    for person in range(likes):
        await gallery.like(post.id, UserId(1000 + person))


async def many(database: Database, gallery: Gallery, like: Post, number: int) -> None:
    """So many posts more: all of one prompt, with different likes, a minute between each."""
    row = await database.fetch_one("SELECT * FROM posts WHERE id = ?", (like.id,))
    assert row is not None
    own = {"id", "tier", "position", "likes", "shared_at", "day"}
    names = [name for name in dict(row) if name not in own]
    async with database.transaction() as transaction:
        await transaction.execute(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
            INSERT INTO pictures SELECT job_id, n, seed, width, height, digest, byte_count, verdict
            FROM pictures, numbers WHERE job_id = :job AND position = 0
            """,
            {"last": number + 9, "job": like.job_id},
        )
        await transaction.execute(
            f"""
            INSERT INTO posts (id, position, likes, shared_at, day, {", ".join(names)})
            SELECT posts.id + pictures.position, pictures.position, (pictures.position * 7919) % 300,
                shared_at + 60 * pictures.position,
                CAST((shared_at + 60 * pictures.position) / {DAY} AS INTEGER),
                {", ".join(f"posts.{name}" for name in names)}
            FROM posts JOIN pictures USING (job_id) WHERE posts.id = ? AND pictures.position >= 10
            """,
            (like.id,),
        )
        await transaction.execute("UPDATE galleries SET shared = shared + ?", (number + 10,))


async def walked(ask: Callable[[str | None], Awaitable[Page]]) -> list[Post]:
    """All pages, and back again, which must be the same."""
    pages = [await ask(None)]
    assert pages[0].before is None
    while pages[-1].after is not None:
        pages.append(await ask(pages[-1].after))
    for page, following in zip(reversed(pages[:-1]), reversed(pages[1:]), strict=True):
        assert following.before is not None
        assert (await ask(following.before)).posts == page.posts
    return [post for page in pages for post in page.posts]


async def test_new_top_and_mine_come_in_their_order_without_what_is_hidden_or_elsewhere(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    posts = [await a_post(jobs, gallery, f"number {number}", by=4 + number % 2) for number in range(6)]
    for post, likes in zip(posts, (1, 3, 0, 3, 2, 9), strict=True):
        await liked(gallery, post, likes)
    await gallery.hide(posts[5].id, by=BEA)

    assert prompts(await finder.new(SERVER)) == [f"number {n}" for n in (4, 3, 2, 1, 0)]
    for window in Window:
        page = await finder.top(SERVER, Wanted(window=window))
        assert [(post.prompt[-1], post.likes) for post in page.posts] == [
            ("3", 3),
            ("1", 3),
            ("4", 2),
            ("0", 1),
            ("2", 0),
        ]
    assert prompts(await finder.mine(SERVER, BEA)) == ["number 5", "number 3", "number 1"]
    assert (await finder.mine(SERVER, BEA)).posts[0].is_hidden
    assert prompts(await finder.new(SERVER, Wanted(person=BEA))) == ["number 3", "number 1"]
    for page in (
        await finder.new(77),
        await finder.top(77),
        await finder.search(77, "number"),
        await finder.mine(77, ADA),
    ):
        assert page == Page()
    assert await finder.random(77) == ()


async def test_a_window_ends_when_its_days_are_over(jobs: Jobs, gallery: Gallery, database: Database) -> None:
    post = await a_post(jobs, gallery)
    for days, windows in (
        (0.9, "day week month all"),
        (1.001, "week month all"),
        (6.9, "week month all"),
        (29.9, "month all"),
        (31, "all"),
    ):
        finder = Finder(database, now=lambda days=days: post.shared_at + days * DAY)  # type: ignore[misc]
        seen = [window for window in Window if (await finder.top(SERVER, Wanted(window=window))).posts]
        assert seen == windows.split()
        asked = [
            window
            for window in Window
            if (await finder.search(SERVER, "circle", Wanted(window=window))).posts
        ]
        assert asked == seen


async def test_all_words_must_be_there_and_the_last_may_be_begun(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    await a_post(jobs, gallery, "A red-haired Café owner, (portrait:1.2)")
    await a_post(jobs, gallery, "a red portal", title="Gate of Kings")
    await a_post(jobs, gallery, "赤い猫 in the garden", tags=["night sky"])
    for typed, found in {
        "red": 2,
        "RED cafe": 1,
        "red port": 2,
        "port red": 0,
        "portal": 1,
        "kings": 1,
        "猫": 1,
        "night": 1,
        "red garden": 0,
        "<lora:x:1> red": 0,
    }.items():
        assert len((await finder.search(SERVER, typed)).posts) == found, typed


async def test_a_title_weighs_more_than_a_prompt_and_a_short_prompt_more_than_a_long(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    await a_post(jobs, gallery, "a fox and a great many other animals in a large green forest at night")
    await a_post(jobs, gallery, "a fox")
    await a_post(jobs, gallery, "something else altogether", title="Fox")
    assert [len(prompt) for prompt in prompts(await finder.search(SERVER, "fox"))] == [25, 5, 69]


async def test_filters_can_be_put_together(jobs: Jobs, gallery: Gallery, finder: Finder) -> None:
    await a_post(jobs, gallery, "one", style="Ink", tags=["cat"])
    await a_post(jobs, gallery, "two", style="Ink", by=5)
    await a_post(jobs, gallery, "three", adapters=(Adapter(name="glow"),), tags=["cat"])
    for wanted, found in (
        (Wanted(style="Ink"), {"one", "two"}),
        (Wanted(style="Ink", tag="cat"), {"one"}),
        (Wanted(tag="cat"), {"one", "three"}),
        (Wanted(lora="glow", model="models/mini"), {"three"}),
        (Wanted(person=BEA, window=Window.DAY), {"two"}),
        (Wanted(model="mini"), set()),
    ):
        assert set(prompts(await finder.new(SERVER, wanted))) == found
        assert set(prompts(await finder.top(SERVER, wanted))) == found
    assert prompts(await finder.search(SERVER, "t", Wanted(tag="cat"))) == ["three"]


@pytest.mark.parametrize(("most", "ranked"), [(3, 500), (500, 500), (500, 3)])
async def test_pages_lead_through_everything_and_back(
    jobs: Jobs,
    gallery: Gallery,
    finder: Finder,
    database: Database,
    most: int,
    ranked: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With few posts that count as many, so that all orders are walked."""
    for limit in ("FEW", "OF_TIER"):
        monkeypatch.setattr(orders, limit, most)
    monkeypatch.setattr(finding, "RANKED", ranked)
    first = await a_post(jobs, gallery, "a red fox", style="Ink")
    await many(database, gallery, first, 40)
    ink = Wanted(style="Ink")
    for ask in (
        lambda cursor: finder.new(SERVER, cursor=cursor, size=7),
        lambda cursor: finder.new(SERVER, ink, cursor=cursor, size=7),
        lambda cursor: finder.top(SERVER, cursor=cursor, size=7),
        lambda cursor: finder.top(SERVER, Wanted(window=Window.WEEK), cursor=cursor, size=7),
        lambda cursor: finder.top(SERVER, ink, cursor=cursor, size=7),
        lambda cursor: finder.search(SERVER, "red fox", cursor=cursor, size=7),
        lambda cursor: finder.search(SERVER, "red fo", ink, cursor=cursor, size=7),
        lambda cursor: finder.mine(SERVER, ADA, cursor=cursor, size=7),
    ):
        posts = await walked(ask)
        assert len(posts) == len({post.id for post in posts}) == 41
    best = [post.likes for post in await walked(lambda cursor: finder.top(SERVER, cursor=cursor, size=7))]
    assert best == sorted(best, reverse=True)
    tiers = [post.likes.bit_length() for post in (await finder.top(SERVER, ink, size=41)).posts]
    assert tiers == sorted(tiers, reverse=True)
    if most == 500:
        assert [post.likes for post in (await finder.top(SERVER, ink, size=41)).posts] == best
    if ranked == 3:
        assert [post.likes for post in (await finder.search(SERVER, "red fox", size=41)).posts] == best


async def test_what_is_cheaper_to_sort_than_to_ask_for_by_tiers_is_sorted(
    jobs: Jobs, gallery: Gallery, finder: Finder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(database, gallery, await a_post(jobs, gallery, "a red fox"), 40)
    for limit in ("FEW", "OF_TIER"):
        monkeypatch.setattr(orders, limit, 3)
    monkeypatch.setattr(finding, "RANKED", 3)
    for listed, is_sorted in ((1, True), (100, False)):
        monkeypatch.setattr(orders, "LISTED", listed)
        likes = [post.likes for post in (await finder.search(SERVER, "red fox", size=41)).posts]
        assert (likes == sorted(likes, reverse=True)) is is_sorted


async def test_beyond_the_last_page_there_is_an_empty_one(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    post = await a_post(jobs, gallery)
    for cursor in (str(Cursor(1)), "", "nonsense", "a0.", "' OR 1=1 --", "aff.fffffffffffffffffffff", "🐈"):
        for page in (
            await finder.new(SERVER, cursor=cursor),
            await finder.top(SERVER, Wanted(style="x"), cursor=cursor),
            await finder.search(SERVER, "circle", cursor=cursor),
            await finder.mine(SERVER, ADA, cursor=cursor),
            await finder.more_like(post, cursor=cursor),
        ):
            assert page == Page()


async def test_a_page_stays_where_it_is_while_what_was_its_edge_is_liked(
    jobs: Jobs, gallery: Gallery, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "RANKED", 3)
    for number in range(5):
        await liked(gallery, await a_post(jobs, gallery, f"fox {number}"), 2 * number)
    page = await finder.search(SERVER, "fox", size=2)
    assert prompts(page) == ["fox 4", "fox 3"]
    edge = page.posts[1]
    for change in (gallery.unlike, gallery.like):  # down to the third place, and up to the first
        for person in range(2, 9):
            await change(edge.id, UserId(1000 + person))
        assert prompts(await finder.search(SERVER, "fox", size=2, cursor=page.after))[0] == "fox 2"


async def test_a_page_stays_where_it_is_while_others_share_and_leave(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    posts = [await a_post(jobs, gallery, f"fox {number}") for number in range(4)]
    page = await finder.new(SERVER, size=2)
    await a_post(jobs, gallery, "fox later")
    await gallery.unshare(posts[2].id)
    assert prompts(await finder.new(SERVER, size=2, cursor=page.after)) == ["fox 1", "fox 0"]


async def test_typing_errors_are_forgiven_where_nothing_was_found(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    await a_post(jobs, gallery, "an astronaut riding a horse")
    await a_post(jobs, gallery, "a house")
    for typed, meant in {
        "astronuat": ("astronaut",),
        "astronat horse": ("astronaut", "horse"),
        "hoarse": ("horse",),
        "ridng": ("riding",),
        "hrose": ("horse",),
    }.items():
        page = await finder.search(SERVER, typed)
        assert (page.instead, len(page.posts)) == (meant, 1), typed
    assert (await finder.search(SERVER, "hous")).instead is None, "it is the beginning of a word"
    for typed in ("xylophone", "astronaut house", "q", "x" * 500):
        assert await finder.search(SERVER, typed) == Page(), typed


async def test_chance_finds_what_is_there_each_once(jobs: Jobs, gallery: Gallery, finder: Finder) -> None:
    posts = [await a_post(jobs, gallery, style="Ink" if number else None) for number in range(4)]
    await gallery.unshare(posts[1].id)
    await gallery.hide(posts[2].id, by=BEA)
    assert {post.id for post in await finder.random(SERVER, count=9)} == {posts[0].id, posts[3].id}
    assert [post.id for post in await finder.random(SERVER, Wanted(style="Ink"))] == [posts[3].id]


async def test_what_is_alike_shares_rare_words_and_what_it_was_made_with(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    glow = (Adapter(name="glow"),)
    for prompt, changes in (
        ("a zeppelin over mountains", {}),
        ("a zeppelin over a city", {"adapters": glow}),
        ("a dog in a city", {}),
        ("nothing in common", {"model": "other"}),
    ):
        await a_post(jobs, gallery, prompt, **changes)
    post = await a_post(jobs, gallery, "my zeppelin", adapters=glow)
    page = await finder.more_like(post)
    assert prompts(page)[:2] == ["a zeppelin over a city", "a zeppelin over mountains"]
    assert post.id not in {each.id for each in page.posts}
    assert len(await walked(lambda cursor: finder.more_like(post, cursor=cursor, size=1))) == len(page.posts)


AWKWARD = [
    *(
        "AND",
        "OR NOT",
        "NEAR(a b, 3)",
        "fox NEAR/2 red",
        'fox"',
        '"fox',
        "'",
        "fo*",
        "*",
        "^fox",
        "-fox",
        "+",
    ),
    *("fox -red", "words:fox", "facets : p4", "{heading words} : fox", "posts_found", "(fox", "fox) OR ("),
    *("a" * 10_000, "fox " * 2500, "🦊", "fox🦊red", "\x00fox\x00", "\ue000l0", "\ue000", "\ud800", "%", "_"),
    *("\\", ";DROP TABLE posts", "ﬁne", "İ", "ß", ""),
]


async def test_what_is_typed_is_never_syntax(jobs: Jobs, gallery: Gallery, finder: Finder) -> None:
    await a_post(jobs, gallery, "a red fox")
    for typed in AWKWARD:
        page = await finder.search(SERVER, typed)
        words = words_of(typed)
        if page.posts and page.instead is None and typed:
            assert words, f"{typed[:20]!r} holds no word, and finds nothing"
            assert set(words[:-1]) <= {"a", "red", "fox"}
    assert len((await finder.search(SERVER, 'fox" red*')).posts) == 1
    assert (await finder.search(SERVER, "\ue000l0")).posts == ()
    assert len((await finder.search(SERVER, "   ")).posts) == 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some.one_of(some.text(max_size=60), some.lists(some.sampled_from(AWKWARD), max_size=6).map(" ".join)))
def test_any_text_can_be_shared_and_is_found_by_its_own_words(kept: Kept, text: str) -> None:
    async def check() -> None:
        finder = Finder(kept.database)
        prompt = f"common {text[:300]}".encode("utf-8", "ignore").decode()
        post = await a_post(kept.jobs, kept.gallery, prompt)
        await finder.search(SERVER, text)
        for word in words_of(prompt)[:4]:
            page = await finder.search(SERVER, word)
            assert page.instead is None
            assert post.id in {each.id for each in page.posts}, word
        await kept.gallery.unshare(post.id)

    kept.run(check())


async def test_what_is_hidden_is_neither_suggested_nor_listed(
    jobs: Jobs, gallery: Gallery, finder: Finder
) -> None:
    rude, fine = [
        await a_post(jobs, gallery, title=title, tags=[title, "sign"]) for title in ("vilest", "finest")
    ]
    await gallery.hide(rude.id, by=BEA)
    assert await gallery.tags(SERVER) == (("finest", 1), ("sign", 1))
    assert await finder.search(SERVER, "vileest") == Page()
    await gallery.hide(fine.id, by=BEA)
    assert await gallery.tags(SERVER) == ()
    await gallery.unhide(rude.id, by=BEA)
    assert await gallery.tags(SERVER) == (("sign", 1), ("vilest", 1))
    assert [post.id for post in (await finder.search(SERVER, "vileest")).posts] == [rude.id]
