"""Keeps the catalogues in step with the code: ``python -m bot.catalogues``."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import discord
import jinja2
import polib
from discord import app_commands
from jinja2 import nodes

from bot.app import Atelier
from bot.language import CATALOGUES, NAMES
from generation.sentence import Sentence

ROOT = Path(__file__).parents[1]
ROOMS = ("bot", "generation", "storage", "web")
COMMANDS = "commands"
"""Where a text comes from that Discord shows while somebody types a command."""
WIDTH = 110
"""Characters of a line in a catalogue."""

PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "es-ES": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ja": "nplurals=1; plural=0;",
}
"""How many forms a counted thing has; of other languages the catalogue itself says so, in its first lines."""
USUAL_PLURALS = "nplurals=2; plural=(n != 1);"

SAYERS: Mapping[str, int] = {"say": 1, "count": 2}
"""What says something, with how many templates it takes."""

Key = tuple[str, str | None]
"""The English template, and the one for several if things are counted."""
Found = Mapping[Key, frozenset[str]]
"""What is said, and in which files."""


class NoLiteral(Exception):  # noqa: N818 - the message is a sentence for who wrote it
    """A template that is put together while the program runs, so that nobody can translate it."""


def templates(source: str, where: str) -> Iterator[Key]:
    """The templates that one module says, or one page.

    Args:
        source: its text.
        where: it is, for the message.

    Raises:
        NoLiteral: one is not written out.
    """
    if where.endswith(".html"):
        yield from _in_a_page(source, where)
        return
    tree = ast.parse(source)
    sayers = _sayers(tree, where)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in sayers):
            continue
        wanted = sayers[node.func.id]
        texts = [
            argument.value
            for argument in node.args[:wanted]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        ]
        if len(texts) < wanted:
            raise _not_written_out(where, node.lineno)
        yield texts[0], texts[1] if wanted > 1 else None


def _sayers(tree: ast.Module, where: str) -> Mapping[str, int]:
    """The names under which a module has `say` and `count`, with how many templates each takes."""
    if where == "generation/sentence.py":
        return SAYERS
    return {
        alias.asname or alias.name: SAYERS[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "generation.sentence"
        for alias in node.names
        if alias.name in SAYERS
    }


def _in_a_page(source: str, where: str) -> Iterator[Key]:
    for call in jinja2.Environment(autoescape=True).parse(source).find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name in SAYERS):
            continue
        said = call.args[: SAYERS[call.node.name]]
        texts = [text.value for text in said if isinstance(text, nodes.Const) and isinstance(text.value, str)]
        if len(texts) < SAYERS[call.node.name]:
            raise _not_written_out(where, call.lineno)
        yield texts[0], texts[1] if len(texts) > 1 else None


def _not_written_out(where: str, line: int) -> NoLiteral:
    return NoLiteral(f"{where}, line {line}: what is said must be written out, as one literal.")


class _Listening(app_commands.Translator):
    """Writes down what Discord is told of the commands."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> None:
        is_name = context.location in NAMES and not isinstance(context.data, app_commands.ContextMenu)
        if not is_name and not isinstance(string.message, Sentence):
            self.texts.add(string.message)


async def command_texts() -> frozenset[str]:
    """Descriptions of all commands and options, their choices, and what a right click offers."""
    listening = _Listening()
    async with Atelier(choose_model=True, take_looks=True, describes=True) as client:
        for command in client.tree.get_commands():
            await command.get_translated_payload(client.tree, listening)
    return frozenset(listening.texts)


async def collected() -> Found:
    """All that the bot says.

    Raises:
        NoLiteral: see :func:`templates`.
    """
    found: dict[Key, set[str]] = {(text, None): {COMMANDS} for text in await command_texts()}
    for room in ROOMS:
        for file in sorted(each for kind in ("*.py", "*.html") for each in (ROOT / room).rglob(kind)):
            where = file.relative_to(ROOT).as_posix()
            for key in templates(file.read_text("utf-8"), where):
                found.setdefault(key, set()).add(where)
    return {key: frozenset(places) for key, places in found.items()}


def brought_up_to_date(catalogue: polib.POFile, found: Found) -> polib.POFile:
    """The catalogue with an entry for each text, in the order of the English; what was translated stays."""
    known = {(entry.msgid, entry.msgid_plural or None): entry for entry in catalogue}
    fresh = polib.POFile(wrapwidth=WIDTH, encoding="utf-8")
    fresh.header, fresh.metadata = catalogue.header, catalogue.metadata
    forms = forms_of(catalogue)
    for english, plural in sorted(found, key=lambda key: (key[0], key[1] or "")):
        before = known.get((english, plural))
        entry = polib.POEntry(
            msgid=english,
            msgid_plural=plural or "",
            msgstr="" if before is None or plural else before.msgstr,
            occurrences=[(place, "") for place in sorted(found[english, plural])],
            flags=["python-brace-format"] if "{" in english else [],
            tcomment="" if before is None else before.tcomment,
        )
        if plural:
            said = {} if before is None else before.msgstr_plural
            entry.msgstr_plural = {form: said.get(form, "") for form in range(forms)}
        fresh.append(entry)
    return fresh


def forms_of(catalogue: polib.POFile) -> int:
    """How many forms a counted thing has in this language.

    Raises:
        KeyError, ValueError: the catalogue does not say so.
    """
    return int(catalogue.metadata["Plural-Forms"].partition("nplurals=")[2].partition(";")[0])


def begun(code: str) -> polib.POFile:
    """An empty catalogue of a language."""
    catalogue = polib.POFile(wrapwidth=WIDTH, encoding="utf-8")
    catalogue.metadata = {
        "Language": code,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS.get(code, USUAL_PLURALS),
    }
    return catalogue


def main(codes: list[str]) -> int:
    """Bring all catalogues up to date, and begin one for each code that has none. 1: something is missing."""
    known = {locale.value for locale in discord.Locale}
    if wrong := [code for code in codes if code not in known]:
        sys.stderr.write(f"Discord knows no {', '.join(wrong)}; there are {', '.join(sorted(known))}.\n")
        return 2
    found = asyncio.run(collected())
    CATALOGUES.mkdir(exist_ok=True)
    missing = 0
    for code in sorted({*codes, *(file.stem for file in CATALOGUES.glob("*.po"))}):
        file = CATALOGUES / f"{code}.po"
        before = polib.pofile(str(file), encoding="utf-8") if file.exists() else begun(code)
        catalogue = brought_up_to_date(before, found)
        catalogue.save(str(file), newline="\n")
        left = len(catalogue.untranslated_entries())
        missing += left
        sys.stdout.write(f"{file.name}: {len(catalogue)} texts, {left} of them not translated\n")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
