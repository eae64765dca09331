"""What the bot says, in the languages of people: catalogues in bot/languages, one gettext file for each."""

from __future__ import annotations

import gettext
import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import discord
import polib
from discord import app_commands

from bot.policy import rules_here
from generation.sentence import Sentence

CATALOGUES = Path(__file__).parent / "languages"
ENGLISH = "en"

NAMES = {
    app_commands.TranslationContextLocation.command_name,
    app_commands.TranslationContextLocation.group_name,
    app_commands.TranslationContextLocation.parameter_name,
}

THOUSANDS = {"de": ".", "es-ES": ".", "fr": "\u202f"}
"""What stands between the thousands of a number; where nothing else is said, a comma."""

log = logging.getLogger(__name__)


class Language:
    """One language: what is not translated into it is said in English."""

    def __init__(self, code: str, entries: polib.POFile | None = None) -> None:
        self.code = code
        """As Discord writes it: "de", "es-ES"."""
        self.thousands = THOUSANDS.get(code, ",")
        self._one: dict[str, str] = {}
        self._many: dict[str, Mapping[int, str]] = {}
        self._form: Callable[[int], int] = lambda number: int(number != 1)
        if entries is None:
            return
        rule = entries.metadata["Plural-Forms"].partition("plural=")[2].strip("; ")
        self._form = gettext.c2py(rule)
        for entry in entries.translated_entries():
            if entry.msgid_plural:
                self._many[entry.msgid] = entry.msgstr_plural
            else:
                self._one[entry.msgid] = entry.msgstr

    def one(self, template: str) -> str:
        return self._one.get(template, template)

    def one_of(self, singular: str, plural: str, number: int) -> str:
        if (forms := self._many.get(singular)) is None:
            return singular if number == 1 else plural
        return forms[self._form(number)]

    def __call__(self, text: str) -> str:
        """A text as people read it: what is no sentence of ours stays as it is."""
        if not isinstance(text, Sentence):
            return text
        try:
            return text.within(self)
        except (LookupError, ValueError, TypeError, AttributeError) as error:  # a slip in the catalogue
            log.error("the catalogue %s.po cannot say something: %r; it is said in English", self.code, error)
            return str(text)


@cache
def languages() -> Mapping[str, Language]:
    """All that there are, by their codes. One whose catalogue cannot be read is none: the log says why."""
    found = {ENGLISH: Language(ENGLISH)}
    for file in sorted(CATALOGUES.glob("*.po")):
        try:
            found[file.stem] = Language(file.stem, polib.pofile(str(file), encoding="utf-8"))
        except (OSError, ValueError, KeyError) as error:
            log.error("%s cannot be read, so nothing is said in that language: %r", file.name, error)
    return found


def language(code: str) -> Language:
    """The one that is nearest to a locale of Discord's: "es-419" is told in "es-ES"; else English."""
    known = languages()
    if code in known:
        return known[code]
    main = code.partition("-")[0]
    return next((each for each in known.values() if each.code.partition("-")[0] == main), known[ENGLISH])


def language_of(interaction: discord.Interaction[Any]) -> Language:
    """Of the person who pressed or typed: for what they alone read."""
    return language(interaction.locale.value)


async def language_here(interaction: discord.Interaction[Any]) -> Language:
    """Of what is shown to everybody where somebody asks: that of the server, or else that of who asked."""
    decided = rules_here(interaction).settings.language
    return language_of(interaction) if decided is None else language(decided)


def language_of_server(client: discord.Client, server: int, decided: str | None) -> Language:
    """Of what nobody asked for in a server: as decided there, or else what its members are told to write."""
    if decided is not None:
        return language(decided)
    guild = client.get_guild(server)
    return language(ENGLISH if guild is None else guild.preferred_locale.value)


class Translator(app_commands.Translator):
    """Tells Discord the descriptions and choices of the commands in each language.

    Names of commands and options stay as they are, so that what people tell each other holds for everybody.
    What a right click offers is no name that anybody types.
    """

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        if context.location in NAMES and not isinstance(context.data, app_commands.ContextMenu):
            return None
        message, there = string.message, language(locale.value)
        said = there(message) if isinstance(message, Sentence) else there.one(message)
        return None if said == message else said
