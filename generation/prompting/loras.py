"""LoRAs that a prompt names, as A1111 has it: `<lora:name:0.8>`, or `<lora:name>` for a weight of 1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generation.guides import MAX_ADAPTERS, Adapter
from generation.prompting.choices import is_open
from generation.request import GenerationRequest
from generation.sentence import say, shortened
from generation.size import InvalidRequest

_TAG = re.compile(r"<lora:([^<>]*)>", re.IGNORECASE)
_BEGUN = re.compile(r"<lora:", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def without_loras(prompt: str) -> str:
    """The prompt as it is read: nothing stands where a LoRA was named, as in A1111."""
    return _TAG.sub("", prompt)


def loras_in(prompt: str) -> tuple[Adapter, ...]:
    """The LoRAs that a prompt names, in its order.

    Raises:
        InvalidRequest: it names one in a way that cannot be read.
    """
    if (begun := _BEGUN.search(without_loras(prompt))) is not None:
        rest = without_loras(prompt)[begun.start() :][:30].replace("`", "'")
        raise InvalidRequest(
            say("At `{rest}` a LoRA is named without an end; write it like `<lora:name:0.8>`.", rest=rest)
        )
    return tuple(_read(match[1]) for match in _TAG.finditer(prompt))


def read_loras(text: str) -> tuple[Adapter, ...]:
    """LoRAs as the option has them: `name`, `name:0.8`, several with commas between them.

    Raises:
        InvalidRequest: it cannot be read.
    """
    parts = [_unwrapped(part.strip()) for part in text.split(",")]
    return tuple(_read(part) for part in parts if part)


def in_force(request: GenerationRequest) -> tuple[Adapter, ...]:
    """The LoRAs of a request for one picture: those of its option, then those that its prompt names.

    Raises:
        InvalidRequest: they cannot be read, are too many, or one is named twice.
    """
    named = (*request.adapters, *loras_in(request.prompt))
    if _TAG.search(request.negative_prompt):
        raise InvalidRequest(
            say(
                "A LoRA stands in the prompt, not in the negative prompt; with a weight below 0, "
                "like `<lora:name:-0.5>`, it draws away from what it learned."
            )
        )
    if len(named) > MAX_ADAPTERS:
        raise InvalidRequest(
            say(
                "{number} LoRAs are too many; choose {most} at the most.",
                number=len(named),
                most=MAX_ADAPTERS,
            )
        )
    if len({folded(each.name) for each in named}) < len(named):
        raise InvalidRequest(say("Name each LoRA once; its weight says how strong it is."))
    return named


def all_in_force(request: GenerationRequest) -> Iterator[tuple[Adapter, ...]]:
    """The LoRAs of each of its pictures, or, as long as its prompts leave choices open, of its option.

    Raises:
        InvalidRequest: see :func:`in_force`.
    """
    if is_open(request):
        yield request.adapters
    elif request.chosen is None:
        yield in_force(request)
    else:
        yield from (in_force(request.image(index)) for index in range(request.count))


def reject_reason(request: GenerationRequest) -> str | None:
    """Why the LoRAs that it names cannot be read, as a sentence for a person, or None."""
    try:
        list(all_in_force(request))
    except InvalidRequest as reason:
        return reason.sentence
    return None


def names_loras(request: GenerationRequest) -> bool:
    """Whether any of its pictures may have one."""
    return bool(request.adapters) or any(_BEGUN.search(words.prompt) for words in request.wordings)


def tag(adapter: Adapter) -> str:
    """As it stands in a prompt."""
    return f"<lora:{adapter.name}:{adapter.weight:.15g}>"


def folded(name: str) -> str:
    """A name as it is compared: however it was capitalised."""
    return " ".join(name.split()).casefold()


def _unwrapped(part: str) -> str:
    match = _TAG.fullmatch(part)
    return part if match is None else match[1]


def _read(text: str) -> Adapter:
    name, *weights = (part.strip() for part in text.split(":"))
    shown = shortened(text, 60).replace("`", "'")
    if not name:
        raise InvalidRequest(say("`{shown}` names no LoRA; write it like `name:0.8`.", shown=shown))
    if len(weights) > 1:
        raise InvalidRequest(
            say(
                "`{shown}` has more than one weight; one is for all that the LoRA changes, "
                "like `{name}:0.8`.",
                shown=shown,
                name=shortened(name, 40),
            )
        )
    if not weights:
        return Adapter(name=name)
    if _NUMBER.fullmatch(weights[0]) is None:
        raise InvalidRequest(
            say(
                "`{shown}` has a weight that is no number; write it like `{name}:0.8`.",
                shown=shown,
                name=shortened(name, 40),
            )
        )
    return Adapter(name=name, weight=float(weights[0]))
