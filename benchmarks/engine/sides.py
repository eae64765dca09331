"""The two that are compared: diffusers' own pipeline as a script would call it, and our engine."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image

from benchmarks.engine.beside import Beside, beside
from benchmarks.engine.companions import Sizes
from generation.catalogue import Family, describe
from generation.engine.enlarging import EnlargingEngine
from generation.engine.loop import DiffusionEngine
from generation.engine.models import Model, load
from generation.engine.pacing import finish
from generation.job import JobId
from generation.messages import Drawn, Report, Stepped, Task, TaskFailed, TaskId
from generation.metadata import read
from generation.request import Digest, GenerationRequest
from generation.samplers import SAMPLERS


def engine_for(
    model: Model, said: list[tuple[float, Report]], cap: int | None, besides: Beside | None = None
) -> DiffusionEngine:
    """Our engine; all that it says is noted with the time."""

    def say(report: Report) -> None:
        said.append((time.perf_counter(), report))

    if besides is None:
        return DiffusionEngine(model, say, cap=cap)
    return DiffusionEngine(
        model,
        say,
        cap=cap,
        loras=besides.loras,
        embeddings=besides.embeddings,
        controlnets=besides.controlnets,
        annotators=besides.annotators,
        guard=besides.guard,
        upscalers=besides.upscalers,
    )


def enlarging_for(said: list[tuple[float, Report]], besides: Beside) -> EnlargingEngine:
    """What only makes pictures larger; it says into the same list."""
    return EnlargingEngine(besides.upscalers, lambda report: said.append((time.perf_counter(), report)))


@contextmanager
def rows_through(unet: Any) -> Iterator[list[int]]:
    """How many rows each call of the UNet has, while this is open."""
    rows: list[int] = []

    def count(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        sample = given[0] if given else named["sample"]
        rows.append(int(sample.shape[0]))

    hook = unet.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield rows
    finally:
        hook.remove()


class Stock:
    """diffusers' pipeline: no queue, no chat, no PNG file. On CUDA its weights lie as ours do."""

    def __init__(self, source: Path, device: torch.device, dtype: torch.dtype) -> None:
        xl = describe(str(source)).family is Family.SDXL
        cls = diffusers.StableDiffusionXLPipeline if xl else diffusers.StableDiffusionPipeline
        extras = {} if xl else {"safety_checker": None, "requires_safety_checker": False}
        self.pipe = cls.from_pretrained(str(source), dtype=dtype, use_safetensors=True, **extras).to(device)
        self.pipe.set_progress_bar_config(disable=True)
        if device.type == "cuda":
            self.pipe.unet.to(memory_format=torch.channels_last)
            self.pipe.vae.to(memory_format=torch.channels_last)
        self.device = device
        self._config = dict(self.pipe.scheduler.config)
        self._schedulers: dict[str, Any] = {}

    def draw(self, requests: Sequence[GenerationRequest]) -> list[Image.Image]:
        """One call for all of them; they differ in prompt and seed only."""
        first = requests[0]
        self.pipe.scheduler = self._scheduler(first.sampler)
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        prompts = [request.prompt for request in requests]
        pictures: list[Image.Image] = self.pipe(
            prompts if len(prompts) > 1 else prompts[0],
            width=first.size.width,
            height=first.size.height,
            num_inference_steps=first.steps,
            guidance_scale=first.guidance,
            generator=generators if len(generators) > 1 else generators[0],
        ).images
        return pictures

    def batched(self, requests: Sequence[GenerationRequest], size: int) -> list[Image.Image]:
        """The requests in order, `size` of them to a call."""
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        return [picture for batch in batches for picture in self.draw(batch)]

    def seconds(self, request: GenerationRequest) -> float:
        """How long one takes alone."""
        finish(self.device)
        start = time.perf_counter()
        self.draw([request])
        finish(self.device)
        return time.perf_counter() - start

    def _scheduler(self, sampler: str) -> Any:
        if sampler not in self._schedulers:
            spec = SAMPLERS[sampler]
            cls = getattr(diffusers, spec.scheduler)
            self._schedulers[sampler] = cls.from_config(self._config, **spec.overrides)
        return self._schedulers[sampler]


@dataclass(slots=True, kw_only=True)
class Served:
    """What our engine did with some requests."""

    latencies: list[float]
    """Seconds from the arrival of each to having its PNG."""
    pngs: list[bytes]
    seconds: float
    """From the start to the last picture."""

    @property
    def most_rows(self) -> int:
        """Rows of the largest UNet call, as the pictures' own records say; 0 if there was none."""
        records = [read(png).record or {} for png in self.pngs]
        return max((int(rows) for record in records for rows, *_ in record["unet_calls"]), default=0)


@dataclass(slots=True, kw_only=True)
class FirstStep:
    """How long a short request waited for its first step."""

    ticks: int
    seconds: float


@dataclass(slots=True)
class Ours:
    """Our engine, driven as the worker drives it: admit while there is room, then tick."""

    model: Model
    cap: int | None = None
    besides: Beside | None = None
    inputs: dict[Digest, bytes] = field(default_factory=dict, init=False)
    """The files that requests start from."""
    said: list[tuple[float, Report]] = field(default_factory=list, init=False)
    engine: DiffusionEngine = field(init=False)
    enlarging: EnlargingEngine | None = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    def __post_init__(self) -> None:
        self.engine = engine_for(self.model, self.said, self.cap, self.besides)
        self.enlarging = None if self.besides is None else enlarging_for(self.said, self.besides)

    @classmethod
    def load(
        cls,
        source: Path,
        device: str,
        dtype: str,
        cap: int | None,
        beside_in: tuple[Path, Sizes] | None = None,
    ) -> Ours:
        """`beside_in` is where what it may draw with besides is to lie, and how large; None: nothing."""
        model = load(describe(str(source)), device=device, dtype=dtype)
        if beside_in is None:
            return cls(model, cap)
        besides, model = beside(model, *beside_in)
        return cls(model, cap, besides)

    def task(self, request: GenerationRequest, *, checked: bool = False) -> Task:
        inputs = {digest: self.inputs[digest] for digest in request.files}
        task = TaskId(job=JobId(f"job{next(self._numbers)}"), index=0, attempt=1)
        return Task(id=task, request=request, inputs=inputs, checked=checked)

    def enlarge(self, requests: Sequence[GenerationRequest]) -> float:
        """Seconds until all these are enlarged, which are not drawn again.

        Raises:
            RuntimeError: one could not be.
        """
        assert self.enlarging is not None, "it was loaded with what stands beside a model"
        self.said.clear()
        start = time.perf_counter()
        for request in requests:
            self.enlarging.admit(self.task(request))
        while self.enlarging.busy:
            self.enlarging.tick()
        if any(isinstance(report, TaskFailed) for _, report in self.said):
            raise RuntimeError(f"our engine could not enlarge one of them: {self.said}")
        return max(at for at, report in self.said if isinstance(report, Drawn)) - start

    def serve(
        self,
        requests: Sequence[GenerationRequest],
        arrivals: Sequence[float] | None = None,
        *,
        checked: Sequence[bool] | None = None,
    ) -> Served:
        """Draw them all; each is there from its arrival on (seconds from now), all at once if none are given.

        Args:
            checked: of each, whether the safety checker looks at it; None: at none.

        Raises:
            RuntimeError: one could not be drawn.
        """
        each_checked = checked or [False] * len(requests)
        tasks = [self.task(one, checked=is_) for one, is_ in zip(requests, each_checked, strict=True)]
        times = list(arrivals) if arrivals is not None else [0.0] * len(tasks)
        waiting = deque(zip(times, tasks, strict=True))
        self.said.clear()
        finish(self.model.device)
        start = time.perf_counter()
        while waiting or self.engine.busy:
            while waiting and self.engine.room > 0 and start + waiting[0][0] <= time.perf_counter():
                self.engine.admit(waiting.popleft()[1])
            if self.engine.busy:
                self.engine.tick()
            elif waiting:
                time.sleep(max(0.0, start + waiting[0][0] - time.perf_counter()))
        drawn = {}
        for at, report in self.said:
            if isinstance(report, TaskFailed):
                raise RuntimeError(f"our engine could not draw one of them: {report.reason}")
            if isinstance(report, Drawn):
                drawn[report.task] = (at - start, report.png)
        return Served(
            latencies=[drawn[task.id][0] - arrival for task, arrival in zip(tasks, times, strict=True)],
            pngs=[drawn[task.id][1] for task in tasks],
            seconds=max(at for at, _ in drawn.values()),
        )

    def first_step(
        self, short: GenerationRequest, long: Sequence[GenerationRequest], *, after: int
    ) -> FirstStep:
        """How long `short` waits for its first step if it comes `after` ticks after the long ones began.

        It waits outside while there is no room. Nothing is drawn to its end: all are cancelled then.
        """
        running = [self.task(request) for request in long]
        for task in running:
            self.engine.admit(task)
        for _ in range(after):
            self.engine.tick()
        finish(self.model.device)
        self.said.clear()
        start, ticks, asked = time.perf_counter(), 0, self.task(short)
        admitted = False
        while not any(isinstance(said, Stepped) and said.task == asked.id for _, said in self.said):
            if not admitted and self.engine.room > 0:
                self.engine.admit(asked)
                admitted = True
            if any(isinstance(said, TaskFailed) for _, said in self.said):
                raise RuntimeError(f"our engine could not draw one of them: {self.said}")
            self.engine.tick()
            ticks += 1
        finish(self.model.device)
        seconds = time.perf_counter() - start
        for task in [asked, *running]:
            self.engine.cancel(task.id)
        while self.engine.busy:
            self.engine.tick()
        return FirstStep(ticks=ticks, seconds=seconds)
