"""Images on their way from noise to picture, and the call of the UNet that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from generation.engine.adapters import Fitted
from generation.engine.controls import ControlPicture
from generation.engine.failures import CannotDraw
from generation.engine.inputs import Kept
from generation.engine.looks import Looks, Seen
from generation.engine.models import Model
from generation.engine.steering import NOT_STEERED, Steerer, Steering
from generation.messages import Calls, Task, TaskId
from generation.sentence import say

BUCKETS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
"""Row counts that a padded call may have: few, so that a compiled UNet or a tuned kernel is used again."""


@dataclass(frozen=True, slots=True)
class BatchKey:
    """All that must be equal for two images to share a call. Everything else differs from row to row."""

    height: int
    """Of the latents."""
    width: int
    chunks: int = 1
    """Of the prompts."""
    replayed: TaskId | None = None
    """A picture that is drawn exactly as it once was keeps to itself: its calls have the rows of then."""
    refining: bool = False
    """The UNet is the refiner's."""
    compiled: bool = False
    """The UNet is the compiled twin, whose bits are its own."""
    loras: Fitted = ()
    """In force in the UNet; a refiner has none."""

    controls: tuple[str, ...] = ()
    """The ControlNets that steer the call, in order; how much and by which pictures is each row's own."""
    look: bool = False
    """The UNet sees looks; which, and how much, is each row's own."""

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def work(self) -> float:
        """Of one row; a ControlNet is about a third of a UNet."""
        return self.area * (1 + len(self.controls) / 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """What is different for an image from the call on in which the refiner takes over; see :class:`Image`."""

    at: int
    """The number of that call."""
    scheduler: Any
    """It begins anew at that time: what it knew of the steps before was said by another UNet."""
    states: torch.Tensor
    added: Mapping[str, torch.Tensor]
    told: torch.Tensor | None
    step_arguments: Mapping[str, Any]


@dataclass(slots=True, eq=False, kw_only=True)
class Image:
    """One image in flight. All that differs between the images of a batch is in here."""

    task: Task
    scheduler: Any
    generator: torch.Generator
    """On the CPU, for the first noise and for all that the sampler adds: a seed is the same everywhere."""
    times: torch.Tensor
    """(calls,) float32 on the device: what the UNet is told of each step."""
    latents: torch.Tensor
    """(1, channels, height / factor, width / factor) float32 on the device."""
    states: torch.Tensor
    """(rows, chunks * tokens, width): the negative prompt first if there is guidance."""
    added: Mapping[str, torch.Tensor]
    """SDXL: `text_embeds` (rows, width) and `time_ids` (rows, 6), for a refiner (rows, 5); else empty."""
    told: torch.Tensor | None
    """(1, width): its guidance, for a UNet that wants to be told it."""
    step_arguments: Mapping[str, Any]
    record: dict[str, Any]
    chunks: int = 1
    """Of the prompts: learned words may have another number than when it was admitted."""
    loras: Fitted = ()
    refined: Refined | None = None
    """How it goes on, if it has a refiner; that this has begun is said by `refining`."""
    refining: bool = False
    skipped: int = 0
    """Of the scheduler's time steps, those before the first that is drawn: it starts from a picture."""
    kept: Kept | None = None
    """What is not drawn anew."""
    beside: torch.Tensor | None = None
    """(1, 1 + channels, h, w): what a UNet made for inpainting is given besides the latents."""
    steering: tuple[Steering, ...] = ()
    control_pictures: tuple[ControlPicture, ...] = ()
    """What `steering` was made of, for this pass and the next."""
    look: Seen | None = None
    """The look that it is to have; a refiner does not see it."""
    steps: int = 0
    """That its calls make."""
    earlier_steps: int = 0
    earlier_calls: int = 0
    """Of the pass before this one, when it was smaller."""
    calls: int = 0
    watched: bool = False
    """Somebody asked for a preview."""
    given: torch.Tensor | None = None
    """(1, channels, h, w): what the UNet was given last."""
    seen: tuple[float, torch.Tensor, torch.Tensor] | None = None
    """While it is watched, of the last call: the time, what the UNet was given, and what it said, guided."""
    noted: list[list[int]] = field(default_factory=list)
    """Where it stood in each UNet call: :data:`generation.messages.Calls`."""
    compiled_calls: list[list[int]] = field(default_factory=list)
    """Which of them the compiled twin made, as runs: the number of the first, from 0 on, and how many."""

    @property
    def rows(self) -> int:
        """Rows of a call that are this image's: 2 with guidance, else 1."""
        return self.states.shape[0]

    @property
    def done(self) -> bool:
        return self.calls == len(self.times)

    @property
    def steered(self) -> Mapping[Steering, float]:
        """What steers its next call, and by how much; a refiner is not steered."""
        if self.refining or self.done:
            return {}
        scales = {each: each.scale(self.calls, len(self.times)) for each in self.steering}
        return {each: scale for each, scale in scales.items() if scale}

    @property
    def wanted_place(self) -> tuple[int, int] | None:
        """The rows of the next call and the first of its own, if it is to be as it was the first time."""
        if not self.task.replay:
            return None
        return place_in_call(self.task.replay, self.earlier_calls + self.calls)

    @property
    def time(self) -> torch.Tensor:
        """What the scheduler calls the time of the next step."""
        time: torch.Tensor = self.scheduler.timesteps[self.skipped + self.calls]
        return time

    def refine_if_due(self) -> None:
        """Let the refiner take over if the next call is its first."""
        if (refined := self.refined) is not None and self.calls == refined.at and not self.refining:
            self.refining = True
            self.beside = self.look = None
            self.scheduler = refined.scheduler
            self.states, self.added, self.told = refined.states, refined.added, refined.told
            self.step_arguments = refined.step_arguments

    def drawn(self, *, tiled: bool) -> dict[str, Any]:
        """Its record, now that it is decoded, in tiles or not."""
        record = {**self.record, "unet_calls": self.noted, "mode": "eager"}
        if self.compiled_calls:
            record |= {"mode": "compiled", "compiled_calls": self.compiled_calls}
        return record | ({"decode_tiled": True} if tiled else {})

    def note_call(self, rows: int, first: int, *, compiled: bool) -> None:
        if compiled:
            number = self.earlier_calls + self.calls
            if self.compiled_calls and sum(self.compiled_calls[-1]) == number:
                self.compiled_calls[-1][1] += 1
            else:
                self.compiled_calls.append([number, 1])
        if self.noted and self.noted[-1][:2] == [rows, first]:
            self.noted[-1][2] += 1
        else:
            self.noted.append([rows, first, 1])

    def step(self, prediction: torch.Tensor) -> None:
        """Let the scheduler take what the UNet said, guided, one call further.

        Args:
            prediction: (rows, channels, h, w), in the order of `states`.
        """
        prediction = prediction.float()
        if self.rows == 2:
            without, with_prompt = prediction.chunk(2)
            prediction = without + self.task.request.guidance * (with_prompt - without)
        time = self.time
        if self.watched and self.given is not None:
            self.seen = (float(time), self.given, prediction)
        self.latents = self.scheduler.step(
            prediction, time, self.latents, **self.step_arguments, return_dict=False
        )[0]
        self.calls += 1
        if self.kept is not None:
            self.latents = self.kept.blended(self.latents, self.scheduler, None if self.done else self.time)


def place_in_call(calls: Calls, number: int) -> tuple[int, int]:
    """The rows of call `number` and the first row of the image.

    Raises:
        CannotDraw: there were fewer calls.
    """
    for rows, first, length in calls:
        if number < length:
            return rows, first
        number -= length
    raise CannotDraw(say("Its record tells of fewer calls of the UNet than it takes: it is not complete."))


def bucket(rows: int) -> int:
    """The smallest padded size that takes so many rows."""
    return next((size for size in BUCKETS if size >= rows), rows)


def first_row(model: Model, image: Image) -> dict[str, Any]:
    """What the UNet would be given for the first of an image's rows alone."""
    sample = image.latents.to(model.dtype)
    return {
        "sample": sample if image.beside is None else torch.cat([sample, image.beside], dim=1),
        "timestep": image.times[:1],
        "timestep_cond": image.told,
        "encoder_hidden_states": image.states[:1],
        "added_cond_kwargs": {name: each[:1] for name, each in image.added.items()},
    }


def call_unet(
    model: Model,
    images: Sequence[Image],
    *,
    padded: bool,
    unet: Any = None,
    steerer: Steerer = NOT_STEERED,
    looks: Looks | None = None,
) -> tuple[torch.Tensor, ...]:
    """One call for all rows of all images; the prediction of each, (its rows, channels, h, w).

    A row's bits depend on how many rows its call has and on its place among them (kernels compute them in
    blocks), not on what the others hold. So each image notes both, and a replayed one gets idle neighbours.

    Args:
        padded: fill the call up with idle rows to one of BUCKETS.
        unet: the compiled twin; None: the model's own.
        steerer: of the ControlNets that steer all these images.
        looks: what shows the UNet the looks that all these images have; None: they have none.
    """
    inputs, times = [], []
    for image in images:
        scaled = image.scheduler.scale_model_input(image.latents, image.time)
        image.given = scaled
        inputs.append(scaled.to(model.dtype).expand(image.rows, -1, -1, -1))
        times.append(image.times[image.calls].expand(image.rows))
    rows = [image.rows for image in images]
    own = sum(rows)
    total, first = images[0].wanted_place or (bucket(own) if padded else own, 0)

    def filled(parts: list[torch.Tensor]) -> torch.Tensor:
        idle = parts[0][:1]
        before = idle.expand(first, *idle.shape[1:])
        after = idle.expand(total - first - own, *idle.shape[1:])
        return torch.cat([before, *parts, after])

    told = images[0].told is not None  # of one model all are, or none
    asked: dict[str, Any] = {
        "sample": filled(inputs),
        "timestep": filled(times),
        "encoder_hidden_states": filled([image.states for image in images]),
        "added_cond_kwargs": {
            name: filled([image.added[name] for image in images]) for name in images[0].added
        },
    }
    steered = steerer([(image.rows, image.steered) for image in images], filled, asked)
    if beside := [
        image.beside.expand(image.rows, -1, -1, -1) for image in images if image.beside is not None
    ]:
        asked["sample"] = torch.cat([asked["sample"], filled(beside)], dim=1)
    seen = [image.look for image in images if image.look is not None]
    with nullcontext() if looks is None else looks.looking(seen, filled):
        prediction = (unet or model.unet)(
            **asked,
            timestep_cond=filled([image.told for image in images if image.told is not None])
            if told
            else None,
            **steered,
            return_dict=False,
        )[0]
    place = first
    for image in images:
        image.note_call(total, place, compiled=unet is not None)
        place += image.rows
    return torch.split(prediction[first : first + own], rows)
