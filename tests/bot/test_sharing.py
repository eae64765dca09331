"""What is said of shared pictures, and what a page of them remembers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
import pytest

from bot.boards import board_view, weekday_of
from bot.card import Action
from bot.gallerycards import (
    decided_line,
    decision_line,
    entry_lines,
    likes_label,
    link_of,
    name_of_post,
    post_card,
    report_card,
)
from bot.kin import tree
from bot.language import languages
from bot.leafing import ENTRIES, heading, page_view
from bot.messages import MAX_TEXT, layout
from bot.queries import CHUNK, MAX_WORDS, Kind, Query, chunks, resorted
from generation.image import Picture
from generation.job import JobId, UserId
from generation.request import Seed, Size
from storage.boards import begin_of, week_of
from storage.decisions import Decided
from storage.finding import Window
from storage.lineage import Lineage, Node
from storage.paging import Page
from storage.posts import Post, PostId
from storage.postwords import MAX_TAGS
from storage.reports import Decision, Report
from storage.servers import ServerSettings
from tests.bot.things import ADA, IN_ENGLISH, SHELF, job

BOB = UserId(22)
NASTY = "**bold** [link](https://evil.example) <@1> @everyone <script>alert(1)</script> # `x`"
POST = Post(
    id=PostId(1 << 32 | 1),
    server=5,
    job_id=JobId("0123456789abcdef"),
    index=0,
    person=ADA,
    shared_at=1_700_000_000.0,
    title=NASTY,
    tags=("a tag", "*b*"),
    prompt=NASTY,
    model="models/mini",
    style=None,
    loras=(),
    likes=2,
    size=Size(width=128, height=128),
    digest="0" * 64,
    channel_id=7,
    message_id=8,
)
PICTURE = Picture(index=0, seed=Seed(1), size=POST.size, png=b"png")


def test_no_title_prompt_tag_or_reason_formats_links_or_calls_anything() -> None:
    card = post_card(POST, job(NASTY), PICTURE, SHELF)
    report = Report(id=1, post=POST.id, server=5, person=BOB, reason=NASTY, reported_at=0.0)
    told = [
        *card.text,
        *card.small,
        *entry_lines(1, POST),
        *report_card(POST, job(NASTY), PICTURE, [report]).text,
    ]
    said = "\n".join(map(IN_ENGLISH, told))
    for raw in ("**bold", "[link](http", "https://evil", "<@1>", "@everyone", "<script", "`x`", "#*b*"):
        assert raw not in said.replace(f"\\{raw[0]}", "")
    assert card.mention is None


def test_a_post_has_its_buttons_its_likes_and_who_it_was_remixed_from() -> None:
    card = post_card(POST, job(), None, SHELF, origin=replace(POST, person=BOB))
    actions = [button.action for button in card.buttons]
    assert actions == [Action.LIKE, Action.USE, Action.EDIT, Action.REPORT]
    assert card.buttons[0].label == "2 likes"
    assert f"remixed from <@22>: [this one]({link_of(POST)})" in list(map(IN_ENGLISH, card.small))
    assert [likes_label(number) for number in (0, 1, 12_345)] == ["Like", "1 like", "12,345 likes"]
    assert layout(card, IN_ENGLISH).total_children_count < 40


@pytest.mark.parametrize("code", languages())
def test_a_page_and_a_board_have_room_for_the_longest_posts_in_every_language(code: str) -> None:
    said_in = languages()[code]
    long = tuple(
        replace(
            POST,
            id=PostId(POST.id + number),
            server=2**63,
            channel_id=2**63,
            message_id=2**63,
            person=UserId(2**63),
            likes=999_999,
            is_hidden=True,
            title="://" * 33,
            tags=("__" * 20,) * MAX_TAGS,
        )
        for number in range(ENTRIES)
    )
    query = Query(
        kind=Kind.SEARCH,
        typed="*" * MAX_WORDS,
        model="_" * 200,
        style="|" * 200,
        tag="`" * 40,
        person=2**63,
        window=Window.MONTH,
    )
    page = Page(posts=long, instead=("x" * 40,) * 12)
    view = page_view(query, page, heading(query, page, SHELF), {}, said_in)
    assert view.content_length() < MAX_TEXT
    assert board_view(long, 3000, said_in).content_length() < MAX_TEXT


def test_what_moderators_have_hidden_is_on_a_page_but_cannot_be_opened() -> None:
    hidden = replace(POST, is_hidden=True)
    query = Query(kind=Kind.MINE)

    def openable(*posts: Post) -> list[str]:
        view = page_view(query, Page(posts=posts), [], {}, IN_ENGLISH)
        menus = [part for part in view.walk_children() if isinstance(part, discord.ui.Select)]
        return [option.label for menu in menus if menu.custom_id == "gallery:open" for option in menu.options]

    assert [label[:2] for label in openable(hidden, POST)] == ["2."]
    assert openable(hidden) == []


def test_what_is_covered_in_its_server_is_so_in_the_gallery() -> None:
    assert post_card(POST, job(), PICTURE, SHELF, covers=True).pictures[0].spoiler
    assert post_card(POST, replace(job(), covered=True), PICTURE, SHELF).pictures[0].spoiler
    assert not post_card(POST, job(), PICTURE, SHELF).pictures[0].spoiler
    assert report_card(POST, job(), PICTURE, []).pictures[0].spoiler


def test_a_post_without_a_message_has_no_link_and_one_without_words_a_name() -> None:
    hung = replace(POST, channel_id=None, message_id=None, is_hidden=True)
    assert link_of(hung) is None
    assert "hidden by moderators" in "\n".join(map(IN_ENGLISH, entry_lines(1, hung)))
    assert name_of_post(replace(POST, title=None, prompt=" \n ")) == "…"
    assert len(name_of_post(replace(POST, title="x" * 500))) <= 100


def test_who_decided_is_told_also_if_they_are_forgotten() -> None:
    removed = Decided(
        post=POST.id,
        person=UserId(0),
        decision=Decision.REMOVED,
        decided_by=ADA,
        decided_at=5.0,
        reason=None,
        reported_by=UserId(0),
    )
    kept = replace(removed, decision=Decision.KEPT)
    assert decided_line(kept) == "**Kept** by <@11>."
    assert decided_line(replace(kept, decision=Decision.SHOWN)) == "**Shown again** by <@11>."
    hidden = replace(removed, decision=Decision.HIDDEN, decided_by=UserId(0))
    assert decided_line(hidden) == "**Hidden** by somebody who is forgotten."
    assert decision_line(removed) == (
        "**Taken out of the gallery** by <@11>. · a picture of somebody who is forgotten · <t:5:R>"
    )
    assert "reported by <@22>: \\*r\\*" in decision_line(replace(removed, reason="*r*", reported_by=BOB))


@pytest.mark.parametrize(
    "query",
    [
        Query(kind=Kind.TOP),
        Query(kind=Kind.LIKE, post=1 << 33),
        Query(
            kind=Kind.SEARCH,
            typed='a "b" %20 % ☂️ 𝔏 \\ |' + "🦊" * 60,
            window=Window.WEEK,
            model="models/oil paint",
            style=" ink ",
            tag="warm light",
            person=1 << 63,
        ),
    ],
)
def test_a_page_remembers_what_it_shows_in_parts_that_discord_takes(query: Query) -> None:
    parts = chunks(str(query))
    assert all(len(part.encode("utf-16-le")) <= 2 * CHUNK for part in parts)
    assert [part.strip() for part in parts] == parts
    assert Query.read("".join(parts)) == query


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"kind":"none"}', '{"kind":"top","window":"all","else":1}']
)
def test_what_no_page_said_is_no_query(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Query.read(text)


def test_another_time_keeps_the_filters_and_a_search_stays_one() -> None:
    assert resorted(Query(kind=Kind.MINE), "new") == Query(kind=Kind.NEW)
    assert resorted(Query(kind=Kind.NEW, tag="a"), "week") == Query(
        kind=Kind.TOP, tag="a", window=Window.WEEK
    )
    search = Query(kind=Kind.SEARCH, typed="a")
    assert resorted(search, "day") == replace(search, window=Window.DAY)
    assert resorted(search, "nonsense") == search


def test_a_week_ends_on_sunday() -> None:
    monday = begin_of(week_of(1_700_000_000))
    assert [weekday_of(monday + day * 86400) for day in (-1, 0, 6, 7)] == [7, 1, 7, 1]


def node(name: str, parent: str | None, depth: int, *, is_open: bool = True) -> Node:
    told: dict[str, Any] = {"person": ADA, "prompt": f"{name} *x*", "channel_id": 7, "message_id": 8}
    return Node(
        job_id=JobId(name),
        parent=None if parent is None else JobId(parent),
        depth=depth,
        created_at=0.0,
        is_open=is_open,
        **(told if is_open else {}),
    )


def test_a_tree_puts_each_below_what_it_was_made_from_and_tells_only_what_may_be_seen() -> None:
    found = Lineage(
        ancestors=(node("eldest", None, -1, is_open=False),),
        self=node("this", "eldest", 0),
        descendants=(node("a", "this", 1), node("b", "this", 1), node("aa", "a", 2)),
        has_more=False,
    )
    _, *lines = map(IN_ENGLISH, tree(found, {JobId(name) for name in ("this", "a", "aa")}, 5))
    assert lines[0] == "*somebody's, not shared*"
    assert [line.strip().split()[1] for line in lines[1:4]] == ["this", "a", "aa"]
    assert "*somebody's, not shared*" in lines[4]
    assert "[see it](https://discord.com/channels/5/7/8)" in lines[1]
    assert "*x*" not in lines[1]


def test_a_board_on_mondays_is_not_taken_for_none() -> None:
    assert ServerSettings(gallery_channel=9, board=1).plain() == {"gallery_channel": 9, "board": 1}
