"""What the buttons under a card do. A custom_id says all they need, so that they outlive every restart."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Self

import discord

from bot.acknowledgement import acknowledge
from bot.answering import known_job, open_edit, open_inpaint, open_style
from bot.apologies import tell
from bot.card import Action, Card, custom_id
from bot.cards import PICTURE, SAVE_STYLE, chosen_card
from bot.enlarging import enlarging_card
from bot.further import control_card, enlarge, grow, picture_of, upscale, vary, ways_to_enlarge
from bot.house import Interaction
from bot.language import language_of
from bot.letters import link_to
from bot.limits import Refused
from bot.may import check, depends_on_job, may_moderate
from bot.messages import NO_MENTIONS, files, fitting, layout, with_command_line
from bot.options import STRONG, SUBTLE
from bot.orders import GONE, reroll
from bot.preferring import layers
from bot.pressing import Pressable, Widget
from bot.privately import is_alone
from bot.queueing import queue_for
from bot.recipe import settings_card
from bot.shared import has_gallery
from generation.job import Job, JobId
from generation.sentence import say

_JOB = r"(?P<job>[0-9a-z]{16})"
_INDEX = r"(?P<index>\d)"


class JobItem(Pressable[Widget], template=r"(?!)"):
    """A button or menu of a job or of one of its pictures."""

    def __init__(self, item: Widget, job: JobId, index: int = 0) -> None:
        super().__init__(item)
        self.job_id = job
        self.index = index

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # the base is typed for any client
        cls, interaction: Interaction, item: Widget, match: re.Match[str], /
    ) -> Self:
        return cls(item, JobId(match["job"]), int(match.groupdict().get("index") or 0))

    def admit(self, interaction: Interaction) -> None:
        action = Action(self.custom_id.partition(":")[0])
        if not depends_on_job(action):  # that it checks itself, when it knows who asked
            check(interaction, action)


class JobButton(JobItem[discord.ui.Button[Any]], template=r"(?!)"):
    """A button; see :class:`JobItem`."""


class RerollButton(JobButton, template=f"{Action.REROLL}:{_JOB}"):
    """The same request with a new seed; anybody may."""

    async def pressed(self, interaction: Interaction) -> None:
        await reroll(interaction, self.job_id)


class CancelButton(JobButton, template=f"{Action.CANCEL}:{_JOB}"):
    """Take a job back while it waits or runs. The card follows by itself."""

    async def pressed(self, interaction: Interaction) -> None:
        studio = interaction.client.house.studio
        event = studio.latest(self.job_id)
        if event is None:
            raise Refused(say("That request has ended already; there is nothing left to cancel."))
        check(interaction, Action.CANCEL, event.job)
        await acknowledge(interaction)
        if not await studio.cancel(self.job_id):
            await tell(interaction, say("That request ended just now; there is nothing left to cancel."))


class TakeBackButton(CancelButton, template=f"{Action.TAKE_BACK}:{_JOB}"):
    """The same, pressed in the list of one's requests, which shows how it is now."""

    async def pressed(self, interaction: Interaction) -> None:
        await super().pressed(interaction)
        view = layout(await queue_for(interaction), language_of(interaction))
        await interaction.edit_original_response(view=view, allowed_mentions=NO_MENTIONS)


_STAYS = say(
    "I have forgotten its pictures, but its message stays where you asked: I may not remove it there now. "
    "Press *Delete* under it."
)


class DeleteButton(JobButton, template=f"{Action.DELETE}:{_JOB}"):
    """Remove the message and forget its pictures."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        house = interaction.client.house
        job = await house.jobs.outlined(self.job_id)
        if job is None and not _is_theirs(interaction):
            raise Refused(GONE)
        if job is not None:
            check(interaction, Action.DELETE, job)
            async with house.curator.going(job=job.id):
                await house.pictures.forget(job.id)
            await house.desk.withdrawn(job.id)
            pressed = None if interaction.message is None else interaction.message.id
            # What is private Discord shows to nobody else, and takes away by itself.
            if not await house.courier.remove(job, but=pressed) and not job.private:
                await tell(interaction, _STAYS)
        try:
            await interaction.delete_original_response()
        except discord.NotFound:
            raise Refused(say("That message is gone already, and I have forgotten its pictures.")) from None


def _is_theirs(interaction: Interaction) -> bool:
    """Whether a message about something forgotten may be removed: by who had asked, and by moderators."""
    asked = None if interaction.message is None else interaction.message.interaction_metadata
    return (
        is_alone(interaction)
        or may_moderate(interaction)
        or (asked is not None and asked.user.id == interaction.user.id)
    )


class SettingsButton(JobButton, template=f"{Action.SETTINGS}:{_JOB}"):
    """Show privately everything that made a picture, and the command that draws it again."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        house = interaction.client.house
        job = await known_job(interaction, self.job_id)
        card = settings_card(job, house.shelf, parent_link=await self._parent_link(interaction, job))
        language = language_of(interaction)
        view, files = with_command_line(card, job.request, house.shelf, language, layers(interaction))
        await interaction.followup.send(view=view, files=files, ephemeral=True, allowed_mentions=NO_MENTIONS)

    @staticmethod
    async def _parent_link(interaction: Interaction, job: Job) -> str | None:
        seen = None if job.parent is None else await interaction.client.house.deliveries.seen(job.parent)
        return link_to(seen) if seen is not None and seen.guild_id == interaction.guild_id else None


class EditButton(JobButton, template=f"{Action.EDIT}:{_JOB}(?::{_INDEX})?"):
    """Ask what shall be different, and draw that: of a request, or of one picture that is shared."""

    async def pressed(self, interaction: Interaction) -> None:
        is_whole = self.custom_id == custom_id(Action.EDIT, self.job_id)
        await open_edit(interaction, self.job_id, None if is_whole else self.index)


class InpaintButton(JobButton, template=f"{Action.INPAINT}:{_JOB}:{_INDEX}"):
    """Ask for a mask, and draw that part of the picture anew."""

    async def pressed(self, interaction: Interaction) -> None:
        await open_inpaint(interaction, self.job_id, self.index)


class VaryButton(JobButton, template=f"{Action.VARY}:{_JOB}:{_INDEX}"):
    """The same picture in other details."""

    async def pressed(self, interaction: Interaction) -> None:
        await vary(interaction, self.job_id, self.index, SUBTLE)


class DifferButton(JobButton, template=f"{Action.DIFFER}:{_JOB}:{_INDEX}"):
    """Another picture of the same kind."""

    async def pressed(self, interaction: Interaction) -> None:
        await vary(interaction, self.job_id, self.index, STRONG)


class UpscaleButton(JobButton, template=f"{Action.UPSCALE}:{_JOB}:{_INDEX}"):
    """The same picture, larger: drawn again by its model, or as the person then chooses."""

    async def pressed(self, interaction: Interaction) -> None:
        await make_larger(interaction, self.job_id, self.index)


class EnlargeMenu(JobItem[discord.ui.Select[Any]], template=f"{Action.ENLARGE}:{_JOB}:{_INDEX}"):
    """A way to make the picture larger."""

    async def pressed(self, interaction: Interaction) -> None:
        await enlarge(interaction, self.job_id, self.index, self.item.values[0])


class GrowMenu(JobItem[discord.ui.Select[Any]], template=f"{Action.GROW}:{_JOB}:{_INDEX}"):
    """What is around the picture."""

    async def pressed(self, interaction: Interaction) -> None:
        if self.item.values[0] == SAVE_STYLE:
            await open_style(interaction, self.job_id)
            return
        await grow(interaction, self.job_id, self.index, self.item.values[0])


class ChooseMenu(JobItem[discord.ui.Select[Any]], template=f"{Action.CHOOSE}:{_JOB}"):
    """One of several pictures: show it privately with all that can be done with it."""

    async def pressed(self, interaction: Interaction) -> None:
        if self.item.values[0] == SAVE_STYLE:
            await open_style(interaction, self.job_id)
            return
        number = self.item.values[0].removeprefix(PICTURE)
        if not number.isdecimal():
            raise Refused(GONE)
        await acknowledge(interaction, thinking=True, ephemeral=True)
        job, picture = await picture_of(interaction, self.job_id, int(number) - 1)
        shares = job.asker == interaction.user.id and has_gallery(interaction)
        await show_privately(interaction, chosen_card(job, picture, shares=shares))


class ControlButton(JobButton, template=f"{Action.CONTROL}:{_JOB}"):
    """Show privately what a picture was steered by."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        await show_privately(interaction, await control_card(interaction, self.job_id))


async def make_larger(interaction: Interaction, job_id: JobId, index: int) -> None:
    """Have a picture of ours made larger; where there are several ways, ask for one.

    Raises:
        Refused, InvalidRequest: it is not there any more, or cannot be.
    """
    house = interaction.client.house
    if not await asyncio.to_thread(lambda: house.upscalers.names):
        await upscale(interaction, job_id, index)
        return
    await acknowledge(interaction, thinking=True, ephemeral=True)
    job, picture, ways = await ways_to_enlarge(interaction, job_id, index)
    await show_privately(interaction, enlarging_card(job, picture, ways))


async def show_privately(interaction: Interaction, card: Card) -> None:
    """Answer an acknowledged interaction with a card for this person alone."""
    card = await fitting(card, interaction.filesize_limit)
    said_in = language_of(interaction)
    await interaction.followup.send(
        view=layout(card, said_in),
        files=files(card, said_in),
        ephemeral=True,
        allowed_mentions=NO_MENTIONS,
    )


ITEMS: tuple[type[JobItem[Any]], ...] = (
    RerollButton,
    CancelButton,
    TakeBackButton,
    DeleteButton,
    SettingsButton,
    VaryButton,
    DifferButton,
    UpscaleButton,
    EnlargeMenu,
    GrowMenu,
    ChooseMenu,
    ControlButton,
    EditButton,
    InpaintButton,
)
