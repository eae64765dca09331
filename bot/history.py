"""/history: one's own requests, a page at a time, and one of them with all that can be done with it."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import ui
from PIL import Image

from bot.acknowledgement import acknowledge
from bot.bringing import one_by_one
from bot.buttons import show_privately
from bot.cards import card_for
from bot.facts import BROUGHT, is_brought
from bot.language import Language, language_of
from bot.letters import link_to
from bot.limits import Refused
from bot.markdown import literal, shortened, whole
from bot.messages import NO_MENTIONS
from bot.orders import GONE
from bot.pressing import Pressable, Widget
from bot.recall import Undeliverable, recalled
from bot.shared import has_gallery
from generation.image import Picture, PictureGone
from generation.job import Job, JobId, JobState, UserId
from generation.judging import is_suspect
from generation.safety import Review
from generation.sentence import altered, count, joined, say
from storage.history import Entry, Page

if TYPE_CHECKING:
    from bot.house import Interaction

ENTRIES = 5
"""On one page."""
SHOWN, LISTED, REASON = 150, 90, 150
"""Characters of a prompt on a page and in its menu, and of the reason why there is no picture."""
EDGE = 256
"""Pixels along the longer edge of the small pictures on a page."""

log = logging.getLogger(__name__)


async def show_history(
    interaction: Interaction, *, before: JobId | None = None, after: JobId | None = None
) -> None:
    """Answer an acknowledged interaction with a page: the newest, or the one next to a request."""
    person = UserId(interaction.user.id)
    history = interaction.client.house.history
    page = await history.page(person, ENTRIES, before=before, after=after)
    if not page.entries and (before or after):  # all of it was deleted meanwhile
        page = await history.page(person, ENTRIES)
    small = {}
    for entry in page.entries:
        if (thumbnail := await _thumbnail(interaction, entry)) is not None:
            small[entry.job.id] = thumbnail
    view = page_view(page, small.keys(), language_of(interaction))
    files = [
        discord.File(io.BytesIO(data), filename=_file(entry))
        for entry in page.entries
        if (data := small.get(entry.job.id)) is not None
    ]
    if before or after:
        await interaction.edit_original_response(view=view, attachments=files, allowed_mentions=NO_MENTIONS)
    else:
        await interaction.followup.send(view=view, files=files, ephemeral=True, allowed_mentions=NO_MENTIONS)


async def _thumbnail(interaction: Interaction, entry: Entry) -> bytes | None:
    """The first picture of a request, small; None if there is none to show."""
    if not entry.pictures or not entry.job.may_be_seen:
        return None
    try:
        async with interaction.client.leafing:
            png = await interaction.client.house.pictures.read(entry.pictures[0])
            return await one_by_one(partial(_small, png))
    except (PictureGone, OSError) as error:
        log.warning("job %s: no small picture of it: %s", entry.job.id, type(error).__name__)
        return None


def _small(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.thumbnail((EDGE, EDGE))
        file = io.BytesIO()
        image.save(file, format="WEBP", quality=80)
    return file.getvalue()


# The page -------------------------------------------------------------------------------------------------


def page_view(page: Page, pictured: Collection[JobId], language: Language) -> ui.LayoutView:
    """A page as Discord's widgets.

    Args:
        pictured: the requests of which there is a small picture.
    """
    body: ui.Container[ui.LayoutView] = ui.Container()
    if not page.entries:
        nothing = say(
            "You have not asked me for a picture yet, or have deleted them all. `/imagine` draws one."
        )
        body.add_item(ui.TextDisplay(language(nothing)))
    for number, entry in enumerate(page.entries, start=1):
        text = "\n".join(language(line) for line in _lines(number, entry))
        if entry.job.id in pictured:
            thumbnail: ui.Thumbnail[ui.LayoutView] = ui.Thumbnail(
                f"attachment://{_file(entry)}",
                description=shortened(whole(language(_prompt(entry.job))), 1024),
                spoiler=_is_covered(entry),
            )
            body.add_item(ui.Section(text, accessory=thumbnail))
        else:
            body.add_item(ui.TextDisplay(text))
    view = ui.LayoutView(timeout=None).add_item(body)
    if page.entries:
        menu: ui.Select[ui.LayoutView] = ui.Select(
            custom_id="history:open",
            placeholder=language(say("Show one of them with its buttons…")),
            options=[
                discord.SelectOption(
                    label=shortened(f"{number}. {_one_line(language(_prompt(entry.job)))}", LISTED),
                    value=entry.job.id,
                )
                for number, entry in enumerate(page.entries, start=1)
            ],
        )
        view.add_item(ui.ActionRow(menu))
        newest, oldest = page.entries[0].job.id, page.entries[-1].job.id
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        for way, label, edge, leads in (
            ("newer", say("Newer"), newest, page.has_newer),
            ("older", say("Older"), oldest, page.has_older),
        ):
            row.add_item(
                ui.Button(label=language(label), custom_id=f"history:{way}:{edge}", disabled=not leads)
            )
        view.add_item(row)
    # The client dispatches by custom_id and must not keep a view for each message it sent.
    view.stop()
    return view


def _lines(number: int, entry: Entry) -> list[str]:
    job = entry.job
    facts: list[str] = [f"<t:{int(job.created_at)}:R>", _state(entry)]
    if entry.pictures and job.may_be_seen:
        facts.append(say("seed {seed}", seed=job.request.seed))
    if job.private:
        facts.append(say("only for you"))
    elif entry.address is not None and (link := link_to(entry.address)) is not None:
        facts.append(say("[its message]({link})", link=link))
    prompt = joined("", (f"**{number}.** ", altered(_prompt(job), _shown)))
    return [prompt, joined(" · ", facts)]


def _prompt(job: Job) -> str:
    """What was asked for, as it was typed."""
    return BROUGHT if is_brought(job.request) else job.request.prompt


def _shown(text: str) -> str:
    return literal(shortened(text, SHOWN))


def _state(entry: Entry) -> str:
    job = entry.job
    match job.state:
        case JobState.DONE if job.review is Review.WAITING:
            return say("waits for a moderator")
        case JobState.DONE if not job.may_be_seen:
            return say("not shown: a moderator decided against it")
        case JobState.DONE:
            return count("{number} picture", "{number} pictures", len(entry.pictures))
        case JobState.FAILED:
            reason = altered(job.failure or say("The reason is not known."), _reason)
            return say("did not work: {reason}", reason=reason)
        case JobState.CANCELLED:
            return say("cancelled")
        case _:
            return say("waits or is being drawn")


def _reason(text: str) -> str:
    return literal(shortened(text, REASON))


def _is_covered(entry: Entry) -> bool:
    stored, job = entry.pictures[0], entry.job
    picture = Picture(index=stored.index, seed=stored.seed, size=stored.size, png=b"", verdict=stored.verdict)
    return job.covered or is_suspect(job, picture)


def _file(entry: Entry) -> str:
    return f"{'SPOILER_' if _is_covered(entry) else ''}{entry.job.id}-small.webp"


def _one_line(text: str) -> str:
    return whole(" ".join(text.split()))


# Its buttons ----------------------------------------------------------------------------------------------


class HistoryItem(Pressable[Widget], template=r"(?!)"):
    """Something on a page: it shows only what belongs to whoever presses."""

    def __init__(self, item: Widget, edge: str | None = None) -> None:
        super().__init__(item)
        self.edge = None if edge is None else JobId(edge)

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # the base is typed for any client
        cls, interaction: Interaction, item: Widget, match: re.Match[str], /
    ) -> Self:
        return cls(item, match.groupdict().get("edge"))


class OlderButton(HistoryItem[discord.ui.Button[Any]], template=r"history:older:(?P<edge>[0-9a-z]{16})"):
    """The page after this one."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        await show_history(interaction, before=self.edge)


class NewerButton(HistoryItem[discord.ui.Button[Any]], template=r"history:newer:(?P<edge>[0-9a-z]{16})"):
    """The page before this one."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        await show_history(interaction, after=self.edge)


class OpenMenu(HistoryItem[discord.ui.Select[Any]], template=r"history:open"):
    """One request, with its pictures and its buttons."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        house, job_id = interaction.client.house, JobId(self.item.values[0])
        event = house.studio.latest(job_id)
        if event is None:
            try:
                event = await recalled(house.jobs, house.pictures, job_id)
            except Undeliverable:
                raise Refused(GONE) from None
        if event.job.asker != interaction.user.id:
            raise Refused(GONE)
        card = card_for(event, house.shelf, shares=has_gallery(interaction))
        await show_privately(interaction, card)


ITEMS: tuple[type[HistoryItem[Any]], ...] = (OlderButton, NewerButton, OpenMenu)
