"""Files are read on several threads, and each gets all of its weights."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline

from generation.catalogue import describe
from generation.controlnets import ControlNets
from generation.engine import adapters
from generation.engine.building import building
from generation.engine.controlmodels import load as load_controlnet
from generation.engine.models import load
from generation.loras import Loras
from generation.messages import Drawn, TaskFailed
from generation.request import Adapter
from tests.generation.lorafiles import weights_for, write_peft
from tests.generation.toys import Bench, a_request, a_task

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def test_a_lora_is_put_in_while_nothing_else_is_read(
    toy_sd: Path, toy_nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_peft(tmp_path / "it.safetensors", weights_for(StableDiffusionPipeline.from_pretrained(toy_sd)))
    bench = Bench(str(toy_sd), loaded=load(describe(str(toy_sd)), device="cpu"), loras=Loras(tmp_path))
    task = a_task(a_request(bench.source, adapters=(Adapter(name="it"),)))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with building():
            held.set()
            done.wait(15)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    net = ControlNets.found([toy_nets]).usable[0]
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(load_controlnet, net, bench.model.dtype)
        monkeypatch.setattr(adapters, "PATIENCE_S", 0.1)
        last = bench.run(task)[-1]
        assert isinstance(last, TaskFailed)
        assert "Another model is being read" in last.reason
        assert not reading.done()
        done.set()
        holder.join()
        assert not any(weight.is_meta for weight in reading.result().module.parameters())
    assert isinstance(bench.run(task)[-1], Drawn)
