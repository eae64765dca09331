"""The answers that are owed: where each goes, and whether it has arrived. An outbox, read at every start."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generation.job import JobId, UserId
from storage.database import Database, Row, Transaction


class DeliveryState(StrEnum):
    OPEN = "open"
    """The job waits or runs."""
    OWED = "owed"
    """The job has ended; nobody has been told yet, as far as we know."""
    DONE = "done"
    ABANDONED = "abandoned"
    """There is nowhere left to bring it."""


class Call(StrEnum):
    OWED = "owed"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the answer to a request goes."""

    application_id: int
    guild_id: int | None
    """None in a direct message."""
    channel_id: int
    user_id: UserId
    token: str
    """Of the interaction; lets us edit its message until it dies."""
    token_expires_at: float
    """Seconds since the epoch, UTC."""
    file_limit: int
    """Bytes that one file of the answer may have there: who asks may be allowed more than most."""
    message_id: int | None = None
    """The job's message, once it is known."""
    locale: str = "en"
    """The language of the job's message, as Discord writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The answer to one job on its way."""

    job_id: JobId
    address: Address
    state: DeliveryState
    reason: str | None = None
    """Why it was abandoned."""
    round: int = 0
    """How often what its message says at the end has changed: a moderator has decided, say."""
    call: Call | None = None
    """Whether who asked is to be called by a message beside it, or was; None: not that we know."""

    @property
    def nonce(self) -> str:
        """The same whenever this is posted, so that Discord refuses a second copy; 25 characters at most."""
        return f"atelier-{self.job_id}{self.round or ''}"


class Deliveries:
    """The outbox. `Jobs.keep` opens a delivery and `Jobs.settle` makes it owed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self, job_id: JobId) -> Address | None:
        """Where everybody can see what became of a job; None: nowhere, it is private or was deleted."""
        row = await self._database.fetch_one(
            """
            SELECT deliveries.* FROM deliveries JOIN jobs ON jobs.id = job_id
            WHERE job_id = ? AND message_id IS NOT NULL AND NOT private AND forgotten_at IS NULL
            """,
            (job_id,),
        )
        return None if row is None else _delivery(row).address

    async def get(self, job_id: JobId) -> Delivery | None:
        """The delivery of a job, or None if nothing is known of that job."""
        row = await self._database.fetch_one("SELECT * FROM deliveries WHERE job_id = ?", (job_id,))
        return None if row is None else _delivery(row)

    async def owed(self) -> tuple[JobId, ...]:
        """The jobs whose end nobody has been told; the one that ended first comes first."""
        rows = await self._database.fetch_all(
            """
            SELECT job_id FROM deliveries JOIN jobs ON jobs.id = job_id
            WHERE deliveries.state = 'owed' ORDER BY settled_at, job_id
            """
        )
        return tuple(JobId(row["job_id"]) for row in rows)

    async def moved(self, job_id: JobId, channel_id: int, message_id: int) -> None:
        """The job's message is now this one: where it was asked for, or else in a direct message.

        It is one of the bot's own, which the interaction's token cannot edit.
        """
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE deliveries SET
                    guild_id = CASE WHEN channel_id = :channel_id THEN guild_id END,
                    channel_id = :channel_id,
                    message_id = :message_id,
                    token_expires_at = 0
                WHERE job_id = :job_id
                """,
                {"job_id": job_id, "channel_id": channel_id, "message_id": message_id},
            )

    async def done(self, job_id: JobId, round_: int = 0, *, call: Call | None = None) -> None:
        """The end of this job has arrived. Of a delivery that is not owed this changes nothing, nor of one
        whose message has to say something newer by now.

        Args:
            call: whether who asked is to be called now, or was by the message itself; it is done once.
        """
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE deliveries SET
                    state = 'done',
                    call = CASE WHEN call = 'done' OR :call IS NULL THEN call ELSE :call END
                WHERE job_id = :job_id AND round = :round AND state = 'owed'
                """,
                {"job_id": job_id, "round": round_, "call": call},
            )

    async def calls_owed(self) -> tuple[JobId, ...]:
        """The jobs whose end has arrived, and whose askers are still to be called."""
        rows = await self._database.fetch_all(
            "SELECT job_id FROM deliveries WHERE call = 'owed' AND state = 'done' ORDER BY job_id"
        )
        return tuple(JobId(row["job_id"]) for row in rows)

    async def called(self, job_id: JobId) -> None:
        """Who asked was called, or cannot be; once is enough."""
        async with self._database.transaction() as transaction:
            await transaction.execute("UPDATE deliveries SET call = 'done' WHERE job_id = ?", (job_id,))

    async def abandoned(self, job_id: JobId, reason: str, round_: int = 0) -> None:
        """The end of this job cannot be brought anywhere. One that has arrived stays so."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE deliveries SET state = 'abandoned', reason = ?
                WHERE job_id = ? AND round = ? AND state IN ('open', 'owed')
                """,
                (reason, job_id, round_),
            )


async def open_delivery(transaction: Transaction, job_id: JobId, address: Address) -> None:
    """Open the delivery of a job that has just been accepted."""
    await transaction.execute(
        """
        INSERT INTO deliveries (
            job_id, state, application_id, guild_id, channel_id, user_id,
            token, token_expires_at, file_limit, message_id, locale
        ) VALUES (?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            job_id,
            address.application_id,
            address.guild_id,
            address.channel_id,
            address.user_id,
            address.token,
            address.token_expires_at,
            address.file_limit,
            address.message_id,
            address.locale,
        ),
    )


async def owe_delivery(transaction: Transaction, job_id: JobId) -> None:
    """The job has ended: its answer is owed from now on."""
    await transaction.execute(
        "UPDATE deliveries SET state = 'owed' WHERE job_id = ? AND state = 'open'", (job_id,)
    )


async def owe_delivery_again(transaction: Transaction, job_id: JobId) -> None:
    """What the message of an ended job has to say has changed: its answer is owed once more."""
    await transaction.execute(
        "UPDATE deliveries SET state = 'owed', reason = NULL, round = round + 1 WHERE job_id = ?", (job_id,)
    )


def _delivery(row: Row) -> Delivery:
    return Delivery(
        job_id=JobId(row["job_id"]),
        address=address_of(row),
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        round=row["round"],
        call=None if row["call"] is None else Call(row["call"]),
    )


def address_of(row: Row) -> Address:
    """Where the answer goes, by a row of the deliveries."""
    return Address(
        application_id=row["application_id"],
        guild_id=row["guild_id"],
        channel_id=row["channel_id"],
        user_id=UserId(row["user_id"]),
        token=row["token"],
        token_expires_at=row["token_expires_at"],
        file_limit=row["file_limit"],
        message_id=row["message_id"],
        locale=row["locale"],
    )
