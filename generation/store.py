"""Where jobs are kept, as the studio needs it; :class:`storage.jobs.Jobs` in the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from generation.image import Picture
from generation.job import Job
from generation.request import Digest, GenerationRequest


class JobStore(Protocol):
    """Keeps jobs."""

    async def files(self, request: GenerationRequest) -> Mapping[Digest, bytes]:
        """What a request starts from.

        Raises:
            PictureGone: it is not kept any more.
        """
        ...

    async def settle(self, job: Job, pictures: Sequence[Picture] = ()) -> bool:
        """Keep a final state, the pictures and the delivery that is owed, in one transaction.

        Returns False, and changes nothing, if the job was settled before or is gone.
        """
        ...

    async def unfinished(self) -> list[Job]:
        """Every job that is not settled, oldest first, as QUEUED."""
        ...
