"""What a message says and shows: event in, Card out. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

from bot.bringing import WAYS
from bot.card import Action, Attached, Button, Card, Entry, Menu, Tone
from bot.checked import CHECKED_FIRST, held, notes
from generation.image import Picture
from generation.job import (
    Cancelled,
    Failed,
    Finished,
    Job,
    JobEvent,
    Loading,
    Progressed,
    Queued,
    UserId,
)
from generation.judging import is_suspect
from generation.model import Family, ModelInfo
from generation.prompting.attention import is_marked, words_of
from generation.request import OWN_SAMPLER, GenerationRequest, Seed, Wording
from generation.safety import Safety
from generation.shelf import Shelf

MAX_ALT = 1024
"""Characters of alt text that Discord takes."""
PROMPT_ON_CARD = 300
NEGATIVE_ON_CARD = 150
REASON_ON_CARD = 600
MAX_MISFITS = 3
BAR = 12
"""Segments of the progress bar."""


def card_for(
    event: JobEvent,
    shelf: Shelf,
    *,
    seconds: float | None = None,
    previews: Mapping[int, bytes] = MappingProxyType({}),
) -> Card:
    """The card that shows the newest event of a job.

    Args:
        seconds: how long drawing took, if known.
        previews: what its pictures look like so far, as WebP files by the number of the picture.
    """
    job = event.job
    request = job.request
    prompt = f"> {literal(shortened(request.prompt, PROMPT_ON_CARD))}"
    facts = _facts(request, shelf)
    text: tuple[str, ...]
    small: tuple[str, ...] = (facts, CHECKED_FIRST) if job.safety.hides else (facts,)
    pictures: tuple[Attached, ...] = ()
    buttons: tuple[Button, ...] = (Button(action=Action.CANCEL, job=job.id, label="Cancel"),)
    further: tuple[Button, ...] = ()
    menu: Menu | None = None
    match event:
        case Queued():
            tone, text = Tone.WAITING, (_waiting(event, shelf),)
        case Progressed():
            tone, text = Tone.WORKING, _drawing(event)
            pictures = tuple(_unfinished(job, index, webp) for index, webp in sorted(previews.items()))
        case Finished() if not job.may_be_seen:
            tone, said, first = held(job)
            text, small = (said,), (facts, _whose(job, None))
            buttons = (*first, *_after_an_end(job, "")[1:])
        case Finished():
            tone, text = Tone.DONE, ()
            pictures = tuple(attached(job, picture) for picture in event.pictures)
            small = (
                facts if _is_brought(request) else f"{facts} · {_seeds(event.pictures)}",
                *_chosen(request),
                *notes(job, event.pictures),
                _whose(job, seconds),
                *_hints(request, shelf),
            )
            buttons = (
                Button(action=Action.REROLL, job=job.id, label="Reroll"),
                Button(action=Action.SETTINGS, job=job.id, label="Settings"),
                Button(action=Action.DELETE, job=job.id, label="Delete"),
            )
            if request.upscale is not None:  # nothing of it is left to chance
                buttons = buttons[1:]
            elif request.controls:
                buttons += (Button(action=Action.CONTROL, job=job.id, label="Control picture"),)
            indices = [picture.index for picture in event.pictures]
            further, menu = _further(job, *indices) if len(indices) == 1 else ((), _choice(job, indices))
        case Failed():
            tone = Tone.FAILED
            reason = literal(shortened(job.failure or "The reason is not known.", REASON_ON_CARD))
            text = (f"**This one did not work.** {reason}",)
            small = (facts, _whose(job, None))
            buttons = _after_an_end(job, "Try again")
        case Cancelled():
            tone, text = Tone.CANCELLED, ("**Cancelled.** It was taken back before it was finished.",)
            small = (facts, _whose(job, None))
            buttons = _after_an_end(job, "Draw it after all")
        case _:
            assert_never(event)
    return Card(
        tone=tone,
        text=(prompt, *text),
        pictures=pictures,
        small=small,
        buttons=buttons,
        further=further,
        menu=menu,
    )


def can_be_drawn_again(request: GenerationRequest) -> bool:
    """Whether a model can go on from its picture: those that draw in their own way draw from words only."""
    return request.sampler != OWN_SAMPLER and not _is_brought(request)


def _is_brought(request: GenerationRequest) -> bool:
    """Whether it only makes a picture larger that somebody brought, so that nothing else is known of it."""
    return request.upscale is not None and request.upscale.brought


def _further(job: Job, index: int) -> tuple[tuple[Button, ...], Menu | None]:
    """The ways to go on from one picture."""
    if not can_be_drawn_again(job.request):
        return (Button(action=Action.UPSCALE, job=job.id, index=index, label="Upscale"),), None
    labels = {Action.VARY: "Vary a little", Action.DIFFER: "Vary a lot", Action.UPSCALE: "Upscale"}
    buttons = tuple(
        Button(action=action, job=job.id, index=index, label=label) for action, label in labels.items()
    )
    return buttons, Menu(
        action=Action.GROW,
        job=job.id,
        index=index,
        placeholder="Draw what is around it…",
        entries=tuple(Entry(way, way) for way in WAYS),
    )


PICTURE = "Picture "


def _choice(job: Job, indices: Sequence[int]) -> Menu:
    return Menu(
        action=Action.CHOOSE,
        job=job.id,
        placeholder="Go on from one of them…",
        entries=tuple(Entry(f"{PICTURE}{index + 1}", f"{PICTURE}{index + 1}") for index in indices),
    )


def chosen_card(job: Job, picture: Picture) -> Card:
    """What can be done with one of several pictures."""
    further, menu = _further(job, picture.index)
    return Card(
        tone=Tone.DONE,
        text=(f"Picture {picture.index + 1} of {job.request.count}. How shall I go on from it?",),
        pictures=(attached(job, picture),),
        further=further,
        menu=menu,
    )


def calling(card: Card, asker: UserId) -> Card:
    """The card as a message of its own, which calls the person who has been waiting for it."""
    return replace(
        card, text=(f"<@{asker}>, here is what became of your request.", *card.text), mention=asker
    )


def attached(job: Job, picture: Picture) -> Attached:
    """One picture as a file: its alt text is the prompt, as far as Discord takes it."""
    many = job.request.count > 1
    which = f"Picture {picture.index + 1} of {job.request.count}: " if many else ""
    one = Attached(
        name=f"atelier-{job.id}-{picture.index + 1}.png",
        alt=shortened(which + " ".join(job.request.image(picture.index).prompt.split()), MAX_ALT),
        data=picture.png,
    )
    return covered(one) if is_suspect(job, picture) else one


def covered(picture: Attached) -> Attached:
    """The file hidden until somebody clicks on it."""
    return replace(picture, name=f"SPOILER_{picture.name}", spoiler=True)


def _unfinished(job: Job, index: int, webp: bytes) -> Attached:
    which = f"Picture {index + 1} of {job.request.count}" if job.request.count > 1 else "The picture"
    one = Attached(
        name=f"atelier-{job.id}-{index + 1}-preview.webp",
        alt=f"{which} so far; it is still being drawn.",
        data=webp,
    )
    return one if job.safety is Safety.OFF else covered(one)


def literal(text: str) -> str:
    """Markdown that shows exactly this text on one line: no formatting, no links, no mentions."""
    text = whole(" ".join(text.split()))
    text = re.sub(r"([\\`*_~|<>\[\]@])", r"\\\1", text)
    text = text.replace("://", "\\://")
    return re.sub(r"^(?:([#+-])|(\d+)\.)", lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\.", text)


def whole(text: str) -> str:
    """The text without half characters, which files of strangers may hold and no message takes."""
    return text.encode(errors="replace").decode()


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _waiting(event: Queued, shelf: Shelf) -> str:
    line = "Your picture is next." if event.place <= 1 else f"You are number {event.place} in line."
    if event.trouble is not None:
        return f"**I cannot draw at the moment.** {literal(event.trouble)} Your request is kept. {line}"
    if event.loading is not None:
        return f"{_loading(event.loading, shelf)} {line}"
    return f"**Waiting.** {line}"


def _loading(loading: Loading, shelf: Shelf) -> str:
    name = "the model" if loading.model is None else literal(_name_of(loading.model, shelf))
    if loading.total:
        return f"**Downloading {name}:** {loading.so_far}."
    return f"**Loading {name}.**"


def _drawing(event: Progressed) -> tuple[str, ...]:
    if event.step <= 0:
        return ("**Drawing** has begun.",)
    if event.job.request.upscale is not None:
        return (f"**Enlarging** part {event.step} of {event.steps}", _bar(event))
    several = f", {event.job.request.count} pictures" if event.job.request.count > 1 else ""
    return (
        f"**Drawing** step {event.step} of {event.steps}{several}",
        _bar(event),
    )


def _bar(event: Progressed) -> str:
    share = min(1.0, event.step / event.steps)
    full = int(share * BAR)
    return f"{'▰' * full}{'▱' * (BAR - full)} {share:.0%}"


def _facts(request: GenerationRequest, shelf: Shelf) -> str:
    if (upscale := request.upscale) is None:
        return _drawn_facts(request, shelf)
    larger = f"{upscale.size.width} × {upscale.size.height}, {upscale.factor:g} times as large"
    enlarged = literal(f"{larger} with {upscale.upscaler}")
    return enlarged if upscale.brought else f"{_drawn_facts(request, shelf)} · then {enlarged}"


def _drawn_facts(request: GenerationRequest, shelf: Shelf) -> str:
    steps = "1 step" if request.steps == 1 else f"{request.steps} steps"
    facts = [model_name(request, shelf), f"{request.size.width} × {request.size.height}", steps]
    facts.append(f"guidance {request.guidance:g}")
    if request.sampler != OWN_SAMPLER:
        facts.append(request.sampler)
    if request.start is not None:
        what = "from a picture" if request.start.mask is None else "part of a picture"
        if request.start.enlarged:
            what = "made larger by a second pass of the model (a hires pass), not by an upscaler"
        facts.append(f"{what}, strength {request.start.strength:g}")
    if request.variations:
        facts.append("a variation")
    if request.hires is not None:
        by = "" if request.hires.upscaler is None else f" with {request.hires.upscaler}"
        facts.append(f"then {request.hires.size.width} × {request.hires.size.height}{by}")
    facts += [f"LoRA {each.name} {each.weight:g}" for each in request.adapters]
    facts += [f"ControlNet {each.model} {each.weight:g}" for each in request.controls]
    if request.look is not None:
        facts.append(f"the look of a picture, weight {request.look.weight:g}")
    if request.clip_skip > 1:
        facts.append(f"clip skip {request.clip_skip}")
    line = literal(" · ".join(facts))
    if request.negative_prompt:
        line += f" · without: {literal(shortened(request.negative_prompt, NEGATIVE_ON_CARD))}"
    return line


def model_name(request: GenerationRequest, shelf: Shelf) -> str:
    """What a request's model is called, or was, if it is not on the shelf any more."""
    return _name_of(request.model, shelf)


def _name_of(source: str, shelf: Shelf) -> str:
    model = shelf.by_source(source)
    if model is not None:
        return model.name
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1].removesuffix(".safetensors")


def _seeds(pictures: Sequence[Picture]) -> str:
    seeds: list[Seed] = [picture.seed for picture in pictures]
    if len(set(seeds)) == 1:  # of variations the own seed is one for all
        return f"seed {seeds[0]}"
    if seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def _whose(job: Job, seconds: float | None) -> str:
    asked = f"asked by <@{job.asker}>"
    return asked if seconds is None else f"{asked} · drawn in {_duration(seconds)}"


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return "less than 0.1 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _chosen(request: GenerationRequest) -> tuple[str, ...]:
    """What was chosen where the prompt left it open."""
    if request.chosen is None:
        return ()
    return (f"chosen: {listed(request.chosen)}",)


def listed(chosen: Sequence[Wording]) -> str:
    """What was chosen, for each picture."""
    prompts = [literal(shortened(words.prompt, PROMPT_ON_CARD // len(chosen))) for words in chosen]
    if len(prompts) == 1:
        return prompts[0]
    return " · ".join(f"{number}: {prompt}" for number, prompt in enumerate(prompts, start=1))


def _hints(request: GenerationRequest, shelf: Shelf) -> tuple[str, ...]:
    model = shelf.by_source(request.model)
    if model is None or _is_brought(request):
        return ()
    return (*_misread(request, model, shelf), *_misfits(request, model, shelf))


def _misread(request: GenerationRequest, model: ModelInfo, shelf: Shelf) -> tuple[str, ...]:
    if model.family is Family.OTHER:
        told = []
        if any(is_marked(words.prompt) for words in request.wordings):
            told.append(f"{literal(model.name)} takes weights and BREAK for words of the prompt")
        if request.negative_prompt and not model.takes_negative:
            told.append(f"{literal(model.name)} takes no negative prompt; it drew without")
        return tuple(told)
    prompts = [
        shelf.embeddings.without(words_of(words.prompt), model.text_widths) for words in request.wordings
    ]
    taught = shelf.loras.taught(request)
    unknown = dict.fromkeys(
        word for prompt in prompts for word in model.unknown_words(prompt) if word.casefold() not in taught
    )
    if not unknown:
        return ()
    listed = literal(shortened(", ".join(unknown), 200))
    who = literal(model.name) if shelf.several else "The embedded model"
    return (f"{who} does not know: {listed}",)


def _misfits(request: GenerationRequest, model: ModelInfo, shelf: Shelf) -> tuple[str, ...]:
    """Learned words that this model cannot take."""
    texts = [words_of(text) for words in request.wordings for text in (words.prompt, words.negative_prompt)]
    return tuple(
        f"{literal(each.word)} is a learned word whose file cannot be used; it was read as letters"
        if each.problem is not None
        else f"{literal(each.word)} was learned for {each.made_for}; {literal(model.name)} read it as letters"
        for each in shelf.embeddings.misfits(texts, model.text_widths)[:MAX_MISFITS]
    )


def _after_an_end(job: Job, again: str) -> tuple[Button, ...]:
    return (
        Button(action=Action.REROLL, job=job.id, label=again),
        Button(action=Action.SETTINGS, job=job.id, label="Settings"),
        Button(action=Action.DELETE, job=job.id, label="Delete"),
    )
