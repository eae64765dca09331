"""What all commands have in common that draw: their options, and what is suggested while these are typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from discord import app_commands
from discord.app_commands import Choice

from bot.commands.choices import choices, holding
from bot.loras import suggest_loras
from bot.markdown import shortened, whole
from bot.options import (
    MAX_CHOICES,
    OWN_ENLARGERS,
    suggest_models,
    suggest_samplers,
    suggest_sizes,
    suggest_styles,
)
from bot.policy import shelf_here
from bot.preferring import layers, model_here
from bot.styles import names_here
from generation.catalogue import ModelInfo
from generation.controlfiles import MAX_NAME
from generation.job import UserId
from storage.errors import DatabaseUnusable

if TYPE_CHECKING:
    from bot.house import Interaction

EARLIER = "earlier:"
"""Before the id of a request whose prompt was chosen: what is chosen may have 100 characters only."""

PROMPT_PATIENCE = 1.0
"""Seconds to look for earlier prompts; Discord waits three."""

OPTIONS: Mapping[str, str] = {
    "negative_prompt": "What it should not show",
    "style": "A look that the prompt is put into; /styles list shows which there are",
    "model": "What draws it",
    "size": "Its width and height in pixels, like 512x768",
    "steps": "How often it is refined: more is finer and slower",
    "guidance": "How closely it follows the prompt, 0 to 30",
    "sampler": "How it is refined",
    "seed": "The number it grows from: the same seed and settings draw the same picture",
    "count": "How many pictures, 1 to 4",
    "lora": "What changes how the model draws: name:0.8, several with commas between them",
    "clip_skip": "Which layer of the text encoder is read, from its end: 1 is the last",
    "private": "Only you see it; /settings says what holds if you leave this out",
}
"""What people are told about the options that every such command has."""


class Drawing(app_commands.Command[Any, ..., None]):
    """A command that draws. Some of its options are there only where they mean something."""

    def __init__(
        self,
        callback: Callable[..., Any],
        *,
        name: str,
        description: str,
        choose_model: bool,
        take_looks: bool,
    ) -> None:
        super().__init__(name=name, description=description, callback=callback)
        self._offered = {"model": choose_model, "look": take_looks, "look_weight": take_looks}
        suggestions = {
            "prompt": _prompts if name == "imagine" else None,
            "model": _models,
            "size": _sizes,
            "sampler": _samplers,
            "style": _styles,
            "lora": _loras,
            "control": _controls,
            "control2": _controls,
            "upscaler": _upscalers,
            "hires_by": _enlargers,
        }
        taken = {parameter.name for parameter in self.parameters}
        for option, suggest in suggestions.items():
            if option in taken and suggest is not None:
                self.autocomplete(option)(suggest)

    def to_dict(self, tree: app_commands.CommandTree[Any]) -> dict[str, Any]:
        return self._only_offered(super().to_dict(tree))

    async def get_translated_payload(
        self, tree: app_commands.CommandTree[Any], translator: app_commands.Translator
    ) -> dict[str, Any]:
        return self._only_offered(await super().get_translated_payload(tree, translator))

    def _only_offered(self, told: dict[str, Any]) -> dict[str, Any]:
        options = [option for option in told["options"] if self._offered.get(option["name"], True)]
        return {**told, "options": options}


async def _prompts(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """What is typed, first, since pressing Enter chooses that; then what this person asked for before."""
    if len(typed) > MAX_NAME:
        return []
    own = [Choice(name=typed, value=typed)] if typed.strip() else []
    person = UserId(interaction.user.id)
    try:
        async with asyncio.timeout(PROMPT_PATIENCE):
            found = await interaction.client.house.history.prompts(person, typed, MAX_CHOICES)
    except (TimeoutError, DatabaseUnusable):
        found = []  # whoever types does not wait for that
    earlier = [
        Choice(name=shortened(whole(" ".join(prompt.split())), MAX_NAME), value=f"{EARLIER}{job_id}")
        for job_id, prompt in found
        if prompt != typed
    ]
    return [*own, *earlier][:MAX_CHOICES]


async def _models(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return choices(suggest_models(typed, shelf_here(interaction)))


async def _sizes(interaction: Interaction, typed: str) -> list[Choice[str]]:
    sizes = suggest_sizes(typed, _chosen(interaction))
    return [Choice(name=size.replace("x", " × "), value=size) for size in sizes]


async def _samplers(interaction: Interaction, typed: str) -> list[Choice[str]]:
    takes = _chosen(interaction).samplers
    return choices(name for name in suggest_samplers(typed) if name in takes)


async def _styles(interaction: Interaction, typed: str) -> list[Choice[str]]:
    own = await names_here(interaction)
    return choices(suggest_styles(typed, own, _chosen(interaction)))


async def _loras(interaction: Interaction, typed: str) -> list[Choice[str]]:
    loras, model = interaction.client.house.shelf.loras, _chosen(interaction)
    found = await asyncio.to_thread(lambda: suggest_loras(typed, loras.lately(), model))
    return [Choice(name=shown, value=value) for shown, value in found]


async def _controls(interaction: Interaction, typed: str) -> list[Choice[str]]:
    folders, model = interaction.client.house.controlnets, _chosen(interaction)
    fitting = await asyncio.to_thread(lambda: folders.lately().for_model(model))
    shown = {f"{info.name} ({info.kind})": info.name for info in fitting}
    found = holding(typed, shown)[:MAX_CHOICES]
    return [Choice(name=shortened(told, MAX_NAME), value=shown[told]) for told in found]


async def _upscalers(interaction: Interaction, typed: str) -> list[Choice[str]]:
    upscalers = interaction.client.house.upscalers
    return choices(holding(typed, await asyncio.to_thread(lambda: upscalers.names)))


async def _enlargers(interaction: Interaction, typed: str) -> list[Choice[str]]:
    upscalers = interaction.client.house.upscalers
    return choices(holding(typed, (*OWN_ENLARGERS, *await asyncio.to_thread(lambda: upscalers.names))))


def _chosen(interaction: Interaction) -> ModelInfo:
    """The model for which something is suggested: as far as it is chosen already."""
    return model_here(interaction.namespace.model, layers(interaction), shelf_here(interaction))
