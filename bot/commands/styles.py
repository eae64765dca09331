"""/styles: named prompt templates, shown to everybody, kept by moderators and by people for themselves."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.card import Card, Tone
from bot.commands.choices import choices, holding
from bot.commands.places import EVERYWHERE
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.may import may_keep_styles
from bot.messages import NO_MENTIONS, layout
from bot.options import suggest_styles
from bot.styles import find_style, names_here, own_of, owner_of, shipped_style
from generation.job import UserId
from generation.prompting import choices as prompt_choices
from generation.prompting.styles import MAX_BYTES, Style, read_csv, shipped, shown, tidy, too_large, write_csv
from generation.sentence import altered, count, joined, say
from storage.styles import Owner, OwnerKind, Saved

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_LISTED = 850
"""Characters of names in one list; a message takes 2000."""
MAX_SHOWN = 1700
"""Characters of one prompt; a message of this kind takes 4000."""
MAX_PROBLEMS = 5


class StyleCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self) -> None:
        super().__init__(
            name="styles",
            description="Looks that prompts are put into",
            **EVERYWHERE,
        )

    @app_commands.command(name="list", description="Which styles there are")
    async def list_(self, interaction: Interaction) -> None:
        await _acknowledge(interaction)
        own = await interaction.client.house.styles.of(owner_of(interaction))
        keys = {style.key for style in own}
        along = [style for style in shipped() if style.key not in keys]
        personal: Sequence[Style] = ()
        if interaction.guild_id is not None:
            personal = await interaction.client.house.styles.of(own_of(interaction))
        most = MAX_LISTED // 2 if personal else MAX_LISTED
        mine = _listed(own, most) if own else say("There are none yet.")
        lines = [
            say("**The styles of this server** {styles}", styles=mine),
            say("**Styles that come along** {styles}", styles=_listed(along)),
            say("-# `/imagine` uses one of them with `style`; `/styles show` shows what it holds."),
        ]
        if interaction.guild_id is None:
            lines[0] = say("**Your styles** {styles}", styles=mine)
        elif personal:
            lines.insert(1, say("**Your styles** {styles}", styles=_listed(personal, most)))
        await tell(interaction, joined("\n", lines))

    @app_commands.command(name="show", description="What a style holds")
    @app_commands.describe(name="Which style")
    async def show(self, interaction: Interaction, name: str) -> None:
        await _acknowledge(interaction)
        style = await find_style(interaction, name)
        styles = interaction.client.house.styles
        where = say("-# comes along")
        if interaction.guild_id is not None and await styles.get(owner_of(interaction), name) is not None:
            where = say("-# one of the styles of this server")
        elif await styles.get(own_of(interaction), name) is not None:
            where = say("-# one of your styles")
        lines = [f"### {literal(style.name)}", *_prompts(style), where]
        if (credit := await _credit(interaction, name)) is not None:
            lines.append(after(credit))
        view = layout(Card(tone=Tone.DONE, text=tuple(lines)), language_of(interaction))
        await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)

    @app_commands.command(name="save", description="Save a style, or change one")
    @app_commands.describe(
        name="What it is called",
        prompt="{prompt} stands for what somebody types; without it, this is added after their words",
        negative_prompt="The same for the negative prompt",
    )
    async def save(
        self,
        interaction: Interaction,
        name: str,
        prompt: str | None = None,
        negative_prompt: str | None = None,
    ) -> None:
        await keep_style(interaction, name, prompt or "", negative_prompt or "")

    @app_commands.command(name="delete", description="Delete a style")
    @app_commands.describe(name="Which style")
    async def delete(self, interaction: Interaction, name: str) -> None:
        await _acknowledge(interaction)
        styles, owner = interaction.client.house.styles, keeper_of(interaction)
        style = await styles.get(owner, name)
        if style is None or not await styles.delete(owner, name):
            if await styles.get(owner_of(interaction), name) is not None:
                check_keeper(interaction)
            along = await find_style(interaction, name)
            if await styles.get(own_of(interaction), name) is not None:
                raise Refused(say("That is one of yours; delete it in a direct message with me."))
            raise Refused(say("{style} comes along with me and cannot be deleted.", style=shown(along.name)))
        said = say("Deleted {style}. It was:", style=shown(style.name))
        if shipped_style(name) is not None:
            said = say(
                "Deleted {style}. The one that comes along is back in its place. It was:",
                style=shown(style.name),
            )
        await _show(interaction, said, style)

    @app_commands.command(name="import", description="Save the styles of a styles.csv as A1111 keeps it")
    @app_commands.describe(
        file="The file, with the columns name, prompt and negative_prompt",
        overwrite="Also replace styles that are here under the same names",
    )
    async def import_(
        self, interaction: Interaction, file: discord.Attachment, overwrite: bool = False
    ) -> None:
        check_keeper(interaction)
        if file.size > MAX_BYTES:
            raise Refused(too_large(file.size))
        await _acknowledge(interaction)
        read = await asyncio.to_thread(read_csv, await bringing.fetched(file, say("file")))
        if not read.styles:
            raise Refused(joined(" ", [say("There is no style in that file."), *_left_out(read.problems)]))
        saved = await interaction.client.house.styles.save(
            owner_of(interaction), read.styles, by=UserId(interaction.user.id), overwrite=overwrite
        )
        await tell(interaction, joined("\n", [*_told(saved), *_left_out(read.problems)]))

    @app_commands.command(
        name="export", description="All styles that are saved here, as a styles.csv for A1111"
    )
    async def export(self, interaction: Interaction) -> None:
        await _acknowledge(interaction)
        own = await interaction.client.house.styles.of(owner_of(interaction))
        if not own:
            raise Refused(say("No styles are saved here yet; `/styles save` saves one."))
        file = discord.File(io.BytesIO(await asyncio.to_thread(write_csv, own)), filename="styles.csv")
        await interaction.followup.send(
            language_of(interaction)(say("Here is the file with {styles}.", styles=_many(len(own)))),
            file=file,
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    @show.autocomplete("name")
    async def _any(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        house = interaction.client.house
        own = await names_here(interaction)
        return choices(suggest_styles(typed, own, house.shelf.default))

    @save.autocomplete("name")
    @delete.autocomplete("name")
    async def _own(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        names = await interaction.client.house.styles.names(keeper_of(interaction))
        return choices(holding(typed, names))


async def _acknowledge(interaction: Interaction) -> None:
    await acknowledge(interaction, thinking=True, ephemeral=True)


async def keep_style(interaction: Interaction, name: str, prompt: str, negative_prompt: str) -> None:
    """Save a style, or change the one of that name, and say so: the server's if they may, else one's own.

    Raises:
        InvalidRequest: it cannot be.
    """
    await save_style(interaction, keeper_of(interaction), name, prompt, negative_prompt)


async def save_style(
    interaction: Interaction,
    owner: Owner,
    name: str,
    prompt: str,
    negative_prompt: str,
    *,
    credit: UserId | None = None,
) -> None:
    """Save a style of a server or a person, or change the one of that name, and say so.

    Args:
        credit: whose shared prompt it is, if somebody else's.

    Raises:
        InvalidRequest: it cannot be.
    """
    style = Style(name=tidy(name), prompt=prompt.strip(), negative_prompt=negative_prompt.strip())
    prompt_choices.read(style.prompt)
    prompt_choices.read(style.negative_prompt, "negative prompt")
    await _acknowledge(interaction)
    styles = interaction.client.house.styles
    before = await styles.get(owner, style.name)
    await styles.save(owner, [style], by=UserId(interaction.user.id), credit=credit)
    said: str = say("Saved {style} as one of the styles of this server.", style=shown(style.name))
    if owner.kind is OwnerKind.PERSON:
        said = say("Saved {style} as one of your styles.", style=shown(style.name))
    if credit is not None:
        said = joined("\n", (said, after(credit)))
    if before is not None and before != style:
        said = say("Changed {style}. Before, it was:", style=shown(style.name))
        await _show(interaction, said, before)
    elif shipped_style(style.name) is not None:
        await tell(
            interaction,
            joined(" ", (said, say("Here it takes the place of the one that comes along."))),
        )
    else:
        await tell(interaction, said)


def keeper_of(interaction: Interaction) -> Owner:
    """Whose styles somebody saves and deletes here: the server's if they may, else their own."""
    return owner_of(interaction) if may_keep_styles(interaction) else own_of(interaction)


def check_keeper(interaction: Interaction) -> None:
    if not may_keep_styles(interaction):
        raise Refused(
            say(
                "Only those who may manage messages or the server can change its styles; `/styles save` "
                "keeps one for you alone."
            )
        )


def _listed(styles: Sequence[Style], most: int = MAX_LISTED) -> str:
    """The names, as many as fit."""
    listed: list[str] = []
    for style in styles:
        name = shown(style.name)
        if sum(len(each) + 2 for each in [*listed, name]) > most:
            break
        listed.append(name)
    left = len(styles) - len(listed)
    names = ", ".join(listed)
    if not left:
        return names
    return say("{names} and {left:,} more; `/styles export` brings all", names=names, left=left)


def _prompts(style: Style) -> list[str]:
    lines: list[str] = []
    if style.prompt:
        lines.append(say("**Prompt** {prompt}", prompt=shortened(literal(style.prompt), MAX_SHOWN)))
    if style.negative_prompt:
        negative = shortened(literal(style.negative_prompt), MAX_SHOWN)
        lines.append(say("**Negative prompt** {negative}", negative=negative))
    return lines


def after(credit: UserId) -> str:
    """Whose shared prompt a style was saved from."""
    return say("-# after a picture that {who} shared", who=f"<@{credit}>")


async def _credit(interaction: Interaction, name: str) -> UserId | None:
    """Of the style of this name that holds here, the server's before one's own."""
    styles = interaction.client.house.styles
    for owner in (owner_of(interaction), own_of(interaction)):
        if await styles.get(owner, name) is not None:
            return await styles.credit(owner, name)
    return None


async def _show(interaction: Interaction, said: str, style: Style) -> None:
    view = layout(Card(tone=Tone.DONE, text=(said, *_prompts(style))), language_of(interaction))
    await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


def _told(saved: Saved) -> Sequence[str]:
    """What came of an import, in sentences."""
    new, changed = _many(len(saved.new)), _many(len(saved.changed))
    if saved.new and saved.changed:
        lines = [say("I have saved {new} and changed {changed}.", new=new, changed=changed)]
    elif saved.new:
        lines = [say("I have saved {new}.", new=new)]
    elif saved.changed:
        lines = [say("I have changed {changed}.", changed=changed)]
    else:
        lines = [say("Nothing has changed.")]
    if saved.same:
        lines.append(say("Here already, just the same: {styles}.", styles=_many(len(saved.same))))
    if saved.kept:
        lines.append(
            say(
                "Left out, for their names are taken here: {names}. With `overwrite` they replace what is "
                "here.",
                names=shortened(", ".join(shown(name) for name in saved.kept), 300),
            )
        )
    return lines


def _many(number: int) -> str:
    return count("one style", "{number:,} styles", number)


def _left_out(problems: Sequence[str]) -> list[str]:
    if not problems:
        return []
    shown_ones = [altered(problem, partial(shortened, limit=220)) for problem in problems[:MAX_PROBLEMS]]
    if left := len(problems) - len(shown_ones):
        shown_ones.append(
            count("And {number:,} more line is left out.", "And {number:,} more lines are left out.", left)
        )
    return shown_ones
