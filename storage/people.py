"""What people have decided for themselves, setting by setting."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from generation.job import UserId
from generation.preferences import Preferences
from generation.request import InvalidRequest
from storage.database import Database, to_the_end

log = logging.getLogger(__name__)

_PREFERENCE = "prefer."
"""Before the name of what is a preference."""


class Ping(StrEnum):
    """When a person wants to be called because their pictures are there."""

    NEVER = "never"
    LONG = "long"
    """If they had to wait for long."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSettings:
    """All that a person can decide for themselves.

    What is not as it is for everybody is kept in a row of its own, named after it, so that a new one needs
    no migration.
    """

    preferences: Preferences = field(default_factory=Preferences)
    """What they want where they leave an option out."""
    ping: Ping = Ping.NEVER
    private: bool = False
    """Whether what they ask for is theirs alone to see unless they say otherwise."""

    def plain(self) -> dict[str, Any]:
        """What is not as it is for everybody, by name, for JSON."""
        preferred = {f"{_PREFERENCE}{name}": value for name, value in self.preferences.plain().items()}
        settings = {} if self.ping is Ping.NEVER else {"ping": self.ping.value}
        return {**preferred, **settings, **({"private": True} if self.private else {})}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The settings of these names and values; of what is none of this version there is a line in the log.

        One that cannot be read stands in nobody's way.
        """
        settings = cls()
        for name, value in sorted(plain.items()):
            try:
                settings = settings._with(name, value)
            except (TypeError, ValueError, InvalidRequest) as error:
                log.warning("a person has a setting of another version: %s (%s)", name, type(error).__name__)
        return settings

    def _with(self, name: str, value: Any) -> Self:
        if name.startswith(_PREFERENCE):
            one = {name.removeprefix(_PREFERENCE): value}
            return replace(self, preferences=Preferences.from_plain({**self.preferences.plain(), **one}))
        if name == "ping":
            return replace(self, ping=Ping(value))
        if name == "private" and isinstance(value, bool):
            return replace(self, private=value)
        raise TypeError(f"there is no such setting: {name}")


class People:
    """The settings of all people, held in memory: they are asked before anything is acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings: dict[UserId, PersonSettings] = {}

    @classmethod
    async def opened(cls, database: Database) -> Self:
        """The settings that are kept."""
        self = cls(database)
        plain: dict[UserId, dict[str, Any]] = {}
        for row in await database.fetch_all("SELECT person, name, value FROM person_settings"):
            plain.setdefault(UserId(row["person"]), {})[row["name"]] = json.loads(row["value"])
        self._settings = {person: PersonSettings.from_plain(found) for person, found in plain.items()}
        return self

    def of(self, person: UserId) -> PersonSettings:
        """What this person has decided."""
        return self._settings.get(person, _NOTHING)

    async def change(self, person: UserId, **changes: Any) -> PersonSettings:
        """Decide these settings. What holds from now on.

        Raises:
            TypeError: there is no such setting.
        """
        return await to_the_end(self._change(person, lambda settings: replace(settings, **changes)))

    async def prefer(self, person: UserId, **changes: Any) -> PersonSettings:
        """Change these preferences; None: have none. An aspect and a size take each other's place.

        Raises:
            InvalidRequest: it can never be; a sentence for the person.
            TypeError: there is no such preference.
        """
        wanted = Preferences(**{name: value for name, value in changes.items() if value is not None})
        nothing = dict.fromkeys(changes)

        def preferring(settings: PersonSettings) -> PersonSettings:
            return replace(settings, preferences=wanted.over(replace(settings.preferences, **nothing)))

        # To the end: else it might be kept, and not be known.
        return await to_the_end(self._change(person, preferring))

    async def _change(
        self, person: UserId, changed: Callable[[PersonSettings], PersonSettings]
    ) -> PersonSettings:
        async with self._database.transaction() as transaction:
            # Read inside: two changes at once are made one after the other.
            before = self.of(person)
            settings = changed(before)
            gone, kept = before.plain(), settings.plain()
            for name in gone.keys() - kept.keys():
                await transaction.execute(
                    "DELETE FROM person_settings WHERE person = ? AND name = ?", (person, name)
                )
            for name, value in kept.items():
                if gone.get(name) != value:
                    await transaction.execute(
                        """
                        INSERT OR REPLACE INTO person_settings (person, name, value, changed_at)
                        VALUES (?, ?, ?, ?)
                        """,
                        (person, name, json.dumps(value), time.time()),
                    )
        self._hold(person, settings)
        return settings

    def _hold(self, person: UserId, settings: PersonSettings) -> None:
        if settings == _NOTHING:
            self._settings.pop(person, None)
        else:
            self._settings[person] = settings

    def forgotten(self, person: UserId) -> None:
        """All that was kept about this person was just removed."""
        self._settings.pop(person, None)


_NOTHING = PersonSettings()
