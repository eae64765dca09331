"""Whose bot it is, as Discord says."""

from __future__ import annotations

from typing import Any

import discord

from bot.owners import owners_of


def application(team: dict[str, Any] | None = None) -> discord.AppInfo:
    user = {"id": "7", "username": "ada", "discriminator": "0", "avatar": None, "global_name": None}
    plain = {
        "id": "1",
        "name": "Atelier",
        "icon": None,
        "description": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "",
        "summary": "",
        "owner": user,
        "team": team,
    }
    client = discord.Client(intents=discord.Intents.none())
    return discord.AppInfo(client._connection, plain)  # type: ignore[arg-type]


def member(number: int, role: str, state: int = 2) -> dict[str, Any]:
    user = {"id": str(number), "username": f"m{number}", "discriminator": "0", "avatar": None}
    return {"membership_state": state, "role": role, "team_id": "9", "permissions": ["*"], "user": user}


def test_without_a_team_it_is_the_owner_of_the_application() -> None:
    assert owners_of(application()) == {7}


def test_of_a_team_it_is_who_may_run_it_and_has_accepted() -> None:
    members = [
        member(20, "admin"),
        member(21, "developer"),
        member(22, "read_only"),
        member(23, "developer", state=1),
        member(24, ""),
    ]
    team = {"id": "9", "name": "t", "icon": None, "owner_user_id": "24", "members": members}
    assert owners_of(application(team)) == {20, 21, 24}
