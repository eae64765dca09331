"""What people type into a command, read at the door: out comes a complete request or a sentence why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generation.catalogue import ModelInfo
from generation.modeltable import MAX_NAME
from generation.prompting.loras import read_loras
from generation.prompting.styles import Style, folded, shipped
from generation.request import (
    SEEDS,
    Enlarger,
    GenerationRequest,
    Hires,
    InvalidRequest,
    Seed,
    Size,
    Start,
    Variation,
    Wording,
    new_seed,
)
from generation.samplers import SAMPLERS, Schedule, find_sampler, unknown_sampler
from generation.sentence import joined, say, shortened
from generation.shelf import Shelf
from generation.upscalers import Upscalers

ASPECTS: dict[str, tuple[int, int]] = {
    say("square 1:1"): (1, 1),
    say("landscape 3:2"): (3, 2),
    say("landscape 4:3"): (4, 3),
    say("wide 16:9"): (16, 9),
    say("portrait 2:3"): (2, 3),
    say("portrait 3:4"): (3, 4),
    say("tall 9:16"): (9, 16),
}
MAX_CHOICES = 25
"""What Discord shows of an autocompletion."""
MAX_NAMED = 10
LEAST_HIRES, MOST_HIRES, DEFAULT_HIRES = 1.1, 4.0, 0.5
OWN_ENLARGERS = (Enlarger.PIXELS.value, Enlarger.LATENTS.value)
"""What `hires_by` may say without any upscaler."""
SUBTLE, STRONG = 0.15, 0.45
"""Strengths of a variation: the same picture in other details, and another picture of the same kind."""
NOTHING = "none"
"""Typed as a negative prompt it stands for none at all, where a model would get one by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The options of /imagine as they came; None: left out."""

    prompt: str
    negative_prompt: str | None = None
    model: str | None = None
    aspect: str | None = None
    size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    seed: int | None = None
    count: int | None = None
    clip_skip: int | None = None
    strength: float | None = None
    blur: int | None = None
    variation_seed: int | None = None
    variation_strength: float | None = None
    hires: float | None = None
    hires_strength: float | None = None
    hires_by: str | None = None
    lora: str | None = None
    private: bool | None = None
    """Whether only who asks shall see it; None: as they have it in their settings."""
    style: Style | None = None
    """The one of the name that was typed."""

    def chosen_model(self, shelf: Shelf) -> ModelInfo:
        """The model that was named, or the first.

        Raises:
            InvalidRequest: there is none of that name.
        """
        return shelf.default if self.model is None else parse_model(self.model, shelf)

    def request(
        self, shelf: Shelf, *, start: Start | None = None, size: Size | None = None
    ) -> GenerationRequest:
        """The complete request: the model chosen, its defaults filled in, the seed drawn.

        Args:
            start: what it goes on from.
            size: of what it goes on from; None: what was typed, or what the model draws by default.

        Raises:
            InvalidRequest: it cannot be; the message is for the person.
        """
        if self.seed is not None and not 0 <= self.seed < SEEDS:
            raise InvalidRequest(
                say(
                    "The seed {seed} is out of range; choose 0 to {most}, or leave it out for a new one.",
                    seed=self.seed,
                    most=SEEDS - 1,
                )
            )
        model = self.chosen_model(shelf)
        words = self._wording(model)
        request = GenerationRequest(
            prompt=words.prompt,
            negative_prompt=words.negative_prompt,
            model=model.source,
            size=size or self._size(model),
            steps=model.defaults.steps if self.steps is None else self.steps,
            guidance=model.defaults.guidance if self.guidance is None else self.guidance,
            sampler=model.defaults.sampler if self.sampler is None else parse_sampler(self.sampler),
            seed=new_seed() if self.seed is None else Seed(self.seed),
            count=1 if self.count is None else self.count,
            start=start,
            variations=self._variations(),
            hires=self._hires(model, size or self._size(model)),
            clip_skip=model.defaults.clip_skip if self.clip_skip is None else self.clip_skip,
            adapters=() if self.lora is None else read_loras(self.lora),
            style=None if self.style is None else self.style.name,
        )
        if (reason := model.reject_reason(request)) is not None:
            raise InvalidRequest(reason)
        return request

    def _wording(self, model: ModelInfo) -> Wording:
        negative_prompt = self._negative_prompt(model)
        if self.style is None:
            return Wording(prompt=self.prompt, negative_prompt=negative_prompt)
        return self.style.applied(self.prompt, negative_prompt)

    def _negative_prompt(self, model: ModelInfo) -> str:
        if self.negative_prompt is None:
            return model.negative_prompt
        return "" if self.negative_prompt.strip().casefold() == NOTHING else self.negative_prompt

    def _hires(self, model: ModelInfo, size: Size) -> Hires | None:
        if self.hires is None:
            if self.hires_strength is not None or self.hires_by is not None:
                raise InvalidRequest(
                    say("A second pass needs to know how much larger it is; give it as `hires`.")
                )
            return None
        if not LEAST_HIRES <= self.hires <= MOST_HIRES:
            raise InvalidRequest(not_so_large(self.hires, LEAST_HIRES, MOST_HIRES))
        return Hires(
            size=larger_size(size, self.hires, model),
            steps=model.defaults.steps if self.steps is None else self.steps,
            strength=DEFAULT_HIRES if self.hires_strength is None else self.hires_strength,
            **_enlarger(self.hires_by or Enlarger.PIXELS),
        )

    def _variations(self) -> tuple[Variation, ...]:
        if self.variation_strength is None and self.variation_seed is None:
            return ()
        seed = new_seed() if self.variation_seed is None else Seed(self.variation_seed)
        if self.seed is None:
            raise InvalidRequest(say("A variation needs the seed that it varies; give it as `seed`."))
        strength = SUBTLE if self.variation_strength is None else self.variation_strength
        return (Variation(seed=seed, strength=strength),)

    def typed_size(self, model: ModelInfo) -> Size | None:
        """The size that was typed, or that of the aspect; None if neither was."""
        if self.aspect is not None and self.size is not None:
            raise InvalidRequest(say("Choose an aspect or a size, not both."))
        if self.size is not None:
            return Size.parse(self.size)
        return None if self.aspect is None else aspect_size(self.aspect, model)

    def _size(self, model: ModelInfo) -> Size:
        return self.typed_size(model) or model.defaults.size or aspect_size("square 1:1", model)


def _enlarger(name: str) -> dict[str, Any]:
    """What `hires_by` stands for, as :func:`parse_enlarger` left it."""
    if name in OWN_ENLARGERS:
        return {"enlarger": Enlarger(name)}
    return {"enlarger": Enlarger.UPSCALER, "upscaler": name}


def parse_enlarger(text: str, upscalers: Upscalers) -> str:
    """What makes a picture larger between two passes: `pixels`, `latents` or the name of an upscaler. Blocks.

    Raises:
        InvalidRequest: it is none of them.
    """
    if (name := text.strip().casefold()) in OWN_ENLARGERS:
        return name
    if not upscalers.names:
        raise InvalidRequest(
            say(
                "{name} makes nothing larger here; choose {pixels} or {latents}.",
                name=code(text),
                pixels=Enlarger.PIXELS.value,
                latents=Enlarger.LATENTS.value,
            )
        )
    return upscalers.find(text)


def aspect_size(aspect: str, model: ModelInfo) -> Size:
    """The size in which this model draws an aspect."""
    ratio = ASPECTS.get(aspect)
    if ratio is None:
        raise InvalidRequest(
            say("I do not know that aspect; choose one of {aspects}.", aspects=joined(", ", ASPECTS))
        )
    return Size.from_aspect(ratio, native=model.native, multiple=model.multiple)


def larger_size(size: Size, factor: float, model: ModelInfo) -> Size:
    """The size that this model draws and that is nearest to `factor` times as large."""
    width, height = (
        round(edge * factor / model.multiple) * model.multiple for edge in (size.width, size.height)
    )
    return Size(width=width, height=height)


def parse_model(text: str, shelf: Shelf) -> ModelInfo:
    """The model of this name, however it was capitalised."""
    if (found := shelf.find(text)) is not None:
        return found
    if (near := shelf.nearest(text)) is not None:
        raise InvalidRequest(
            say("I do not know the model {name}; did you mean {near}?", name=code(text), near=code(near.name))
        )
    raise InvalidRequest(
        say("I do not know the model {name}; I have {models}.", name=code(text), models=named(shelf))
    )


def not_so_large(factor: float, least: float, most: float) -> str:
    """A picture cannot be made so many times as large."""
    return say(
        "{factor:g} times as large is not possible; choose {least:g} to {most:g}.",
        factor=factor,
        least=least,
        most=most,
    )


def named(shelf: Shelf) -> str:
    """The names of the models, as many as people can take in."""
    return some([code(model.name) for model in shelf.models], MAX_NAMED)


def some(names: Sequence[str], most: int) -> str:
    """So many of the names, and how many more there are."""
    left, shown = len(names) - most, ", ".join(names[:most])
    return say("{names} and {left:,} more", names=shown, left=left) if left > 0 else shown


def code(text: str) -> str:
    """Markdown that shows a name as it is, or the beginning of what somebody took for one."""
    shown = shortened(text, MAX_NAME).replace("`", "'")
    return f"`{shown}`"


def suggest_models(typed: str, shelf: Shelf) -> list[str]:
    """Names of models in which all the typed words occur."""
    words = typed.casefold().split()
    names = [model.name for model in shelf.models]
    return [name for name in names if all(word in name.casefold() for word in words)][:MAX_CHOICES]


def suggest_styles(typed: str, own: Sequence[str], model: ModelInfo) -> list[str]:
    """Names of styles in which all the typed words occur.

    Those that begin so come first; else those that are saved here come before those that came along, and of
    these the ones first whose words the model knows.

    Args:
        own: the names of those that are saved here.
    """
    words, taken = typed.casefold().split(), {folded(name) for name in own}
    along = sorted(shipped(), key=lambda style: bool(model.unknown_words(style.words)))
    names = [*own, *(style.name for style in along if style.key not in taken)]
    found = [name for name in names if all(word in name.casefold() for word in words)]
    begin = folded(typed)
    found.sort(key=lambda name: (folded(name) != begin, not folded(name).startswith(begin)))
    return found[:MAX_CHOICES]


def parse_sampler(text: str) -> str:
    """The name of a sampler, however it was written."""
    if (found := find_sampler(text)) is None:
        raise InvalidRequest(unknown_sampler(text))
    return found.name


def suggest_samplers(typed: str) -> list[str]:
    """Names of samplers in which all the typed words occur, the plain ones before those with a schedule."""
    words = typed.casefold().split()
    by_schedule = sorted(SAMPLERS.values(), key=lambda spec: list(Schedule).index(spec.schedule))
    names = [spec.name for spec in by_schedule if all(word in spec.name.casefold() for word in words)]
    if (exact := find_sampler(typed)) is not None:  # perhaps in another spelling
        names = list(dict.fromkeys([exact.name, *names]))
    return names[:MAX_CHOICES]


def suggest_sizes(typed: str, model: ModelInfo) -> list[str]:
    """Sizes that this model draws well, the typed one first if it can be drawn."""
    first = [] if model.defaults.size is None else [str(model.defaults.size)]
    sizes = dict.fromkeys([*first, *(str(aspect_size(aspect, model)) for aspect in ASPECTS)])
    wanted = typed.strip().lower().replace(" ", "")
    if not wanted:
        return list(sizes)
    found = [size for size in sizes if size.startswith(wanted)]
    try:
        exact = str(Size.parse(typed))
    except InvalidRequest:
        return found or list(sizes)
    return list(dict.fromkeys([exact, *found]))
