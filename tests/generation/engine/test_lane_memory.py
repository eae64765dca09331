"""Models of other families on small cards: layer by layer, and in 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from generation.catalogue import MemoryMode, UnreadableModel, describe
from generation.engine.lane import PipelineEngine
from generation.engine.pipeline import load_pipeline
from generation.messages import Drawn, Report, Stopped
from generation.metadata import read
from tests.generation.engine.lanes import Lane, threads
from tests.generation.engine.test_batch import largest_difference
from tests.generation.engine.test_memory import Groups
from tests.generation.toys import a_task, build_flux, build_sd3, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module", params=[build_sd3, build_flux], ids=["SD 3", "Flux"])
def lane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(request.param(tmp_path_factory.mktemp("models") / "toy"))


def frugal(lane: Lane, mode: MemoryMode) -> Any:
    return load_pipeline(replace(describe(lane.source), memory=mode), device="cpu")


@pytest.mark.parametrize("mode", [MemoryMode.BALANCED, MemoryMode.SMALL, MemoryMode.SMALLER])
def test_a_frugal_model_draws_the_same_picture(
    mode: MemoryMode, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, said = Groups(monkeypatch), list[Report]()
    model = frugal(lane, mode)
    groups.moved.clear()
    engine = PipelineEngine(model, said.append)
    engine.admit(a_task(lane.request()))
    engine.tick()
    assert engine.cancel(a_task().id)  # left in the middle, all its layers are where they belong
    assert any(isinstance(report, Stopped) for report in said)
    engine.admit(a_task(lane.request()))
    while engine.busy:
        engine.tick()
    last = said[-1]
    assert isinstance(last, Drawn), last
    assert largest_difference(picture(last.png), picture(lane.draw())) == 0
    assert (groups.moved["onload_"] > 100) is (mode is MemoryMode.SMALLER)
    assert groups.moved["onload_"] == groups.moved["offload_"]
    record = read(last.png).record
    assert record is not None
    assert record["memory"] == mode.value
    assert not threads()


def test_in_eight_bits_it_draws_nearly_the_same(lane: Lane) -> None:
    model, said = frugal(lane, MemoryMode.SMALLEST), list[Report]()
    kept = {parameter.dtype for parameter in model.pipe.transformer.parameters()}
    assert torch.float8_e4m3fn in kept
    assert {parameter.dtype for parameter in model.pipe.text_encoder_2.parameters()} == {torch.float32}
    engine = PipelineEngine(model, said.append)
    engine.admit(a_task(lane.request()))
    while engine.busy:
        engine.tick()
    last = said[-1]
    assert isinstance(last, Drawn), last
    assert 0 < largest_difference(picture(last.png), picture(lane.draw())) < 80


def test_a_model_whose_layers_cannot_be_moved_is_a_sentence(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(lane.model.pipe.transformer), "_supports_group_offloading", False)
    with pytest.raises(UnreadableModel, match=r'a few layers at a time \(.*\); use it with memory = "small"'):
        frugal(lane, MemoryMode.SMALLER)
