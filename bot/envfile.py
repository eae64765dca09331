"""What is wrong with the lines of a `.env` file, before any of them is believed. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection

ALIKE = 0.85
"""How alike two names are, from 0 to 1, when one is taken for the other misspelt."""


def mistake(text: str, file: str, known: Collection[str]) -> str | None:
    """A sentence about the first line that is not understood, or sets what looks like a setting and is none.

    Args:
        text: of the file.
        file: what it is called.
        known: the names of the settings, in capitals. Others may stand there too: other programs read them.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        if _is_broken(line):
            return f"Line {number} of {file} is not understood; write it like NAME=value."
        name = line.partition("=")[0].strip()
        meant = difflib.get_close_matches(name.upper(), known, n=1, cutoff=ALIKE)
        if meant and meant[0] != name.upper():
            return f"Line {number} of {file} sets {name}, which is no setting; did you mean {meant[0]}?"
    return None


def _is_broken(line: str) -> bool:
    """Whether python-dotenv would skip this line with no more than a warning."""
    name, equals, value = line.partition("=")
    value = value.strip()
    open_quote = value[:1] in ("'", '"') and value[0] not in value[1:]
    return open_quote or not (equals and name.strip().isidentifier())
