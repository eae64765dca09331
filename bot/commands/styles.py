"""/styles: named prompt templates, shown to everybody, kept by moderators and by people for themselves."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.card import Card, Tone
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.may import may_keep_styles
from bot.messages import NO_MENTIONS, layout
from bot.options import MAX_CHOICES, suggest_styles
from bot.styles import find_style, owner_of, shipped_style
from generation.job import UserId
from generation.prompting import choices
from generation.prompting.styles import MAX_BYTES, Style, read_csv, shipped, shown, tidy, too_large, write_csv
from storage.styles import Saved

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
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )

    @app_commands.command(name="list", description="Which styles there are")
    async def list_(self, interaction: Interaction) -> None:
        await _acknowledge(interaction)
        own = await interaction.client.house.styles.of(owner_of(interaction))
        keys = {style.key for style in own}
        along = [style for style in shipped() if style.key not in keys]
        lines = [
            f"**{_whose(interaction).capitalize()}** {_listed(own) if own else 'There are none yet.'}",
            f"**Styles that come along** {_listed(along)}",
            "-# `/imagine` uses one of them with `style`; `/styles show` shows what it holds.",
        ]
        await tell(interaction, "\n".join(lines))

    @app_commands.command(name="show", description="What a style holds")
    @app_commands.describe(name="Which style")
    async def show(self, interaction: Interaction, name: str) -> None:
        await _acknowledge(interaction)
        style = await find_style(interaction, name)
        own = await interaction.client.house.styles.get(owner_of(interaction), name)
        where = "comes along" if own is None else f"one of {_whose(interaction)}"
        lines = (f"### {literal(style.name)}", *_prompts(style), f"-# {where}")
        view = layout(Card(tone=Tone.DONE, text=lines), language_of(interaction))
        await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)

    @app_commands.command(name="save", description="Save a style, or change one")
    @app_commands.describe(
        name="What it is called",
        prompt="{prompt} in it is replaced by what somebody types; without it, it is appended",
        negative_prompt="The same for the negative prompt",
    )
    async def save(
        self,
        interaction: Interaction,
        name: str,
        prompt: str | None = None,
        negative_prompt: str | None = None,
    ) -> None:
        _check_keeper(interaction)
        style = Style(
            name=tidy(name), prompt=(prompt or "").strip(), negative_prompt=(negative_prompt or "").strip()
        )
        choices.read(style.prompt)
        choices.read(style.negative_prompt, "negative prompt")
        await _acknowledge(interaction)
        styles, owner = interaction.client.house.styles, owner_of(interaction)
        before = await styles.get(owner, style.name)
        await styles.save(owner, [style], by=UserId(interaction.user.id))
        said = f"Saved {shown(style.name)} as one of {_whose(interaction)}."
        if before is not None and before != style:
            said = f"Changed {shown(style.name)}. Before, it was:"
            await _show(interaction, said, before)
        elif shipped_style(style.name) is not None:
            await tell(interaction, f"{said} Here it takes the place of the one that comes along.")
        else:
            await tell(interaction, said)

    @app_commands.command(name="delete", description="Delete a style")
    @app_commands.describe(name="Which style")
    async def delete(self, interaction: Interaction, name: str) -> None:
        _check_keeper(interaction)
        await _acknowledge(interaction)
        styles, owner = interaction.client.house.styles, owner_of(interaction)
        style = await styles.get(owner, name)
        if style is None or not await styles.delete(owner, name):
            along = await find_style(interaction, name)
            raise Refused(f"{shown(along.name)} comes along with me and cannot be deleted.")
        back = " The one that comes along is back in its place." if shipped_style(name) is not None else ""
        await _show(interaction, f"Deleted {shown(style.name)}.{back} It was:", style)

    @app_commands.command(name="import", description="Save the styles of a styles.csv as A1111 keeps it")
    @app_commands.describe(
        file="The file, with the columns name, prompt and negative_prompt",
        overwrite="Also replace styles that are here under the same names",
    )
    async def import_(
        self, interaction: Interaction, file: discord.Attachment, overwrite: bool = False
    ) -> None:
        _check_keeper(interaction)
        if file.size > MAX_BYTES:
            raise Refused(too_large(file.size))
        await _acknowledge(interaction)
        read = await asyncio.to_thread(read_csv, await bringing.fetched(file, "file"))
        if not read.styles:
            raise Refused(" ".join(["There is no style in that file.", *_left_out(read.problems)]))
        saved = await interaction.client.house.styles.save(
            owner_of(interaction), read.styles, by=UserId(interaction.user.id), overwrite=overwrite
        )
        await tell(interaction, "\n".join([*_told(saved), *_left_out(read.problems)]))

    @app_commands.command(
        name="export", description="All styles that are saved here, as a styles.csv for A1111"
    )
    async def export(self, interaction: Interaction) -> None:
        await _acknowledge(interaction)
        own = await interaction.client.house.styles.of(owner_of(interaction))
        if not own:
            raise Refused("No styles are saved here yet; `/styles save` saves one.")
        file = discord.File(io.BytesIO(await asyncio.to_thread(write_csv, own)), filename="styles.csv")
        await interaction.followup.send(
            f"Here is the file with {_many(len(own))}.",
            file=file,
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    @show.autocomplete("name")
    async def _any(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        house = interaction.client.house
        own = await house.styles.names(owner_of(interaction))
        return _choices(suggest_styles(typed, own, house.shelf.default))

    @save.autocomplete("name")
    @delete.autocomplete("name")
    async def _own(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        names = await interaction.client.house.styles.names(owner_of(interaction))
        words = typed.casefold().split()
        found = [name for name in names if all(word in name.casefold() for word in words)]
        return _choices(found[:MAX_CHOICES])


def _choices(names: Sequence[str]) -> list[Choice[str]]:
    return [Choice(name=name, value=name) for name in names]


async def _acknowledge(interaction: Interaction) -> None:
    await acknowledge(interaction, thinking=True, ephemeral=True)


def _check_keeper(interaction: Interaction) -> None:
    if not may_keep_styles(interaction):
        raise Refused(
            "Only who may manage messages or the server can change its styles; in a direct message with me "
            "you can keep some of your own."
        )


def _whose(interaction: Interaction) -> str:
    return "your styles" if interaction.guild_id is None else "the styles of this server"


def _listed(styles: Sequence[Style]) -> str:
    """The names, as many as fit."""
    listed: list[str] = []
    for style in styles:
        name = shown(style.name)
        if sum(len(each) + 2 for each in [*listed, name]) > MAX_LISTED:
            break
        listed.append(name)
    left = len(styles) - len(listed)
    more = f" and {left:,} more; `/styles export` brings all" if left else ""
    return f"{', '.join(listed)}{more}"


def _prompts(style: Style) -> list[str]:
    held = (("Prompt", style.prompt), ("Negative prompt", style.negative_prompt))
    return [f"**{what}** {shortened(literal(text), MAX_SHOWN)}" for what, text in held if text]


async def _show(interaction: Interaction, said: str, style: Style) -> None:
    view = layout(Card(tone=Tone.DONE, text=(said, *_prompts(style))), language_of(interaction))
    await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


def _told(saved: Saved) -> list[str]:
    """What came of an import, in sentences."""
    done = [
        f"{what} {_many(len(names))}"
        for what, names in (("saved", saved.new), ("changed", saved.changed))
        if names
    ]
    lines = [f"I have {' and '.join(done)}." if done else "Nothing has changed."]
    if saved.same:
        lines.append(f"Here already, just the same: {_many(len(saved.same))}.")
    if saved.kept:
        names = shortened(", ".join(shown(name) for name in saved.kept), 300)
        lines.append(
            f"Left out, for their names are taken here: {names}. With `overwrite` they replace what is here."
        )
    return lines


def _many(count: int) -> str:
    return "one style" if count == 1 else f"{count:,} styles"


def _left_out(problems: Sequence[str]) -> list[str]:
    if not problems:
        return []
    shown_ones = [shortened(problem, 220) for problem in problems[:MAX_PROBLEMS]]
    left = len(problems) - len(shown_ones)
    return [*shown_ones, *([f"And {left:,} more lines are left out."] if left else [])]
