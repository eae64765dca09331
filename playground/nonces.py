"""Which message was sent under which nonce, as long as Discord remembers that."""

from __future__ import annotations

from playground.clock import Clock
from playground.nouns import Message, Snowflake

MINUTES = 5
"""How long a nonce with `enforce_nonce` is remembered."""


class Nonces:
    """By who sent it and where."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[Snowflake, Snowflake, str], tuple[float, Snowflake]] = {}

    def find(self, author: Snowflake, channel: Snowflake, nonce: str | int) -> Snowflake | None:
        """The id of the message that this author sent there under this nonce in the last minutes."""
        limit = self._clock.now() - MINUTES * 60
        self._kept = {key: entry for key, entry in self._kept.items() if entry[0] > limit}
        entry = self._kept.get((author, channel, str(nonce)))
        return entry[1] if entry else None

    def keep(self, message: Message, nonce: str | int) -> None:
        self._kept[message.author, message.channel, str(nonce)] = (self._clock.now(), message.id)
