"""What is known about one job's message while somebody looks after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from discord.utils import DEFAULT_FILE_SIZE_LIMIT_BYTES

from bot.card import Card
from generation.job import JobEvent, JobId
from storage.deliveries import Delivery


@dataclass(slots=True, kw_only=True)
class Round:
    """One job's message, from the acknowledgement to its end."""

    job_id: JobId
    delivery: Delivery | None = None
    file_limit: int = DEFAULT_FILE_SIZE_LIMIT_BYTES
    """Bytes that one file may have, as far as we know."""
    asked_at: float
    """Monotonic seconds, as are all times here."""
    newest: JobEvent | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    previews: dict[int, bytes] = field(default_factory=dict)
    """What its pictures look like so far: small WebP files by the number of the picture."""
    looks: int = 0
    """How many pictures were seen since they were asked for."""
    blind: int = 0
    """How often in a row nothing was seen: some models show nothing before the end."""
    began_at: float | None = None
    ended_at: float | None = None
    expected_at: int | None = None
    """When it should be done, in seconds since the epoch, as its message says while it waits."""
    edited_at: float | None = None
    shown: Card | None = None
    given_up: int = 0
    """Progress edits that we stopped waiting for; Discord may apply each of them later, and once."""
    deaf: bool = False
    """Its message takes no progress any more: the token died, or somebody removed it."""
    resumed: bool = False
    """It was taken up from the database: an earlier run may have brought it already."""

    again: bool = False
    """Meanwhile its message has to say something newer: it is to be brought once more."""

    mark: str = ""
    """The custom id of the first button of the card of its end, by which that is known."""

    @property
    def number(self) -> int:
        """Of this round, as far as its delivery is known."""
        return 0 if self.delivery is None else self.delivery.round

    @property
    def seconds(self) -> float | None:
        """That drawing took, if we saw it begin and end."""
        if self.began_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.began_at

    def know(self, delivery: Delivery) -> None:
        """From now on it is known where its answer goes, and how large the files may be there."""
        self.delivery = delivery
        self.file_limit = delivery.address.file_limit

    def see(self, index: int, webp: bytes) -> None:
        """Take in a preview; may come at any time."""
        self.previews[index] = webp
        self.looks += 1
        self.changed.set()
