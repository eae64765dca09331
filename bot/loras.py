"""LoRAs as people see them: suggested while one is typed, and told with the words that they were taught."""

from __future__ import annotations

from collections.abc import Sequence

from bot.markdown import literal, shortened
from generation.loras import Lora, quoted
from generation.model import ModelInfo
from generation.prompting.loras import all_in_force, folded
from generation.request import Adapter, GenerationRequest, InvalidRequest
from generation.sentence import say
from generation.shelf import Shelf

MAX_SUGGESTED = 25
MAX_SUGGESTION = 100
"""Characters of a choice, shown or sent, that Discord takes."""


def suggest_loras(typed: str, loras: Sequence[Lora], model: ModelInfo) -> list[tuple[str, str]]:
    """What may follow what was typed of `name:0.8, name`: what is shown, and what is then typed.

    Those that this model draws with, in whose name or trigger words all the words of the last one occur;
    first those whose name begins so.
    """
    *before, last = typed.split(",")
    wanted, _, weight = last.strip().removeprefix("<lora:").partition(":")
    taken = {folded(part.partition(":")[0].strip().removeprefix("<lora:")) for part in before}
    words = folded(wanted).split()
    found = [
        lora
        for lora in loras
        if lora.reject_reason(model) is None
        and folded(lora.name) not in taken
        and all(word in folded(f"{lora.name} {' '.join(lora.triggers)}") for word in words)
    ]
    found.sort(key=lambda lora: not folded(lora.name).startswith(folded(wanted)))
    kept = "".join(f"{part.strip()}, " for part in before)
    suggested = []
    for lora in found:
        noted = "" if lora.advised is None else f"{lora.advised:g}"
        strength = weight.strip().removesuffix(">") or noted
        value = f"{kept}{lora.name}{f':{strength}' if strength else ''}"
        shown = f"{value} · {', '.join(lora.triggers)}" if lora.triggers else value
        if len(value) <= MAX_SUGGESTION:
            suggested.append((_cut(shown), value))
    return suggested[:MAX_SUGGESTED]


def lora_lines(request: GenerationRequest, shelf: Shelf) -> list[str]:
    """The LoRAs of a request's pictures with their weights and trigger words, a line each."""
    try:
        adapters = [adapter for some in all_in_force(request) for adapter in some]
    except InvalidRequest:  # what earlier rules let pass
        adapters = list(request.adapters)
    return [_line(adapter, shelf.loras.triggers(adapter.name)) for adapter in dict.fromkeys(adapters)]


def _line(adapter: Adapter, triggers: Sequence[str]) -> str:
    name, weight = quoted(adapter.name), adapter.weight
    if not triggers:
        return say("**LoRA** {name} with weight {weight:g}", name=name, weight=weight)
    return say(
        "**LoRA** {name} with weight {weight:g}; trigger words: {words}",
        name=name,
        weight=weight,
        words=literal(", ".join(triggers)),
    )


def option(adapters: Sequence[Adapter]) -> str:
    """As the option `lora` has them."""
    return ", ".join(f"{each.name}:{each.weight:.15g}" for each in adapters)


def _cut(text: str) -> str:
    return shortened(text, MAX_SUGGESTION)
