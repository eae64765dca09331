"""Messages of a gallery at a real API: few edits, no board twice, and none that shows what is gone."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import discord
import pytest

from bot import curating
from bot.app import Atelier
from bot.boards import Board
from bot.curating import Curator
from bot.gallerycards import decided_report_card
from bot.messages import layout
from generation.job import UserId
from playground import threads
from playground.drafts import draft
from playground.faults import Fault
from playground.nouns import Event, Overwrite, Snowflake
from playground.permissions import Permission
from playground.reading import text_of
from playground.server import Playground
from storage.boards import WEEK, Boards, week_of
from storage.database import Database
from storage.eras import Eras
from storage.exhibits import Exhibits
from storage.gallery import Gallery, Post
from storage.hanging import Hangings
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.reports import Decision, Notice, Reports
from storage.servers import Servers
from tests.bot.things import IN_ENGLISH, SHELF
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done
from tests.web.gallery import a_png

ADMIN, ANNA = UserId(8), UserId(770_000_000_000_077)
ELSEWHERE = 5
"""A server whose gallery's channel is gone."""
QUARTER_OF_AN_HOUR = 15 * 60.0


@dataclass(kw_only=True)
class Hall:
    """A gallery in the playground, and what looks after it."""

    playground: Playground
    client: Atelier
    database: Database
    gallery: Gallery
    jobs: Jobs
    servers: Servers
    boards: Boards
    board: Board
    curator: Curator
    rests: asyncio.Queue[float]
    """For how long the curator wanted to rest; it does until it may go on."""
    may_go_on: asyncio.Event

    @property
    def server(self) -> int:
        return int(self.playground.world.guild.id)

    def channel(self, name: str) -> int:
        return next(int(each.id) for each in self.playground.world.channels.values() if each.name == name)

    async def hold(self, server: int, channel: int | None) -> None:
        """A gallery is there, with a board every Monday; None: there is none any more."""
        await self.servers.change(
            server, lambda was: replace(was, gallery_channel=channel, board=1), by=ADMIN
        )

    async def shared(self, prompt: str, server: int | None = None, *, days_ago: int = 0) -> Post:
        """A picture that is shared, and liked once."""
        server = server or self.server
        job = a_job(asker=ANNA, request=replace(REQUEST, prompt=prompt))
        await self.jobs.keep(job, replace(ADDRESS, guild_id=server, user_id=ANNA))
        pictures = [a_picture(index, a_png(hash((prompt, index)) % 10**6)) for index in range(2)]
        await self.jobs.settle(done(job), pictures)
        place = self.servers.of(server).gallery_channel or 0
        post, _ = await self.gallery.share(job.id, 0, server=server, by=ANNA, channel=place)
        await self.gallery.like(post.id, UserId(99))
        await self.execute("UPDATE posts SET day = day - ? WHERE id = ?", days_ago, post.id)
        return post

    async def execute(self, sql: str, *values: object) -> None:
        async with self.database.transaction() as transaction:
            await transaction.execute(sql, values)

    def standing(self, *names: str) -> list[str]:
        """What the boards in these channels say."""
        world = self.playground.world
        numbers = [Snowflake(self.channel(name)) for name in names]
        places = [each for each in world.channels.values() if each.id in numbers or each.parent in numbers]
        said = [each for place in places for each in world.history(place, limit=1000)]
        texts = [text_of(world.wire.message(each)) for each in said]
        return [text for text in texts if "The best of the week" in text]


@pytest.fixture
async def hall(tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with Playground() as playground, Database.open(tmp_path / "atelier.db") as database:
        variables = playground.environment()
        monkeypatch.setattr(discord.http.Route, "BASE", variables["DISCORD_API_URL"].rstrip("/"))
        async with Atelier() as client:
            await client.login(variables["DISCORD_TOKEN"])
            pictures, servers = Pictures(database, tmp_path / "pictures"), await Servers.opened(database)
            jobs, gallery, boards = Jobs(database, pictures), Gallery(database), Boards(database)
            next_week = WEEK * (week_of(time.time()) + 1) + 4 * 86400.0 + 7200
            board = Board(client, boards=boards, eras=Eras(database), servers=servers, now=lambda: next_week)
            rests: asyncio.Queue[float] = asyncio.Queue()
            may_go_on = asyncio.Event()

            async def rest(seconds: float) -> None:
                rests.put_nowait(seconds)
                await may_go_on.wait()

            curator = Curator(
                client,
                shelf=SHELF,
                gallery=gallery,
                eras=Eras(database),
                hangings=Hangings(database),
                exhibits=Exhibits(database),
                jobs=jobs,
                pictures=pictures,
                servers=servers,
                reports=Reports(database),
                board=board,
                rest=rest,
            )
            hall = Hall(
                playground=playground,
                client=client,
                database=database,
                gallery=gallery,
                jobs=jobs,
                servers=servers,
                boards=boards,
                board=board,
                curator=curator,
                rests=rests,
                may_go_on=may_go_on,
            )
            await hall.hold(hall.server, hall.channel("showcase"))
            yield hall
            assert playground.violations == []


async def test_when_many_like_at_once_the_last_count_is_shown_by_one_edit(hall: Hall) -> None:
    post = await hall.shared("a red circle")
    assert await hall.curator.hang(post.id, fresh=True) is not None
    shown = asyncio.Event()

    def listen(event: Event) -> None:
        if event.name == "MESSAGE_UPDATE" and "61 likes" in str(event.data["components"]):
            shown.set()

    def edits() -> int:
        return sum(request.method == "PATCH" for request in hall.playground.requests)

    hall.playground.world.listeners.append(listen)
    looking = asyncio.create_task(hall.curator.keep_looking())
    assert await asyncio.wait_for(hall.rests.get(), 60) == curating.PACE >= 1
    assert edits() == 0
    for person in range(60):
        await hall.gallery.like(post.id, UserId(1000 + person))
        hall.curator.wake()
    assert edits() == 0
    hall.may_go_on.set()
    await shown.wait()
    assert await hall.rests.get() == curating.PACE
    assert edits() == 1
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert await hall.gallery.outdated() == ()


async def test_who_hang_a_post_at_once_hang_it_once_and_nothing_of_that_is_kept(hall: Hall) -> None:
    post = await hall.shared("a red circle")
    one, two = await asyncio.gather(hall.curator.hang(post.id), hall.curator.hang(post.id))
    assert one is not None
    assert two is not None
    assert one.message_id == two.message_id is not None
    assert len(hall.curator._locks) == 0


async def test_what_was_shared_among_adults_is_not_hung_where_the_gallery_has_moved(hall: Hall) -> None:
    post = await hall.shared("a red circle")
    await hall.execute("UPDATE eras SET channel = 12345, adults = 1")
    assert await hall.curator.hang(post.id, fresh=True) is None
    assert await hall.gallery.get(post.id) is None
    assert not [request for request in hall.playground.requests if request.method == "POST"]


async def test_a_post_that_was_sent_and_not_noted_is_found_where_the_gallery_was(hall: Hall) -> None:
    posts = [await hall.shared("a red circle"), await hall.shared("a blue star")]
    for post in posts:
        assert await hall.curator.hang(post.id, fresh=True)
    await hall.execute("UPDATE posts SET channel_id = NULL, message_id = NULL")
    hall.playground.clock.advance(QUARTER_OF_AN_HOUR)
    showcase = hall.channel("showcase")
    for post, place in zip(posts, (hall.channel("pictures"), None), strict=True):
        await hall.hold(hall.server, place)
        found = await hall.curator.hang(post.id)
        assert found is not None
        assert found.channel_id == showcase
    sent = [each for each in hall.playground.requests if each.method == "POST"]
    assert len(sent) == 2, "none is sent twice"
    assert len(await hall.gallery.outdated()) == 2, "nobody knows what they say"


async def test_what_moderators_see_of_a_report_is_closed_wherever_it_was_decided(hall: Hall) -> None:
    posts = [await hall.shared("a red circle"), await hall.shared("a blue star")]
    place = hall.client.get_partial_messageable(hall.channel("moderators"))
    world = hall.playground.world
    room = world.channels[Snowflake(hall.channel("moderators"))]
    let_in = Overwrite(target=world.bot.id, role=False, allow=int(Permission.VIEW_CHANNEL))
    world.channels[room.id] = replace(room, overwrites=(*room.overwrites, let_in))
    reports = Reports(hall.database)
    for post in posts:
        await reports.report(post.id, by=ADMIN, reason="rude")
        message = await place.send(view=layout(decided_report_card(None), IN_ENGLISH))
        await reports.shown(
            Notice(
                channel_id=message.channel.id,
                message_id=message.id,
                server=hall.server,
                post=post.id,
                job_id=post.job_id,
                index=0,
            )
        )
    await reports.decide(posts[0].id, Decision.KEPT, by=ADMIN)

    async def said() -> list[str]:
        assert await hall.curator.catch_up()
        assert await reports.outdated() == ()
        return sorted(text_of(world.wire.message(each)) for each in world.history(room, limit=9))

    assert await said() == ["**Gone** before anybody decided.", "**Kept** by <@8>."]
    await hall.execute("UPDATE notices SET outdated = 1")  # as when who reported it is forgotten
    assert await said() == ["**Kept** by <@8>.", "**Reported**, and it waits; `/moderate` shows it."]
    await reports.decide(posts[1].id, Decision.HIDDEN, by=ADMIN)
    await hall.execute("DELETE FROM reports")  # as when who reported it is forgotten before that is told
    assert await said() == ["**Hidden** by <@8>.", "**Kept** by <@8>."]


async def forgotten(hall: Hall) -> None:
    """As if the bot had died before it noted the board, and was away until no nonce is remembered."""
    await hall.execute("UPDATE boards SET channel_id = NULL, message_id = NULL")
    hall.playground.clock.advance(QUARTER_OF_AN_HOUR)


async def test_a_board_that_was_posted_and_not_noted_is_found_again(hall: Hall) -> None:
    await hall.shared("a red circle")
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    await hall.board.look()
    world = hall.playground.world
    place = world.channels[Snowflake(hall.channel("showcase"))]
    for number in range(150):
        world.post(world.people[0], place, draft({"content": f"message {number}"}, []))
    await forgotten(hall)
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    assert await hall.boards.unposted() == ()

    await forgotten(hall)  # and meanwhile the gallery has moved
    await hall.hold(hall.server, hall.channel("pictures"))
    await hall.board.look()
    assert len(hall.standing("showcase", "pictures")) == 1
    assert await hall.boards.unposted() == ()
    # Nobody knows what it shows, so it is brought up to date once.
    assert await hall.board.bring_up_to_date()
    assert await hall.boards.outdated() == ()


async def test_in_a_forum_a_board_is_a_post_that_is_found_changed_and_removed(hall: Hall) -> None:
    await hall.hold(hall.server, hall.channel("exhibition"))
    first, second = await hall.shared("a red circle"), await hall.shared("a blue star")
    await hall.board.look()
    await forgotten(hall)
    await hall.board.look()
    assert len(hall.standing("exhibition")) == 1
    await hall.gallery.unshare(first.id)
    world = hall.playground.world
    [thread] = [each for each in world.channels.values() if each.thread]
    threads.put(world, replace(thread, archived=True))
    assert await hall.board.bring_up_to_date()
    [text] = hall.standing("exhibition")
    assert "a blue star" in text
    assert "a red circle" not in text
    await hall.gallery.unshare(second.id)
    assert await hall.board.bring_up_to_date()
    assert hall.standing("exhibition") == []


async def test_where_nobody_can_tell_whether_a_board_stands_none_is_posted(hall: Hall) -> None:
    await hall.shared("a red circle")
    await hall.board.look()
    await forgotten(hall)
    world = hall.playground.world
    place = world.channels[Snowflake(hall.channel("showcase"))]
    hall.playground.faults.add(
        Fault(method="GET", path=f"/channels/{place.id}/messages", status=403, times=9)
    )
    await hall.board.look()
    assert await hall.boards.unposted() == ()
    hall.playground.faults.clear()
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    assert await hall.boards.unposted() == ()


async def test_trouble_of_discords_is_waited_out_and_doubles_nothing(hall: Hall) -> None:
    await hall.shared("a red circle")
    path = f"/channels/{hall.channel('showcase')}/messages"
    # It is taken, but the bot only hears of an error, again and again.
    hall.playground.faults.add(Fault(method="POST", path=path, status=503, times=9, after=True))
    await hall.board.look()
    assert len(await hall.boards.unposted()) == 1
    hall.playground.faults.clear()
    hall.playground.clock.advance(QUARTER_OF_AN_HOUR)
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    assert await hall.boards.unposted() == ()


async def test_a_channel_that_is_gone_gets_no_board_and_keeps_no_other_from_theirs(hall: Hall) -> None:
    await hall.hold(ELSEWHERE, 12345)
    await hall.shared("lost", ELSEWHERE)
    await hall.board.look()
    asked = len(hall.playground.requests)
    await hall.board.look()
    assert len(hall.playground.requests) == asked, "it is not tried again and again"
    # As if it had gone after the board was begun.
    await hall.execute("UPDATE boards SET channel_id = NULL, message_id = NULL, posts = '[]'")
    await hall.execute("UPDATE boards SET posts = (SELECT json_array(id) FROM posts)")
    await hall.shared("a red circle")
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    assert await hall.boards.unposted() == ()


async def test_what_is_gone_leaves_the_board_and_an_empty_board_goes(hall: Hall) -> None:
    first, second = await hall.shared("a red circle"), await hall.shared("a blue star")
    await hall.board.look()
    [text] = hall.standing("showcase")
    assert "a red circle" in text
    assert "a blue star" in text
    await hall.gallery.unshare(first.id)
    assert await hall.curator.catch_up()
    [text] = hall.standing("showcase")
    assert "a red circle" not in text
    assert "**1.** a blue star" in text
    await hall.gallery.hide(second.id, by=ADMIN)
    assert await hall.curator.catch_up()
    assert hall.standing("showcase") == []
    await hall.board.look()
    assert hall.standing("showcase") == []


async def test_a_server_of_which_nobody_knows_what_it_wants_keeps_no_other_from_theirs(hall: Hall) -> None:
    await hall.hold(ELSEWHERE, 12345)
    lost, post = await hall.shared("lost", ELSEWHERE), await hall.shared("a red circle")
    await hall.boards.claim(ELSEWHERE, 1, [lost.id])
    await hall.execute("INSERT INTO server_settings VALUES (?, 'safety', '\"gentle\"', 8, 0)", ELSEWHERE)
    vars(hall.servers).update(vars(await Servers.opened(hall.database)))  # as after a start
    assert await hall.curator.catch_up()
    shown, waits = await hall.gallery.get(post.id), await hall.gallery.get(lost.id)
    assert shown is not None
    assert shown.message_id is not None
    assert waits is not None
    assert waits.message_id is None
    await hall.board.look()
    assert len(hall.standing("showcase")) == 1
    assert [each.server for each in await hall.boards.unposted()] == [ELSEWHERE]
