"""What the bot notes of channels in which galleries were, of servers that come and go."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.app import Atelier
from storage.database import Database
from storage.eras import Eras
from storage.posts import SHIFT

SERVER, CHANNEL = 6, 7


async def test_a_server_that_invites_the_bot_again_is_looked_at_anew(tmp_path: Path, blank: Path) -> None:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with Database.open(tmp_path / "atelier.db") as database, Atelier() as client:
        async with database.transaction() as transaction:
            await transaction.execute("INSERT INTO galleries VALUES (1, ?, 1)", (SERVER,))
            await transaction.execute("INSERT INTO eras VALUES (?, ?, 0)", ((1 << SHIFT) + 1, CHANNEL))
        eras = Eras(database)
        house: Any = SimpleNamespace(eras=eras)  # the only room that it goes into
        client.house = house
        channel = {"id": str(CHANNEL), "type": 0, "name": "a", "position": 0, "nsfw": True}
        data: Any = {"id": str(SERVER), "name": "Six", "channels": [{**channel, "permission_overwrites": []}]}
        client._connection.parse_guild_create(data)
        async with asyncio.timeout(15):
            while await eras.channels(SERVER) != {CHANNEL: True}:
                pass
