"""/imagine: a picture from words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from discord import app_commands
from discord.app_commands import Choice

from bot.options import ASPECTS, Typed, suggest_models, suggest_samplers, suggest_sizes
from bot.orders import place_order
from generation.catalogue import ModelInfo

if TYPE_CHECKING:
    from bot.house import Interaction


@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
@app_commands.describe(
    prompt="What the picture shall show",
    negative_prompt="What it shall not show",
    model="What draws it",
    aspect="Its shape; I choose a size that suits the model",
    size="Its width and height in pixels, like 512x768",
    steps="How often it is refined: more is finer and slower",
    guidance="How closely it follows the prompt, 0 to 30",
    sampler="How it is refined",
    seed="The number it grows from: the same seed and settings draw the same picture",
    count="How many pictures, 1 to 4",
)
@app_commands.choices(aspect=[Choice(name=name, value=name) for name in ASPECTS])
async def _imagine(
    interaction: Interaction,
    prompt: str,
    negative_prompt: str | None = None,
    model: str | None = None,
    aspect: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    count: int | None = None,
) -> None:
    typed = Typed(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=model,
        aspect=aspect,
        size=size,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        seed=seed,
        count=count,
    )
    await place_order(interaction, typed.request(interaction.client.house.shelf))


async def _models(interaction: Interaction, typed: str) -> list[Choice[str]]:
    names = suggest_models(typed, interaction.client.house.shelf)
    return [Choice(name=name, value=name) for name in names]


async def _sizes(interaction: Interaction, typed: str) -> list[Choice[str]]:
    sizes = suggest_sizes(typed, _chosen(interaction))
    return [Choice(name=size.replace("x", " × "), value=size) for size in sizes]


async def _samplers(interaction: Interaction, typed: str) -> list[Choice[str]]:
    takes = _chosen(interaction).samplers
    return [Choice(name=name, value=name) for name in suggest_samplers(typed) if name in takes]


def _chosen(interaction: Interaction) -> ModelInfo:
    """The model for which something is suggested: as far as it is chosen already."""
    shelf = interaction.client.house.shelf
    return shelf.find(interaction.namespace.model or "") or shelf.default


class Imagine(app_commands.Command[Any, ..., None]):
    """The command. `model` is an option of it only where there is a choice."""

    def __init__(self, *, choose_model: bool) -> None:
        super().__init__(name="imagine", description="Draw a picture from words", callback=_imagine)
        self._choose_model = choose_model
        self.autocomplete("model")(_models)
        self.autocomplete("size")(_sizes)
        self.autocomplete("sampler")(_samplers)

    def to_dict(self, tree: app_commands.CommandTree[Any]) -> dict[str, Any]:
        told = super().to_dict(tree)
        if not self._choose_model:
            told["options"] = [option for option in told["options"] if option["name"] != "model"]
        return told
