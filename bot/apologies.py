"""What a person is told when something goes wrong: our sentence if there is one, else an id to look for."""

from __future__ import annotations

import logging
import secrets

import discord

from bot.acknowledgement import is_acknowledged
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import shortened
from bot.messages import NO_MENTIONS
from bot.refusals import UNREACHABLE
from generation.request import InvalidRequest
from generation.sentence import say
from storage.servers import UnreadableSettings

MAX_SAID = 2000
"""Characters that Discord takes in a message without a layout."""

log = logging.getLogger(__name__)


async def apologise(interaction: discord.Interaction, error: BaseException) -> None:
    """Answer an interaction that ended in `error`, privately. Never raises; called at the edges."""
    await tell(interaction, sentence_for(error))


def sentence_for(error: BaseException) -> str:
    """The sentence that explains `error`. What nobody foresaw is logged under an id that it names."""
    if isinstance(error, discord.app_commands.CommandInvokeError):
        error = error.original
    if isinstance(error, Refused | InvalidRequest | UnreadableSettings):
        return error.sentence
    number = secrets.token_hex(4)
    log.error("apologised with id %s", number, exc_info=error)
    return say(
        "Something went wrong on my side; it is in my log as `{number}`. Please try again. "
        "If it happens again, tell whoever runs me this number.",
        number=number,
    )


async def tell(interaction: discord.Interaction, sentence: str) -> None:
    """Say a sentence to the person who pressed or typed, in their language, to nobody else. Never raises.

    What has more lines than a message takes is said in several.
    """
    try:
        for said in messages_of(language_of(interaction)(sentence)):
            if is_acknowledged(interaction):
                await interaction.followup.send(said, ephemeral=True, allowed_mentions=NO_MENTIONS)
            else:
                await interaction.response.send_message(said, ephemeral=True, allowed_mentions=NO_MENTIONS)
    except (discord.HTTPException, *UNREACHABLE) as problem:
        log.warning("could not answer an interaction: %s", describe(problem))


def messages_of(text: str) -> list[str]:
    """The text in as few messages as hold it, parted between lines; of a longer line its beginning."""
    messages: list[str] = []
    for line in text.split("\n"):
        line = shortened(line, MAX_SAID)
        if messages and len(messages[-1]) + 1 + len(line) <= MAX_SAID:
            messages[-1] += f"\n{line}"
        else:
            messages.append(line)
    return messages


def describe(problem: Exception) -> str:
    """A failed request in words for the log; without its address, which may hold a token."""
    if isinstance(problem, discord.HTTPException):
        return f"Discord answered {problem.status} (error code {problem.code})"
    return type(problem).__name__
