"""Which of a forum's tags a post gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
import pytest

from bot.exhibiting import forum_tags
from tests.bot.test_policy import guild
from tests.bot.test_sharing import POST

REQUIRES_A_TAG = 1 << 4


def a_tag(number: int, name: str, *, moderated: bool = False) -> dict[str, Any]:
    return {"id": str(number), "name": name, "moderated": moderated, "emoji_name": None, "emoji_id": None}


@pytest.mark.parametrize(
    ("tags", "flags", "found"),
    [
        (("warm", "simple", "official"), 0, ["Simple", "WARM"]),
        (("cold",), 0, []),
        (("cold",), REQUIRES_A_TAG, ["Simple"]),
        (("warm",), REQUIRES_A_TAG, ["WARM"]),
        (tuple("abcdef"), 0, list("abcde")),
    ],
)
async def test_a_post_gets_the_tags_of_its_forum_that_it_has_itself_or_one_where_one_is_needed(
    tags: tuple[str, ...], flags: int, found: list[str]
) -> None:
    client = discord.Client(intents=discord.Intents.none())
    names = ("Simple", "WARM", *"abcdef")
    available = [
        a_tag(9, "official", moderated=True),
        *(a_tag(number, name) for number, name in enumerate(names, start=10)),
    ]
    forum = guild(client, {"id": "4", "type": 15, "flags": flags, "available_tags": available}).get_channel(4)
    assert isinstance(forum, discord.ForumChannel)
    assert [tag.name for tag in forum_tags(forum, replace(POST, tags=tags))] == found
