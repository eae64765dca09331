"""Which request of ours a message is about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.card import Action, Card, Entry, Menu, Tone
from bot.language import language
from bot.messages import layout
from bot.uploaded import job_of
from generation.job import JobId

JOB = JobId("06h025tfgwtgmkdt")


def message(card: Card) -> Any:
    """A message of ours with this card, as far as it is looked at."""
    view: Any = layout(card, language("en"))
    parts = [discord.components._component_factory(part) for part in view.to_components()]
    return SimpleNamespace(author=SimpleNamespace(id=7), components=parts)


@pytest.mark.parametrize("action", [Action.ENLARGE, Action.GROW])
def test_a_card_with_nothing_but_a_menu_is_about_its_request_too(action: Action) -> None:
    menu = Menu(action=action, job=JOB, index=2, placeholder="How?", entries=(Entry("a", "a"),))
    asks = message(Card(tone=Tone.DONE, text=("How shall I go on?",), menu=menu))
    me: Any = SimpleNamespace(id=7)
    assert job_of(asks, me) == (JOB, 2)
    assert job_of(message(Card(tone=Tone.DONE, text=("A card.",))), me) is None
