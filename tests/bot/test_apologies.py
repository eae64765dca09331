"""What people are told when something goes wrong."""

from __future__ import annotations

import logging
import re

import discord
import pytest

from bot.apologies import sentence_for
from bot.limits import Refused
from generation.request import InvalidRequest


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
