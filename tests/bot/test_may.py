"""Who may press what."""

from __future__ import annotations

import discord
import pytest

from bot.app import Atelier
from bot.card import Action
from bot.formanswers import FORMS
from bot.may import MAY, REFUSALS, Who, is_allowed

NOBODY = discord.Permissions.none()
MODERATOR = discord.Permissions(manage_messages=True)
ADMINISTRATOR = discord.Permissions(administrator=True)


def test_it_is_decided_for_every_action_and_a_stranger_gets_a_sentence() -> None:
    assert set(MAY) == set(Action)
    assert set(REFUSALS) == {action for action, who in MAY.items() if who is not Who.EVERYBODY}


async def test_every_action_is_answered_by_the_client() -> None:
    client = Atelier()
    answered = {
        pattern.pattern.partition(":")[0] for pattern in client._connection._view_store._dynamic_items
    }
    # Those that are about no picture, like the pages of /history, are shown to one person alone.
    assert answered | {str(action) for action in FORMS} >= {str(action) for action in Action}


@pytest.mark.parametrize(
    ("who", "stranger", "asker", "moderator", "moderator_elsewhere"),
    [
        (Who.EVERYBODY, True, True, True, True),
        (Who.ASKER, False, True, True, True),
        (Who.MODERATORS, False, False, True, False),
    ],
)
def test_strangers_askers_and_moderators(
    who: Who, *, stranger: bool, asker: bool, moderator: bool, moderator_elsewhere: bool
) -> None:
    def may(person: int, held: discord.Permissions, *, in_server: bool = True) -> bool:
        return is_allowed(who, person=person, asker=1, held=held, in_server=in_server)

    assert may(2, NOBODY) is stranger
    assert may(1, NOBODY) is asker
    assert may(2, MODERATOR) is moderator
    assert may(2, ADMINISTRATOR) is moderator
    # Outside of servers nothing is held.
    assert may(2, MODERATOR, in_server=False) is moderator_elsewhere


async def test_only_who_has_a_captioner_offers_to_describe() -> None:
    for has in (False, True):
        names = {command.name for command in Atelier(describes=has).tree.get_commands()}
        assert ("describe" in names) is has
