"""A picture that was drawn: its bytes, and what is needed to find or draw it again."""

from __future__ import annotations

from dataclasses import dataclass

from generation.request import Seed, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One drawn picture as a complete PNG file, settings inside."""

    index: int
    """Its place in the request, from 0."""
    seed: Seed
    """The seed that draws this one alone."""
    size: Size
    png: bytes
