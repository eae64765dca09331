"""What the people who manage a server have decided for it, setting by setting."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from generation.job import UserId
from generation.safety import Safety
from storage.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """All that a server can decide; None: it has not, and it is as the owner of the bot wants it.

    Each field is a row of its own, named after it, so that a new one needs no migration.
    """

    safety: Safety | None = None
    """What is to become of pictures that the safety checker flags."""
    moderators_channel: int | None = None
    """Where what is held for moderators is shown; None: only where they ask for it."""

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """The settings of these names and values.

        Raises:
            ValueError, TypeError: one cannot be.
        """
        if "safety" in plain:
            plain = {**plain, "safety": Safety(plain["safety"])}
        if not isinstance(plain.get("moderators_channel", 0), int):
            raise TypeError("a channel is known by a number")
        return cls(**plain)


class Servers:
    """The settings of all servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, server: int) -> ServerSettings:
        """What this server has decided.

        Raises:
            ValueError, TypeError: what is kept is no setting of this version.
        """
        rows = await self._database.fetch_all(
            "SELECT name, value FROM server_settings WHERE server = ?", (server,)
        )
        known = {field.name for field in fields(ServerSettings)}
        plain = {row["name"]: json.loads(row["value"]) for row in rows}
        if unknown := plain.keys() - known:
            log.warning("server %d has settings of another version: %s", server, ", ".join(sorted(unknown)))
        return ServerSettings.from_plain({name: plain[name] for name in plain.keys() & known})

    async def change(self, server: int, *, by: UserId, **changes: Any) -> ServerSettings:
        """Decide these settings; None: as the owner wants it. What holds from now on.

        Raises:
            TypeError: there is no such setting.
        """
        plain = asdict(replace(ServerSettings(), **changes))
        async with self._database.transaction() as transaction:
            for name in changes:
                if plain[name] is None:
                    await transaction.execute(
                        "DELETE FROM server_settings WHERE server = ? AND name = ?", (server, name)
                    )
                    continue
                await transaction.execute(
                    """
                    INSERT OR REPLACE INTO server_settings (server, name, value, changed_by, changed_at)
                    VALUES (?, ?, ?, ?, ?)
                    """,
                    (server, name, json.dumps(plain[name]), by, time.time()),
                )
        return await self.get(server)
