"""What people are told when something goes wrong."""

from __future__ import annotations

import logging
import re

import discord
import pytest

from bot.apologies import MAX_SAID, messages_of, sentence_for
from bot.limitlines import all_limits
from bot.limits import Limits, Refused
from generation.request import InvalidRequest
from storage.quotas import Quota
from storage.servers import ServerSettings


@pytest.mark.parametrize("error", [Refused("The queue is full."), InvalidRequest("The queue is full.")])
def test_a_sentence_for_people_is_said_as_it_is_and_not_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    assert sentence_for(error) == "The queue is full."
    assert caplog.records == []


def test_anything_else_gets_an_id_that_is_also_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said = sentence_for(RuntimeError("secret details"))
    number = re.search(r"`([0-9a-f]{8})`", said)
    assert number is not None
    assert "secret details" not in said
    (record,) = caplog.records
    assert number[1] in record.getMessage()
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_two_apologies_have_different_ids() -> None:
    assert sentence_for(RuntimeError()) != sentence_for(RuntimeError())


def test_what_a_command_raised_is_taken_out_of_its_wrapping() -> None:
    @discord.app_commands.command(description="for this test")
    async def command(interaction: discord.Interaction) -> None: ...

    wrapped = discord.app_commands.CommandInvokeError(command, Refused("The queue is full."))
    assert sentence_for(wrapped) == "The queue is full."


def test_what_no_message_holds_is_said_in_several_and_wholly() -> None:
    limits = {"pictures": 10_000, "waiting": 10_000, "pixels": 999_999, "steps": 10_000, "weight": 100}
    quotas = tuple(Quota(role=10**18 + number, **limits) for number in range(50))
    owner = Limits(waiting=9, waiting_per_person=3, pixels=2**20, steps=50)
    told = all_limits(ServerSettings(quotas=quotas), owner)
    said = messages_of(told)
    assert len(said) > 1
    assert max(map(len, said)) <= MAX_SAID
    assert "\n".join(said) == told
    assert messages_of("one line\n\nanother") == ["one line\n\nanother"]
    [long] = messages_of("x" * 2001)
    assert (len(long), long[-1]) == (2000, "…")
