"""A model that does not fit in its memory mode is read again in one that needs less."""

from __future__ import annotations

import pytest

from generation.catalogue import MemoryMode, ModelInfo, UnreadableModel, describe
from generation.engine.engine import ModelEngine
from generation.engine.noise import NoiseEngine
from generation.engine.rack import Rack
from generation.engine.reading import Finish, Tell
from generation.messages import Drawn, Entered, Ready, Report, Stepped, TaskFailed, TaskId
from generation.shelf import Shelf
from tests.generation.engine.racked import Racked

FAST, SMALL, SMALLER = MemoryMode.FAST, MemoryMode.SMALL, MemoryMode.SMALLER


@pytest.mark.parametrize("too_large", [(FAST,), (FAST, SMALL)])
def test_a_model_that_does_not_fit_is_read_again_in_a_mode_that_needs_less(
    too_large: tuple[MemoryMode, ...], caplog: pytest.LogCaptureFixture
) -> None:
    racked = Racked()
    racked.too_large["two"] = too_large
    begun = racked.task("one", "begun", steps=20)
    racked.rack.admit(begun)
    racked.rack.tick()
    racked.rack.admit(racked.task("two", "large"))
    while not any(isinstance(report, Ready) and report.model == "fake:two" for report in racked.said):
        racked.rack.tick()
        if not racked.rack.busy or begun.id not in _unended(racked):
            begun = racked.task("one", f"{len(racked.said)}", steps=20)
            racked.rack.admit(begun)  # the other is never idle, and so never put away
    racked.finish()
    assert racked.drawn_with()["large"] == "two"
    assert racked.modes == [FAST, *too_large, {1: SMALL, 2: SMALLER}[len(too_large)]]
    assert 'there is not memory enough for two; it is read again with memory = "small"' in caplog.text


def _unended(racked: Racked) -> set[TaskId]:
    """Who has been stepped and is not done."""
    stepped = {report.task for report in racked.said if isinstance(report, Entered | Stepped) and report.task}
    return stepped - {report.task for report in racked.said if isinstance(report, Drawn)}


def test_a_model_that_fits_in_no_mode_is_refused_and_the_others_draw() -> None:
    racked = Racked()
    racked.too_large["two"] = (FAST, SMALL, SMALLER)
    racked.rack.admit(racked.task("two", "large"))
    racked.rack.admit(racked.task("one", "fine"))
    racked.finish()
    assert racked.drawn_with() == {"fine": "one"}
    assert [r.task.job for r in racked.said if isinstance(r, TaskFailed)] == ["large"]


def test_a_default_model_that_there_is_no_memory_to_draw_with_is_a_sentence_for_the_owner() -> None:
    tried = []

    def finish() -> ModelEngine:
        raise MemoryError

    def read_model(info: ModelInfo, tell: Tell) -> Finish:
        tried.append(info.memory)
        return finish

    model = describe("fake:one")
    with pytest.raises(UnreadableModel, match="not memory enough to draw with one"):
        Rack(Shelf(models=(model,), default=model), read_model, lambda report: None)
    assert tried == [FAST, SMALL, SMALLER]


def test_a_default_model_that_fits_only_in_parts_is_drawn_with_in_parts() -> None:
    said: list[Report] = []

    def read_model(info: ModelInfo, tell: Tell) -> Finish:
        if info.memory is FAST:
            raise UnreadableModel("It does not fit into the memory of cuda.") from MemoryError()
        return lambda: NoiseEngine(info, said.append)

    rack = Rack(Shelf(models=(model := describe("fake:one"),), default=model), read_model, said.append)
    assert rack.loaded == ("fake:one",)
    assert [report.info.memory for report in said if isinstance(report, Ready) and report.info] == [SMALL]
