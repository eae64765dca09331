"""What is noted about a LoRA: trigger words and a weight, in its header and in files beside it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from generation.modelfiles import file_notes

MAX_TRIGGERS = 5
MAX_TRIGGER = 100
"""Characters of one."""
_MAX_NOTES = 2**20
"""Bytes of a file beside a LoRA that are read."""


def notes_beside(path: Path) -> Mapping[str, object]:
    """What A1111 keeps beside a LoRA as NAME.json."""
    try:
        notes = json.loads(_beside(path.with_suffix(".json")))
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _beside(path: Path) -> bytes:
    """What a file holds, of a long one the beginning.

    Raises:
        OSError: it is not there, or no file: opening a pipe would wait for ever.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        return file.read(_MAX_NOTES)


def advised_weight(notes: Mapping[str, object]) -> float | None:
    """The weight that its owner noted, if that is one."""
    weight = notes.get("preferred weight")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        return None
    return float(weight) if 0 < abs(weight) <= 4 else None  # neither no number nor one of a thousand digits


def triggers_of(path: Path, notes: Mapping[str, object]) -> tuple[str, ...]:
    """What its owner noted, else what its maker did, else the tags that it was trained with most often."""
    said = notes.get("activation text")
    if isinstance(said, str) and said.strip():
        return _listed(said)
    try:
        said = _beside(path.with_suffix(".txt")).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        said = ""
    header = file_notes(path)
    if said := said.strip() or header.get("modelspec.trigger_phrase", "").strip():
        return _listed(said)
    return _frequent(header.get("ss_tag_frequency", ""))


def _word(said: str) -> str:
    """On one line, and nothing in it that no message may hold: half characters, say."""
    return "".join(filter(str.isprintable, " ".join(said.split())))[:MAX_TRIGGER]


def _listed(said: str) -> tuple[str, ...]:
    words = map(_word, re.split(r"[,\n]", said))
    return tuple(dict.fromkeys(word for word in words if word))[:MAX_TRIGGERS]


def _frequent(frequencies: str) -> tuple[str, ...]:
    """Of what kohya's scripts note: how often each tag stood with a picture, by the folders of pictures."""
    try:
        folders = json.loads(frequencies)
        counts: Counter[str] = Counter()
        for tags in folders.values():
            for word, count in tags.items():
                counts[_word(word)] += int(count)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return ()
    return tuple(word for word, _ in counts.most_common(MAX_TRIGGERS) if word)
