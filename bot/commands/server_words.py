"""/server words: what no prompt may hold in a server."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.banned import MAX_LENGTH, is_too_short, key, tidied
from bot.governing import acknowledged, change, settings_here
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.messages import NO_MENTIONS
from bot.options import MAX_CHOICES
from generation.sentence import count, say
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_WORDS = 500


class WordCommands(app_commands.Group):
    """The banned words."""

    def __init__(self) -> None:
        super().__init__(name="words", description="What no prompt may hold")

    @app_commands.command(
        name="ban", description="Ban words from prompts, in any spelling, but not within others"
    )
    @app_commands.describe(words="Words or phrases, with commas between them")
    async def ban(self, interaction: Interaction, words: str) -> None:
        wanted = parse_words(words)

        def edit(was: ServerSettings) -> ServerSettings:
            known = {key(word) for word in was.words}
            new = {key(word): word for word in reversed(wanted) if key(word) not in known}
            if len(was.words) + len(new) > MAX_WORDS:
                raise Refused(say("{most} words can be banned; these are too many.", most=MAX_WORDS))
            return replace(was, words=(*was.words, *reversed(new.values())))

        await change(interaction, edit, "words")

    @app_commands.command(name="allow", description="Take a word back from those that are banned")
    @app_commands.describe(word="One of them")
    async def allow(self, interaction: Interaction, word: str) -> None:
        wanted = key(tidied(word))

        def edit(was: ServerSettings) -> ServerSettings:
            left = tuple(each for each in was.words if key(each) != wanted)
            if left == was.words:
                raise Refused(
                    say("“{word}” is not banned.", word=literal(shortened(tidied(word), MAX_LENGTH)))
                )
            return replace(was, words=left)

        await change(interaction, edit, "words")

    @app_commands.command(name="list", description="All words that are banned")
    async def list_(self, interaction: Interaction) -> None:
        server = await acknowledged(interaction)
        words = interaction.client.house.servers.readable(server).words
        if not words:
            raise Refused(say("No word is banned. `/server words ban` bans some."))
        said = count("{number} word is banned.", "{number} words are banned.", len(words))
        file = discord.File(io.BytesIO("\n".join(words).encode()), filename="words.txt")
        await interaction.followup.send(
            language_of(interaction)(said), file=file, ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    @allow.autocomplete("word")
    async def _banned(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        wanted = typed.casefold()
        found = [word for word in settings_here(interaction).words if wanted in word.casefold()]
        return [Choice(name=word, value=word) for word in found[:MAX_CHOICES]]


def parse_words(typed: str) -> list[str]:
    """The words and phrases that somebody has typed, with commas between them.

    Raises:
        Refused: one of them cannot be banned.
    """
    wanted = [word for word in map(tidied, typed.replace("\n", ",").split(",")) if word]
    if not wanted:
        raise Refused(say("Type the words that are to be banned, with commas between them."))
    for word in wanted:
        shown = literal(shortened(word, MAX_LENGTH))
        if len(word) > MAX_LENGTH:
            raise Refused(
                say(
                    "“{word}” is too long: a word or phrase can have {most} characters.",
                    word=shown,
                    most=MAX_LENGTH,
                )
            )
        if is_too_short(word) or (not key(word)[0].strip(" .,;:!?()[]{}|<>'\"_-*/\\")):
            raise Refused(say("“{word}” would be found in too many prompts.", word=shown))
        if any(mark in word for mark in "|{}"):
            raise Refused(
                say(
                    "“{word}” has a mark that chooses in prompts; leave out {marks}.",
                    word=shown,
                    marks="`| { }`",
                )
            )
    return wanted
