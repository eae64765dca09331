"""What the pages must be told by whoever knows it: what servers, people and models are called."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from generation.job import UserId
from generation.sentence import say

NAMELESS = say("A server")
"""One that has not said what it is called yet."""


class Names(Protocol):
    """Names, as people know them."""

    def server(self, server: int) -> str | None:
        """What a server is called; None if we are no member of it, and then it is not shown."""
        ...

    def is_for_adults(self, server: int, channel: int) -> bool:
        """Whether only adults may see what is in a channel of a server, or nobody knows that."""
        ...

    async def people(self, server: int, people: Collection[UserId]) -> Mapping[UserId, str]:
        """What people are called there, as far as it is known without waiting for long."""
        ...

    def model(self, source: str) -> str:
        """What the model with this source is called. The source may be a path, which is nobody's business."""
        ...

    def models(self) -> Mapping[str, str]:
        """The sources of those that may be chosen, by what they are called."""
        ...

    async def styles(self, server: int) -> Sequence[str]:
        """The names of those that may be chosen there."""
        ...
