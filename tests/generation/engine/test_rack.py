"""Several models in one worker: each task is drawn by its own, and memory is shared."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from generation.catalogue import MemoryMode, ModelInfo, UnreadableModel, describe
from generation.engine.footprints import weight_on_disk
from generation.engine.noise import NoiseEngine
from generation.engine.rack import BROKEN_S, Rack
from generation.engine.reading import Finish, Tell
from generation.job import JobId
from generation.messages import (
    Drawn,
    Entered,
    Phase,
    PutAway,
    Ready,
    Stepped,
    Stopped,
    TaskFailed,
)
from generation.shelf import Shelf
from tests.generation.engine.racked import Racked
from tests.generation.toys import a_request, a_task


def test_of_a_model_that_is_gone_people_hear_no_folders_of_the_owners() -> None:
    racked = Racked()
    racked.rack.admit(a_task(a_request("/home/ada/models/dreams.safetensors"), job="lost"))
    [failed] = [each for each in racked.said if isinstance(each, TaskFailed)]
    assert failed.reason.startswith("This was to be drawn with dreams.safetensors, which is not among")


def test_each_task_is_drawn_with_its_own_model() -> None:
    racked = Racked()
    assert racked.was_read == ["one"], "the others are read when somebody wants them"
    for number, name in enumerate(("two", "one", "three", "two")):
        racked.rack.admit(racked.task(name, f"{number}"))
    racked.finish()
    assert racked.drawn_with() == {"0": "two", "1": "one", "2": "three", "3": "two"}
    assert sorted(racked.was_read) == ["one", "three", "two"], "each once"
    racked.rack.close()
    assert sorted(racked.gone) == ["one", "three", "two"]


def test_what_is_in_flight_goes_on_while_another_model_is_read() -> None:
    hold = threading.Event()
    racked = Racked(hold=hold)
    racked.rack.admit(racked.task("two", "waits"))
    racked.rack.admit(racked.task("one", "goes on"))
    for _ in range(10):
        racked.rack.tick()
    assert racked.drawn_with() == {"goes on": "one"}
    hold.set()
    racked.finish()
    assert racked.drawn_with() == {"goes on": "one", "waits": "two"}


def test_the_model_used_least_recently_leaves_when_its_memory_is_needed() -> None:
    racked = Racked(budget=250)
    for name in ("two", "one", "three"):
        racked.rack.admit(racked.task(name, name))
        racked.finish()
    assert racked.gone == ["two"]
    assert racked.rack.loaded == ("fake:one", "fake:three")
    racked.rack.admit(racked.task("two", "again"))
    racked.finish()
    assert racked.gone == ["two", "one"]
    assert racked.drawn_with()["again"] == "two"


def test_a_model_that_is_drawing_leaves_when_it_has_drawn_what_it_has_begun() -> None:
    racked = Racked(budget=150)
    racked.rack.admit(racked.task("one", "begun", steps=10))
    racked.rack.tick()
    racked.rack.admit(racked.task("two", "switch", steps=2))
    racked.rack.tick()
    racked.rack.admit(racked.task("one", "late", steps=2))  # else "switch" would wait for ever
    racked.finish()
    assert racked.drawn_with() == {"begun": "one", "switch": "two", "late": "one"}
    order = [r.task.job for r in racked.said if isinstance(r, Drawn)]
    assert order == ["begun", "switch", "late"]
    assert racked.gone == ["one", "two"]


def test_a_model_larger_than_the_whole_budget_is_loaded_alone() -> None:
    racked = Racked(budget=50)
    racked.rack.admit(racked.task("two", "large"))
    racked.finish()
    assert racked.drawn_with() == {"large": "two"}
    assert racked.rack.loaded == ("fake:two",)


def test_a_model_that_cannot_be_read_fails_its_own_tasks_and_may_be_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    racked = Racked()
    racked.unreadable = {"two": UnreadableModel("fake:two is broken.")}
    for number in range(2):
        racked.rack.admit(racked.task("two", f"broken{number}"))
    racked.rack.admit(racked.task("one", "fine"))
    racked.finish()
    failed = {r.task.job: r.reason for r in racked.said if isinstance(r, TaskFailed)}
    assert set(failed) == {"broken0", "broken1"}
    assert all("The model two cannot be used at the moment" in reason for reason in failed.values())
    assert "fake:two is broken." in caplog.text
    assert racked.drawn_with() == {"fine": "one"}
    racked.unreadable.clear()
    racked.rack.admit(racked.task("two", "too soon"))
    racked.finish()
    assert racked.was_read.count("two") == 1, "it is not tried again at once"
    racked.time += BROKEN_S
    racked.rack.admit(racked.task("two", "mended"))
    racked.finish()
    assert racked.drawn_with()["mended"] == "two"


@pytest.mark.parametrize("when", ["reading", "finishing"])
def test_whatever_goes_wrong_with_a_second_model_the_first_draws_on(
    when: str, caplog: pytest.LogCaptureFixture
) -> None:
    racked = Racked()
    (racked.unreadable if when == "reading" else racked.unfinishable)["two"] = OSError("the disk is gone")
    racked.rack.admit(racked.task("two", "broken"))
    racked.rack.admit(racked.task("one", "fine"))
    racked.finish()
    assert racked.drawn_with() == {"fine": "one"}
    assert [r.task.job for r in racked.said if isinstance(r, TaskFailed)] == ["broken"]
    assert "the disk is gone" in caplog.text


def test_when_memory_runs_out_while_reading_an_idle_model_makes_room() -> None:
    racked = Racked()
    racked.unfinishable["two"] = MemoryError()
    racked.rack.admit(racked.task("two", "large"))
    racked.finish()
    assert racked.drawn_with() == {"large": "two"}
    assert racked.gone == ["one"]


def test_a_shortage_that_nothing_helps_is_logged_with_where_it_was(caplog: pytest.LogCaptureFixture) -> None:
    racked = Racked()
    busy = racked.task("one", "busy", steps=60)
    racked.rack.admit(busy)
    racked.too_large["two"] = tuple(MemoryMode)
    racked.rack.admit(racked.task("two", "large"))
    racked.finish()
    assert [r.task.job for r in racked.said if isinstance(r, TaskFailed)] == ["large"]
    assert "Traceback" in caplog.text


def test_what_was_read_when_memory_ran_out_is_gone_before_it_is_read_again() -> None:
    racked = Racked()
    read_model = racked.rack._read
    halves: list[weakref.ref[threading.Event]] = []
    left: list[bool] = []

    def run_short(model: ModelInfo, tell: Tell) -> Finish:
        left.append(any(each() is not None for each in halves))
        half = threading.Event()
        halves.append(weakref.ref(half))
        if len(halves) < 3:
            try:
                raise MemoryError
            except MemoryError as error:  # as where a model is loaded
                raise UnreadableModel("It does not fit.") from error
        return read_model(model, tell)

    racked.rack._read = run_short
    racked.rack.admit(racked.task("two", "large"))
    racked.finish()
    assert racked.drawn_with() == {"large": "two"}
    assert left == [False] * 3


def test_taking_back_the_only_wish_for_another_model_lets_the_first_go_on() -> None:
    racked = Racked(budget=150)
    racked.rack.admit(racked.task("one", "begun", steps=10))
    racked.rack.tick()
    other = racked.task("two", "taken back")
    racked.rack.admit(other)
    racked.rack.tick()
    assert racked.rack.cancel(other.id)
    racked.rack.admit(racked.task("one", "later"))
    racked.finish()
    assert racked.drawn_with() == {"begun": "one", "later": "one"}


def test_a_model_whose_tasks_were_taken_back_leaves_for_another() -> None:
    racked = Racked(budget=150)
    tasks = [racked.task("two", f"b{number}", steps=6) for number in range(3)]
    for task in tasks:
        racked.rack.admit(task)
    while not any(isinstance(report, Stepped) for report in racked.said):
        racked.rack.tick()
    for task in tasks[1:]:
        assert racked.rack.cancel(task.id)
    racked.rack.admit(racked.task("one", "after"))
    racked.finish()
    assert racked.drawn_with() == {"b0": "two", "after": "one"}


def test_a_model_does_not_come_while_another_must_stay_for_what_it_was_read_for() -> None:
    racked = Racked(budget=150)
    for number in range(3):
        racked.rack.admit(racked.task("two", f"b{number}"))
    while "two" not in racked.gone:
        racked.rack.tick()
        assert racked.rack.footprint <= 150
        if racked.was_read == ["one", "two"] and not racked.rack._waiting.get("fake:three"):
            racked.rack.admit(racked.task("three", "after"))
    racked.finish()
    assert racked.drawn_with() == {"b0": "two", "b1": "two", "b2": "two", "after": "three"}


def test_steady_demand_for_one_model_does_not_starve_another() -> None:
    racked = Racked(budget=150)
    for number in range(8):
        racked.rack.admit(racked.task("one", f"a{number}"))
    racked.rack.tick()
    for number in range(2):
        racked.rack.admit(racked.task("two", f"b{number}"))
    racked.finish()
    order = [r.task.job for r in racked.said if isinstance(r, Drawn)]
    assert order.index(JobId("b1")) < order.index(JobId("a7")), order
    assert len(racked.was_read) <= 3, "one, two, one: a model stays until it has drawn what it was read for"


def test_a_model_that_cannot_be_read_makes_others_leave_once_only() -> None:
    racked = Racked(budget=150)
    racked.unreadable["two"] = UnreadableModel("broken")
    for number in range(3):
        racked.rack.admit(racked.task("two", f"b{number}"))
        racked.finish()
        racked.rack.admit(racked.task("one", f"a{number}"))
        racked.finish()
    assert racked.was_read == ["one", "two", "one"]


def test_those_that_a_model_is_read_for_are_named_before_it_is() -> None:
    """Should reading it end the process, they are suspects, and nobody else."""
    racked = Racked()
    task = racked.task("two", "wants it")
    racked.rack.admit(task)
    racked.rack.tick()
    assert Entered(phase=Phase.LOADING, task=task.id) in racked.said
    racked.finish()
    assert [r.model for r in racked.said if isinstance(r, Ready)] == ["fake:one", "fake:two"]


def test_without_its_default_model_there_is_no_rack() -> None:
    shelf = Shelf.one("fake:unreadable")

    def read_model(info: ModelInfo, tell: Tell) -> Finish:
        engine = NoiseEngine(info, lambda report: None)
        return lambda: engine

    with pytest.raises(UnreadableModel, match="cannot be read"):
        Rack(shelf, read_model, lambda report: None)


def test_a_model_that_is_gone_from_the_shelf_fails_with_a_sentence() -> None:
    racked = Racked()
    racked.rack.admit(racked.task("four", "old"))
    failed = racked.said[-1]
    assert isinstance(failed, TaskFailed)
    assert "not among the models any more" in failed.reason
    assert not racked.rack.busy


def test_what_waits_for_a_model_can_be_taken_back() -> None:
    hold = threading.Event()
    racked = Racked(hold=hold)
    waiting, other = racked.task("two", "taken back"), racked.task("three", "too")
    racked.rack.admit(waiting)
    racked.rack.admit(other)
    racked.rack.tick()
    assert racked.rack.cancel(waiting.id)
    assert racked.rack.cancel(other.id)
    assert [r for r in racked.said if isinstance(r, Stopped)] == [
        Stopped(task=waiting.id),
        Stopped(task=other.id),
    ]
    hold.set()
    racked.finish()
    assert not racked.rack.cancel(waiting.id)
    assert not racked.drawn_with()


def test_all_models_can_be_put_away_and_come_back_when_they_are_asked_for() -> None:
    racked = Racked()
    racked.rack.admit(racked.task("two", "1"))
    racked.finish()
    racked.rack.put_all_away()
    assert racked.rack.loaded == ()
    assert [each.model for each in racked.said if isinstance(each, PutAway)] == ["fake:one", "fake:two"]
    assert racked.rack.batch == 1
    assert not racked.rack.busy
    racked.unreadable["two"] = UnreadableModel("Its disk is gone.")
    for number, name in enumerate(("two", "one"), start=2):
        racked.rack.admit(racked.task(name, f"{number}"))
    racked.finish()
    assert racked.drawn_with() == {"1": "two", "3": "one"}
    assert racked.was_read == ["one", "two", "two", "one"]
    [failed] = [each for each in racked.said if isinstance(each, TaskFailed)]
    assert failed.task.job == "2"


def order_of_steps(racked: Racked, steps: int) -> list[JobId]:
    """Whose steps follow each other when two models that are both in memory have a picture each."""
    racked.rack.admit(racked.task("two", "warm"))
    racked.finish()
    racked.said.clear()
    for name in ("one", "two"):
        racked.rack.admit(racked.task(name, name, steps=steps))
    racked.finish()
    return [r.task.job for r in racked.said if isinstance(r, Stepped)]


def test_two_models_take_turns() -> None:
    order = order_of_steps(Racked(), 6)
    assert order == ["one", "two"] * 6 or order == ["two", "one"] * 6


def test_a_model_whose_steps_are_a_quarter_of_the_work_takes_four_for_one() -> None:
    order = order_of_steps(Racked(works={"one": 1.0, "two": 4.0}), 40)
    assert order[:20].count(JobId("one")) == 16


def test_the_weight_of_a_model_is_told_from_its_files(toy_sd: Path, tmp_path: Path) -> None:
    info = describe(str(toy_sd))
    by_hand = sum(path.stat().st_size for path in toy_sd.rglob("*.safetensors"))
    assert weight_on_disk(info) == by_hand
    single = tmp_path / "model.safetensors"
    single.write_bytes(bytes(1234))
    assert weight_on_disk(replace(info, source=str(single))) == 1234
    assert weight_on_disk(replace(info, source="somebody/else")) == 0
