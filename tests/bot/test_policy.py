"""What a server allows of a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
import pytest

from bot.policy import Rules, standing, texts_of
from bot.safety import OwnerSafety
from generation.loras import Loras
from generation.preferences import Preferences
from generation.request import Adapter, Digest, Size, Upscale, Wording
from generation.safety import Safety
from generation.shelf import Shelf
from storage.servers import ServerSettings
from tests.bot.things import MODEL, OIL, TWO, request

ASKER = 11


def rules(*, channel: int = 5, age_restricted: bool = False, **settings: Any) -> Rules:
    return Rules(settings=ServerSettings(**settings), channel=channel, age_restricted=age_restricted)


def test_where_nothing_is_decided_everything_is_allowed() -> None:
    assert rules().asker_reason(ASKER) is None
    assert rules().reject_reason(request("anything"), TWO) is None
    assert rules().shelf(TWO) is TWO


def test_who_is_blocked_is_told_so_whatever_the_channel() -> None:
    said = rules(blocked=(ASKER,), channels=(5,)).asker_reason(ASKER)
    assert said == "Whoever manages this server has decided that you cannot ask me for pictures in it."
    assert rules(blocked=(12,)).asker_reason(ASKER) is None


def test_elsewhere_one_is_told_where() -> None:
    assert rules(channels=(5, 6)).asker_reason(ASKER) is None
    assert rules(channels=(6, 7)).asker_reason(ASKER) == "In this server I draw somewhere else: <#6>, <#7>."
    many = rules(channels=tuple(range(10, 20))).asker_reason(ASKER)
    assert many == ("In this server I draw somewhere else: <#10>, <#11>, <#12>, <#13>, <#14> and 5 more.")


def test_a_model_that_is_not_allowed_is_refused_with_those_that_are() -> None:
    only = rules(models=("mini", "Gone"))
    assert only.reject_reason(request(), TWO) is None
    oil = request(model=OIL.source)
    assert only.reject_reason(oil, TWO) == "`Oil *Paint*` may not draw in this server; there are: `Mini`."
    assert only.shelf(TWO).models == (MODEL,)


def test_the_default_is_one_that_is_allowed() -> None:
    shelf = rules(models=("Oil *Paint*",)).shelf(TWO)
    assert (shelf.models, shelf.default) == ((OIL,), OIL)


def test_a_model_for_adults_draws_where_only_adults_are() -> None:
    adult, open_ = (rules(adult_models=("MINI",), age_restricted=there) for there in (True, False))
    assert adult.reject_reason(request(), TWO) is None
    assert open_.reject_reason(request(), TWO) == (
        "`Mini` draws in age-restricted channels only; in this one there are: `Oil *Paint*`."
    )
    assert open_.shelf(TWO).default is OIL


def test_where_no_model_is_left_somebody_is_told_who_can_change_that() -> None:
    none = rules(models=("Gone",))
    assert none.shelf(TWO) is TWO
    said = none.reject_reason(request(), TWO)
    assert said is not None
    assert said.startswith("No model may draw here.")


def test_what_is_only_made_larger_asks_no_model() -> None:
    larger = replace(request("a bad dog"), upscale=upscale(brought=False))
    assert rules(models=("Gone",)).reject_reason(larger, TWO) is None
    assert rules(words=("bad",)).reject_reason(larger, TWO) is not None
    brought = replace(request("A picture"), upscale=upscale(brought=True))
    assert rules(words=("picture",)).reject_reason(brought, TWO) is None


def upscale(*, brought: bool) -> Upscale:
    return Upscale(
        picture=Digest("0" * 64), upscaler="x", factor=2.0, size=Size(width=256, height=256), brought=brought
    )


@pytest.mark.parametrize(
    "asked",
    [
        request("a BAD dog"),
        request("a dog", negative_prompt="bаd"),
        request("a (ba:1.0)d, b(a)d dog"),
        request("a {bad|good} dog"),
        request("a __mood__ dog", chosen=(Wording(prompt="a bad dog", negative_prompt=""),)),
        request("a good dog", template=Wording(prompt="a {good|bad} dog", negative_prompt="")),
        request("a dog", adapters=(Adapter(name="bad-style"),)),
        request("a dog <lora:bad:0.5>"),
    ],
    ids=lambda asked: asked.prompt,
)
def test_a_banned_word_is_refused_wherever_it_stands(asked: Any) -> None:
    said = rules(words=("ugly", "bad")).reject_reason(asked, TWO)
    assert said == "This server does not want “bad” in prompts, in any spelling."


def test_what_the_model_or_the_server_puts_into_the_negative_prompt_nobody_has_asked_for() -> None:
    here = rules(words=("blurry", "ugly"), defaults=Preferences(negative_prompt="ugly"))
    for negative in ("blurry", "ugly", "blurry, soft", "soft, ugly"):  # with a style's
        assert here.reject_reason(request(model=OIL.source, negative_prompt=negative), TWO) is None
    assert here.reject_reason(request(negative_prompt="blurry"), TWO) is not None
    assert here.reject_reason(request("blurry", model=OIL.source, negative_prompt="blurry"), TWO) is not None
    assert here.reject_reason(request(model=OIL.source, negative_prompt="blurry, blurry."), TWO) is None


def test_words_that_a_lora_was_taught_count_with_it() -> None:
    class Taught(Loras):
        def triggers(self, name: str) -> tuple[str, ...]:
            return ("bad hat",) if name == "hat" else ()

    asked = request("a dog", adapters=(Adapter(name="hat"),))
    shelf = Shelf(models=(MODEL,), default=MODEL, loras=Taught())
    assert rules(words=("bad",)).reject_reason(asked, shelf) is not None
    assert "bad hat" in set(texts_of(asked, shelf.loras))


def test_other_words_are_no_trouble() -> None:
    assert rules(words=("ass",)).reject_reason(request("a class of grass"), TWO) is None


OWNER = OwnerSafety(default=Safety.SPOILER, direct=Safety.OFF, checker="none")


@pytest.mark.parametrize(
    ("decided", "least", "age_restricted", "wanted"),
    [
        (None, None, False, Safety.SPOILER),
        (Safety.OFF, None, False, Safety.OFF),
        (Safety.OFF, Safety.REFUSE, False, Safety.REFUSE),
        (Safety.OFF, Safety.REFUSE, True, Safety.OFF),
        (Safety.REFUSE, Safety.SPOILER, False, Safety.REFUSE),
        (None, Safety.HOLD, False, Safety.HOLD),
    ],
)
def test_where_not_only_adults_are_the_check_is_at_least_as_strict(
    decided: Safety | None, least: Safety | None, age_restricted: bool, wanted: Safety
) -> None:
    here = rules(age_restricted=age_restricted, safety=decided, open_safety=least)
    assert here.safety(OWNER) is wanted


def guild(client: discord.Client, *channels: dict[str, Any]) -> discord.Guild:
    """A server with these channels, as Discord tells of them."""
    shared = {"guild_id": "1", "name": "here", "position": 0, "permission_overwrites": [], "nsfw": False}
    data: Any = {"id": "1", "name": "Server", "channels": [{**shared, **each} for each in channels]}
    return discord.Guild(data=data, state=client._connection)


def thread(of: discord.Guild, parent: int) -> discord.Thread:
    metadata = {"archived": False, "auto_archive_duration": 60, "archive_timestamp": "2026-01-01T00:00:00Z"}
    data: Any = {
        "id": "9",
        "parent_id": str(parent),
        "name": "a thread",
        "type": 11,
        "owner_id": "5",
        "message_count": 0,
        "member_count": 0,
        "thread_metadata": metadata,
    }
    return discord.Thread(guild=of, state=of._state, data=data)


async def test_a_thread_or_a_post_stands_where_its_channel_does() -> None:
    client = discord.Client(intents=discord.Intents.none())
    server = guild(
        client, {"id": "3", "type": 0}, {"id": "4", "type": 15, "nsfw": True, "available_tags": []}
    )

    assert standing(server.get_channel(3)) == (3, False)
    assert standing(server.get_channel(4)) == (4, True)
    assert standing(thread(server, 3)) == (3, False)
    assert standing(thread(server, 4)) == (4, True)
    assert standing(thread(server, 77)) == (77, False)  # one that we do not see
    assert standing(None) == (None, False)
