"""What the small print of a card says about a request: its settings in a line, and hints. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.markdown import literal, shortened
from generation.image import Picture
from generation.job import Loading
from generation.model import Family, ModelInfo
from generation.prompting.attention import is_marked, words_of
from generation.request import OWN_SAMPLER, GenerationRequest, Seed, Start, Wording
from generation.sentence import Sentence, altered, count, joined, say
from generation.shelf import Shelf

PROMPT_ON_CARD = 300
NEGATIVE_ON_CARD = 150
MAX_MISFITS = 3
BROUGHT = say("A picture that somebody brought")
"""Stands where a prompt stands, since none is known."""


def is_brought(request: GenerationRequest) -> bool:
    """Whether it only makes a picture larger that somebody brought, so that nothing else is known of it."""
    return request.upscale is not None and request.upscale.brought


def prompt_of(request: GenerationRequest) -> str:
    """What it shall show, on one line and shown as it was typed."""
    return BROUGHT if is_brought(request) else literal(shortened(request.prompt, PROMPT_ON_CARD))


def facts(request: GenerationRequest, shelf: Shelf) -> str:
    """The settings that matter, in a line."""
    if (upscale := request.upscale) is None:
        return _drawn(request, shelf)
    size, by = f"{upscale.size.width} × {upscale.size.height}", literal(upscale.upscaler)
    if upscale.brought:
        return say("{size}, {factor:g} times as large with {by}", size=size, factor=upscale.factor, by=by)
    then = say("then {size}, {factor:g} times as large with {by}", size=size, factor=upscale.factor, by=by)
    return joined(" · ", (_drawn(request, shelf), then))


def _drawn(request: GenerationRequest, shelf: Shelf) -> str:
    told: list[str] = [
        model_name(request, shelf),
        f"{request.size.width} × {request.size.height}",
        count("{number} step", "{number} steps", request.steps),
        say("guidance {guidance:g}", guidance=request.guidance),
    ]
    if request.sampler != OWN_SAMPLER:
        told.append(request.sampler)
    if request.start is not None:
        told.append(_started(request.start))
    if request.variations:
        told.append(say("a variation"))
    if (hires := request.hires) is not None:
        size = f"{hires.size.width} × {hires.size.height}"
        told.append(
            say("then {size}", size=size)
            if hires.upscaler is None
            else say("then {size} with {by}", size=size, by=hires.upscaler)
        )
    told += [f"LoRA {each.name} {each.weight:g}" for each in request.adapters]
    told += [f"ControlNet {each.model} {each.weight:g}" for each in request.controls]
    if request.look is not None:
        told.append(say("the look of a picture, weight {weight:g}", weight=request.look.weight))
    if request.clip_skip > 1:
        told.append(f"clip skip {request.clip_skip}")
    line = altered(joined(" · ", told), literal)
    if not request.negative_prompt:
        return line
    negative = literal(shortened(request.negative_prompt, NEGATIVE_ON_CARD))
    return joined(" · ", (line, say("without: {negative}", negative=negative)))


def _started(start: Start) -> str:
    if start.enlarged:
        return say(
            "made larger by a second pass of the model (a hires pass), not by an upscaler, "
            "strength {strength:g}",
            strength=start.strength,
        )
    if start.mask is not None:
        return say("part of a picture, strength {strength:g}", strength=start.strength)
    return say("from a picture, strength {strength:g}", strength=start.strength)


def model_name(request: GenerationRequest, shelf: Shelf) -> str:
    """What a request's model is called, or was, if it is not on the shelf any more."""
    return name_of(request.model, shelf)


def name_of(source: str, shelf: Shelf) -> str:
    """The same of the model with this source."""
    model = shelf.by_source(source)
    if model is not None:
        return model.name
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1].removesuffix(".safetensors")


def on_its_way(loading: Loading, shelf: Shelf) -> Sentence:
    """Which model is being fetched or read, and how far that is."""
    name = say("the model") if loading.model is None else literal(name_of(loading.model, shelf))
    if loading.total:
        return say("**Downloading {model}:** {so_far}.", model=name, so_far=loading.so_far)
    return say("**Loading {model}.**", model=name)


def seeds(pictures: Sequence[Picture]) -> str:
    """The seeds of pictures, as short as they can be told."""
    all_seeds: list[Seed] = [picture.seed for picture in pictures]
    if len(set(all_seeds)) == 1:  # of variations the own seed is one for all
        return say("seed {seed}", seed=all_seeds[0])
    if all_seeds[-1] - all_seeds[0] == len(all_seeds) - 1:
        return say("seeds {first} to {last}", first=all_seeds[0], last=all_seeds[-1])
    return say("seeds {seeds}", seeds=", ".join(map(str, all_seeds)))


def chosen(request: GenerationRequest) -> tuple[str, ...]:
    """What was chosen where the prompt left it open."""
    if request.chosen is None:
        return ()
    return (say("chosen: {words}", words=listed(request.chosen)),)


def listed(chosen: Sequence[Wording]) -> str:
    """What was chosen, for each picture."""
    prompts = [literal(shortened(words.prompt, PROMPT_ON_CARD // len(chosen))) for words in chosen]
    if len(prompts) == 1:
        return prompts[0]
    return " · ".join(f"{number}: {prompt}" for number, prompt in enumerate(prompts, start=1))


def hints(request: GenerationRequest, shelf: Shelf) -> tuple[str, ...]:
    """What the model did not take as it was meant."""
    model = shelf.by_source(request.model)
    if model is None or is_brought(request):
        return ()
    return (*_misread(request, model, shelf), *_misfits(request, model, shelf))


def _misread(request: GenerationRequest, model: ModelInfo, shelf: Shelf) -> tuple[str, ...]:
    who = literal(model.name)
    told = []
    if model.family is Family.OTHER and any(is_marked(words.prompt) for words in request.wordings):
        told.append(say("{model} takes weights and BREAK for words of the prompt", model=who))
    if request.negative_prompt and not model.takes_negative:
        told.append(say("{model} takes no negative prompt; it drew without", model=who))
    if model.family is Family.OTHER:
        return tuple(told)
    prompts = [
        shelf.embeddings.without(words_of(words.prompt), model.text_widths) for words in request.wordings
    ]
    taught = shelf.loras.taught(request)
    unknown = dict.fromkeys(
        word for prompt in prompts for word in model.unknown_words(prompt) if word.casefold() not in taught
    )
    words = literal(shortened(", ".join(unknown), 200))
    if unknown and not shelf.several:
        told.append(say("The embedded model does not know: {words}", words=words))
    elif unknown:
        told.append(say("{model} does not know: {words}", model=who, words=words))
    return tuple(told)


def _misfits(request: GenerationRequest, model: ModelInfo, shelf: Shelf) -> tuple[str, ...]:
    """Learned words that this model cannot take."""
    texts = [words_of(text) for words in request.wordings for text in (words.prompt, words.negative_prompt)]
    return tuple(
        say(
            "{word} is a learned word whose file cannot be used; it was read as letters",
            word=literal(each.word),
        )
        if each.problem is not None
        else say(
            "{word} was learned for {made_for}; {model} read it as letters",
            word=literal(each.word),
            made_for=each.made_for,
            model=literal(model.name),
        )
        for each in shelf.embeddings.misfits(texts, model.text_widths)[:MAX_MISFITS]
    )
