"""The card in a model's folder, atelier.json: it says what suits the model better than its family does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from generation.model import Defaults, ModelInfo
from generation.modelfiles import UnreadableModel
from generation.sentence import say


def with_card(info: ModelInfo, card: Mapping[str, Any]) -> ModelInfo:
    """The model with what its card says.

    Raises:
        UnreadableModel: the card says what it may not.
    """
    defaults = info.defaults
    allowed = {"name", "steps", "guidance", "sampler", "min_edge", "max_edge", "note"}
    if unknown := set(card) - allowed:
        raise UnreadableModel(
            say(
                "The atelier.json of the model {model} says {unknown}, "
                "which I do not know; it may say {allowed}.",
                model=info.source,
                unknown=", ".join(sorted(unknown)),
                allowed=", ".join(sorted(allowed)),
            )
        )
    if card.get("sampler", defaults.sampler) not in info.samplers:
        raise UnreadableModel(
            say(
                "The atelier.json of the model {model} names the sampler {sampler}, "
                "which I do not know; it may be {samplers}.",
                model=info.source,
                sampler=card["sampler"],
                samplers=", ".join(info.samplers),
            )
        )
    try:
        return _merged(info, card)
    except (TypeError, ValueError) as error:
        raise UnreadableModel(
            say(
                "The atelier.json of the model {model} holds a wrong value: {error}.",
                model=info.source,
                error=error,
            )
        ) from error


def _merged(info: ModelInfo, card: Mapping[str, Any]) -> ModelInfo:
    defaults = info.defaults
    return replace(
        info,
        name=str(card.get("name", info.name)),
        defaults=Defaults(
            steps=int(card.get("steps", defaults.steps)),
            guidance=float(card.get("guidance", defaults.guidance)),
            sampler=str(card.get("sampler", defaults.sampler)),
        ),
        min_edge=int(card.get("min_edge", info.min_edge)),
        max_edge=int(card.get("max_edge", info.max_edge)),
        note=card.get("note", info.note),
    )
