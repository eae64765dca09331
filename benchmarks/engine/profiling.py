"""A profile of the loop: how long a tick takes, what on, and who makes it wait for the device."""

from __future__ import annotations

import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import UniPCMultistepScheduler
from torch._C._autograd import DeviceType
from torch.overrides import TorchFunctionMode
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from benchmarks.engine.sides import Ours
from benchmarks.place import ROOT
from generation.messages import Entered
from generation.request import GenerationRequest

MOST = 10
"""Operators that are named."""
WAITS = (
    *("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::nonzero"),
    *("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize"),
)
"""What the profiler calls the ways to wait for the device, apart from copies to the CPU ("Memcpy DtoH")."""
_LIBRARIES = Path(sysconfig.get_paths()["purelib"])
_READING = {
    torch.Tensor.cpu: "cpu",
    torch.Tensor.numpy: "numpy",
    torch.Tensor.tolist: "tolist",
    torch.Tensor.__array__: "numpy",
}
_SYNCING = {
    *("item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "allclose"),
    *("_unique2", "unique_dim", "unique_consecutive"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    seconds: float
    is_steady: bool
    """No image was prepared or decoded in it: nothing but a call of the UNet, and a step of each image."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a number was read from a tensor."""

    what: str
    where: str
    """The innermost line that is not torch's."""
    is_ours: bool


@dataclass(slots=True)
class Reads:
    """Notes who reads numbers from tensors that are the device's, which makes a GPU's host wait.

    On the CPU all tensors are where the host is. So what is the device's is followed: the weights, all that
    an image has on the device, and whatever is computed from these. Time steps and noise levels, which are
    kept on the CPU on purpose, are not; reading them waits for nobody.
    """

    sites: Counter[Site] = field(default_factory=Counter)
    is_on: bool = False
    _marked: Any = field(default_factory=WeakIdKeyDictionary)

    def mark(self, *tensors: object) -> None:
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, torch.Tensor):
                self._marked[tensor] = True

    def marked(self, values: object) -> bool:
        """Whether any of these is the device's."""
        return any(
            leaf in self._marked for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)
        ) or _is_on_gpu(values)

    def note(self, what: str) -> None:
        if self.is_on:
            self.sites[_site(what)] += 1

    @contextmanager
    def open(self) -> Iterator[None]:
        with _Functions(self), _Operators(self):
            yield


class _Functions(TorchFunctionMode):
    """Sees what is called of a tensor; on the CPU some of it never becomes an operator."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self._reads = reads

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _READING and args[0].device.type == "cpu" and self._reads.marked(args[:1]):
            self._reads.note(_READING[func])
        return func(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what becomes of it."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        is_device = self._reads.marked((args, kwargs))
        name = func._overloadpacket.__name__
        if is_device and name in _SYNCING:
            self._reads.note(name)
        result = func(*args, **kwargs)
        if is_device:
            if _is_on_gpu((args, kwargs)) and not _is_on_gpu(result) and name not in _SYNCING:
                self._reads.note(name)  # a copy to the CPU
            self._reads.mark(result)
        return result


def _is_on_gpu(values: object) -> bool:
    return any(leaf.device.type != "cpu" for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def _site(what: str) -> Site:
    torch_folder = str(Path(torch.__file__).parent)
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(torch_folder) or frame.f_code.co_filename == __file__
    ):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    is_library = path.is_relative_to(_LIBRARIES)
    home = _LIBRARIES if is_library else ROOT
    shown = path.relative_to(home) if path.is_relative_to(home) else path
    where = f"{shown.as_posix()}:{frame.f_lineno} in {frame.f_code.co_name}"
    return Site(what, where, not is_library)


def run(
    ours: Ours,
    requests: Sequence[GenerationRequest],
    around: Callable[[int], AbstractContextManager[Any]] = lambda number: nullcontext(),
    before: Callable[[], None] = lambda: None,
) -> list[Tick]:
    """Let our engine draw these, tick by tick.

    Args:
        around: is entered for each tick, which it gets the number of.
        before: is called before each.

    Raises:
        RuntimeError: nothing was drawn.
    """
    ours.said.clear()
    for request in requests:
        ours.engine.admit(ours.task(request))
    ticks: list[Tick] = []
    while ours.engine.busy:
        said = len(ours.said)
        before()
        started = time.perf_counter()
        with around(len(ticks)):
            ours.engine.tick()
        took = time.perf_counter() - started
        is_steady = not any(isinstance(report, Entered) for _, report in ours.said[said:])
        ticks.append(Tick(seconds=took, is_steady=is_steady and bool(ours.engine._entries)))
    return ticks


def read_in_ticks(ours: Ours, requests: Sequence[GenerationRequest]) -> Counter[Site]:
    """Who read numbers of the device's in the steady ticks of drawing these, and how often."""
    reads, steady = Reads(), Counter[Site]()
    model = ours.model
    reads.mark([list(unet.parameters()) for unet in model.unets], list(model.vae.parameters()))

    @contextmanager
    def watched(number: int) -> Iterator[None]:
        before, said = Counter(reads.sites), len(ours.said)
        reads.is_on = True
        try:
            yield
        finally:
            reads.is_on = False
        if not any(isinstance(report, Entered) for _, report in ours.said[said:]):
            steady.update(reads.sites - before)

    def mark_images() -> None:
        for entry in ours.engine._entries:
            if (image := entry.image) is not None:
                reads.mark(image.latents, image.states, image.times, image.told, dict(image.added))
                sigmas = getattr(image.scheduler, "sigmas", None)
                if isinstance(image.scheduler, UniPCMultistepScheduler):  # those are moved there
                    reads.mark(sigmas)

    with reads.open():
        run(ours, requests, watched, mark_images)
    return steady


def measure(ours: Ours, requests: Sequence[GenerationRequest], trace: Path) -> dict[str, Any]:
    """The figures. A trace for chrome://tracing or Perfetto is written; its name should end with .json.gz."""
    run(ours, requests)  # kernels chosen, prompts encoded
    activities = [ProfilerActivity.CPU]
    if ours.model.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        ticks = run(ours, requests, lambda number: record_function(f"tick {number}"))
    seen.export_chrome_trace(str(trace))
    plain = sorted(tick.seconds for tick in run(ours, requests) if tick.is_steady)
    sites = read_in_ticks(ours, requests)
    return {
        "images": len(requests),
        "samplers": sorted({request.sampler for request in requests}),
        "ticks": len(ticks),
        "steady_ticks": sum(tick.is_steady for tick in ticks),
        "tick_ms": {
            "p50": round(plain[len(plain) // 2] * 1000, 2),
            "p95": round(plain[int(len(plain) * 0.95)] * 1000, 2),
            "most": round(plain[-1] * 1000, 2),
        },
        "operators": _dearest(seen),
        "waits_in_steady_ticks": _waits(seen, ticks),
        "reads_in_steady_ticks": [
            {"what": site.what, "where": site.where, "ours": site.is_ours, "times": times}
            for site, times in sites.most_common()
        ],
        "ours": sum(times for site, times in sites.items() if site.is_ours),
        "trace": trace.name,
    }


def _dearest(seen: Any) -> list[dict[str, Any]]:
    """The operators that took the most time by themselves; on a GPU the GPU's time."""

    def own(each: Any) -> float:
        return float(each.self_device_time_total or each.self_cpu_time_total)

    every = [each for each in seen.key_averages() if not each.key.startswith("tick ")]
    named = sorted(every, key=own, reverse=True)[:MOST]
    total = sum(own(each) for each in every) or 1.0
    return [
        {
            "name": each.key,
            "ms": round(own(each) / 1000, 2),
            "share": round(own(each) / total, 4),
            "calls": each.count,
        }
        for each in named
    ]


def _waits(seen: Any, ticks: Sequence[Tick]) -> Mapping[str, int]:
    """How often steady ticks waited for the device, as the profiler saw it, whoever's tensor it was."""
    events = list(seen.events())
    spans = [
        event
        for event in events
        if event.device_type == DeviceType.CPU
        and event.name.startswith("tick ")
        and ticks[int(event.name.removeprefix("tick "))].is_steady
    ]
    waits: Counter[str] = Counter()
    for event in events:
        name = "Memcpy DtoH" if event.name.startswith("Memcpy DtoH") else event.name
        if name != "Memcpy DtoH" and name not in WAITS:
            continue
        begin, end = event.time_range.start, event.time_range.end
        waits[name] += any(
            span.time_range.start <= begin
            and end <= span.time_range.end
            and (event.device_type != DeviceType.CPU or event.thread == span.thread)
            for span in spans
        )
    return dict(waits)


def table(figures: Mapping[str, Any]) -> str:
    tick = figures["tick_ms"]
    lines = [
        f"{figures['images']} images, {len(figures['samplers'])} samplers: {figures['ticks']} ticks, in "
        f"{figures['steady_ticks']} of which nothing was prepared or decoded",
        f"a steady tick: p50 {tick['p50']} ms, p95 {tick['p95']} ms, most {tick['most']} ms",
        "",
        "the dearest operators (under the profiler):",
        *(
            f"  {each['share']:7.1%}  {each['ms']:10.2f} ms  {each['calls']:7d} calls  {each['name']}"
            for each in figures["operators"]
        ),
        "",
        "waits in steady ticks, as the profiler saw them, whoever's tensor it was:",
        *(f"  {times:7d}  {name}" for name, times in figures["waits_in_steady_ticks"].items()),
        "",
        "numbers of the device's that were read in steady ticks:",
        *(
            f"  {each['times']:7d}  {each['what']} at {each['where']}{' (ours)' if each['ours'] else ''}"
            for each in figures["reads_in_steady_ticks"]
        ),
        f"  {figures['ours']:7d}  by us",
    ]
    return "\n".join(lines)
