"""/privacy: what is kept about a person, all of it as files, and forgetting it."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import app_commands, ui

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.commands.places import EVERYWHERE
from bot.exporting import Parcel, row_files
from bot.language import language_of
from bot.limits import Refused
from bot.messages import MAX_REQUEST, NO_MENTIONS
from bot.pressing import Pressable
from bot.privately import is_alone
from bot.safety import is_server_of_ours
from generation.image import PictureGone
from generation.job import UserId
from generation.request import Digest
from generation.safety import Review
from generation.sentence import count, joined, say

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_PARTS = 10
"""Messages of one export; more would take longer than Discord gives an answer."""
MAX_PARTS_AWAY = 4
"""The same where the bot is no member, also in conversations: Discord takes five messages for one command."""
ENDING_LOOKS = 200
"""Tenths of a second in which what is taken back has ended; it takes far less, unless the disk is full."""

log = logging.getLogger(__name__)


class PrivacyCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self) -> None:
        super().__init__(
            name="privacy",
            description="What I keep about you",
            **EVERYWHERE,
        )
        self._exporting: set[UserId] = set()
        self._one_at_a_time = asyncio.Lock()

    @app_commands.command(name="what", description="What I keep about you, and for how long")
    async def what(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        kept = await interaction.client.house.privacy.kept(UserId(interaction.user.id))
        lines = [
            say("### What I keep about you"),
            joined(
                " · ",
                (
                    count("{number} request", "{number} requests", kept.requests),
                    count("{number} picture", "{number} pictures", kept.pictures),
                    say("{size:.1f} MB", size=kept.byte_count / 2**20),
                    count("{number} style", "{number} styles", kept.styles),
                    count("{number} setting", "{number} settings", kept.settings),
                    count("{number} shared picture", "{number} shared pictures", kept.shared),
                    count("{number:,} like", "{number:,} likes", kept.likes),
                ),
            ),
            say(
                "- Of each request: your id in Discord, all settings, what it started from, when it was, "
                "where its message is, and its pictures. That is how Reroll and `/history` work. *Delete* "
                "takes the pictures away; a server may have them removed after some days."
            ),
            say("- Your preferences, settings and styles; and that you changed something in a server."),
            say(
                "- What you share in galleries, with title and tags; what you like there; and what you "
                "report."
            ),
            say("- No other messages of yours, and nothing about who you are."),
            say(
                "- What servers decided about you, like a block, is theirs and stays; so does, until "
                "midnight (UTC), how many pictures you had today."
            ),
            say("-# `/privacy export` sends you all of it; `/privacy forget` removes it."),
        ]
        await tell(interaction, joined("\n", lines))

    @app_commands.command(name="export", description="All that I keep about you, as files for you alone")
    async def export(self, interaction: Interaction) -> None:
        person = UserId(interaction.user.id)
        if person in self._exporting:
            raise Refused(say("I am sending you that already; ask again when all of it is there."))
        self._exporting.add(person)
        try:
            await acknowledge(interaction, thinking=True, ephemeral=True)
            async with self._one_at_a_time:  # each has megabytes in memory
                await _export(interaction)
        finally:
            self._exporting.discard(person)

    @app_commands.command(name="forget", description="Make me forget all about you; I ask once more first")
    async def forget(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        kept = await interaction.client.house.privacy.kept(UserId(interaction.user.id))
        said = language_of(interaction)
        pictures = count("{number} picture", "{number} pictures", kept.pictures)
        lines = [
            say("### Forget all about you?"),
            say(
                "With all your requests ({pictures}) go your styles, preferences and settings, what you have "
                "shared, and your likes. What waits or is being drawn is cancelled. **It cannot be taken "
                "back**; `/privacy export` sends you all of it.",
                pictures=pictures,
            ),
            say(
                "-# What others drew from your pictures stays, and so does a report of yours that moderators "
                "have not decided, both without your name. Messages in channels stay, too, but for those in "
                "galleries, until you press *Delete* under them."
            ),
        ]
        button: ui.Button[ui.LayoutView] = ui.Button(
            style=discord.ButtonStyle.danger,
            label=said(say("Forget it all")),
            custom_id=f"privacy:forget:{interaction.user.id}",
        )
        view = ui.LayoutView(timeout=None).add_item(ui.TextDisplay("\n".join(map(said, lines))))
        view.add_item(ui.ActionRow(button))
        view.stop()  # the client dispatches by custom_id, also after a restart
        await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


class ForgetButton(Pressable[discord.ui.Button[Any]], template=r"privacy:forget:(?P<person>\d{1,20})"):
    """Forget all about whoever it asked."""

    def __init__(self, item: discord.ui.Button[Any], person: int) -> None:
        super().__init__(item)
        self.person = UserId(person)

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # the base is typed for any client
        cls, interaction: Interaction, item: discord.ui.Button[Any], match: re.Match[str], /
    ) -> Self:
        return cls(item, int(match["person"]))

    def admit(self, interaction: Interaction) -> None:
        if interaction.user.id != self.person:
            raise Refused(say("That is for somebody else to decide."))

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        left = await forget(interaction, self.person)
        said = say("I have forgotten all about you.")
        if left:
            said = count(
                "I have forgotten all but {number} request that does not end; please try again.",
                "I have forgotten all but {number} requests that do not end; please try again.",
                left,
            )
        view = ui.LayoutView().add_item(ui.TextDisplay(language_of(interaction)(said)))
        await interaction.edit_original_response(view=view, allowed_mentions=NO_MENTIONS)


async def forget(interaction: Interaction, person: UserId) -> int:
    """Take back what waits of this person, then forget all; how many requests have not ended."""
    house = interaction.client.house
    for job_id in await house.privacy.waiting(person):
        await house.studio.cancel(job_id)
    for _ in range(ENDING_LOOKS):  # at what ends by itself just now
        if not await house.privacy.waiting(person):
            break
        await asyncio.sleep(0.1)
    for job_id in await house.privacy.held(person):
        await house.pictures.forget(job_id)
        await house.desk.withdrawn(job_id)
    async with house.curator.going(person=person):
        await house.privacy.forget(person)
    log.info("forgot a person")
    return len(await house.privacy.waiting(person))


# As files -------------------------------------------------------------------------------------------------


async def _export(interaction: Interaction) -> None:
    house, person = interaction.client.house, UserId(interaction.user.id)
    told = await house.privacy.told(person)
    if not told:
        await tell(interaction, say("I keep nothing about you."))
        return
    limit = min(interaction.filesize_limit, MAX_REQUEST)
    is_away = not (is_server_of_ours(interaction) or is_alone(interaction))
    sender = _Sender(interaction, limit, MAX_PARTS_AWAY if is_away else MAX_PARTS)
    for name, data in await asyncio.to_thread(lambda: list(row_files(told))):
        await sender.put(name, data, compress=True)
    # Nobody sees these before a moderator has let them pass, and this is no way around that.
    held = {row["job_id"] for row in told.get("held_for_moderators", ()) if row["state"] != Review.APPROVED}
    pictures = list(reversed(told.get("pictures", ())))
    files = [
        (f"pictures/{row['job_id']}-{row['position'] + 1}.png", row["digest"])
        for row in pictures
        if row["job_id"] not in held
    ]
    waiting = len(pictures) - len(files)
    brought = dict.fromkeys(row["digest"] for row in told.get("files_started_from", ()))
    files += [(f"started-from/{digest}.png", digest) for digest in brought]
    gone = 0
    for name, digest in files:
        try:
            await sender.put(name, await house.pictures.read_file(Digest(digest)))
        except PictureGone:
            gone += 1
    await sender.end(gone, waiting)


class _Sender:
    """Sends files in as few messages as they fit into."""

    def __init__(self, interaction: Interaction, limit: int, most: int) -> None:
        self._interaction = interaction
        self._limit = limit
        self._most = most
        self._parcel = Parcel(limit)
        self._sent = 0
        self._left_out = 0

    async def put(self, name: str, data: bytes, *, compress: bool = False) -> None:
        if self._sent >= self._most:
            self._left_out += 1
            return
        if await asyncio.to_thread(self._parcel.put, name, data, compress=compress):
            return
        if self._parcel:
            await self._send()
            await self.put(name, data, compress=compress)
        else:
            self._left_out += 1  # alone it is larger than a message may be

    async def _send(self, last: str | None = None) -> None:
        data = await asyncio.to_thread(self._parcel.closed)
        self._sent += 1
        self._parcel = Parcel(self._limit)
        file = discord.File(io.BytesIO(data), filename=f"atelier-{self._sent}.zip")
        said = say("Part {number} of what I keep about you.", number=self._sent)
        if last is not None and self._sent == 1:
            said = say("Here is what I keep about you.")
        text = said if last is None else joined("\n", (said, last))
        await self._interaction.followup.send(
            language_of(self._interaction)(text), file=file, ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    async def end(self, gone: int, waiting: int) -> None:
        """Send what is left, and say what is not in it.

        Args:
            gone: files that are kept no more.
            waiting: pictures that moderators have not let pass.
        """
        lines = [say("That is all.")]
        if self._left_out:
            lines = [
                count(
                    "{number} file did not fit into messages of Discord. Ask whoever runs me for it, or "
                    "delete what you have now and export again.",
                    "{number} files did not fit into messages of Discord. Ask whoever runs me for them, or "
                    "delete what you have now and export again.",
                    self._left_out,
                )
            ]
        if gone:
            lines.append(
                count("{number} file is damaged or gone.", "{number} files are damaged or gone.", gone)
            )
        if waiting:
            lines.append(
                count(
                    "{number} picture waits for a moderator and is not among them.",
                    "{number} pictures wait for a moderator and are not among them.",
                    waiting,
                )
            )
        if self._parcel:
            await self._send(joined("\n", lines))
        else:
            await tell(self._interaction, joined("\n", lines))


ITEMS = (ForgetButton,)
