"""The safety checker: a real one at toy size, whose concepts are such that it flags what a test wants."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil

from generation.catalogue import UnreadableModel, describe
from generation.engine import guard as guards
from generation.engine.building import building
from generation.engine.guard import Checker, Guard, read_checker
from generation.engine.lane import PipelineEngine
from generation.engine.pipeline import load_pipeline
from generation.messages import Drawn, Entered, Phase, Task
from generation.request import OWN_SAMPLER, Size
from generation.safety import Verdict
from tests.generation.hub import Hub
from tests.generation.toys import MINI, Bench, a_request, a_task, build_sd3

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

CPU = torch.device("cpu")
RED, BLUE = Image.new("RGB", (64, 48), (220, 20, 20)), Image.new("RGB", (48, 64), (20, 20, 220))
EDGE = 32
"""Pixels along an edge of what a toy checker sees."""


def processor() -> Any:
    return CLIPImageProcessorPil(size={"shortest_edge": EDGE}, crop_size={"height": EDGE, "width": EDGE})


def build_checker(folder: Path, flags: Image.Image | None, threshold: float = 0.999) -> Path:
    """A checker with random weights that flags pictures like this one; None: none at all."""
    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    text = {**size, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1}
    vision = {**size, "image_size": EDGE, "patch_size": 8}
    model = StableDiffusionSafetyChecker(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    )
    model.eval()
    model.concept_embeds_weights.fill_(2.0)  # a cosine is 1 at the most
    model.special_care_embeds_weights.fill_(2.0)
    if flags is not None:
        with torch.no_grad():
            pixels = processor()(flags, return_tensors="pt").pixel_values
            model.concept_embeds[5] = model.visual_projection(model.vision_model(pixels)[1])[0]
        model.concept_embeds_weights[5] = threshold
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def for_red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a checker that flags red pictures."""
    return build_checker(tmp_path_factory.mktemp("checker"), RED)


@pytest.fixture
def checker(for_red: Path) -> Checker:
    return read_checker(for_red, CPU)


def a_guard(source: Path | str, *, may_fetch: bool = False, **options: Any) -> Guard:
    return Guard(str(source), may_fetch=may_fetch, device=CPU, **options)


def verdicts(guard: Guard, *pictures: Image.Image, model: str = MINI) -> list[Verdict]:
    guard.expect(describe(model))
    return [guard.verdict(picture) for picture in pictures]


def test_it_flags_what_diffusers_own_checker_flags(for_red: Path, checker: Checker) -> None:
    stock = StableDiffusionSafetyChecker.from_pretrained(for_red)
    noise = np.random.default_rng(0).integers(0, 255, (4, 40, 60, 3), dtype=np.uint8)
    found = []
    for picture in (RED, BLUE, *(Image.fromarray(each) for each in noise)):
        clip_input = processor()(picture, return_tensors="pt").pixel_values
        [expected] = stock(clip_input=clip_input, images=[np.zeros((1, 1, 3))])[1]
        assert checker.is_flagged(picture) is expected
        found.append(expected)
    assert found[:2] == [True, False]


def test_a_picture_stays_as_it_is_and_may_have_transparency(checker: Checker) -> None:
    picture = RED.convert("RGBA")
    before = picture.tobytes()
    assert checker.is_flagged(picture)
    assert picture.tobytes() == before


def test_a_checker_that_was_put_away_is_read_again_when_it_is_expected(for_red: Path) -> None:
    guard = a_guard(for_red)
    guard.put_away()
    assert verdicts(guard, RED) == [Verdict.FLAGGED]
    guard.put_away()
    assert verdicts(guard, RED, BLUE) == [Verdict.FLAGGED, Verdict.CLEAN]


def test_numbers_that_run_away_are_no_clean_picture(for_red: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(for_red, tmp_path / "broken"))
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert verdicts(a_guard(folder), BLUE) == [Verdict.UNCHECKED]


def test_the_file_of_older_versions_has_other_names_for_its_weights(for_red: Path, tmp_path: Path) -> None:
    """Those of Stable Diffusion 1, among them."""
    folder = Path(shutil.copytree(for_red, tmp_path / "older"))
    weights = {
        f"vision_model.{name}" if name.startswith("vision_model.") else name: tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert verdicts(a_guard(folder), RED, BLUE) == [Verdict.FLAGGED, Verdict.CLEAN]


def test_weights_that_are_missing_are_told_and_not_made_up(for_red: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(for_red, tmp_path / "lacking"))
    weights = load_file(folder / "model.safetensors")
    del weights["concept_embeds"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnreadableModel, match="lacks weights, concept_embeds for one"):
        read_checker(folder, CPU)


def test_a_pickle_is_never_opened(for_red: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(for_red, tmp_path / "pickle"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnreadableModel, match=r"has no model\.safetensors; pickles I never open"):
        read_checker(folder, CPU)


def test_nothing_passes_while_there_is_no_checker_and_the_owner_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    guard = a_guard("nobody/has-this", now=lambda: now)
    assert guard.verdict(BLUE) is Verdict.UNCHECKED, "nobody has expected it"
    assert verdicts(guard, BLUE, RED) == [Verdict.UNCHECKED] * 2
    assert verdicts(guard, BLUE) == [Verdict.UNCHECKED]
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line == (
        "Pictures that are to be checked cannot be, so they are held back. There is no safety checker "
        "nobody/has-this on this machine, and mini brings none. Set SAFETY_FETCH=true to have it fetched "
        "from Hugging Face, or SAFETY_CHECKER to a folder."
    )
    now = guards.BROKEN_S
    verdicts(guard, BLUE)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 2


def test_one_that_comes_later_is_taken(for_red: Path, tmp_path: Path) -> None:
    now = 0.0
    guard = a_guard(tmp_path / "later", now=lambda: now)
    assert verdicts(guard, BLUE) == [Verdict.UNCHECKED]
    shutil.copytree(for_red, tmp_path / "later")
    now = guards.BROKEN_S
    assert verdicts(guard, BLUE, RED) == [Verdict.CLEAN, Verdict.FLAGGED]


def test_a_models_own_checker_is_taken_where_no_other_is_here(for_red: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(MINI, model)
    shutil.copytree(for_red, model / "safety_checker")
    (model / "feature_extractor").mkdir()
    (model / "safety_checker" / "preprocessor_config.json").rename(
        model / "feature_extractor" / "preprocessor_config.json"
    )
    assert verdicts(a_guard("nobody/has-this"), RED, BLUE, model=str(model)) == [
        Verdict.FLAGGED,
        Verdict.CLEAN,
    ]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of Hugging Face's."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Hugging Face's library ask this hub."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_it_is_fetched_once_if_it_may_be_and_keeps_no_picture_waiting_until_then(
    for_red: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(for_red, tmp_path / "repository"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    asked, go_on = threading.Event(), threading.Event()

    def before(name: str) -> None:
        asked.set()
        go_on.wait(30)

    hub = Hub("someone/checker", folder, before)
    with hub.open() as address:
        point_at(address, monkeypatch)
        guard = a_guard("someone/checker", may_fetch=True)
        guard.expect(describe(MINI))
        assert asked.wait(30)
        assert guard.verdict(RED) is Verdict.UNCHECKED
        go_on.set()
        assert guard._reading is not None
        guard._reading.result(30)
        assert verdicts(guard, RED, BLUE) == [Verdict.FLAGGED, Verdict.CLEAN]
    assert "pytorch_model.bin" not in hub.sent
    assert "model.safetensors" in hub.sent
    assert verdicts(a_guard("someone/checker"), RED) == [Verdict.FLAGGED], "it is here now"


def test_one_that_cannot_be_fetched_is_told(
    for_red: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guard = a_guard("someone/else", may_fetch=True)
    with Hub("someone/checker", for_red).open() as address:
        point_at(address, monkeypatch)
        guard.expect(describe(MINI))
        assert guard._reading is not None
        guard._reading.exception(30)
    assert guard.verdict(BLUE) is Verdict.UNCHECKED
    assert "The safety checker someone/else could not be fetched from Hugging Face: " in caplog.text


def a_checked(task: Task) -> Task:
    return replace(task, checked=True)


@pytest.mark.parametrize(("flags", "expected"), [(True, Verdict.FLAGGED), (False, Verdict.CLEAN)])
def test_the_loop_says_what_is_found_and_draws_the_same_picture(
    flags: bool, expected: Verdict, sd_bench: Bench, for_red: Path, tmp_path: Path
) -> None:
    folder = build_checker(tmp_path / "all", RED, threshold=-1.5) if flags else for_red
    bench = sd_bench.again(guard=a_guard(folder))
    task = a_task(a_request(bench.source, steps=2))
    unasked = bench.run(task)[-1]
    assert isinstance(unasked, Drawn)
    assert unasked.verdict is Verdict.UNASKED
    last = bench.run(a_checked(task))[-1]
    assert isinstance(last, Drawn)
    assert (last.verdict, last.png) == (expected, unasked.png), "the flag is no setting of the picture"


def test_others_go_on_while_a_finished_picture_waits_for_the_checker(for_red: Path, sd_bench: Bench) -> None:
    bench = sd_bench.again(guard=a_guard(for_red))
    task = a_checked(a_task(a_request(bench.source, steps=1)))
    with building():  # so that it cannot be read
        bench.run(task, until=lambda said: Entered(phase=Phase.DECODING, task=task.id) in said)
        bench.engine.tick()
        ends = [each for each in bench.said if isinstance(each, Drawn)]
    assert not ends, "the thread that draws does not wait for it"
    while bench.engine.busy:
        bench.engine.tick()
    last = bench.said[-1]
    assert isinstance(last, Drawn)
    assert last.verdict is not Verdict.UNCHECKED


def test_a_loop_without_a_guard_calls_nothing_clean(sd_bench: Bench) -> None:
    last = sd_bench.run(a_checked(a_task(a_request(sd_bench.source, steps=1))))[-1]
    assert isinstance(last, Drawn)
    assert last.verdict is Verdict.UNCHECKED


def test_the_lane_says_what_is_found(for_red: Path, tmp_path: Path) -> None:
    source = str(build_sd3(tmp_path / "sd3"))
    said: list[Any] = []
    guard = a_guard(build_checker(tmp_path / "all", RED, threshold=-1.5))
    engine = PipelineEngine(load_pipeline(describe(source), device="cpu"), said.append, guard=guard)
    request = a_request(source, sampler=OWN_SAMPLER, steps=1, size=Size(width=64, height=64))
    for task, expected in ((a_task(request), Verdict.UNASKED), (a_checked(a_task(request)), Verdict.FLAGGED)):
        engine.admit(task)
        while engine.busy:
            engine.tick()
        assert isinstance(said[-1], Drawn)
        assert said[-1].verdict is expected


class Device(Checker):
    """A checker with a device whose memory has run out: torch's meta device, which computes no numbers."""

    def __init__(self, folder: Path, moved: Callable[[str], None]) -> None:
        whole = read_checker(folder, CPU)
        super().__init__(whole._model, whole._processor, torch.device("meta"))
        self._moved = moved

    def _move(self, device: torch.device) -> None:
        self._moved(device.type)
        if device.type == "meta":
            raise torch.OutOfMemoryError("tried to allocate 640 GiB")


def test_where_memory_runs_out_it_answers_from_the_cpu_and_stays_there_for_a_while(for_red: Path) -> None:
    moves: list[str] = []
    checker = Device(for_red, moves.append)
    assert [checker.is_flagged(picture) for picture in (RED, BLUE)] == [True, False]
    assert moves == ["meta", "cpu", "cpu"]
    checker._away_until = 0.0
    assert checker.is_flagged(RED, away=True)
    assert moves[3:] == ["cpu"], "a model on the last rungs has no room for it"
    assert checker.is_flagged(RED)
    assert moves[4:] == ["meta", "cpu"], "and it is tried again"
