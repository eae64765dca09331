"""When memory runs out: fewer at once, then less on the device, then without the one that never fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks import apply_group_offloading
from diffusers.hooks.group_offloading import ModuleGroup
from PIL import ImageStat

from generation.catalogue import MemoryMode, UnreadableModel, describe
from generation.engine import memory
from generation.engine.memory import APART, RUNGS, Memory, is_out_of_memory, layer_by_layer
from generation.engine.models import load
from generation.job import JobId
from generation.messages import Drawn, TaskFailed
from generation.metadata import read
from generation.request import Hires, Seed, Size
from tests.generation.engine.test_batch import ENDS, largest_difference, recorded_calls, run_all
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def short_of_memory(original: Callable[..., Any], fits: Callable[[Any], bool]) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        if not fits(args[0] if args else kwargs["sample"]):
            raise torch.OutOfMemoryError("tried to allocate 640 GiB")
        return original(*args, **kwargs)

    return forward


def three_tasks(bench: Bench) -> list[Any]:
    return [a_task(a_request(bench.source, steps=4, seed=Seed(n)), job=str(n)) for n in range(3)]


def test_fewer_images_share_a_call_and_none_is_lost(sd_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = three_tasks(sd_bench)
    expected = run_all(sd_bench, [(0, task) for task in tasks])
    unet = sd_bench.model.unet
    monkeypatch.setattr(unet, "forward", short_of_memory(unet.forward, lambda rows: len(rows) <= 4))
    got = run_all(sd_bench, [(0, task) for task in tasks])
    assert got.keys() == expected.keys()
    for job, png in got.items():
        assert largest_difference(picture(png), picture(expected[job])) <= 1
        assert all(rows <= 4 for rows, _, _ in recorded_calls(png))
    monkeypatch.undo()
    again = run_all(sd_bench, [(0, task) for task in tasks])
    assert max(rows for rows, _, _ in recorded_calls(again["0"])) == 6, "the cap comes back"


@pytest.mark.parametrize("stage", ["unet", "vae", "text"])
@pytest.mark.parametrize("failures", range(1, 5))
def test_a_shortage_at_any_stage_costs_at_most_who_cannot_fit(
    stage: str, failures: int, sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sd_bench.again(cap=4)
    tasks = three_tasks(bench)
    expected = run_all(bench, [(0, task) for task in tasks])
    target, method = {
        "unet": (bench.model.unet, "forward"),
        "vae": (bench.model.vae, "decode"),
        "text": (bench.model.encoders[0].model, "forward"),
    }[stage]
    bench = sd_bench.again(cap=4)  # one that has no prompt in hand
    left = failures

    def fits(_: Any) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    original = getattr(target, method)

    def forward(*args: Any, **kwargs: Any) -> Any:
        return short_of_memory(lambda _: original(*args, **kwargs), fits)(None)

    monkeypatch.setattr(target, method, forward)
    got = run_all(bench, [(0, task) for task in tasks])
    monkeypatch.undo()
    ends = Counter(report.task for report in bench.said if isinstance(report, ENDS))
    assert ends == {task.id: 1 for task in tasks}
    for job, png in got.items():
        assert largest_difference(picture(png), picture(expected[job])) <= 1
    failed = [report for report in bench.said if isinstance(report, TaskFailed)]
    assert all("not enough memory" in report.reason for report in failed)
    assert len(failed) <= max(0, failures - 2), "there are two rungs to climb before anybody is refused"
    assert run_all(bench, [(0, task) for task in tasks]) == expected, "all is as before"


def test_memory_is_taken_back_though_there_is_always_somebody(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, unet = sd_bench.again(cap=4), sd_bench.model.unet
    memory, engine = bench.engine._memory, bench.engine
    with monkeypatch.context() as patch:
        patch.setattr(unet, "forward", short_of_memory(unet.forward, lambda rows: len(rows) <= 2))
        first = three_tasks(bench)
        for task in first:
            engine.admit(task)
        engine.tick()
        engine.tick()
    assert engine._caps.lowered
    assert memory.climb()
    number = 3
    while memory.rung and number < 30:
        if len(engine._entries) < 3:
            engine.admit(a_task(a_request(bench.source, steps=4, seed=Seed(number)), job=str(number)))
            number += 1
        engine.tick()
    assert memory.rung == 0
    assert not engine._caps.lowered
    assert not any(entry.task in first for entry in engine._entries)
    assert engine._entries, "somebody was always there"
    while engine.busy:
        engine.tick()
    assert Counter(type(report) for report in bench.said if isinstance(report, ENDS)) == {Drawn: number}


def test_a_picture_that_never_fits_is_refused_and_the_others_go_on(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = a_task(a_request(sd_bench.source, size=type(a_request().size)(width=128, height=64)), job="large")
    unet = sd_bench.model.unet
    monkeypatch.setattr(unet, "forward", short_of_memory(unet.forward, lambda rows: rows.shape[-1] == 8))
    run_all(sd_bench, [(0, task) for task in (large, *three_tasks(sd_bench))])
    ends = {report.task.job: type(report) for report in sd_bench.said if isinstance(report, ENDS)}
    assert ends == {"large": TaskFailed, "0": Drawn, "1": Drawn, "2": Drawn}


@pytest.mark.parametrize("hires", [None, Hires(size=Size(width=96, height=96), steps=4, strength=0.5)])
def test_what_cannot_be_prepared_beside_others_is_prepared_when_they_are_done(
    hires: Hires | None, sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = sd_bench.again(cap=4)
    engine, encoder = bench.engine, bench.model.encoders[0].model
    changes = [{"prompt": f"{number}", "steps": 4, "hires": hires} for number in range(3)]
    tasks = [a_task(a_request(bench.source, **each), job=str(n)) for n, each in enumerate(changes)]
    expected = [sd_bench.draw(**each) for each in changes]
    forward = encoder.forward

    def alone(*args: Any, **kwargs: Any) -> Any:
        if engine._undecoded or any(entry.image for entry in engine._entries):
            raise torch.OutOfMemoryError("tried to allocate 640 GiB")
        return forward(*args, **kwargs)

    monkeypatch.setattr(encoder, "forward", alone)
    for task in tasks:
        engine.admit(task)
    while engine.busy:
        engine.tick()
    drawn = {report.task.job: report.png for report in bench.said if isinstance(report, Drawn)}
    assert drawn.keys() == {"0", "1", "2"}
    assert {rows for png in drawn.values() for rows, _, _ in recorded_calls(png)} == {2}, "one after another"
    if hires is None:  # else it is encoded in tiles by now
        for number, png in enumerate(expected):
            assert largest_difference(picture(drawn[JobId(str(number))]), picture(png)) == 0


def test_apart_only_the_part_that_computes_is_on_the_device(sd_bench: Bench) -> None:
    memory = Memory(sd_bench.model)
    moves: list[tuple[str, str]] = []
    parts = {"unet": sd_bench.model.unet, "vae": sd_bench.model.vae, "text": sd_bench.model.encoders[0].model}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in parts.items():
            patch.setattr(module, "to", lambda where, name=name: moves.append((name, str(where))))
        assert (memory.climb(), memory.climb(), memory.rung) == (True, True, APART)
        memory.need("unet")
        assert set(moves) == {("vae", "cpu"), ("text", "cpu")}
        moves.clear()
        memory.need("unet")
        assert moves == []
        memory.need("vae")
        assert moves == [("unet", "cpu"), ("vae", str(sd_bench.model.device))]
        moves.clear()
        memory.descend()
        assert {name for name, _ in moves} == {"unet", "text"}
        for _ in RUNGS:
            memory.climb()
        memory.need("unet")  # which moves nothing: its layers come by themselves
        moves.clear()
        memory.descend()
        assert [name for name, _ in moves] == ["unet", "text", "unet", "vae"], (
            "whole again, and all come back"
        )
    assert not sd_bench.model.vae.use_tiling


class Groups:
    """Counts how often a layer is brought to the device and sent away."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.moved = Counter[str]()
        for name in ("onload_", "offload_"):
            original = getattr(ModuleGroup, name)

            def counted(group: Any, name: str = name, original: Any = original) -> None:
                self.moved[name] += 1
                original(group)

            patch.setattr(ModuleGroup, name, counted)


def test_on_the_last_rung_the_layers_of_the_unet_come_one_after_another(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, unet = sd_bench.draw(), sd_bench.model.unet
    layers = [layer for layer in unet.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d)]
    groups, bench = Groups(monkeypatch), sd_bench.again()
    memory = bench.engine._memory
    assert [memory.climb() for _ in RUNGS] == [True, True, True, False]
    groups.moved.clear()
    png = bench.draw(steps=4)
    assert memory.rung == 0, "it descends when all is drawn"
    assert largest_difference(picture(png), picture(expected)) == 0
    assert groups.moved["onload_"] >= 4 * len(layers)
    assert groups.moved["onload_"] == groups.moved["offload_"]
    groups.moved.clear()
    assert bench.draw() == expected
    assert not groups.moved, "and the UNet is whole again"


def test_layers_that_really_leave_memory_come_back_as_they_were(
    sd_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the disk, since without a graphics card there is nowhere else to go: every weight is read anew."""
    bench, tasks = Bench(sd_bench.source), three_tasks(sd_bench)

    def by_way_of_the_disk(module: Any, **options: Any) -> None:
        apply_group_offloading(module, **options, offload_to_disk_path=str(tmp_path))

    monkeypatch.setattr(memory, "apply_group_offloading", by_way_of_the_disk)
    expected = run_all(sd_bench, [(0, task) for task in tasks])
    layer_by_layer(bench.model.unet, torch.device("cpu"))
    assert run_all(bench, [(0, task) for task in tasks]) == expected
    assert len(list(tmp_path.glob("*.safetensors"))) > 20


def test_layers_that_cannot_come_to_the_device_leave_the_model_as_it_was(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, bench = sd_bench.draw(), sd_bench.again()
    original = ModuleGroup.__init__

    def init(*args: Any, group_id: str = "", **kwargs: Any) -> None:
        if group_id.startswith("up_blocks"):
            raise RuntimeError("CUDA error: out of memory")  # of the memory that is pinned for it
        original(*args, group_id=group_id, **kwargs)

    monkeypatch.setattr(ModuleGroup, "__init__", init)
    memory = bench.engine._memory
    assert [memory.climb() for _ in RUNGS] == [True, True, False, False]
    assert memory.rung == APART
    assert largest_difference(picture(bench.draw()), picture(expected)) == 0


@pytest.mark.parametrize("mode", [MemoryMode.BALANCED, MemoryMode.SMALL, MemoryMode.SMALLER])
def test_an_owner_may_spare_memory_from_the_start(mode: MemoryMode, sd_bench: Bench) -> None:
    info = replace(describe(sd_bench.source), memory=mode)
    frugal = Bench(sd_bench.source, loaded=load(info, device="cpu"))
    png = frugal.draw()
    assert largest_difference(picture(png), picture(sd_bench.draw())) == 0
    record = read(png).record
    assert record is not None
    assert record["memory"] == mode.value
    assert record["decode_tiled"] is True


def test_weights_kept_in_eight_bits_draw_nearly_the_same(sd_bench: Bench) -> None:
    info = replace(describe(sd_bench.source), memory=MemoryMode.SMALLEST)
    frugal = Bench(sd_bench.source, loaded=load(info, device="cpu"))
    kept = {parameter.dtype for parameter in frugal.model.unet.parameters()}
    assert torch.float8_e4m3fn in kept
    difference = largest_difference(picture(frugal.draw()), picture(sd_bench.draw()))
    assert 0 < difference < 100


def test_another_vae_draws_and_is_recorded(sd_bench: Bench, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    darker = {name: tensor.clone() for name, tensor in sd_bench.model.vae.state_dict().items()}
    darker["decoder.conv_out.bias"] -= 0.5
    file, folder = tmp_path / "darker.safetensors", tmp_path / "darker"
    save_file(darker, file)
    sd_bench.model.vae.save_pretrained(folder)
    save_file(darker, folder / "diffusion_pytorch_model.safetensors")
    usual = picture(sd_bench.draw())
    drawn = []
    for vae in (file, folder):
        info = replace(describe(sd_bench.source), vae=str(vae))
        png = Bench(sd_bench.source, loaded=load(info, device="cpu")).draw()
        record = read(png).record
        assert record is not None
        assert record["vae_hash"]
        drawn.append(picture(png))
        assert sum(ImageStat.Stat(drawn[-1]).mean) < sum(ImageStat.Stat(usual).mean) - 30
    assert largest_difference(*drawn) == 0
    save_file({"nothing": torch.zeros(1)}, file)
    with pytest.raises(UnreadableModel, match="not made like this model's own"):
        load(replace(describe(sd_bench.source), vae=str(file)), device="cpu")


@pytest.mark.parametrize("moment", ["need", "descend"])
def test_memory_that_runs_out_while_parts_move_ends_at_most_one_picture(
    moment: str, sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = three_tasks(sd_bench)
    expected = run_all(sd_bench, [(0, task) for task in tasks])
    bench = sd_bench.again(cap=4)
    memory = bench.engine._memory
    memory.climb()
    memory.climb()
    original, left = type(memory)._bring, 1

    def bring(self: Memory, part: Any) -> None:
        nonlocal left
        if (moment == "descend") == (not bench.engine.busy or not bench.engine._entries):
            left -= 1
            if left == 0:
                raise torch.OutOfMemoryError("no")
        original(self, part)

    monkeypatch.setattr(Memory, "_bring", bring)
    got = run_all(bench, [(0, task) for task in tasks])
    ends = Counter(report.task for report in bench.said if isinstance(report, ENDS))
    assert ends == {task.id: 1 for task in tasks}
    assert len(got) >= 2
    for job, png in got.items():
        assert largest_difference(picture(png), picture(expected[job])) <= 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("Invalid buffer size: 8.21 GB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_every_way_to_say_that_memory_ran_out_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
