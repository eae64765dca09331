"""How SQLite answers what is asked of the gallery: from indexes, and never by looking through a table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from generation.job import UserId
from storage.boards import Boards, week_of
from storage.database import Database, Parameters, Row
from storage.finding import Finder, Wanted, Window
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.lineage import Lineages
from storage.pictures import Pictures
from storage.privacy import _FORGETTING, _TOLD
from storage.reports import Reports
from tests.storage.things import SERVER, a_post

TABLES = (
    r"posts|eras|best|likes|reports|jobs|pictures|deliveries|reviews|boards|gallery_words|gallery_tags|"
    r"galleries"
)


class Watched(Database):
    """Notes the plan of each query."""

    plans: list[tuple[str, str]]

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        await self._note(sql, parameters)
        return await super().fetch_all(sql, parameters)

    async def browse(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        await self._note(sql, parameters)
        return await super().browse(sql, parameters)

    async def _note(self, sql: str, parameters: Parameters) -> None:
        if hasattr(self, "plans"):
            rows = await super().fetch_all(f"EXPLAIN QUERY PLAN {sql}", parameters)
            self.plans += [(row["detail"], sql) for row in rows]


def scans(details: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Where a table is looked through from its first row to its last.

    For the least of a column SQLite walks the table in the order of that column, and calls it a search.
    """
    through = re.compile(rf"SCAN ({TABLES})\b(?! VIRTUAL)|SEARCH ({TABLES})(?! USING)")
    return [(detail, sql) for detail, sql in details if through.match(detail)]


@pytest.fixture
async def watched(path: Path) -> AsyncIterator[Watched]:
    async with Watched.open(path) as database:
        yield database


@pytest.mark.parametrize("some_for_adults", [False, True])
async def test_no_question_looks_through_a_table(
    some_for_adults: bool, watched: Watched, tmp_path: Path
) -> None:
    jobs, gallery = Jobs(watched, Pictures(watched, tmp_path / "pictures")), Gallery(watched)
    if some_for_adults:
        await a_post(jobs, gallery, "a red dog", channel=71, adults=True)
    post = await a_post(jobs, gallery, "a red fox", style="Ink", tags=["cat"])
    await a_post(jobs, gallery, "another red fox", by=5)
    await gallery.like(post.id, UserId(5))
    finder, lineages = Finder(watched), Lineages(watched)
    wanted = Wanted(style="Ink", tag="cat", window=Window.WEEK)
    watched.plans = []
    for cursor in (None, "a1.100000001", "b0.100000001"):
        for window in Window:
            await finder.top(SERVER, Wanted(window=window), cursor=cursor)
        await finder.top(SERVER, wanted, cursor=cursor)
        await finder.new(SERVER, cursor=cursor)
        await finder.new(SERVER, wanted, cursor=cursor)
        for typed in ("red", "fox red", "re", "fxo", "nothing at all"):
            await finder.search(SERVER, typed, cursor=cursor)
            await finder.search(SERVER, typed, wanted, cursor=cursor)
        await finder.mine(SERVER, post.person, cursor=cursor)
        await finder.more_like(post, cursor=cursor)
    await finder.random(SERVER, count=2)
    await lineages.of(post.job_id, server=SERVER, viewer=post.person)
    boards = Boards(watched)
    await boards.best(SERVER, week_of(post.shared_at))
    await boards.unposted()
    await boards.outdated()
    await Reports(watched).waiting(SERVER)
    await Reports(watched).of(post.id)
    await gallery.tags(SERVER)
    await gallery.tags(SERVER, "c")
    await gallery.outdated()
    await gallery.without_message()
    await gallery.of_job(post.job_id)
    assert len(watched.plans) > 200
    # These are of what lags behind, which is little: an index holds nothing else.
    partial = {"posts_without_message", "posts_that_say_other_likes", "boards_unposted", "boards_outdated"}
    found = [each for each in scans(watched.plans) if not any(f"INDEX {name}" in each[0] for name in partial)]
    assert found == []
    asked = re.compile(r"\s*(WITH RECURSIVE days .*)?SELECT (best\.)?(id, likes|likes, )", re.DOTALL)
    orders = [
        detail
        for detail, sql in watched.plans
        if asked.match(sql) and re.match("SEARCH (posts|best)", detail)
    ]
    assert any("posts_weighed (id=?" in detail for detail in orders)
    assert all("COVERING INDEX" in detail for detail in orders), "no post is read to put it in order"


async def test_the_posts_of_a_tree_are_found_by_its_jobs(watched: Watched, tmp_path: Path) -> None:
    """And not by their server, which all posts may have."""
    jobs, gallery = Jobs(watched, Pictures(watched, tmp_path / "pictures")), Gallery(watched)
    post = await a_post(jobs, gallery)
    watched.plans = []
    await Lineages(watched).of(post.job_id, server=SERVER, viewer=post.person)
    ways = {detail for detail, _ in watched.plans if "SEARCH posts" in detail}
    assert ways
    assert all("job_id=?" in way or "rowid=?" in way for way in ways), ways


async def test_a_person_is_found_and_forgotten_without_looking_through_what_is_shared(
    database: Database,
) -> None:
    for sql in (*_TOLD.values(), *_FORGETTING):
        if not re.search(r"\b(posts|likes|reports|deliveries)\b", sql):
            continue
        named = {name: 1 for name in ("person", "nobody") if f":{name}" in sql}
        rows = await database.fetch_all(f"EXPLAIN QUERY PLAN {sql}", named)
        assert scans([(row["detail"], sql) for row in rows]) == []


async def test_what_goes_with_a_picture_is_found_by_indexes(database: Database) -> None:
    for table, columns in (
        ("posts", "job_id = 1 AND position = 1"),
        ("likes", "post = 1"),
        ("reports", "post = 1"),
    ):
        [row] = await database.fetch_all(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {columns}")
        assert row["detail"].startswith("SEARCH"), table


def test_a_scan_is_told_from_a_search() -> None:
    for detail in ("SCAN posts", "SCAN jobs USING COVERING INDEX x", "SCAN best", "SEARCH posts"):
        assert scans([(detail, "")])
    for detail in (
        "SEARCH posts USING INTEGER PRIMARY KEY",
        "SCAN posts_found VIRTUAL TABLE INDEX 0:M3",
        "SCAN days",
    ):
        assert not scans([(detail, "")])
