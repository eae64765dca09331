"""What somebody asks for: a request is complete and valid from birth."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Self

from generation.guides import LEAST_UPSCALE as LEAST_UPSCALE
from generation.guides import MAX_ADAPTERS as MAX_ADAPTERS
from generation.guides import MAX_BLUR as MAX_BLUR
from generation.guides import MAX_CONTROLS as MAX_CONTROLS
from generation.guides import MAX_UPSCALE as MAX_UPSCALE
from generation.guides import Adapter as Adapter
from generation.guides import Control as Control
from generation.guides import Enlarger as Enlarger
from generation.guides import Hires as Hires
from generation.guides import Look as Look
from generation.guides import Start as Start
from generation.guides import Upscale as Upscale
from generation.guides import Variation as Variation
from generation.sentence import say
from generation.size import MAX_EDGE as MAX_EDGE
from generation.size import MAX_STEPS as MAX_STEPS
from generation.size import MIN_EDGE as MIN_EDGE
from generation.size import NEGATIVE_PROMPT as NEGATIVE_PROMPT
from generation.size import PROMPT as PROMPT
from generation.size import SEEDS as SEEDS
from generation.size import Digest as Digest
from generation.size import InvalidRequest as InvalidRequest
from generation.size import Seed as Seed
from generation.size import Size as Size

MAX_PROMPT = 2000
"""Characters in a prompt or a negative prompt."""

MAX_GUIDANCE = 30.0
MAX_COUNT = 4
MAX_CLIP_SKIP = 12
OWN_SAMPLER = "the model's own"
"""The sampler of a request to a model that draws with its own only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A prompt with its negative prompt."""

    prompt: str
    negative_prompt: str

    def __post_init__(self) -> None:
        if not any(char.isprintable() and not char.isspace() for char in self.prompt):
            raise InvalidRequest(say("The prompt is empty; say what the picture should show."))
        for name, text in ((PROMPT, self.prompt), (NEGATIVE_PROMPT, self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise InvalidRequest(
                    say(
                        "The {name} has {number:,} characters; I can take {most:,} at the most.",
                        name=name,
                        number=len(text),
                        most=MAX_PROMPT,
                    )
                )
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise InvalidRequest(
                    say("The {name} holds half a character; please type it anew.", name=name)
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Everything that decides what a picture looks like. Change it by making another."""

    prompt: str
    """As it was typed: it may leave choices to the seed, see :mod:`generation.prompting.choices`."""
    negative_prompt: str = ""
    model: str
    size: Size
    steps: int
    guidance: float
    sampler: str
    """A name in :data:`generation.samplers.SAMPLERS`, or OWN_SAMPLER."""
    seed: Seed
    count: int = 1
    """How many pictures; picture k has the seed s + k."""
    start: Start | None = None
    """None: from nothing but noise."""
    variations: tuple[Variation, ...] = ()
    """One after the other: a variation can be varied."""
    hires: Hires | None = None
    """None: `size` is that of the finished picture."""
    adapters: tuple[Adapter, ...] = ()
    """LoRAs beside those that the prompt names; see :mod:`generation.prompting.loras`."""
    controls: tuple[Control, ...] = ()
    look: Look | None = None
    """A picture that says what it shall look like."""
    upscale: Upscale | None = None
    """If there is one, nothing is drawn: the rest says how the picture was made that is made larger."""
    clip_skip: int = 1
    """Which layer of the text encoder is read, from its end; 1 is the last. As A1111 counts."""
    chosen: tuple[Wording, ...] | None = None
    """What each picture's prompts are after the choices that these leave open; None: they leave none open."""
    template: Wording | None = None
    """Where `prompt` was chosen for one picture: the prompts that left the choices open."""
    style: str | None = None
    """The name of the style that the prompts were made with; all of it is in them."""

    def __post_init__(self) -> None:
        Wording(prompt=self.prompt, negative_prompt=self.negative_prompt)
        if not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest(
                say("{steps} steps are not possible; choose 1 to {most}.", steps=self.steps, most=MAX_STEPS)
            )
        if not 0 <= self.guidance <= MAX_GUIDANCE:
            raise InvalidRequest(
                say(
                    "A guidance of {guidance:g} is not possible; choose 0 to {most:g}.",
                    guidance=self.guidance,
                    most=MAX_GUIDANCE,
                )
            )
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidRequest(
                say(
                    "{count} pictures at once are not possible; choose 1 to {most}.",
                    count=self.count,
                    most=MAX_COUNT,
                )
            )
        if not 0 <= self.seed < SEEDS:
            raise InvalidRequest(
                say("The seed {seed} is out of range; choose 0 to {last}.", seed=self.seed, last=SEEDS - 1)
            )
        if not 1 <= self.clip_skip <= MAX_CLIP_SKIP:
            raise InvalidRequest(
                say(
                    "A clip skip of {clip_skip} is not possible; choose 1 to {most}.",
                    clip_skip=self.clip_skip,
                    most=MAX_CLIP_SKIP,
                )
            )
        if self.chosen is not None and len(self.chosen) != self.count:
            raise ValueError(f"there are {len(self.chosen)} prompts for {self.count} pictures")
        if len(self.adapters) > MAX_ADAPTERS:
            raise InvalidRequest(
                say(
                    "{number} LoRAs are too many; choose {most} at the most.",
                    number=len(self.adapters),
                    most=MAX_ADAPTERS,
                )
            )
        if len({each.name for each in self.adapters}) < len(self.adapters):
            raise InvalidRequest(say("Name each LoRA once; its weight says how strong it is."))
        if len(self.controls) > MAX_CONTROLS:
            raise InvalidRequest(
                say(
                    "{number} controls are too many; choose {most} at the most.",
                    number=len(self.controls),
                    most=MAX_CONTROLS,
                )
            )
        if self.hires is not None:
            if self.start is not None:
                raise InvalidRequest(
                    say("A second, larger pass is for pictures that start from words alone.")
                )
            if self.hires.size.pixels <= self.size.pixels:
                raise InvalidRequest(say("The second pass must be larger than {size}.", size=self.size))
        if not self.first_steps:
            raise InvalidRequest(
                say(
                    "With a strength of {strength:g} none of {steps} steps is left; "
                    "choose a greater strength or more steps.",
                    strength=self.start.strength,  # type: ignore[union-attr]
                    steps=self.steps,
                )
            )

    @property
    def first_steps(self) -> int:
        """The steps of the first pass: fewer than `steps` if it starts from a picture."""
        return self.steps if self.start is None else int(self.steps * self.start.strength)

    @property
    def steps_taken(self) -> int:
        """The steps that are really drawn, of both passes; 1 where pictures are only enlarged."""
        if self.upscale is not None:
            return 1
        return self.first_steps + (0 if self.hires is None else self.hires.steps_taken)

    @property
    def final_size(self) -> Size:
        """Of the finished picture."""
        if self.upscale is not None:
            return self.upscale.size
        return self.size if self.hires is None else self.hires.size

    @property
    def files(self) -> tuple[Digest, ...]:
        """The files without which it cannot be drawn."""
        if self.upscale is not None:
            return (self.upscale.picture,)
        started = () if self.start is None else self.start.files
        controls = tuple(control.picture for control in self.controls)
        look = () if self.look is None else (self.look.picture,)
        return tuple(dict.fromkeys((*started, *controls, *look)))

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """The prompts that are drawn: one pair for each picture, or one for all."""
        return self.chosen or (Wording(prompt=self.prompt, negative_prompt=self.negative_prompt),)

    def rerolled(self, seed: Seed) -> GenerationRequest:
        """The same request with another seed, and if it is a variation, another one of the same picture.

        What its prompts leave open is open again; not so where it goes on from a picture, with the words that
        were chosen for that.
        """
        if self.upscale is not None:  # nothing of it is left to chance
            return self
        again = replace(self, chosen=None)
        if not self.variations:
            return replace(again, seed=seed)
        *before, last = self.variations
        return replace(again, variations=(*before, replace(last, seed=seed)))

    def image(self, index: int) -> GenerationRequest:
        """Picture `index` of this request as a request of its own: it can be drawn alone."""
        if not 0 <= index < self.count:
            raise IndexError(f"request has {self.count} pictures, not {index + 1}")
        one = self
        if self.chosen is not None:
            template = Wording(prompt=self.prompt, negative_prompt=self.negative_prompt)
            words = asdict(self.chosen[index])
            one = replace(self, **words, template=template, chosen=None)
        if not self.variations:
            return replace(one, seed=Seed((self.seed + index) % SEEDS), count=1)
        *before, last = self.variations
        mine = replace(last, seed=Seed((last.seed + index) % SEEDS))
        return replace(one, variations=(*before, mine), count=1)

    def varied(self, seed: Seed, strength: float) -> GenerationRequest:
        """A variation of this request, which is for one picture; as it was drawn, if it was enlarged then."""
        varied = (*self.variations, Variation(seed=seed, strength=strength))
        return replace(self, variations=varied, upscale=None)

    def plain(self) -> dict[str, Any]:
        """All of it as plain data that JSON can hold; what there is none of is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What :meth:`plain` said.

        Raises:
            KeyError, TypeError, InvalidRequest: it is something else.
        """
        parts: dict[str, Any] = {"size": Size(**plain["size"])}
        if "start" in plain:
            parts["start"] = Start(**plain["start"])
        if "variations" in plain:
            parts["variations"] = tuple(Variation(**each) for each in plain["variations"])
        if "hires" in plain:
            second = plain["hires"]
            made = Enlarger(second["enlarger"])
            parts["hires"] = Hires(**{**second, "size": Size(**second["size"]), "enlarger": made})
        if "upscale" in plain:
            parts["upscale"] = Upscale(**{**plain["upscale"], "size": Size(**plain["upscale"]["size"])})
        if "adapters" in plain:
            parts["adapters"] = tuple(Adapter(**each) for each in plain["adapters"])
        if "controls" in plain:
            parts["controls"] = tuple(Control(**each) for each in plain["controls"])
        if "look" in plain:
            parts["look"] = Look(**plain["look"])
        if "chosen" in plain:
            parts["chosen"] = tuple(Wording(**words) for words in plain["chosen"])
        if "template" in plain:
            parts["template"] = Wording(**plain["template"])
        return cls(**{**plain, **parts})

    @classmethod
    def unchecked(cls, plain: Mapping[str, Any]) -> Self:
        """What was kept under other rules, without its parts: to be told, never to be drawn."""
        size = object.__new__(Size)
        for name, edge in plain["size"].items():
            object.__setattr__(size, name, edge)
        request = object.__new__(cls)
        for field in fields(cls):
            if field.default is MISSING:
                object.__setattr__(request, field.name, size if field.name == "size" else plain[field.name])
            else:
                kept = plain.get(field.name) if isinstance(field.default, int | str) else None
                object.__setattr__(request, field.name, field.default if kept is None else kept)
        return request


def new_seed() -> Seed:
    """A seed that nobody chose."""
    return Seed(secrets.randbelow(SEEDS))
