"""/gallery: what is shared in a server, found by its likes, its words or by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.acknowledgement import acknowledge
from bot.commands.choices import NO_CHOICE, choices, holding
from bot.commands.places import IN_SERVERS
from bot.leafing import show_page
from bot.limits import Refused
from bot.options import MAX_CHOICES, suggest_styles
from bot.queries import MAX_WORDS, WINDOWS, Kind, Query
from bot.shared import check_visitor, shows_all
from bot.styles import names_here
from generation.prompting.styles import folded
from generation.request import InvalidRequest
from generation.sentence import say
from storage.finding import Window
from storage.postwords import MAX_TITLE, read_tags

if TYPE_CHECKING:
    from bot.house import Interaction

WHEN = [Choice(name=name, value=str(window)) for window, name in WINDOWS.items()]
FILTERS = {
    "model": "Drawn with this model",
    "style": "In this style",
    "tag": "With this tag",
    "person": "Shared by this person",
    "when": "Shared within",
}


class GalleryCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it; the answers are theirs alone."""

    def __init__(self) -> None:
        super().__init__(name="gallery", description="What people have shared in this server", **IN_SERVERS)
        self.add_command(_Finding(_in_order(Kind.TOP), name="top", description="What is liked most"))
        self.add_command(_Finding(_in_order(Kind.NEW), name="new", description="What was shared last"))
        self.add_command(
            _Finding(_search, name="search", description="What has these words in its prompt, title or tags")
        )
        self.add_command(
            app_commands.Command(name="mine", description="What you have shared here", callback=_mine)
        )
        self.add_command(_Finding(_in_order(Kind.RANDOM), name="random", description="Some of it, by chance"))


class _Finding(app_commands.Command[Any, ..., None]):
    """A command with the filters, which are suggested while they are typed."""

    def __init__(self, callback: Callable[..., Any], *, name: str, description: str) -> None:
        super().__init__(name=name, description=description, callback=callback)
        self.autocomplete("tag")(_tags)
        self.autocomplete("model")(_models)
        self.autocomplete("style")(_styles)


def _in_order(kind: Kind) -> Callable[..., Any]:
    """What finds all that the filters leave, in an order."""

    @app_commands.describe(**FILTERS)
    @app_commands.choices(when=WHEN)
    async def find(
        interaction: Interaction,
        when: str | None = None,
        model: str | None = None,
        style: str | None = None,
        tag: str | None = None,
        person: discord.User | None = None,
    ) -> None:
        await _find(interaction, kind, "", when, model, style, tag, person)

    return find


@app_commands.describe(words="The last may be the beginning of one", **FILTERS)
@app_commands.choices(when=WHEN)
async def _search(
    interaction: Interaction,
    words: app_commands.Range[str, 1, MAX_WORDS],
    when: str | None = None,
    model: str | None = None,
    style: str | None = None,
    tag: str | None = None,
    person: discord.User | None = None,
) -> None:
    await _find(interaction, Kind.SEARCH, words, when, model, style, tag, person)


async def _mine(interaction: Interaction) -> None:
    await _find(interaction, Kind.MINE)


async def _tags(interaction: Interaction, typed: str) -> list[Choice[str]]:
    try:
        server = check_visitor(interaction)
    except Refused:
        return []
    found = await interaction.client.house.gallery.tags(
        server, typed.lstrip("# "), MAX_CHOICES, adults=shows_all(interaction)
    )
    return choices(tag for tag, _ in found)


async def _models(interaction: Interaction, typed: str) -> list[Choice[str]]:
    names = [model.name for model in interaction.client.house.shelf.models]
    return choices(name for name in holding(typed, names) if len(name) <= MAX_TITLE)


async def _styles(interaction: Interaction, typed: str) -> list[Choice[str]]:
    shelf = interaction.client.house.shelf
    return choices(suggest_styles(typed, await names_here(interaction), shelf.default))


async def _find(
    interaction: Interaction,
    kind: Kind,
    words: str = "",
    when: str | None = None,
    model: str | None = None,
    style: str | None = None,
    tag: str | None = None,
    person: discord.User | None = None,
) -> None:
    """Acknowledge, and show the first page."""
    check_visitor(interaction)
    window = Window.ALL
    if when is not None:
        if when not in list(Window):
            raise Refused(NO_CHOICE)
        window = Window(when)
    query = Query(
        kind=kind,
        typed=" ".join(words.split()),
        window=window,
        model=None if model is None else _model(interaction, model),
        tag=None if tag is None else _tag(tag),
        person=None if person is None else person.id,
    )
    await acknowledge(interaction, thinking=True, ephemeral=True)
    if style is not None:
        query = _with_style(query, style, await _names(interaction))
    await show_page(interaction, query)


def _model(interaction: Interaction, name: str) -> str:
    found = interaction.client.house.shelf.find(name)
    if found is None:
        raise InvalidRequest(say("I do not have that model."))
    return found.source


def _tag(typed: str) -> str:
    tags = read_tags(typed)
    if len(tags) != 1:
        raise InvalidRequest(say("Choose one tag; a search finds words of several."))
    return tags[0]


async def _names(interaction: Interaction) -> dict[str, str]:
    shelf = interaction.client.house.shelf
    names = [*suggest_styles("", (), shelf.default), *await names_here(interaction)]
    return {folded(name): name for name in names}


def _with_style(query: Query, typed: str, names: dict[str, str]) -> Query:
    """With the style as it was kept, however it was capitalised; one that is gone may be typed still."""
    return replace(query, style=names.get(folded(typed), typed))
