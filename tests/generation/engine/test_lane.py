"""Models of other families draw what their own pipelines draw, step by step, and leave nothing behind."""

from __future__ import annotations

import gc
import inspect
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageChops

from generation.catalogue import describe
from generation.engine.lane import InSteps, Pause, PipelineEngine, arguments_for, is_told_guidance
from generation.engine.pipeline import _class, load_pipeline
from generation.messages import Drawn, Entered, Phase, Report, Stepped, Stopped
from generation.metadata import read
from generation.pipelines import KNOWN, WITHOUT_NEGATIVE, takes_negative
from generation.request import Seed, Size
from tests.generation.engine.lanes import Lane, threads
from tests.generation.toys import a_task, build_pixart, build_sd3, picture

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


# The same picture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"guidance": 1.0, "steps": 1},
        {"size": Size(width=96, height=64), "seed": Seed(11)},
        {"prompt": "Ein grüner Würfel, 赤い丸 🎈 " + "sehr " * 90},
    ],
    ids=["plain", "one step, no guidance", "wide", "long and foreign"],
)
def test_a_picture_is_the_one_that_the_stock_pipeline_draws(lane: Lane, changes: dict[str, Any]) -> None:
    import torch

    request = lane.request(**changes)
    ours = picture(lane.draw(**changes))
    stock = lane.stock(
        request.prompt,
        width=request.size.width,
        height=request.size.height,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
    ).images[0]
    assert ours.tobytes() == stock.tobytes()
    assert len(set(ours.get_flattened_data())) > 100, "a picture of one colour proves nothing"


def test_the_negative_prompt_goes_where_the_pipeline_takes_one(sd3: Lane, flux: Lane) -> None:
    import torch

    stock = sd3.stock(
        "a red circle",
        negative_prompt="blue",
        width=64,
        height=64,
        num_inference_steps=3,
        guidance_scale=5.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    assert picture(sd3.draw(negative_prompt="blue")).tobytes() == stock.tobytes()
    assert picture(sd3.draw()).tobytes() != stock.tobytes()
    # The guidance of Flux is an input of the model: there is nothing to subtract.
    assert picture(flux.draw(negative_prompt="blue")).tobytes() == picture(flux.draw()).tobytes()


@pytest.mark.parametrize(
    "changes", [{"prompt": "a blue square"}, {"seed": Seed(8)}, {"steps": 4}, {"guidance": 5.5}], ids=str
)
def test_each_setting_changes_the_picture(lane: Lane, changes: dict[str, Any]) -> None:
    assert ImageChops.difference(picture(lane.draw()), picture(lane.draw(**changes))).getbbox() is not None


def test_the_same_settings_give_the_same_bytes(lane: Lane) -> None:
    first = lane.draw()
    lane.draw(prompt="something else in between", steps=5)
    assert lane.draw() == first


def test_the_record_names_what_drew(lane: Lane) -> None:
    found = read(lane.draw())
    assert found.request == replace(lane.request(), model=Path(lane.source).name)
    assert found.record is not None
    assert found.record["scheduler"] == "FlowMatchEulerDiscreteScheduler"
    assert found.record["pipeline"] == type(lane.model.pipe).__name__
    assert found.record["model_hash"] == lane.model.hash.result()
    assert found.record["unet_calls"] == []  # nobody else is ever in its calls


def test_what_other_programs_read_names_the_scheduler(lane: Lane) -> None:
    import io

    from PIL import Image

    parameters = Image.open(io.BytesIO(lane.draw())).info["parameters"]
    assert "Sampler: FlowMatchEulerDiscreteScheduler, CFG scale: 5" in parameters


def test_another_weight_makes_another_hash(lane: Lane, tmp_path: Path) -> None:
    other = build_sd3(tmp_path / "other")
    (other / "text_encoder_3" / "config.json").write_text(
        (other / "text_encoder_3" / "config.json").read_text() + " "
    )
    assert load_pipeline(describe(str(other)), device="cpu").hash.result() != lane.model.hash.result()


# Step by step --------------------------------------------------------------------------------------------


def test_each_step_is_reported_once_and_takes_one_tick(lane: Lane) -> None:
    task = lane.begin(steps=4)
    assert (lane.engine.room, lane.engine.busy) == (0, True)
    assert lane.said == [Entered(phase=Phase.DRAWING, task=task.id)]
    for step in range(1, 5):
        lane.engine.tick()
        assert lane.engine.work > 0
        assert lane.said[step:] == [
            Stepped(task=task.id, step=step, steps=4),
            *([Entered(phase=Phase.DECODING, task=task.id)] if step == 4 else []),
        ]
    lane.engine.tick()
    assert isinstance(lane.said[-1], Drawn)
    assert (len(lane.said), lane.engine.room, lane.engine.busy) == (7, 1, False)
    lane.engine.tick()
    assert len(lane.said) == 7
    assert not threads()


def test_a_scheduler_that_calls_the_model_twice_a_step_is_reported_by_steps(sd3: Lane) -> None:
    from diffusers import FlowMatchHeunDiscreteScheduler

    heun = FlowMatchHeunDiscreteScheduler.from_config(sd3.model.scheduler.config)
    twice = replace(sd3.model, scheduler=heun)
    said: list[Report] = []
    engine = PipelineEngine(twice, said.append)
    engine.admit(a_task(sd3.request(steps=3)))
    steps_after_ticks = []
    while engine.busy:
        engine.tick()
        steps_after_ticks.append(sum(isinstance(report, Stepped) for report in said))
    assert steps_after_ticks == [0, 1, 1, 2, 3, 3], "five calls, then the decoding"
    assert [report.step for report in said if isinstance(report, Stepped)] == [1, 2, 3]
    assert isinstance(said[-1], Drawn)


@pytest.mark.parametrize("ticks", range(5))
def test_a_picture_is_cancelled_between_any_two_steps(lane: Lane, ticks: int) -> None:
    expected = lane.draw()
    task = lane.begin(steps=4)
    for _ in range(ticks):
        lane.engine.tick()
    assert lane.engine.cancel(task.id)
    assert lane.said[-1] == Stopped(task=task.id)
    assert (lane.engine.room, lane.engine.busy, threads()) == (1, False, [])
    assert not lane.engine.cancel(task.id)
    lane.engine.tick()
    assert lane.said[-1] == Stopped(task=task.id)
    assert lane.draw() == expected


def test_cancelling_another_task_stops_nothing(lane: Lane) -> None:
    lane.begin()
    lane.engine.tick()
    assert not lane.engine.cancel(a_task(job="another").id)
    assert isinstance(lane.end()[-1], Drawn)


@pytest.mark.parametrize("ticks", [0, 2])
def test_an_engine_that_is_dropped_leaves_no_thread_behind(lane: Lane, ticks: int) -> None:
    engine = PipelineEngine(lane.model, lambda report: None)
    engine.admit(a_task(lane.request()))
    for _ in range(ticks):
        engine.tick()
    assert bool(threads()) == bool(ticks)
    del engine
    gc.collect()
    assert not threads()
    lane.draw()


def test_an_engine_that_is_closed_in_the_middle_of_a_picture_leaves_no_thread_behind(sd3: Lane) -> None:
    engine = PipelineEngine(sd3.model, lambda report: None)
    engine.admit(a_task(sd3.request()))
    engine.tick()
    engine.close()
    assert not threads()


def test_an_older_pipeline_that_tells_its_steps_in_another_way_is_followed_too(tmp_path: Path) -> None:
    lane = Lane(build_pixart(tmp_path / "toy-pixart"))
    assert "callback_on_step_end" not in lane.model.parameters
    size = Size(width=256, height=256)
    expected = lane.draw(size=size)
    assert [report.step for report in lane.said if isinstance(report, Stepped)] == [1, 2, 3]
    task = lane.begin(size=size)
    lane.engine.tick()
    assert lane.engine.cancel(task.id)
    assert not threads()
    assert lane.draw(size=size) == expected


# What it is called with ----------------------------------------------------------------------------------


def _called(lane: Lane, pipeline: str, **changes: Any) -> dict[str, Any]:
    import diffusers
    import torch

    parameters = inspect.signature(getattr(diffusers, pipeline).__call__).parameters
    model = replace(lane.model, parameters=parameters)
    return arguments_for(model, lane.request(guidance=4.0, **changes), torch.Generator("cpu"))


def test_guidance_goes_where_a_pipeline_wants_it(sd3: Lane) -> None:
    flux = _called(sd3, "FluxPipeline", negative_prompt="blue")
    assert flux["guidance_scale"] == 4.0
    assert not {"negative_prompt", "true_cfg_scale"} & flux.keys()
    qwen = _called(sd3, "QwenImagePipeline")
    assert (qwen["true_cfg_scale"], qwen["negative_prompt"]) == (4.0, " ")
    assert "guidance_scale" not in qwen
    assert _called(sd3, "QwenImagePipeline", negative_prompt="blue")["negative_prompt"] == "blue"
    assert "negative_prompt" not in _called(sd3, "Flux2Pipeline", negative_prompt="blue")
    pixart = _called(sd3, "PixArtSigmaPipeline", negative_prompt="blue")
    assert (pixart["guidance_scale"], pixart["negative_prompt"]) == (4.0, "blue")


@pytest.mark.parametrize("name", sorted({*KNOWN, *WITHOUT_NEGATIVE}))
def test_the_bot_which_cannot_ask_diffusers_knows_who_takes_a_negative_prompt(name: str) -> None:
    takes = inspect.signature(_class(name, "somewhere").__call__).parameters
    assert takes_negative(name) == ("negative_prompt" in takes and not is_told_guidance(takes))


# Work in steps -------------------------------------------------------------------------------------------


def test_work_goes_on_only_while_somebody_waits_for_it() -> None:
    done: list[int] = []

    def work(pause: Pause) -> None:
        for number in range(3):
            done.append(number)
            pause()

    steps = InSteps(work)
    assert not done
    for number in range(3):
        assert not steps.advance()
        assert done == list(range(number + 1))
    assert steps.advance()
    assert not threads()


def test_work_that_is_stopped_cannot_hold_on() -> None:
    cleaned: list[str] = []

    def work(pause: Pause) -> None:
        try:
            pause()
        except Exception:  # noqa: BLE001 - what a pipeline might do
            cleaned.append("swallowed")
        finally:
            cleaned.append("finally")
            pause()

    steps = InSteps(work)
    steps.advance()
    steps.stop()
    steps.stop()
    assert (cleaned, threads()) == (["finally"], [])


def test_work_that_has_ended_holds_nothing_any_more() -> None:
    def work_on(picture: threading.Event) -> tuple[InSteps, weakref.ref[threading.Event]]:
        return InSteps(lambda pause: picture.set()), weakref.ref(picture)

    steps, picture = work_on(threading.Event())
    assert picture() is not None
    assert steps.advance()
    assert picture() is None


def test_work_that_never_began_can_be_stopped() -> None:
    InSteps(lambda pause: None).stop()
    assert not threads()
