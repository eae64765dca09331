"""What somebody wants where an option is left out: a person for themselves, or a server for all in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from generation.request import MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, InvalidRequest, Size
from generation.samplers import SAMPLERS, unknown_sampler
from generation.sentence import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Defaults of somebody's own; None: none, and the next one down decides."""

    model: str | None = None
    """The name of one, which need not be there any more."""
    style: str | None = None
    """The name of one, which need not be there any more."""
    aspect: str | None = None
    """As commands name it, "portrait 2:3"; not together with a size."""
    size: Size | None = None
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    """A name in :data:`generation.samplers.SAMPLERS`."""
    negative_prompt: str | None = None
    """Empty: none, whatever the model brings along."""
    count: int | None = None

    def __post_init__(self) -> None:
        if self.aspect is not None and self.size is not None:
            raise InvalidRequest(say("Choose an aspect or a size, not both."))
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest(
                say("{steps} steps are not possible; choose 1 to {most}.", steps=self.steps, most=MAX_STEPS)
            )
        if self.guidance is not None and not 0 <= self.guidance <= MAX_GUIDANCE:
            raise InvalidRequest(
                say(
                    "A guidance of {guidance:g} is not possible; choose 0 to {most:g}.",
                    guidance=self.guidance,
                    most=MAX_GUIDANCE,
                )
            )
        if self.sampler is not None and self.sampler not in SAMPLERS:
            raise InvalidRequest(unknown_sampler(self.sampler))
        if self.negative_prompt is not None and len(self.negative_prompt) > MAX_PROMPT:
            raise InvalidRequest(
                say(
                    "The negative prompt has {length:,} characters; I can take {most:,} at the most.",
                    length=len(self.negative_prompt),
                    most=MAX_PROMPT,
                )
            )
        if self.count is not None and not 1 <= self.count <= MAX_COUNT:
            raise InvalidRequest(
                say(
                    "{count} pictures at once are not possible; choose 1 to {most}.",
                    count=self.count,
                    most=MAX_COUNT,
                )
            )

    def plain(self) -> dict[str, str | int | float]:
        """All that is preferred as plain data that JSON can hold, by name."""
        wanted = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: str(value) if isinstance(value, Size) else value
            for name, value in wanted.items()
            if value is not None
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What :meth:`plain` said.

        Raises:
            TypeError, ValueError, InvalidRequest: it is something else.
        """
        for name, value in plain.items():
            kind = _KINDS.get(name)
            if kind is None or not isinstance(value, kind) or isinstance(value, bool):
                raise TypeError(f"there is no such preference: {name} = {value!r}")
        size = {"size": Size.parse(plain["size"])} if "size" in plain else {}
        return cls(**{**plain, **size})

    def over(self, other: Preferences) -> Preferences:
        """What is preferred here, and for what is not, what is preferred there.

        An aspect and a size are one preference.
        """
        shaped = self.aspect is not None or self.size is not None
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        theirs = {name: getattr(other, name) for name in mine}
        if shaped:
            theirs |= {"aspect": None, "size": None}
        return Preferences(**{name: theirs[name] if mine[name] is None else mine[name] for name in mine})

    def __bool__(self) -> bool:
        """Whether anything is preferred."""
        return self != Preferences()


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "model": str,
    "style": str,
    "aspect": str,
    "size": str,
    "steps": int,
    "guidance": (int, float),
    "sampler": str,
    "negative_prompt": str,
    "count": int,
}
"""What each of them is in JSON."""
