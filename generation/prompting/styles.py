"""Styles: named prompt templates with A1111's meaning, one by one and as its `styles.csv`.

A style has a prompt and a negative prompt. `{prompt}` in either is replaced by what was typed there; a style
without it is appended after a comma. Choices and weights that it holds are read after that.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from generation.request import MAX_PROMPT, NEGATIVE_PROMPT, PROMPT, InvalidRequest, Wording
from generation.sentence import say

MAX_NAME = 100
"""Characters in a name: what Discord takes of a choice."""
MAX_STYLES = 1000
"""In one file, and kept in one place."""
MAX_BYTES = 4 * 2**20
"""Of a file."""
COLUMNS = ("name", "prompt", "negative_prompt")
_TYPED = "{prompt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A name, and what it makes of prompts."""

    name: str
    """At most 100 characters, all of them visible, with single spaces."""
    prompt: str = ""
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidRequest(say("The style has no name."))
        if len(self.name) > MAX_NAME or not self.name.isprintable() or self.name != tidy(self.name):
            raise InvalidRequest(
                say(
                    "The name {name} is not possible for a style: it has {most} characters "
                    "at the most, and all of them can be seen.",
                    name=shown(self.name),
                    most=MAX_NAME,
                )
            )
        if not self.prompt.strip() and not self.negative_prompt.strip():
            raise InvalidRequest(
                say("The style {name} holds no prompt and no negative prompt.", name=shown(self.name))
            )
        for what, text in ((PROMPT, self.prompt), (NEGATIVE_PROMPT, self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise InvalidRequest(
                    say(
                        "The {what} of the style {name} has {number:,} characters; "
                        "I can take {most:,} at the most.",
                        what=what,
                        name=shown(self.name),
                        number=len(text),
                        most=MAX_PROMPT,
                    )
                )
            if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
                raise InvalidRequest(
                    say(
                        "The {what} of the style {name} holds a character that is none.",
                        what=what,
                        name=shown(self.name),
                    )
                )

    @property
    def key(self) -> str:
        """The same for names that people take for the same."""
        return folded(self.name)

    @property
    def words(self) -> str:
        """What it adds to a prompt."""
        return self.prompt.replace(_TYPED, " ")

    def applied(self, prompt: str, negative_prompt: str) -> Wording:
        """The prompts that it makes of those that were typed.

        Raises:
            InvalidRequest: they become empty, or too long.
        """
        prompts = _merged(self.prompt, prompt), _merged(self.negative_prompt, negative_prompt)
        for what, text in zip((PROMPT, NEGATIVE_PROMPT), prompts, strict=True):
            if len(text) > MAX_PROMPT:
                raise InvalidRequest(
                    say(
                        "With the style {name} the {what} has {number:,} characters; "
                        "I can take {most:,} at the most.",
                        name=shown(self.name),
                        what=what,
                        number=len(text),
                        most=MAX_PROMPT,
                    )
                )
        return Wording(prompt=prompts[0], negative_prompt=prompts[1])


def _merged(template: str, typed: str) -> str:
    if _TYPED in template:
        return template.replace(_TYPED, typed)
    return ", ".join(part for part in (typed.strip(), template.strip()) if part)


def tidy(name: str) -> str:
    """A name as it is kept, however it was typed."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def folded(name: str) -> str:
    """The same for names that people take for the same."""
    return unicodedata.normalize("NFC", tidy(name).casefold())


def shown(name: str) -> str:
    """A name as Markdown shows it, or its beginning."""
    letters = "".join(char if char.isprintable() else "?" for char in name[:MAX_NAME])
    letters = letters.replace("`", "'")
    return f"`{letters}`"


# As a file -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StylesFile:
    """What a file of styles says."""

    styles: tuple[Style, ...]
    """No two have the same name."""
    problems: tuple[str, ...] = ()
    """A sentence about each line that is left out."""


def read_csv(data: bytes) -> StylesFile:
    """The styles in a file as A1111 keeps them: name, prompt and negative_prompt, or, older, name and text.

    Of two styles of one name the last one counts, as there.

    Raises:
        InvalidRequest: it is no such file; a sentence for who brought it.
    """
    rows = _rows(_decoded(data))
    _, header = next(rows, (1, []))
    columns = {name.strip().casefold(): index for index, name in enumerate(header)}
    if "text" in columns:
        columns.setdefault("prompt", columns["text"])
    if not {"name", "prompt"} <= columns.keys():
        first = ",".join(header)
        raise InvalidRequest(
            say(
                "The first line of the file must name its columns, `{columns}`; it is {line}.",
                columns=",".join(COLUMNS),
                line=shown(first) if first.strip() else say("empty"),
            )
        )
    found: dict[str, tuple[int, Style]] = {}
    problems = []
    for line, row in rows:
        if not any(field.strip() for field in row):
            continue
        try:
            style = _style(row, columns)
        except InvalidRequest as reason:
            problems.append(say("Line {line}: {reason}", line=line, reason=reason))
            continue
        if style.key in found:
            earlier, _ = found.pop(style.key)
            problems.append(
                say(
                    "Line {earlier}: {name} is there again in line {line}, and that one counts.",
                    earlier=earlier,
                    name=shown(style.name),
                    line=line,
                )
            )
        found[style.key] = line, style
        if len(found) > MAX_STYLES:
            raise InvalidRequest(
                say(
                    "The file holds more than {most:,} styles; divide it, and take what you need.",
                    most=MAX_STYLES,
                )
            )
    return StylesFile(styles=tuple(style for _, style in found.values()), problems=tuple(problems))


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidRequest(too_large(len(data)))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            say("The file is not text in UTF-8; save it as CSV in UTF-8 (in a spreadsheet: `CSV UTF-8`).")
        ) from error


def too_large(size: int) -> str:
    """The sentence about a file of so many bytes."""
    return say(
        "The file has {size:.1f} MB; I can take {most} at the most.",
        size=size / 2**20,
        most=MAX_BYTES // 2**20,
    )


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of the file, each with the line in which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InvalidRequest(
                say(
                    "I cannot read the file from line {line} on: a quote is never closed, or stands inside "
                    'of quotes without being doubled. Write `"a ""big"" circle"` for quotes in a text.',
                    line=line,
                )
            ) from error
        yield line, row


def _style(row: list[str], columns: Mapping[str, int]) -> Style:
    def field(name: str) -> str:
        index = columns.get(name)
        return row[index].strip() if index is not None and index < len(row) else ""

    return Style(name=tidy(field("name")), prompt=field("prompt"), negative_prompt=field("negative_prompt"))


def write_csv(styles: Iterable[Style]) -> bytes:
    """The file that A1111 reads these styles from."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows((style.name, style.prompt, style.negative_prompt) for style in styles)
    return file.getvalue().encode("utf-8-sig")


@cache
def shipped() -> tuple[Style, ...]:
    """The styles that come along."""
    return read_csv(Path(__file__).with_name("styles.csv").read_bytes()).styles
