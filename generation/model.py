"""What a model is called, what suits it and what it can draw."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from generation.modelfiles import UnreadableModel
from generation.prompting.attention import reject_reason, words_of
from generation.prompting.choices import is_open
from generation.prompting.loras import names_loras
from generation.prompting.loras import reject_reason as loras_reason
from generation.request import OWN_SAMPLER, GenerationRequest, Size
from generation.samplers import SAMPLERS, sampler_reason
from generation.sentence import say


class Family(StrEnum):
    """What a model is built like; decides how it is loaded and what suits it."""

    SD1 = "Stable Diffusion 1"
    SD2 = "Stable Diffusion 2"
    SDXL = "Stable Diffusion XL"
    OTHER = "another family"
    """Whatever else diffusers draws with; its own pipeline does, one picture at a time."""
    NOISE = "coloured noise"
    """No model at all: the small engine that tests use, see :mod:`generation.engine.noise`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What is used where somebody gives no setting of their own."""

    steps: int
    guidance: float
    sampler: str
    size: Size | None = None
    """None: a square of the native edge."""
    clip_skip: int = 1


class MemoryMode(StrEnum):
    """How much of its device's memory a model may take; what is saved is paid for in time."""

    FAST = "fast"
    """All of it stays on the device."""
    BALANCED = "balanced"
    """The same, but pictures are decoded one at a time and in tiles."""
    SMALL = "small"
    """Only the part that works at the moment is on the device."""
    SMALLER = "smaller"
    """Of the largest part only a few layers are, one after another."""
    SMALLEST = "smallest"
    """The same, and its weights are kept in 8 bits, which changes pictures a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model is called and what it can do."""

    name: str
    """For people."""
    source: str
    """A folder, a .safetensors file or a Hugging Face id; what a request carries as its model."""
    family: Family
    native: int
    """The edge of the square pictures it was trained on, in pixels."""
    multiple: int
    """Both edges must be multiples of this many pixels, so that every level of the UNet divides."""
    defaults: Defaults
    min_edge: int
    max_edge: int
    words: frozenset[str] | None = None
    """The words it knows, folded to lower case; None when it knows language at large."""
    note: str | None = None
    """A sentence about it for the owner."""
    negative_prompt: str = ""
    """What a request gets whose asker gave none."""
    takes_negative: bool = True
    """Whether a negative prompt changes anything."""
    vae: str | None = None
    """A folder or a .safetensors file whose VAE replaces the model's own."""
    taesd: str | None = None
    """A folder or a Hugging Face id of a tiny decoder that shows pictures while they are drawn."""
    refiner: str | None = None
    """The folder, .safetensors file or Hugging Face id of an SDXL refiner that takes the last noise away."""
    refiner_start: float = 0.8
    """The share of the noise schedule after which it does."""
    ip_adapter: str | None = None
    """A .safetensors file by which it takes the look of a picture."""
    image_encoder: str | None = None
    """The folder of the CLIP vision model for that; None: `image_encoder` beside it."""
    memory: MemoryMode = MemoryMode.FAST
    samplers: tuple[str, ...] = tuple(SAMPLERS)
    """The samplers it may be asked for; the only one may be OWN_SAMPLER."""
    clip_layers: int = 12
    """Of its text encoder; how far a clip skip may go."""
    inpainting: bool = False
    """Its UNet was made for inpainting: it is told what is around what it draws. It draws the rest too."""
    text_widths: tuple[int, ...] = ()
    """Of its text encoders; a word that was learned beside it has vectors of these. Empty: it takes none."""
    decided: frozenset[str] = frozenset()
    """What its owner decided, by the keys of models.toml; the rest is what suits the model."""

    @property
    def public_source(self) -> str:
        """The source as it may stand in a picture that is shared: no folders of the owner's machine."""
        return public(self.source)

    def corrected(self, truth: ModelInfo) -> tuple[ModelInfo, tuple[str, ...]]:
        """What is true of a model that was judged by its name, with what its owner decided for it.

        Returns it, and a sentence for the owner about each decision that does not go with the truth.
        """
        truth, misfits = replace(truth, name=self.name), []
        size, native = None, truth.native
        if "size" in self.decided:
            wanted = self.defaults.size or Size(width=self.native, height=self.native)
            if (reason := truth.size_reason(wanted)) is not None:
                misfits.append(f"The size of {self.name} is not used: {reason}")
            elif self.defaults.size is None:
                native = self.native
            else:
                size = wanted
        defaults = replace(truth.defaults, size=size)
        for name in ("steps", "guidance", "clip_skip"):
            if name in self.decided:
                defaults = replace(defaults, **{name: getattr(self.defaults, name)})
        if "sampler" in self.decided:
            if self.defaults.sampler in truth.samplers:
                defaults = replace(defaults, sampler=self.defaults.sampler)
            else:
                misfits.append(f"The sampler of {self.name} is not used: it draws with one of its own.")
        owners = {name: getattr(self, name) for name in _OWNERS}
        return replace(truth, native=native, defaults=defaults, **owners), tuple(misfits)

    def as_found(self, found: ModelInfo) -> ModelInfo:
        """What its files say that it is, with all that only its owner can say."""
        return replace(found, **{name: getattr(self, name) for name in _OWNERS if name != "source"})

    def within(self, *, pixels: int, steps: int) -> ModelInfo:
        """The same model with defaults that stay inside the owner's limits.

        Raises:
            UnreadableModel: not even its smallest picture does; a sentence for the owner.
        """
        edge = min(self.native, int(pixels**0.5)) // self.multiple * self.multiple
        if edge < self.min_edge:
            raise UnreadableModel(
                f"MAX_PIXELS is {pixels}, but {self.name} draws nothing smaller than "
                f"{self.min_edge}x{self.min_edge}; set it to {self.min_edge**2} or more."
            )
        size = self.defaults.size
        if size is not None and size.pixels > pixels:
            size = self._shrunk(size, pixels)
        return replace(
            self,
            native=edge,
            defaults=replace(self.defaults, steps=min(self.defaults.steps, steps), size=size),
        )

    def reject_reason(self, request: GenerationRequest) -> str | None:
        """Why this model cannot draw this request, as a sentence for a person, or None."""
        if self.samplers == (OWN_SAMPLER,):
            if request.sampler != OWN_SAMPLER:
                return say("{name} draws with a sampler of its own; leave the sampler out.", name=self.name)
        elif (reason := sampler_reason(request.sampler, request.steps)) is not None:
            return reason
        reasons = self._words_reason, self._ways_reason, self._look_reason
        if (reason := next(filter(None, (each(request) for each in reasons)), None)) is not None:
            return reason
        if request.hires is not None and (reason := self.size_reason(request.hires.size)) is not None:
            return reason
        return self.size_reason(request.size)

    def _words_reason(self, request: GenerationRequest) -> str | None:
        if self.family is Family.OTHER:  # its prompts are language: brackets are brackets
            return (
                None
                if request.clip_skip == 1
                else say("{name} takes no clip skip; leave it out.", name=self.name)
            )
        if request.clip_skip > self.clip_layers:
            return say(
                "The text encoder of {name} has {clip_layers} layers; "
                "choose a clip skip from 1 to {clip_layers}.",
                name=self.name,
                clip_layers=self.clip_layers,
            )
        if is_open(request):
            return None  # only what is chosen can be read
        return loras_reason(request) or next(filter(None, map(reject_reason, request.wordings)), None)

    def _ways_reason(self, request: GenerationRequest) -> str | None:
        if self.family is Family.NOISE and request.controls:
            return say("{name} draws noise, which no ControlNet steers.", name=self.name)
        if self.family is not Family.OTHER:
            return None
        ways = {
            say("picture to start from"): request.start is not None,
            say("variation"): bool(request.variations),
            say("second, larger pass"): request.hires is not None,
            say("LoRA"): names_loras(request),
            say("ControlNet"): bool(request.controls),
            say("picture for its look"): request.look is not None,
        }
        wanted = next((way for way, is_wanted in ways.items() if is_wanted), None)
        return (
            None
            if wanted is None
            else say("{name} draws from words alone; it takes no {wanted}.", name=self.name, wanted=wanted)
        )

    def _look_reason(self, request: GenerationRequest) -> str | None:
        if request.look is None or self.ip_adapter is not None:
            return None
        return say(
            "{name} cannot take the look of a picture: its owner has to give it an IP-Adapter "
            "(`ip_adapter` in models.toml).",
            name=self.name,
        )

    def size_reason(self, size: Size) -> str | None:
        """Why this model cannot draw this size, as a sentence for a person, or None."""
        if min(size.width, size.height) < self.min_edge or max(size.width, size.height) > self.max_edge:
            return say(
                "{name} cannot draw {size}: each edge must be {least} to {most} "
                "pixels, and {native}x{native} suits it best.",
                name=self.name,
                size=size,
                least=self.min_edge,
                most=self.max_edge,
                native=self.native,
            )
        if size.width % self.multiple or size.height % self.multiple:
            return say(
                "{name} cannot draw {size}: both edges must be multiples of {multiple}. "
                "The nearest that works is {nearest}.",
                name=self.name,
                size=size,
                multiple=self.multiple,
                nearest=self.nearest(size.width, size.height),
            )
        return None

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """The words of a prompt that this model never saw, as they were typed, each once."""
        if self.words is None:
            return ()
        unknown: dict[str, str] = {}
        for word in _words(words_of(text)):
            if (folded := word.casefold()) not in self.words:
                unknown.setdefault(folded, word)
        return tuple(unknown.values())

    def _shrunk(self, size: Size, pixels: int) -> Size | None:
        """A size of about the same shape with so many pixels at the most; None if its short edge ends."""
        factor = (pixels / size.pixels) ** 0.5
        width, height = (
            int(edge * factor) // self.multiple * self.multiple for edge in (size.width, size.height)
        )
        return Size(width=width, height=height) if min(width, height) >= self.min_edge else None

    def nearest(self, width: float, height: float) -> Size:
        """The size nearest to this one that it draws."""
        low = -(-self.min_edge // self.multiple) * self.multiple
        high = self.max_edge // self.multiple * self.multiple

        def snapped(edge: float) -> int:
            return min(high, max(low, round(edge / self.multiple) * self.multiple))

        return Size(width=snapped(width), height=snapped(height))


def public(source: str) -> str:
    """A model's source as it may be told to people: no folders of the owner's machine."""
    private = Path(source).is_absolute() or source.startswith(("~", ".")) or "\\" in source
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1] if private else source


_OWNERS = (
    "name",
    "source",
    "negative_prompt",
    "vae",
    "taesd",
    "refiner",
    "refiner_start",
    "ip_adapter",
    "image_encoder",
    "memory",
    "decided",
)
"""What the files of a model cannot say."""


def _words(text: str) -> Iterator[str]:
    """Words with at least one letter; marks belong to their letters, apostrophes within to the word."""
    word = ""
    for character in unicodedata.normalize("NFC", text).replace("’", "'") + " ":
        if unicodedata.category(character)[0] in "LMN" or (character == "'" and word):
            word += character
            continue
        word = word.rstrip("'")
        if any(c.isalpha() for c in word):
            yield word
        word = ""
