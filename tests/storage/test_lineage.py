"""Where a picture comes from and what came of it, and of whom that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generation.job import Job, JobId, UserId
from storage import lineage
from storage.database import Database
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.lineage import Lineages, Node
from storage.pictures import Pictures
from tests.storage.things import ADDRESS, SERVER, a_job, drawn

ADA, BEA = UserId(4), UserId(5)


@pytest.fixture
def lineages(database: Database) -> Lineages:
    return Lineages(database)


def ids(nodes: tuple[Node, ...]) -> list[JobId]:
    return [node.job_id for node in nodes]


async def child(jobs: Jobs, parent: Job, number: int, by: int = 4, **changes: object) -> Job:
    return await drawn(
        jobs, f"number {number}", by=by, id=JobId(f"{number:016}"), parent=parent.id, **changes
    )


async def test_a_tree_goes_up_to_its_root_and_down_to_its_leaves(
    jobs: Jobs, gallery: Gallery, lineages: Lineages
) -> None:
    root = await drawn(jobs, "the root", id=JobId(f"{1:016}"))
    two = await child(jobs, root, 2, by=5)
    three = await child(jobs, two, 3)
    four = await child(jobs, three, 4, by=5)
    five = await child(jobs, three, 5)
    six = await child(jobs, four, 6)
    await child(jobs, root, 7)
    post, _ = await gallery.share(six.id, 1, server=SERVER, by=ADA)
    await gallery.shown(post.id, 70, 71, 0)

    found = await lineages.of(three.id, server=SERVER, viewer=BEA)
    assert found is not None
    assert ids(found.ancestors) == [root.id, two.id]
    assert [node.depth for node in found.ancestors] == [-2, -1]
    assert (found.self.job_id, found.self.person, found.self.prompt) == (three.id, ADA, "number 3")
    assert ids(found.descendants) == [four.id, five.id, six.id]
    last = found.descendants[-1]
    assert (last.depth, last.parent, last.post) == (2, four.id, post.id)
    assert (last.channel_id, last.message_id) == (70, 71)
    assert (found.descendants[0].channel_id, found.descendants[0].message_id) == (3, 5)
    assert not found.has_more
    assert await lineages.of(JobId("x"), server=SERVER, viewer=BEA) is None


async def test_of_what_a_viewer_may_not_see_only_its_place_is_told(
    jobs: Jobs, gallery: Gallery, pictures: Pictures, lineages: Lineages
) -> None:
    root = await drawn(jobs, "a secret", private=True)
    kept = await child(jobs, root, 2)
    elsewhere = a_job(id=JobId(f"{3:016}"), asker=ADA, parent=root.id)
    await jobs.keep(elsewhere, replace(ADDRESS, guild_id=77))
    deleted = await child(jobs, root, 4)
    await pictures.forget(deleted.id)
    for viewer, told in ((BEA, [False, True, False, False]), (ADA, [True, True, True, True])):
        found = await lineages.of(root.id, server=SERVER, viewer=viewer)
        assert found is not None
        nodes = (found.self, *found.descendants)
        assert ids(nodes) == [root.id, kept.id, elsewhere.id, deleted.id]
        assert [node.is_open for node in nodes] == told
        closed = [node for node in nodes if not node.is_open]
        assert all((node.person, node.prompt, node.message_id, node.post) == (None,) * 4 for node in closed)
    post, _ = await gallery.share(kept.id, 0, server=SERVER, by=ADA)
    await gallery.shown(post.id, 70, 71, 0)
    for visits, told_of in ((True, (post.id, 70, 71)), (False, (None, 3, 5))):
        seen = await lineages.of(kept.id, server=SERVER, viewer=BEA, visits=visits)
        assert seen is not None
        assert (seen.self.post, seen.self.channel_id, seen.self.message_id) == told_of
    alone = await lineages.of(kept.id, server=None, viewer=BEA)
    assert alone is not None
    assert not alone.self.is_open


async def test_a_tree_without_end_is_told_up_to_a_limit(
    jobs: Jobs, lineages: Lineages, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    root = await drawn(jobs, id=JobId(f"{0:016}"))
    columns = [row["name"] for row in await database.fetch_all("SELECT name FROM pragma_table_info('jobs')")]
    others = ", ".join(name for name in columns if name not in ("id", "parent"))
    async with database.transaction() as transaction:
        await transaction.execute(
            f"""
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
            INSERT INTO jobs (id, parent, {others})
            SELECT printf('%016d', n), printf('%016d', iif(n > 400, n - 1, 0)), {others}
            FROM jobs, numbers WHERE id = printf('%016d', 0)
            """
        )
    wide = await lineages.of(root.id, server=SERVER, viewer=ADA)
    assert wide is not None
    assert (len(wide.descendants), wide.has_more) == (lineage.MAX_NODES, True)
    assert {node.depth for node in wide.descendants} == {1}, "the nearest generation first"
    deep = await lineages.of(JobId(f"{1000:016}"), server=SERVER, viewer=ADA)
    assert deep is not None
    assert (len(deep.ancestors), deep.has_more) == (lineage.MAX_DEPTH, True)
    assert deep.ancestors[-1].job_id == f"{999:016}"
