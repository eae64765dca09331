"""What can be wrong with what is kept; each message is a sentence for the owner."""

from __future__ import annotations


class DatabaseUnusable(Exception):  # noqa: N818 - it is a sentence for the owner
    """The database cannot be used until the owner changes something."""


class DatabaseTooNew(DatabaseUnusable):
    """A newer version of the program wrote the database."""


class DatabaseBusy(DatabaseUnusable):
    """Another program holds a lock on the database; it may be better later."""
