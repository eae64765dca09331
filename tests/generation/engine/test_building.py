"""Files are read on several threads, and each gets all of its weights."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline

from generation.catalogue import describe
from generation.controlnets import ControlNets
from generation.engine import awaited
from generation.engine.building import building
from generation.engine.controlmodels import load as load_controlnet
from generation.engine.lorafiles import Hashes
from generation.engine.models import load
from generation.loras import Format, Lora, Loras
from generation.messages import Drawn, TaskFailed
from generation.request import Adapter
from tests.generation.lorafiles import weights_for, write_peft
from tests.generation.toys import Bench, a_request, a_task

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def test_a_lora_is_put_in_while_nothing_else_is_read(toy_sd: Path, toy_nets: Path, tmp_path: Path) -> None:
    """Who needs it waits for that, and nobody else."""
    write_peft(tmp_path / "it.safetensors", weights_for(StableDiffusionPipeline.from_pretrained(toy_sd)))
    bench = Bench(str(toy_sd), loaded=load(describe(str(toy_sd)), device="cpu"), loras=Loras(tmp_path))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with building():
            held.set()
            done.wait(60)

    def drawn() -> list[str]:
        return [report.task.job for report in bench.said if isinstance(report, Drawn)]

    net = ControlNets.found([toy_nets]).usable[0]
    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        held.wait()
        reading = threads.submit(load_controlnet, net, bench.model.dtype)
        bench.engine.admit(a_task(a_request(bench.source, adapters=(Adapter(name="it"),)), job="lora"))
        bench.engine.admit(a_task(a_request(bench.source), job="plain"))
        while not drawn():
            bench.engine.tick()
        assert drawn() == ["plain"]
        assert not reading.done()
        done.set()
        holding.result()
        assert not any(weight.is_meta for weight in reading.result().module.parameters())
    while bench.engine.busy:
        bench.engine.tick()
    assert drawn() == ["plain", "lora"]


def test_a_lora_that_would_wait_for_ever_is_refused(
    toy_sd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_peft(tmp_path / "it.safetensors", weights_for(StableDiffusionPipeline.from_pretrained(toy_sd)))
    bench = Bench(str(toy_sd), loaded=load(describe(str(toy_sd)), device="cpu"), loras=Loras(tmp_path))
    monkeypatch.setattr(awaited, "STILL_S", 0.2)
    with ThreadPoolExecutor(1) as threads, building():
        task = a_task(a_request(bench.source, adapters=(Adapter(name="it"),)))
        last = threads.submit(lambda: bench.run(task)[-1]).result()
    assert isinstance(last, TaskFailed)
    assert "Reading the LoRA `it` stood still" in last.reason


def test_a_lora_that_nobody_has_waited_for_is_not_refused_for_its_age(tmp_path: Path) -> None:
    path = tmp_path / "it.safetensors"
    path.write_bytes(b"whatever it is")
    lora = Lora(name="it", path=path, version=(0, 0), format=Format.PEFT, rank=1, width=None, reads=False)
    hashes = Hashes()
    hashes.are_here([lora])  # whoever asked took it back
    hashes._reading[lora].began -= awaited.STILL_S + 1
    with ThreadPoolExecutor(1) as threads, building():
        hashes.wait(10)
        assert not threads.submit(hashes.are_here, [lora]).result()
    assert hashes.are_here([lora])
