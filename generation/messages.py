"""All that crosses the wall between the bot's process and the places where pictures are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from generation.job import JobId
from generation.job import Loading as Loading
from generation.model import ModelInfo
from generation.request import Digest, GenerationRequest
from generation.safety import Verdict

Blob = bytes
"""A picture file on its way; a cluster may pass a reference instead."""


Calls = tuple[tuple[int, int, int], ...]
"""The calls of a UNet that drew an image, as run lengths: (rows of a call, this image's first row, calls)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskId:
    """One try at one picture. A late report of an earlier try is told apart by `attempt`."""

    job: JobId
    index: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture to draw; `request.count` is 1 and `request.seed` is this picture's own."""

    id: TaskId
    request: GenerationRequest
    inputs: Mapping[Digest, Blob] = field(default_factory=dict)
    """The request's files."""
    replay: Calls = ()
    """To draw a picture again bit for bit: the `unet_calls` of its record. Empty: together with others."""
    checked: bool = False
    """A safety checker is to look at it; it says something about the picture and changes nothing in it."""


# To the worker -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    task: Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop this task at the next step; it answers Stopped, or its outcome if that came first."""

    task: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Show this task once, after its next step; it answers Previewed, or nothing if it is not being drawn."""

    task: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """Put all models away as soon as nothing is in hand; each is told as PutAway. A task that comes first
    undoes this, and whichever model is asked for comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Finish nothing more and exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Say what is to be seen in this picture; Described answers."""

    number: int
    picture: Blob


Command = Draw | Cancel | Watch | Free | Leave | Describe


# From the worker: exactly one of Drawn, Failed, Stopped, Lost ends each task ------------------------------


class Phase(StrEnum):
    """What a worker is doing; each has its own patience before it counts as hung."""

    STARTING = "starting"
    LOADING = "loading"
    IDLE = "idle"
    DRAWING = "drawing"
    DECODING = "decoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The worker entered a phase."""

    phase: Phase
    task: TaskId | None = None
    """The task it is about, while DRAWING or DECODING; while LOADING, one that its model is read for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A model is loaded."""

    model: str
    """Its source."""
    images: int
    """How many it draws at once."""
    info: ModelInfo
    """What it is, as its files say; before it was fetched it may have been judged by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLoaded:
    """A model that was on its way is not any more. Those it was read for are told apart from this."""

    model: str
    """Its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAway:
    """A model is not in memory any more: it is in nobody's hand, and its memory was wanted."""

    model: str
    """Its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """No worker can be had and starting another will not help: the model cannot be read, say."""

    reason: str
    """A sentence for the owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """`step` of `steps` is done. Sent after each denoising step."""

    task: TaskId
    step: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What a picture looks like so far; sent once for each Watch."""

    task: TaskId
    webp: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    task: TaskId
    png: Blob
    verdict: Verdict = Verdict.UNASKED
    """What the safety checker says, if the task asked for that."""
    shown: tuple[Blob, ...] = ()
    """The control pictures that it was steered by, as PNG files, in the order of the request's controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed:
    """This one cannot be drawn, but the worker lives."""

    task: TaskId
    reason: str
    """A sentence for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Cancelled before it was drawn."""

    task: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker died or hung and took these along; made by the backend, never by the worker."""

    suspects: tuple[TaskId, ...]
    """Being drawn at that moment: one of them may be the cause."""
    bystanders: tuple[TaskId, ...]
    """Handed over but not begun."""
    reason: str
    """For the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The answer to Describe; no report about a task, and for who asked alone."""

    number: int
    text: str | None = None
    reason: str | None = None
    """Why there is none, as a sentence."""


Report = (
    Entered
    | Loading
    | Ready
    | NotLoaded
    | PutAway
    | Unavailable
    | Stepped
    | Previewed
    | Drawn
    | TaskFailed
    | Stopped
    | Lost
)
