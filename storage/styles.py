"""The styles that people saved: of a server, or of one person in direct messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from generation.job import UserId
from generation.prompting.styles import MAX_STYLES, Style, folded
from generation.request import InvalidRequest
from generation.sentence import say
from storage.database import Database, Row


class OwnerKind(StrEnum):
    SERVER = "server"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose styles."""

    kind: OwnerKind
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What came of saving styles: their names."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """There was one of that name which says something else, and it stays."""
    same: tuple[str, ...] = ()
    """They were there already."""


class Styles:
    """All styles that were saved. Names are told apart by their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, owner: Owner) -> tuple[Style, ...]:
        """All of one owner, by name."""
        rows = await self._database.fetch_all(
            "SELECT * FROM styles WHERE kind = ? AND owner = ? ORDER BY key", (owner.kind, owner.id)
        )
        return tuple(_style(row) for row in rows)

    async def get(self, owner: Owner, name: str) -> Style | None:
        """The one of this name, however it was capitalised."""
        row = await self._database.fetch_one(
            "SELECT * FROM styles WHERE kind = ? AND owner = ? AND key = ?",
            (owner.kind, owner.id, folded(name)),
        )
        return None if row is None else _style(row)

    async def names(self, owner: Owner) -> tuple[str, ...]:
        """The names of all of one owner, in order."""
        rows = await self._database.fetch_all(
            "SELECT name FROM styles WHERE kind = ? AND owner = ? ORDER BY key", (owner.kind, owner.id)
        )
        return tuple(row["name"] for row in rows)

    async def save(
        self,
        owner: Owner,
        styles: Sequence[Style],
        *,
        by: UserId,
        overwrite: bool = True,
        credit: UserId | None = None,
    ) -> Saved:
        """Save all of these, or none.

        Args:
            overwrite: what is there under a name of theirs is replaced; else it stays.
            credit: whose shared prompt it is. What is changed later stays theirs.

        Raises:
            InvalidRequest: there would be too many; a sentence for the person.
        """
        found: dict[str, list[str]] = {"new": [], "changed": [], "kept": [], "same": []}
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch_all(
                "SELECT * FROM styles WHERE kind = ? AND owner = ?", (owner.kind, owner.id)
            )
            there = {row["key"]: _style(row) for row in rows}
            credited = {row["key"]: row["credit"] for row in rows}
            writes = []
            for style in styles:
                before = there.get(style.key)
                if before is None:
                    what = "new"
                elif before == style:
                    what = "same"
                else:
                    what = "changed" if overwrite else "kept"
                found[what].append(style.name)
                if what in ("new", "changed"):
                    writes.append(style)
            if (count := len(there) + len(found["new"])) > MAX_STYLES:
                raise InvalidRequest(
                    say(
                        "That would be {count:,} styles, and I keep {most:,} at the most; "
                        "delete some that nobody needs. Nothing was saved.",
                        count=count,
                        most=MAX_STYLES,
                    )
                )
            await transaction.execute_many(
                """
                INSERT OR REPLACE INTO styles (
                    kind, owner, key, name, prompt, negative_prompt, saved_by, saved_at, credit
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    (
                        *(owner.kind, owner.id, style.key, style.name),
                        *(style.prompt, style.negative_prompt, by, time.time()),
                        credit or credited.get(style.key),
                    )
                    for style in writes
                ],
            )
        return Saved(**{what: tuple(names) for what, names in found.items()})

    async def credit(self, owner: Owner, name: str) -> UserId | None:
        """Whose shared prompt the one of this name was saved from, if it was somebody else's."""
        row = await self._database.fetch_one(
            "SELECT credit FROM styles WHERE kind = ? AND owner = ? AND key = ?",
            (owner.kind, owner.id, folded(name)),
        )
        return None if row is None or row["credit"] is None else UserId(row["credit"])

    async def delete(self, owner: Owner, name: str) -> bool:
        """Whether there was one of this name; now there is none."""
        async with self._database.transaction() as transaction:
            return bool(
                await transaction.execute(
                    "DELETE FROM styles WHERE kind = ? AND owner = ? AND key = ?",
                    (owner.kind, owner.id, folded(name)),
                )
            )


def _style(row: Row) -> Style:
    return Style(name=row["name"], prompt=row["prompt"], negative_prompt=row["negative_prompt"])
