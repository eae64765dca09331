"""In which language a page is said: the one that its visitor's browser asks for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

ENGLISH = "en"
"""What the pages are written in, and said in to who asks for no language that there is."""


class Tongue(Protocol):
    """One language: says sentences of ours in it."""

    @property
    def code(self) -> str:
        """Its tag, as browsers and pages write it: "de", "es-ES"."""
        ...

    def __call__(self, text: str) -> str:
        """A text as people read it: what is no sentence of ours stays as it is."""
        ...


def preferred(accepted: str, codes: Collection[str]) -> str:
    """The code of the language that somebody likes best of those there are; English if they like none.

    Args:
        accepted: what stands in Accept-Language, such as "de-CH, fr;q=0.8". What makes no sense is left out.
        codes: of the languages that there are, English among them.
    """
    by_tag = {code.lower(): code for code in codes}
    # The nearest of several that differ in their region only is the first: es-419 is told in es-ES.
    by_main = {code.lower().partition("-")[0]: code for code in sorted(codes, reverse=True)}
    for tag in _wanted(accepted):
        if tag == "*":
            return ENGLISH
        if (found := by_tag.get(tag) or by_main.get(tag.partition("-")[0])) is not None:
            return found
    return ENGLISH


def _wanted(accepted: str) -> list[str]:
    """The tags that somebody accepts, in small letters, those they like best first."""
    weighed = []
    for part in accepted.lower().split(","):
        tag, _, parameter = part.partition(";")
        name, _, number = parameter.partition("=")
        try:
            weight = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if tag.strip() and 0 < weight <= 1:
            weighed.append((tag.strip(), weight))
    return [tag for tag, _ in sorted(weighed, key=lambda each: -each[1])]
