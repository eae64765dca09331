"""Pages of a gallery: what was found, a few at a time, with buttons that outlive every restart."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui

from bot.acknowledgement import acknowledge
from bot.buttons import show_privately
from bot.gallerycards import entry_lines, name_of_post
from bot.history import LISTED
from bot.language import Language, language_of
from bot.limits import Refused
from bot.markdown import fitting, shortened, whole
from bot.messages import NO_MENTIONS
from bot.pressing import Pressable
from bot.queries import MAX_WORDS, NEWEST, WINDOWS, Kind, Query, chunks, resorted
from bot.shared import check_visitor, post_here, shows_all
from generation.image import Picture, PictureGone
from generation.job import JobId, UserId
from generation.judging import is_suspect
from generation.request import Digest
from generation.sentence import joined, say
from storage.finding import Wanted, Window
from storage.gallery import GONE
from storage.paging import Page
from storage.posts import Post, PostId

if TYPE_CHECKING:
    from bot.house import House, Interaction
    from generation.shelf import Shelf

log = logging.getLogger(__name__)

ENTRIES = 5
"""On one page."""
MAX_TOLD = 120
"""Characters of markdown for each thing that was looked for."""
TITLES: Mapping[Kind, str] = {
    Kind.TOP: say("### The most liked"),
    Kind.NEW: say("### The newest"),
    Kind.SEARCH: say("### What was found"),
    Kind.MINE: say("### What you have shared"),
    Kind.RANDOM: say("### By chance"),
    Kind.LIKE: say("### More like that"),
}


async def show_page(
    interaction: Interaction, query: Query, cursor: str | None = None, *, over: bool = False
) -> None:
    """Answer an acknowledged interaction with a page, for this person alone.

    Args:
        cursor: where it begins; None: at the beginning.
        over: put it in place of the page that somebody leafed from.

    Raises:
        Refused: they may not look into this gallery, or what they look for takes too many words.
    """
    server = check_visitor(interaction)
    if len(chunks(str(query))) > len(WINDOWS):
        raise Refused(say("That is more than a page can remember; look for less at once."))
    page = await _page(interaction, server, query, cursor)
    if not page.posts and cursor is not None:  # it was past the end, or all of it has gone meanwhile
        page = await _page(interaction, server, query, None)
    small = {}
    for post in page.posts:
        if (thumbnail := await _thumbnail(interaction, post)) is not None:
            small[post.id] = thumbnail
    said_in = language_of(interaction)
    above = heading(query, page, interaction.client.house.shelf)
    view = page_view(query, page, above, {post: name for post, (name, _) in small.items()}, said_in)
    files = [discord.File(io.BytesIO(data), filename=name) for name, data in small.values()]
    if over:
        await interaction.edit_original_response(view=view, attachments=files, allowed_mentions=NO_MENTIONS)
    else:
        await interaction.followup.send(view=view, files=files, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def _page(interaction: Interaction, server: int, query: Query, cursor: str | None) -> Page:
    house = interaction.client.house
    finder, size, adults = house.finder, ENTRIES, shows_all(interaction)
    wanted = replace(query.wanted, adults=adults)
    match query.kind:
        case Kind.TOP:
            return await finder.top(server, wanted, cursor=cursor, size=size)
        case Kind.NEW:
            return await finder.new(server, wanted, cursor=cursor, size=size)
        case Kind.SEARCH:
            return await finder.search(server, query.typed, wanted, cursor=cursor, size=size)
        case Kind.MINE:
            return await finder.mine(server, UserId(interaction.user.id), cursor=cursor, size=size)
        case Kind.RANDOM:
            return Page(posts=await finder.random(server, wanted, count=size))
        case Kind.LIKE:
            post = await house.gallery.get(PostId(query.post or 0))
            if post is None or post.server != server or post.is_hidden or (post.for_adults and not adults):
                raise Refused(GONE)
            return await finder.more_like(post, cursor=cursor, size=size, adults=adults)


async def _thumbnail(interaction: Interaction, post: Post) -> tuple[str, bytes] | None:
    """The name and the content of a small picture; None if there is none to show."""
    house = interaction.client.house
    try:
        data = await house.thumbnails.read(Digest(post.digest))
        covered = await _is_covered(house, post)
    except (PictureGone, OSError) as error:
        log.warning("post %d: no small picture of it: %s", post.id, type(error).__name__)
        return None
    return f"{'SPOILER_' if covered else ''}{post.job_id}-{post.index}.webp", data


async def _is_covered(house: House, post: Post) -> bool:
    if house.servers.of(post.server).spoilers:
        return True
    job = await house.jobs.outlined(post.job_id)
    kept = [each for each in await house.pictures.of(post.job_id) if each.index == post.index]
    if job is None or not kept:
        return True
    one = Picture(index=post.index, seed=kept[0].seed, size=post.size, png=b"", verdict=kept[0].verdict)
    return job.covered or is_suspect(job, one)


# The page -------------------------------------------------------------------------------------------------


def heading(query: Query, page: Page, shelf: Shelf) -> list[str]:
    """What stands above a page: what was looked for, and that there is nothing."""
    lines: list[str] = [TITLES[query.kind]]
    told: list[str] = []
    if query.typed:
        told.append(f"“{fitting(query.typed, MAX_WORDS + MAX_TOLD)}”")
    if query.model is not None:
        model = shelf.by_source(query.model)
        told.append(fitting(query.model if model is None else model.name, MAX_TOLD))
    named = (query.style, None if query.tag is None else f"#{query.tag}")
    told += [fitting(text, MAX_TOLD) for text in named if text]
    if query.person is not None:
        told.append(f"<@{query.person}>")
    if query.window is not Window.ALL:
        told.append(WINDOWS[query.window])
    if told:
        lines.append(joined(" · ", told))
    if page.instead and page.posts:  # a filter may leave nothing of that, too
        words = fitting(" ".join(page.instead), 2 * MAX_TOLD)
        lines.append(say("Nothing was found for that; this is what there is for: {words}", words=words))
    if not page.posts:
        lines.append(_nothing(query))
    return lines


def _nothing(query: Query) -> str:
    if query.kind is Kind.MINE:
        return say("You have shared nothing here yet. *Share* under a picture of yours does it.")
    if query.kind in (Kind.TOP, Kind.NEW) and query.wanted == Wanted():
        return say("Nothing has been shared here yet. *Share* under a picture of yours does it.")
    return say("Nothing was found.")


def page_view(
    query: Query,
    page: Page,
    above: Sequence[str],
    small: Mapping[PostId, str],
    language: Language,
) -> ui.LayoutView:
    """A page as Discord's widgets.

    Args:
        small: the names of the small pictures, of those posts of which there is one.
    """
    body: ui.Container[ui.LayoutView] = ui.Container()
    body.add_item(ui.TextDisplay("\n".join(map(language, above))))
    for number, post in enumerate(page.posts, start=1):
        text = "\n".join(map(language, entry_lines(number, post)))
        if (name := small.get(post.id)) is None:
            body.add_item(ui.TextDisplay(text))
            continue
        thumbnail: ui.Thumbnail[ui.LayoutView] = ui.Thumbnail(
            f"attachment://{name}",
            description=shortened(whole(" ".join(post.prompt.split())), 1024) or None,
            spoiler=name.startswith("SPOILER_"),
        )
        body.add_item(ui.Section(text, accessory=thumbnail))
    view = ui.LayoutView(timeout=None).add_item(body)
    if any(not post.is_hidden for post in page.posts):
        view.add_item(ui.ActionRow(_open_menu(page.posts, language)))
    view.add_item(ui.ActionRow(_sort_menu(query, language)))
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    if query.kind is Kind.RANDOM:
        row.add_item(ui.Button(label=language(say("Others")), custom_id="gallery:again"))
    elif page.before is not None or page.after is not None:
        for label, edge, none in (
            (say("Back"), page.before, "first"),
            (say("Further"), page.after, "last"),
        ):
            row.add_item(
                ui.Button(
                    label=language(label), custom_id=f"gallery:page:{edge or none}", disabled=edge is None
                )
            )
    if row.children:
        view.add_item(row)
    # The client dispatches by custom_id and must not keep a view for each message it sent.
    view.stop()
    return view


def _open_menu(posts: Collection[Post], language: Language) -> ui.Select[ui.LayoutView]:
    return ui.Select(
        custom_id="gallery:open",
        placeholder=language(say("Show one of them, to like, remix or save it…")),
        options=[
            discord.SelectOption(
                label=shortened(f"{number}. {whole(name_of_post(post))}", LISTED),
                value=f"{post.job_id}:{post.index}",
            )
            for number, post in enumerate(posts, start=1)
            if not post.is_hidden
        ],
    )


def _sort_menu(query: Query, language: Language) -> ui.Select[ui.LayoutView]:
    """Other orders and times. The values of its lines hold what the page looks for, a part each."""
    parts = chunks(str(query))
    lines = {str(window): _sorted_by(query, window) for window in WINDOWS}
    if query.kind is not Kind.SEARCH:
        lines[NEWEST] = say("the newest")
    options = []
    for number, (value, label) in enumerate(lines.items()):
        part = parts[number] if number < len(parts) else ""
        options.append(discord.SelectOption(label=language(label), value=f"{value}|{part}"))
    return ui.Select(
        custom_id="gallery:sort", placeholder=language(say("Another time or order…")), options=options
    )


def _sorted_by(query: Query, window: Window) -> str:
    when = WINDOWS[window]
    if query.kind is Kind.SEARCH:
        return say("the same, {when}", when=when)
    return say("the most liked {when}", when=when)


def remembered(message: discord.Message | None) -> Query:
    """What the page in this message looks for.

    Raises:
        Refused: it does not say so.
    """
    rows = () if message is None else message.components
    menus = (part for row in rows if isinstance(row, discord.ActionRow) for part in row.children)
    for menu in menus:
        if isinstance(menu, discord.SelectMenu) and menu.custom_id == "gallery:sort":
            try:
                return Query.read("".join(option.value.partition("|")[2] for option in menu.options))
            except (ValueError, TypeError, KeyError):
                break
    raise Refused(say("I do not know any more what that page shows; please ask again."))


# Its buttons ----------------------------------------------------------------------------------------------


class PageItem(Pressable[Any], template=r"(?!)"):
    """Something on a page."""

    def __init__(self, item: Any, value: str = "") -> None:
        super().__init__(item)
        self.value = value

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # the base is typed for any client
        cls, interaction: Interaction, item: Any, match: re.Match[str], /
    ) -> Self:
        return cls(item, match.groupdict().get("value") or "")


class LeafButton(PageItem, template=r"gallery:page:(?P<value>[0-9a-z.]{1,40})"):
    """The page before or after this one."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        await show_page(interaction, remembered(interaction.message), self.value, over=True)


class AgainButton(PageItem, template=r"gallery:again"):
    """Others by chance."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        await show_page(interaction, remembered(interaction.message), over=True)


class SortMenu(PageItem, template=r"gallery:sort"):
    """Another time, or another order."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        chosen = self.item.values[0].partition("|")[0]
        await show_page(interaction, resorted(remembered(interaction.message), chosen), over=True)


class OpenPostMenu(PageItem, template=r"gallery:open"):
    """One of them, with its picture and its buttons."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        check_visitor(interaction)
        job, _, index = self.item.values[0].partition(":")
        post = await post_here(interaction, JobId(job), int(index) if index.isdecimal() else 0)
        own = post.person == interaction.user.id
        shown = own or not post.for_adults or shows_all(interaction)
        card = await interaction.client.house.curator.card(post) if shown else None
        if card is None:
            raise Refused(GONE)
        await show_privately(interaction, card)


class BoardButton(PageItem, template=r"gallery:board:(?P<value>\d{1,6})"):
    """All that is best now."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        await show_page(interaction, Query(kind=Kind.TOP, window=Window.WEEK))


ITEMS: tuple[type[PageItem], ...] = (LeafButton, AgainButton, SortMenu, OpenPostMenu, BoardButton)
