"""Models of other families draw what their own pipelines draw, step by step, and leave nothing behind."""

from __future__ import annotations

import gc
import inspect
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageChops

from generation.catalogue import Family, UnreadableModel, describe
from generation.engine.engine import Engine
from generation.engine.hashes import hash_vae
from generation.engine.lane import InSteps, Pause, PipelineEngine, arguments_for, is_told_guidance
from generation.engine.models import fetched
from generation.engine.pipeline import load_pipeline
from generation.messages import Drawn, Entered, Phase, Report, Stepped, Stopped, Task, TaskFailed
from generation.metadata import read
from generation.pipelines import KNOWN, WITHOUT_NEGATIVE, takes_negative
from generation.request import OWN_SAMPLER, GenerationRequest, Seed, Size
from tests.generation.toys import a_request, a_task, build_flux, build_pixart, build_sd3, picture
from tests.posix import needs_links

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


class Lane:
    """An engine for one pipeline in this process, what it said, and the same pipeline untouched."""

    def __init__(self, folder: Path) -> None:
        from diffusers import DiffusionPipeline

        self.source = str(folder)
        self.model = load_pipeline(describe(self.source), device="cpu")
        self.said: list[Report] = []
        self.engine: Engine = PipelineEngine(self.model, self.said.append)
        self.stock = DiffusionPipeline.from_pretrained(self.source)
        self.stock.set_progress_bar_config(disable=True)

    def request(self, **changes: Any) -> GenerationRequest:
        return replace(a_request(self.source, sampler=OWN_SAMPLER, steps=3), **changes)

    def begin(self, **changes: Any) -> Task:
        self.said.clear()
        task = a_task(self.request(**changes))
        self.engine.admit(task)
        return task

    def end(self) -> list[Report]:
        while self.engine.busy:
            self.engine.tick()
        return list(self.said)

    def draw(self, **changes: Any) -> bytes:
        self.begin(**changes)
        last = self.end()[-1]
        assert isinstance(last, Drawn), last
        return last.png

    def failure(self, **changes: Any) -> str:
        self.begin(**changes)
        last = self.end()[-1]
        assert isinstance(last, TaskFailed), last
        assert not threads()
        return last.reason


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "pipeline"]


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(build_sd3(tmp_path_factory.mktemp("models") / "toy-sd3"))


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(build_flux(tmp_path_factory.mktemp("models") / "toy-flux"))


@pytest.fixture(params=["sd3", "flux"])
def lane(request: pytest.FixtureRequest) -> Lane:
    named: Lane = request.getfixturevalue(request.param)
    return named


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


# What goes wrong -----------------------------------------------------------------------------------------


def _raising(error: Exception) -> Callable[..., Any]:
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise error

    return forward


@pytest.mark.parametrize(
    ("part", "method"), [("text_encoder", "forward"), ("transformer", "forward"), ("vae", "decode")]
)
def test_an_error_in_any_part_ends_one_picture_only(
    part: str, method: str, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expected = lane.draw()
    for error, words in (
        (torch.OutOfMemoryError("tried to allocate 640 GiB"), "not enough memory to draw this"),
        (ZeroDivisionError("division by zero"), r"went wrong (ZeroDivisionError)"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(getattr(lane.model.pipe, part), method, _raising(error))
            assert words in lane.failure()
        assert lane.draw() == expected


def test_an_error_after_some_steps_leaves_the_engine_as_it_was(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = lane.draw()
    with monkeypatch.context() as patch:
        lane.begin(steps=9)
        lane.engine.tick()
        lane.engine.tick()
        patch.setattr(lane.model.pipe.transformer, "forward", _raising(RuntimeError("broken")))
        last = lane.end()[-1]
    assert isinstance(last, TaskFailed)
    assert [report.step for report in lane.said if isinstance(report, Stepped)] == [1, 2]
    assert not threads()
    assert lane.draw() == expected


def test_numbers_that_run_away_are_told_instead_of_drawn(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    with monkeypatch.context() as patch:
        weight = lane.model.pipe.vae.decoder.conv_out.bias
        patch.setattr(weight, "data", torch.full_like(weight.data, float("nan")))
        assert "numbers ran away" in lane.failure()
    lane.draw()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": Size(width=72, height=64)}, "multiples of 16. The nearest that works is 64x64"),
        ({"size": Size(width=4096, height=64)}, "each edge must be 64 to"),
        ({"sampler": "Euler"}, "draws with a sampler of its own; leave the sampler out"),
        ({"model": "another"}, "is the model now"),
    ],
    ids=["odd", "huge", "sampler", "model"],
)
def test_what_the_model_cannot_draw_fails_with_a_sentence(
    changes: dict[str, Any], words: str, lane: Lane
) -> None:
    assert words in lane.failure(**changes)
    assert len(lane.said) == 1


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
    import diffusers

    takes = inspect.signature(getattr(diffusers, name).__call__).parameters
    assert takes_negative(name) == ("negative_prompt" in takes and not is_told_guidance(takes))


# Loading -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("OfTheDayAfterTomorrowPipeline", r"diffusers \d.* does not know; a newer diffusers may"),
        ("SkyReelsV2Pipeline", "is a SkyReelsV2Pipeline; I draw with text-to-image models"),
        ("MarigoldNormalsPipeline", "is a MarigoldNormalsPipeline; I draw with text-to-image models"),
        ("FluxTransformer2DModel", "does not know"),
    ],
)
def test_what_makes_no_picture_of_a_prompt_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    folder = build_flux(tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": name}))
    with pytest.raises(UnreadableModel, match=sentence):
        load_pipeline(describe(str(folder)), device="cpu")


@pytest.mark.parametrize(
    "part", ["transformer/diffusion_pytorch_model", "text_encoder_2/model", "vae/diffusion_pytorch_model"]
)
def test_truncated_weights_are_told_in_a_sentence(part: str, tmp_path: Path) -> None:
    weights = build_flux(tmp_path / "model") / f"{part}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load_pipeline(describe(str(tmp_path / "model")), device="cpu")


def test_a_pickle_in_a_part_is_never_opened(tmp_path: Path) -> None:
    folder = build_flux(tmp_path / "model")
    (folder / "text_encoder" / "model.safetensors").unlink()
    (folder / "text_encoder" / "pytorch_model.bin").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load_pipeline(describe(str(folder)), device="cpu")


@needs_links
def test_a_model_is_what_its_files_say_once_it_is_here(
    sd3: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guessed = replace(describe("fake:noise"), source="someone/dreams", family=Family.SD1)
    store = tmp_path / "models--someone--dreams"
    (store / "snapshots").mkdir(parents=True)
    (store / "snapshots" / "abc").symlink_to(sd3.source)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    info = fetched(guessed, device="cpu")
    assert (info.family, info.source) == (Family.OTHER, "someone/dreams")
    assert load_pipeline(info, device="cpu").hash.result() == sd3.model.hash.result()


def test_the_worker_draws_other_families_in_the_lane(flux: Lane) -> None:
    from generation.worker import _read, read_options

    options = read_options(["--model", flux.source, "--device", "cpu"])
    finish = _read(describe(flux.source), options, lambda report: None, lambda fetched, total: None)
    assert isinstance(finish(), PipelineEngine)


def test_another_vae_takes_the_place_of_the_models_own(sd3: Lane, flux: Lane) -> None:
    vae = str(Path(flux.source) / "vae")
    model = load_pipeline(replace(describe(sd3.source), vae=vae), device="cpu")
    assert model.pipe.vae.config.shift_factor == flux.model.pipe.vae.config.shift_factor
    assert model.record()["vae_hash"] == hash_vae(Path(vae))
    said: list[Report] = []
    engine = PipelineEngine(model, said.append)
    engine.admit(a_task(sd3.request()))
    while engine.busy:
        engine.tick()
    assert isinstance(said[-1], Drawn)
    assert picture(said[-1].png).tobytes() != picture(sd3.draw()).tobytes()


def test_an_engine_that_is_closed_in_the_middle_of_a_picture_leaves_no_thread_behind(sd3: Lane) -> None:
    engine = PipelineEngine(sd3.model, lambda report: None)
    engine.admit(a_task(sd3.request()))
    engine.tick()
    engine.close()
    assert not threads()


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


def test_work_that_never_began_can_be_stopped() -> None:
    InSteps(lambda pause: None).stop()
    assert not threads()
