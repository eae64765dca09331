"""A compiled UNet draws the same picture, is waited for by nobody, and says so in the picture's file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from generation.engine import compiling
from generation.engine.compiling import WARMED_ROWS, Compiled, compiled_in
from generation.engine.loop import DiffusionEngine
from generation.loras import Loras
from generation.messages import Drawn, Entered, Report, Stepped, TaskFailed
from generation.metadata import read
from generation.redraw import compiled_calls
from generation.request import Adapter, Hires, Seed, Size
from tests.generation.engine.test_batch import largest_difference, replayed
from tests.generation.lorafiles import weights_for, write_peft
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore")


class Gate:
    """A compiler that takes as long as the test wants."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.asked: list[object] = []

    def __call__(self, graph: torch.fx.GraphModule, inputs: object, *, options: object) -> object:
        self.asked.append(options)
        assert self.open.wait(30)
        return graph.forward


class OtherBits:
    """Traced, guarded and called as what inductor compiles, without the C compiler's half minute.

    And its bits are its own, as inductor's are.
    """

    def __init__(self) -> None:
        self.compiled = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: object) -> Callable[..., Any]:
        self.compiled += 1

        def called(*arguments: Any) -> Any:
            return tuple(
                part * 1.001 if isinstance(part, torch.Tensor) and part.is_floating_point() else part
                for part in graph.forward(*arguments)
            )

        return called


OTHER_BITS = OtherBits()  # one for all, since whatever else compiles has all blocks traced anew, for seconds
ALL = [(0, 1000)]


def bench_with(bench: Bench, compiled: Compiled, *, calls: Any = None) -> Bench:
    again = bench.again(cap=4)
    again.engine = DiffusionEngine(
        bench.model, again.said.append, cap=4, compiled=compiled, compiled_calls=calls
    )
    return again


def record_of(png: bytes) -> dict[str, Any]:
    record = read(png).record
    assert record is not None
    return dict(record)


def mode_of(png: bytes) -> str:
    return str(record_of(png)["mode"])


def draw(bench: Bench, seed: int = 7, **changes: Any) -> bytes:
    last: Report = bench.run(a_task(a_request(bench.source, seed=Seed(seed), **changes)))[-1]
    assert isinstance(last, Drawn), last
    return last.png


def shape_of(bench: Bench, edge: int | None = None) -> tuple[int, int, int]:
    edge = edge or bench.model.unet.config.sample_size
    return (edge, edge, 1)


def ready_for(bench: Bench, compiled: Compiled) -> None:
    """Compiled for the native size."""
    draw(bench_with(bench, compiled))
    assert compiled._shapes[shape_of(bench)].result(60)


@pytest.fixture(scope="module")
def twin(sd_bench: Bench) -> Compiled:
    """Compiled for the native size. Whoever changes it puts it back."""
    compiled = Compiled(sd_bench.model.unet, backend=OTHER_BITS)
    ready_for(sd_bench, compiled)
    return compiled


@pytest.fixture(scope="module")
def another(sd_bench: Bench) -> Compiled:
    """A twin for what is drawn again. The first picture waits until it is compiled."""
    return Compiled(sd_bench.model.unet, backend=OTHER_BITS)


def drawn_again(bench: Bench, another: Compiled, png: bytes, **changes: Any) -> bytes:
    """From its record, by another twin."""
    other = bench_with(bench, another, calls=compiled_calls(record_of(png)))
    return replayed(other, a_task(a_request(bench.source, **changes)), png)


def test_pictures_are_drawn_without_it_until_it_is_ready(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA graphs are asked for, and each call lets go of the last; more no test here can show."""
    begun: list[bool] = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(True))
    gate = Gate()
    compiled = Compiled(sd_bench.model.unet, backend=gate, graphs=True)
    bench = bench_with(sd_bench, compiled)
    plain = draw(bench)
    assert mode_of(plain) == "eager"
    assert plain == draw(sd_bench)
    gate.open.set()
    assert compiled._shapes[shape_of(sd_bench)].result(60)
    before = len(begun)
    assert before >= len(WARMED_ROWS)
    after = draw(bench)
    assert mode_of(after) == "compiled"
    assert len(begun) == before + 4
    assert gate.asked
    assert all(options == {"triton.cudagraphs": True} for options in gate.asked)
    assert largest_difference(picture(after), picture(plain)) <= 1


def test_rows_may_be_any_number_once_it_is_ready(sd_bench: Bench, twin: Compiled) -> None:
    bench = bench_with(sd_bench, twin, calls=ALL)
    compiled = OTHER_BITS.compiled
    assert compiled > 0
    for number in range(4):
        guidance = 1.0 if number == 3 else 5.0
        task = a_task(a_request(bench.source, seed=Seed(number), guidance=guidance), job=f"job{number}")
        bench.engine.admit(task)
    while bench.engine.busy:
        bench.engine.tick()
    drawn = [report.png for report in bench.said if isinstance(report, Drawn)]
    assert [mode_of(png) for png in drawn] == ["compiled"] * 4
    assert OTHER_BITS.compiled == compiled, "seven rows need nothing compiled anew"


def test_what_it_drew_is_drawn_again_exactly(sd_bench: Bench, twin: Compiled, another: Compiled) -> None:
    png = draw(bench_with(sd_bench, twin))
    assert mode_of(png) == "compiled"
    assert png != draw(sd_bench)
    assert drawn_again(sd_bench, another, png) == png


def test_who_draws_it_again_waits_for_whatever_is_being_compiled(
    sd_bench: Bench, twin: Compiled, another: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = draw(bench_with(sd_bench, twin))
    free = threading.Lock()

    class Held:
        """A lock that is never free at once."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            return blocking and free.acquire(timeout=30)

        def release(self) -> None:
            free.release()

    monkeypatch.setattr(compiling, "_tracing", Held())
    assert mode_of(draw(bench_with(sd_bench, twin))) == "eager"
    assert drawn_again(sd_bench, another, png) == png


def test_the_twin_has_the_same_weights_and_not_twice_their_memory(sd_bench: Bench) -> None:
    compiled = Compiled(sd_bench.model.unet, backend=OTHER_BITS)
    pairs = zip(compiled.unet.parameters(), sd_bench.model.unet.parameters(), strict=True)
    assert all(one is other for one, other in pairs)


def test_cuda_graphs_are_left_out_where_there_is_no_cuda(
    sd_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiled = compiled_in(tmp_path / "compiled", sd_bench.model.unet, graphs=True)
    assert compiled is not None
    assert not compiled._graphs
    assert "CUDA_GRAPHS is true, but the model draws on cpu" in caplog.text
    compiled.close()


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
    said = bench_with(sd_bench, compiled, calls=ALL).run(a_task(a_request(sd_bench.source)))
    assert [type(report) for report in said] == [Entered, TaskFailed], "it is not drawn on with what failed"


def test_a_call_that_fails_is_made_without_it_and_the_record_says_which(
    sd_bench: Bench,
    twin: Compiled,
    another: Compiled,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    forward, calls = twin.unet.forward, 0

    def broken(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("a guard that nobody thought of")
        return forward(*arguments, **options)

    monkeypatch.setattr(twin.unet, "forward", broken)
    monkeypatch.setattr(twin, "_shapes", dict(twin._shapes))
    bench = bench_with(sd_bench, twin)
    png = draw(bench)
    assert "the compiled UNet failed" in caplog.text
    assert record_of(png)["compiled_calls"] == [[0, 2]]
    assert png != draw(sd_bench)
    assert drawn_again(sd_bench, another, png) == png
    assert mode_of(draw(bench)) == "eager"


def test_pictures_of_one_size_go_on_while_another_size_is_compiled(sd_bench: Bench, twin: Compiled) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(x: torch.Tensor) -> torch.Tensor:
        began.set()
        assert go_on.wait(30)
        return x

    def trace(module: object, arguments: object) -> None:
        if threading.current_thread().name.startswith("compile"):
            make_fx(slow)(torch.zeros(1))  # as inductor does; torch marks the whole process meanwhile

    hook = twin.unet.conv_in.register_forward_pre_hook(trace)
    bench = bench_with(sd_bench, twin)
    draw(bench, size=Size(width=96, height=64))
    try:
        assert began.wait(30)
        assert mode_of(draw(bench)) == "eager"
    finally:
        go_on.set()
        hook.remove()
    assert twin._shapes[(8, 12, 1)].result(60)
    assert record_of(draw(bench))["compiled_calls"] == [[0, 4]]


def test_closing_does_not_wait_for_all_that_is_being_compiled(sd_bench: Bench) -> None:
    began, reached = threading.Event(), []

    def hold(module: object, arguments: object) -> None:
        began.set()
        compiled._closed.wait(30)

    compiled = Compiled(sd_bench.model.unet, backend=OTHER_BITS)
    compiled.unet.mid_block.resnets[0].register_forward_pre_hook(hold)
    compiled.unet.conv_out.register_forward_pre_hook(lambda module, arguments: reached.append(module))
    bench = bench_with(sd_bench, compiled)
    draw(bench)
    assert began.wait(30)
    bench.engine.close()
    assert not reached
    assert not any(thread.is_alive() for thread in compiled._thread._threads)


def test_the_two_passes_of_a_picture_are_told_apart(
    sd_bench: Bench, twin: Compiled, another: Compiled
) -> None:
    hires = Hires(size=Size(width=96, height=96), steps=4, strength=0.5)
    bench = bench_with(sd_bench, twin)
    png = draw(bench, hires=hires)
    assert record_of(png)["compiled_calls"] == [[0, 4]], "the larger size was not ready"
    assert drawn_again(sd_bench, another, png, hires=hires) == png
    assert twin._shapes[shape_of(sd_bench, 12)].result(60)
    assert record_of(draw(bench, hires=hires))["compiled_calls"] == [[0, 6]]


def test_no_more_pictures_are_begun_than_are_drawn(sd_bench: Bench, twin: Compiled) -> None:
    bench = bench_with(sd_bench, twin)
    for number in range(12):
        bench.engine.admit(a_task(a_request(bench.source, seed=Seed(number)), job=f"job{number}"))
    bench.engine.tick()
    begun = {report.task for report in bench.said if isinstance(report, Entered)}
    stepped = {report.task for report in bench.said if isinstance(report, Stepped)}
    assert begun == stepped
    assert len(begun) == 4


class AtOnce(ThreadPoolExecutor):
    """A thread so quick that all is done before whoever asked goes on."""

    def submit(self, fn: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future = super().submit(fn, *arguments, **options)
        wait([future], 60)
        return future


@pytest.mark.parametrize("thread", [AtOnce, ThreadPoolExecutor])
def test_memory_that_runs_out_while_it_compiles_is_no_verdict(
    sd_bench: Bench, thread: type[ThreadPoolExecutor]
) -> None:
    shortages = [torch.OutOfMemoryError("CUDA out of memory")]

    def run_short(module: object, arguments: object) -> None:
        if shortages:
            raise shortages.pop()

    compiled = Compiled(sd_bench.model.unet, backend=OTHER_BITS)
    compiled._thread = thread(1)
    compiled.unet.conv_in.register_forward_pre_hook(run_short)
    bench = bench_with(sd_bench, compiled)
    draw(bench)
    compiled._thread.submit(lambda: None).result(60)
    assert not shortages
    draw(bench)
    assert compiled._shapes[shape_of(sd_bench)].result(60)
    assert mode_of(draw(bench)) == "compiled"


def test_what_closing_kept_from_being_compiled_is_not_ready(sd_bench: Bench) -> None:
    compiled = Compiled(sd_bench.model.unet, backend=OTHER_BITS)
    shape, example = shape_of(sd_bench), {"sample": torch.zeros(1)}
    go_on = threading.Event()
    compiled._thread.submit(go_on.wait, 30)
    waiting = compiled.prepare(shape, example)
    waiting.add_done_callback(lambda future: go_on.set())
    compiled.close()
    assert waiting.cancelled()
    assert not compiled.is_ready(shape)
    assert compiled.prepare(shape, example) is waiting


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_compiled(
    sd_bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert compiled_in(tmp_path / "file" / "compiled", sd_bench.model.unet) is None
    assert "cannot be written (Not a directory)" in caplog.text


def test_pictures_with_a_lora_are_drawn_without_it(toy_sd: Path, tmp_path: Path) -> None:
    """The twin has the model's own layers only, and goes on making the calls of those that have none."""
    from diffusers import StableDiffusionPipeline

    write_peft(tmp_path / "hat.safetensors", weights_for(StableDiffusionPipeline.from_pretrained(toy_sd)))
    own = Bench(str(toy_sd))
    compiled = Compiled(own.model.unet, backend=OTHER_BITS)
    ready_for(own, compiled)
    bench = own.again()
    bench.engine = DiffusionEngine(
        own.model, bench.said.append, cap=4, compiled=compiled, loras=Loras(tmp_path)
    )
    before = draw(bench)
    assert mode_of(before) == "compiled"
    with_it = draw(bench, adapters=(Adapter(name="hat"),))
    assert mode_of(with_it) == "eager"
    assert picture(with_it).tobytes() != picture(draw(own)).tobytes()
    assert draw(bench) == before
