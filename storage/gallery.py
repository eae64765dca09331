"""The gallery: pictures that their owners show to a server, and who likes them.

How they are found is :mod:`storage.finding`; what may be shared, :mod:`storage.sharing`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from generation.job import JobId, UserId
from generation.request import InvalidRequest
from generation.sentence import say
from storage.database import Database, Transaction
from storage.decisions import Decision, note
from storage.eras import Eras, lives_on
from storage.posts import SELECT_POSTS as SELECT_POSTS
from storage.posts import SHIFT, of_adults, post_of
from storage.posts import Post as Post
from storage.posts import PostId as PostId
from storage.postwords import read_tags, read_title
from storage.sharing import insert_post, sharable

MERGED = 500
"""Pages of the index of words that are merged in one transaction, about."""

COUNTED = 2000
"""Posts in which tags are counted, where not all may be seen."""

GONE = say("This is not in the gallery any more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Liked:
    """What came of a like, or of taking one back."""

    likes: int
    has_changed: bool
    """Not so where one liked it already, or did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a post that is gone."""

    channel_id: int
    message_id: int


class Gallery:
    """All that is shared. Who may do what with it is decided above, but for what nobody may."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def share(
        self,
        job_id: JobId,
        index: int,
        *,
        server: int,
        by: UserId,
        title: str | None = None,
        tags: Sequence[str] = (),
        channel: int = 0,
        adults: bool = False,
    ) -> tuple[Post, bool]:
        """Share picture `index` of a job. The post, and whether it is new: sharing twice gives the first.

        Args:
            channel: where the gallery is.
            adults: whether only adults see that.

        Raises:
            PictureGone: it was deleted, or never was.
            InvalidRequest: it may not be shared there, or not like that; a sentence for the person.
        """
        title = read_title(title or "")
        tags = read_tags(tags)
        async with self._database.transaction() as transaction:
            before = await transaction.fetch_one(
                f"{SELECT_POSTS} WHERE posts.job_id = ? AND posts.position = ? AND server = ?",
                (job_id, index, server),
            )
            if before is not None and before["person"] == by:
                return post_of(before), False
            job = await sharable(transaction, job_id, index, server, by, adults=adults)
            post_id = await insert_post(transaction, job, index, server, title, tags)
            await lives_on(transaction, post_id, channel, adults=adults)
            row = await transaction.fetch_one(f"{SELECT_POSTS} WHERE posts.id = ?", (post_id,))
            assert row is not None, "it was just inserted"
        return post_of(row), True

    async def unshare(self, post_id: PostId, *, by: UserId | None = None) -> bool:
        """Take a post away with its likes and reports; whether it was there. Its message is a takedown.

        Args:
            by: a moderator who decided that; it stays known.
        """
        async with self._database.transaction() as transaction:
            if by is not None:
                await note(transaction, post_id, Decision.REMOVED, by, time.time())
            return bool(await transaction.execute("DELETE FROM posts WHERE id = ?", (post_id,)))

    async def get(self, post_id: PostId) -> Post | None:
        """A post, also one that is hidden."""
        row = await self._database.fetch_one(f"{SELECT_POSTS} WHERE posts.id = ?", (post_id,))
        return None if row is None else post_of(row)

    async def of_job(self, job_id: JobId) -> tuple[Post, ...]:
        """What of a job is shared, wherever."""
        rows = await self._database.fetch_all(
            f"{SELECT_POSTS} WHERE posts.job_id = ? ORDER BY posts.position, posts.id", (job_id,)
        )
        return tuple(map(post_of, rows))

    async def like(self, post_id: PostId, person: UserId) -> Liked:
        """Like a post, once.

        Raises:
            InvalidRequest: it is one's own, or gone, or out of sight; a sentence for the person.
        """
        async with self._database.transaction() as transaction:
            post = await transaction.fetch_one(
                "SELECT person FROM posts WHERE id = ? AND hidden_at IS NULL", (post_id,)
            )
            if post is None:
                raise InvalidRequest(GONE)
            if post["person"] == person:
                raise InvalidRequest(say("This is yours; likes come from others."))
            changed = await transaction.execute(
                "INSERT OR IGNORE INTO likes (post, person, liked_at) VALUES (?, ?, ?)",
                (post_id, person, time.time()),
            )
            return Liked(likes=await _likes(transaction, post_id), has_changed=bool(changed))

    async def unlike(self, post_id: PostId, person: UserId) -> Liked:
        """Take a like back.

        Raises:
            InvalidRequest: the post is gone; a sentence for the person.
        """
        async with self._database.transaction() as transaction:
            changed = await transaction.execute(
                "DELETE FROM likes WHERE post = ? AND person = ?", (post_id, person)
            )
            return Liked(likes=await _likes(transaction, post_id), has_changed=bool(changed))

    async def hide(self, post_id: PostId, *, by: UserId) -> bool:
        """Take a post out of sight, and its picture out of what may be shared there; whether that is new."""
        async with self._database.transaction() as transaction:
            return await hide(transaction, post_id, by)

    async def unhide(self, post_id: PostId, *, by: UserId) -> bool:
        """Bring a hidden post back, and others of the same file; whether it was hidden."""
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch_all(f"{_SAME_FILE} AND same.hidden_at IS NOT NULL", (post_id,))
            for row in rows:
                await note(transaction, row["id"], Decision.SHOWN, by, time.time())
                await transaction.execute(
                    "UPDATE posts SET hidden_at = NULL, hidden_by = NULL WHERE id = ?", (row["id"],)
                )
            if rows:
                await transaction.execute(
                    f"DELETE FROM hidden_files WHERE (server, digest) IN ({_FILE})", (post_id,)
                )
        return bool(rows)

    async def hidden(self, server: int, most: int) -> tuple[Post, ...]:
        """What moderators of a server took out of sight, what they hid last first."""
        rows = await self._database.fetch_all(
            f"""
            {SELECT_POSTS} WHERE posts.id IN (
                SELECT id FROM posts INDEXED BY posts_hidden WHERE hidden_by IS NOT NULL AND server = ?
                ORDER BY hidden_at DESC, id DESC LIMIT ?
            ) ORDER BY hidden_at DESC, posts.id DESC
            """,
            (server, most),
        )
        return tuple(map(post_of, rows))

    async def tags(
        self, server: int, typed: str = "", most: int = 25, *, adults: bool = False
    ) -> tuple[tuple[str, int], ...]:
        """Tags of a server that begin as was typed, those of most posts first, and of how many each is.

        Args:
            adults: also of what only adults may see. Where there is some and it is left out, tags are counted
                in the newest posts only.
        """
        folded = " ".join(typed.lower().split())
        bounds = (folded, folded + "\U0010ffff") if folded else ()
        begin = "AND tag >= ? AND tag < ?" if folded else ""
        source = "gallery_tags WHERE gallery = (SELECT number FROM galleries WHERE server = ?)"
        if not adults and True in (await Eras(self._database).channels(server)).values():
            source = f"""(
                SELECT value AS tag, count(*) AS posts FROM (
                    SELECT posts.tags FROM galleries CROSS JOIN posts
                    ON id >= number << {SHIFT} AND id < (number + 1) << {SHIFT}
                    WHERE galleries.server = ? AND hidden_at IS NULL AND NOT {of_adults("id")}
                    ORDER BY id DESC LIMIT {COUNTED}
                ) AS newest, json_each(newest.tags) GROUP BY value
            ) WHERE TRUE"""
        rows = await self._database.fetch_all(
            f"SELECT tag, posts FROM {source} {begin} ORDER BY posts DESC, tag LIMIT ?",
            (server, *bounds, most),
        )
        return tuple((row["tag"], row["posts"]) for row in rows)

    # Messages ---------------------------------------------------------------------------------------------

    async def shown(self, post_id: PostId, channel_id: int, message_id: int, likes: int) -> bool:
        """This message shows a post, and says that it has so many likes.

        What was to be told anew before there was a message is so still.

        Returns False if the post is gone, or another message shows it: then this one is to be taken down.
        """
        async with self._database.transaction() as transaction:
            return bool(
                await transaction.execute(
                    """
                    UPDATE posts SET channel_id = ?, message_id = ?,
                        shown_likes = iif(shown_likes < 0, shown_likes, ?)
                    WHERE id = ? AND message_id IS NULL
                    """,
                    (channel_id, message_id, likes, post_id),
                )
            )

    async def says(self, post: Post) -> None:
        """Its message says what is known of it here, unless it was to be told anew since that was known."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE posts SET shown_likes = ? WHERE id = ? AND shown_likes = ?",
                (post.likes, post.id, post.said),
            )

    async def outdated(self) -> tuple[Post, ...]:
        """Posts whose messages say another number of likes than they have."""
        rows = await self._database.fetch_all(
            f"{SELECT_POSTS} WHERE shown_likes != likes AND message_id IS NOT NULL ORDER BY posts.id"
        )
        return tuple(map(post_of, rows))

    async def without_message(self) -> tuple[Post, ...]:
        """Posts in sight that no message shows, the oldest first: a crash came between, or a refusal."""
        rows = await self._database.fetch_all(
            f"{SELECT_POSTS} WHERE message_id IS NULL AND hidden_at IS NULL ORDER BY shared_at, posts.id"
        )
        return tuple(map(post_of, rows))

    async def takedowns(self) -> tuple[Message, ...]:
        """Messages of posts that are gone."""
        rows = await self._database.fetch_all("SELECT channel_id, message_id FROM takedowns")
        return tuple(Message(**dict(row)) for row in rows)

    async def taken_down(self, message: Message) -> None:
        """It is deleted."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "DELETE FROM takedowns WHERE channel_id = ? AND message_id = ?",
                (message.channel_id, message.message_id),
            )


async def tidy(database: Database) -> None:
    """Bring what nothing holds any more out of the index of words, where it stays until its pages are merged.

    Others write in between.
    """
    for table in ("posts_found", "gallery_trigrams"):
        step, more = -MERGED, True  # the first one says that all is to be merged
        while more:
            async with database.transaction() as transaction:
                before = await _total_changes(transaction)
                await transaction.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (step,))
                more = await _total_changes(transaction) - before > 1
            step = MERGED


async def hide(transaction: Transaction, post_id: PostId, by: UserId) -> bool:
    """See :meth:`Gallery.hide`. Whoever else shares the same file there is hidden with it."""
    changed = await transaction.execute(
        f"""
        UPDATE posts SET hidden_at = ?, hidden_by = ? WHERE hidden_at IS NULL AND id IN ({_SAME_FILE})
        """,
        (time.time(), by, post_id),
    )
    if changed:
        await transaction.execute(f"INSERT OR IGNORE INTO hidden_files (server, digest) {_FILE}", (post_id,))
    return bool(changed)


async def _likes(transaction: Transaction, post_id: PostId) -> int:
    row = await transaction.fetch_one("SELECT likes FROM posts WHERE id = ?", (post_id,))
    if row is None:
        raise InvalidRequest(GONE)
    return int(row["likes"])


async def _total_changes(transaction: Transaction) -> int:
    row = await transaction.fetch_one("SELECT total_changes() AS number")
    assert row is not None, "it is a number"
    return int(row["number"])


_FILE = """
    SELECT posts.server, pictures.digest FROM posts
    JOIN pictures ON pictures.job_id = posts.job_id AND pictures.position = posts.position WHERE posts.id = ?
"""
_SAME_FILE = f"""
    SELECT same.id FROM ({_FILE}) AS file CROSS JOIN pictures ON pictures.digest = file.digest
    CROSS JOIN posts AS same ON same.job_id = pictures.job_id AND same.position = pictures.position
    WHERE same.server = file.server
"""
