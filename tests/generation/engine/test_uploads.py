"""What goes from the CPU onto the device; that it waits for nobody on CUDA no test here can show."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel

from generation.engine import looks, steering
from generation.engine.looks import Looks, Seen
from generation.engine.memory import Memory
from generation.engine.steering import Steerer, Steering
from generation.engine.uploads import to_device
from generation.request import Control, Digest
from tests.generation.engine.test_schedulers import Traffic
from tests.generation.toys import Bench

META = torch.device("meta")


def test_where_there_is_no_cuda_it_is_the_same_tensor_or_the_same_numbers() -> None:
    cpu, numbers = torch.device("cpu"), torch.arange(4)
    assert to_device(numbers, cpu) is numbers
    assert to_device(numbers, cpu, torch.float32).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert to_device(numbers, META).device.type == "meta"


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the copies for which no host waits."""
    seen = Counter[str]()

    def counted(*args: Any) -> Any:
        seen["copies"] += 1
        return to_device(*args)

    for module in (steering, looks):
        monkeypatch.setattr(module, "to_device", counted)
    return seen


def test_a_call_that_is_steered_waits_for_no_copy(unhurried: Counter[str]) -> None:
    with META:
        net = ControlNetModel(
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            layers_per_block=1,
            attention_head_dim=2,
            norm_num_groups=4,
            cross_attention_dim=16,
            conditioning_embedding_out_channels=(4, 8),
        )
        inputs = {
            "sample": torch.empty(2, 4, 8, 8),
            "timestep": torch.empty(2),
            "encoder_hidden_states": torch.empty(2, 77, 16),
            "added_cond_kwargs": {},
        }
        picture = torch.empty(1, 3, 16, 16)
    control = Control(model="edges", picture=Digest("0" * 64))
    steered = [(2, {Steering(control=control, picture=picture): 0.5})]
    with Traffic() as traffic:
        Steerer([net], lambda nets: None)(steered, torch.cat, inputs)
    assert traffic.seen["copies"] == unhurried["copies"] == 1


def test_a_call_that_sees_looks_waits_for_no_copy(sd_bench: Bench, unhurried: Counter[str]) -> None:
    model = sd_bench.model
    adapted = Looks(model, Memory(model))
    pair = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    layers = torch.nn.ModuleList([pair for _ in looks._cross_attentions(model.unet)])
    adapted._adapter = looks._Adapter(projection=None, encoder=None, layers=layers, record={})
    seen = [Seen(tokens=torch.empty(2, 4, 16, device=META), weight=0.5, record={}) for _ in range(2)]
    with Traffic() as traffic, adapted.looking(seen, torch.cat):
        pass
    assert traffic.seen["copies"] == unhurried["copies"] == 1
