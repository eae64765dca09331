"""/server models: which models may draw in a server, and which in age-restricted channels only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from discord import app_commands
from discord.app_commands import Choice

from bot.commands.choices import choices, holding
from bot.governing import change, settings_here
from bot.limits import Refused
from bot.options import code, parse_model, suggest_models
from generation.sentence import say
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction


class ModelCommands(app_commands.Group):
    """The models."""

    def __init__(self) -> None:
        super().__init__(name="models", description="Which models may draw")

    @app_commands.command(
        name="allow", description="Let a model draw; others that are not allowed cannot then"
    )
    @app_commands.describe(model="Which model")
    async def allow(self, interaction: Interaction, model: str) -> None:
        name = parse_model(model, interaction.client.house.shelf).name
        await change(interaction, lambda was: replace(was, models=_with(was.models, name)), "models")

    @app_commands.command(name="remove", description="Stop a model from drawing")
    @app_commands.describe(model="One of those that are allowed")
    async def remove(self, interaction: Interaction, model: str) -> None:
        def edit(was: ServerSettings) -> ServerSettings:
            if was.models and (left := _without(was.models, model)) == ():
                raise Refused(say("That is the only one. `/server models all` lets all of them draw."))
            if not was.models or left == was.models:
                raise Refused(say("{model} is none of those that are allowed.", model=code(model)))
            return replace(was, models=left)

        await change(interaction, edit, "models")

    @app_commands.command(name="all", description="Let all models draw")
    async def all_(self, interaction: Interaction) -> None:
        await change(interaction, lambda was: replace(was, models=()), "models")

    @app_commands.command(name="adults", description="Whether a model draws in age-restricted channels only")
    @app_commands.describe(model="Which model", only="Whether it draws in those only")
    async def adults(self, interaction: Interaction, model: str, only: bool = True) -> None:
        if only:
            model = parse_model(model, interaction.client.house.shelf).name

        def edit(was: ServerSettings) -> ServerSettings:
            names = _with(was.adult_models, model) if only else _without(was.adult_models, model)
            return replace(was, adult_models=names)

        await change(interaction, edit, "adult_models")

    @allow.autocomplete("model")
    @adults.autocomplete("model")
    async def _all(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return choices(suggest_models(typed, interaction.client.house.shelf))

    @remove.autocomplete("model")
    async def _allowed(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        return choices(holding(typed, settings_here(interaction).models))


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return (*_without(names, name), name) if _folded(name) not in map(_folded, names) else names


def _without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(each for each in names if _folded(each) != _folded(name))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
