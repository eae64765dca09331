"""What comes back of forms, whichever process had sent them: each is known by its custom_id."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import discord

from bot.answering import edited, inpainted, styled_by_form
from bot.apologies import apologise
from bot.card import Action
from bot.editing import Edited
from bot.forms import Filled, filled_in, give_back
from bot.limits import Refused
from bot.may import check, depends_on_job
from bot.orders import place_order
from bot.policy import shelf_here
from bot.postbuttons import save_here, save_mine
from bot.remixing import REMIX, Rest
from bot.reporting import report
from bot.sharing import share
from generation.job import JobId
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

Answer = Callable[["Interaction", Filled, JobId, int], Awaitable[None]]

FORMS: Mapping[Action, Answer] = {
    Action.EDIT: edited,
    Action.INPAINT: inpainted,
    Action.STYLE: styled_by_form,
    Action.SHARE: share,
    Action.REPORT: report,
    Action.FORK: save_mine,
    Action.ADOPT: save_here,
}
_CUSTOM_ID = re.compile(r"(?P<action>[a-z]+):(?P<job>[0-9a-z]{16})(?::(?P<index>\d))?")


async def answer_form(interaction: Interaction) -> None:
    """Do what a form says that somebody sent. What goes wrong is told to them, with what they typed."""
    filled = filled_in(interaction)
    try:
        await _answered(interaction, filled)
    except Exception as error:  # noqa: BLE001 - the edge: discord.py would only log it
        await apologise(interaction, error)
        await give_back(interaction, filled)


async def _answered(interaction: Interaction, filled: Filled) -> None:
    if filled.custom_id.startswith(f"{REMIX}:"):
        typed = Edited.read(filled.texts)
        rest = Rest.parse(filled.custom_id)
        await place_order(interaction, rest.request(typed, shelf_here(interaction)))
        return
    match = _CUSTOM_ID.fullmatch(filled.custom_id)
    if match is None or match["action"] not in FORMS:
        raise Refused(say("I do not know that form any more; please open it again."))
    action = Action(match["action"])
    if not depends_on_job(action):  # that it checks itself, when it knows who asked
        check(interaction, action)
    await FORMS[action](interaction, filled, JobId(match["job"]), int(match["index"] or 0))


def is_form(interaction: discord.Interaction) -> bool:
    """Whether somebody sent a form."""
    return interaction.type is discord.InteractionType.modal_submit
