"""Text of strangers as Discord's markdown shows it: literally, in one line, and not too long."""

from __future__ import annotations

import re

from generation.sentence import say
from generation.sentence import shortened as shortened


def literal(text: str) -> str:
    """Markdown that shows exactly this text on one line: no formatting, no links, no mentions."""
    text = whole(" ".join(text.split()))
    text = re.sub(r"([\\`*_~|<>\[\]@])", r"\\\1", text)
    text = text.replace("://", "\\://")
    return re.sub(r"^(?:([#+-])|(\d+)\.)", lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\.", text)


def whole(text: str) -> str:
    """The text without half characters, which files of strangers may hold and no message takes."""
    return text.encode(errors="replace").decode()


def mention(person: int | None) -> str:
    """A person, as Discord shows them; 0: somebody who is forgotten."""
    return f"<@{person}>" if person else say("somebody who is forgotten")


def fitting(text: str, most: int) -> str:
    """The text as :func:`literal` shows it, or its beginning and an ellipsis, in `most` characters."""
    short, limit = text, len(text)
    while len(literal(short)) > most:
        limit -= 1
        short = shortened(text, limit)
    return literal(short)
