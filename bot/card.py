"""A card: all that a message of ours says and shows, before it is Discord's widgets (see messages.py).

Its texts are sentences (see generation/sentence.py) that become text when it is known who reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generation.job import JobId, UserId


class Tone(StrEnum):
    """What kind of news a card brings; the words say it too, the colour only repeats it."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Action(StrEnum):
    """What a button does. The name stands in the custom_id of messages for years: never rename one."""

    REROLL = "reroll"
    SETTINGS = "settings"
    CANCEL = "cancel"
    TAKE_BACK = "takeback"
    """Cancel, pressed in the list that `/queue` shows."""
    DELETE = "delete"
    VARY = "vary"
    DIFFER = "differ"
    UPSCALE = "upscale"
    ENLARGE = "enlarge"
    GROW = "grow"
    CHOOSE = "choose"
    CONTROL = "control"
    EDIT = "edit"
    INPAINT = "inpaint"
    STYLE = "style"
    REVIEW = "review"
    APPROVE = "approve"
    REJECT = "reject"
    SHARE = "share"
    UNSHARE = "unshare"
    LIKE = "like"
    USE = "use"
    ABOUT = "about"
    """What else can be done with a shared picture: a menu."""
    FORK = "fork"
    """Save the prompt of a shared picture as a style of one's own."""
    ADOPT = "adopt"
    """The same as one of the server's."""
    REPORT = "report"
    HIDE = "hide"
    KEEP = "keep"
    BLOCK = "block"
    RESTORE = "restore"
    """Bring back what was hidden."""


def custom_id(action: Action, job: JobId, index: int | None = None) -> str:
    """What a button's message says to us when it is pressed, after however many restarts."""
    return f"{action}:{job}" if index is None else f"{action}:{job}:{index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    action: Action
    job: JobId
    label: str
    index: int | None = None
    """The picture that it is about; None: the job."""

    @property
    def custom_id(self) -> str:
        return custom_id(self.action, self.job, self.index)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a menu."""

    value: str
    """What we are told when it is chosen, maybe in years: the same in all languages, and never renamed."""
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """Something to choose one of."""

    action: Action
    job: JobId
    placeholder: str
    entries: tuple[Entry, ...]
    index: int | None = None

    @property
    def custom_id(self) -> str:
        return custom_id(self.action, self.job, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that rides along and is shown in the gallery."""

    name: str
    alt: str
    data: bytes
    spoiler: bool = False
    """It is hidden until somebody clicks on it; its name begins with SPOILER_ then, as Discord wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """All that a message says: markdown above the pictures, the pictures, small print below, buttons."""

    tone: Tone
    text: tuple[str, ...]
    pictures: tuple[Attached, ...] = ()
    small: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    further: tuple[Button, ...] = ()
    """A second row."""
    menu: Menu | None = None
    mention: UserId | None = None
    """Whom this message calls; everybody else it names hears nothing."""
