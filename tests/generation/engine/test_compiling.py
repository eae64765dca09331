"""A compiled UNet draws the same picture, is waited for by nobody, and says so in the picture's file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from generation.engine.compiling import Compiled
from generation.engine.loop import DiffusionEngine
from generation.messages import Drawn, Report
from generation.metadata import read
from generation.request import Seed
from tests.generation.engine.test_batch import largest_difference, replayed
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore")

BACKEND = "eager"
"""Traced, guarded and called as what inductor compiles, without the C compiler's half minute."""


class Gate:
    """A compiler that takes as long as the test wants."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: object) -> object:
        self.calls += 1
        assert self.open.wait(30)
        return graph.forward


def bench_with(bench: Bench, compiled: Compiled, *, only: bool = False) -> Bench:
    again = bench.again(cap=4)
    again.engine = DiffusionEngine(
        bench.model, again.said.append, cap=4, compiled=compiled, only_compiled=only
    )
    return again


def mode_of(png: bytes) -> str:
    record = read(png).record
    assert record is not None
    return str(record["mode"])


def draw(bench: Bench, seed: int = 7) -> bytes:
    last: Report = bench.run(a_task(a_request(bench.source, seed=Seed(seed))))[-1]
    assert isinstance(last, Drawn), last
    return last.png


def test_pictures_are_drawn_without_it_until_it_is_ready(sd_bench: Bench) -> None:
    gate = Gate()
    compiled = Compiled(sd_bench.model.unet, backend=gate)
    bench = bench_with(sd_bench, compiled)
    plain = draw(bench)
    assert mode_of(plain) == "eager"
    assert plain == draw(sd_bench)
    gate.open.set()
    shape = (sd_bench.model.unet.config.sample_size,) * 2
    assert compiled._shapes[(*shape, 1)].result(60)
    after = draw(bench)
    assert mode_of(after) == "compiled"
    assert gate.calls > 0
    assert largest_difference(picture(after), picture(plain)) <= 1


def test_what_it_drew_is_drawn_again_exactly(sd_bench: Bench) -> None:
    bench = bench_with(sd_bench, Compiled(sd_bench.model.unet, backend=BACKEND), only=True)
    png = draw(bench)
    assert mode_of(png) == "compiled"
    other = bench_with(sd_bench, Compiled(sd_bench.model.unet, backend=BACKEND), only=True)
    assert replayed(other, a_task(a_request(sd_bench.source)), png) == png


def test_the_twin_has_the_same_weights_and_not_twice_their_memory(sd_bench: Bench) -> None:
    compiled = Compiled(sd_bench.model.unet, backend=BACKEND)
    pairs = zip(compiled.unet.parameters(), sd_bench.model.unet.parameters(), strict=True)
    assert all(one is other for one, other in pairs)


def test_what_cannot_be_compiled_is_drawn_without(sd_bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def broken(graph: object, inputs: object) -> object:
        raise RuntimeError("no compiler")

    compiled = Compiled(sd_bench.model.unet, backend=broken)
    bench = bench_with(sd_bench, compiled)
    draw(bench)
    [future] = compiled._shapes.values()
    assert not future.result(60)
    assert mode_of(draw(bench)) == "eager"
    assert "cannot compile" in caplog.text


def test_rows_may_be_any_number_once_it_is_ready(sd_bench: Bench, tmp_path: Path) -> None:
    gate = Gate()
    gate.open.set()
    compiled = Compiled(sd_bench.model.unet, backend=gate)
    bench = bench_with(sd_bench, compiled, only=True)
    draw(bench)
    calls = gate.calls
    bench.said.clear()
    for number in range(4):
        guidance = 1.0 if number == 3 else 5.0
        task = a_task(a_request(bench.source, seed=Seed(number), guidance=guidance), job=f"job{number}")
        bench.engine.admit(task)
    while bench.engine.busy:
        bench.engine.tick()
    drawn = [report.png for report in bench.said if isinstance(report, Drawn)]
    assert [mode_of(png) for png in drawn] == ["compiled"] * 4
    assert gate.calls == calls, "seven rows need nothing compiled anew"
