"""Which pipelines are loaded for other families, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.auto_pipeline import (
    _AUTO_TEXT2IMAGE_DECODER_PIPELINES_MAPPING,
    AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
)

from generation.catalogue import Family, UnreadableModel, describe
from generation.engine.hashes import hash_vae
from generation.engine.lane import PipelineEngine
from generation.engine.models import fetched
from generation.engine.pipeline import _class, load_pipeline
from generation.messages import Drawn, Report, Stepped
from generation.metadata import read
from generation.request import OWN_SAMPLER
from tests.generation.engine.lanes import Lane
from tests.generation.halves import build_kandinsky
from tests.generation.toys import a_request, a_task, picture
from tests.posix import needs_links

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture
def copied(flux: Lane, tmp_path: Path) -> Path:
    return Path(shutil.copytree(flux.source, tmp_path / "model"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("OfTheDayAfterTomorrowPipeline", r"diffusers \d.* does not know; a newer diffusers may"),
        ("SkyReelsV2Pipeline", "is a SkyReelsV2Pipeline; I draw with text-to-image models"),
        ("MarigoldNormalsPipeline", "is a MarigoldNormalsPipeline; I draw with text-to-image models"),
        ("FluxTransformer2DModel", "does not know"),
    ],
)
def test_what_makes_no_picture_of_a_prompt_is_refused(name: str, sentence: str, copied: Path) -> None:
    index = json.loads((copied / "model_index.json").read_text())
    (copied / "model_index.json").write_text(json.dumps({**index, "_class_name": name}))
    with pytest.raises(UnreadableModel, match=sentence):
        load_pipeline(describe(str(copied)), device="cpu")


@pytest.mark.parametrize(
    "part", ["transformer/diffusion_pytorch_model", "text_encoder_2/model", "vae/diffusion_pytorch_model"]
)
def test_truncated_weights_are_told_in_a_sentence(part: str, copied: Path) -> None:
    weights = copied / f"{part}.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load_pipeline(describe(str(copied)), device="cpu")


def test_a_pickle_in_a_part_is_never_opened(copied: Path) -> None:
    (copied / "text_encoder" / "model.safetensors").unlink()
    (copied / "text_encoder" / "pytorch_model.bin").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load_pipeline(describe(str(copied)), device="cpu")


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


# diffusers' own pipeline tells its second half what that no longer wants to be told.
@pytest.mark.filterwarnings("ignore:`callback_steps` is deprecated:FutureWarning")
def test_a_model_in_two_halves_draws_what_diffusers_draws_with_both(tmp_path: Path) -> None:
    model = load_pipeline(describe(str(build_kandinsky(tmp_path))), device="cpu")
    assert (model.info.native, model.info.multiple) == (64, 8)
    said: list[Report] = []
    engine = PipelineEngine(model, said.append)
    changes: dict[str, Any] = {"guidance": 3.0, "negative_prompt": "blue", "steps": 3}
    engine.admit(a_task(a_request(model.info.source, sampler=OWN_SAMPLER, **changes)))
    while engine.busy:
        engine.tick()
    assert [report.step for report in said if isinstance(report, Stepped)] == [1, 2, 3]
    drawn = said[-1]
    assert isinstance(drawn, Drawn)
    theirs = model.pipe(
        "a red circle",
        negative_prompt="blue",
        guidance_scale=3.0,
        width=64,
        height=64,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(7),
    )
    assert picture(drawn.png).tobytes() == theirs.images[0].tobytes()
    assert len(theirs.images[0].getcolors(4096)) > 100, "a picture of one colour proves nothing"
    record = read(drawn.png).record or {}
    assert record["pipeline"] == "KandinskyV22CombinedPipeline"
    assert len({record["model_hash"], record["prior_hash"]}) == 2


def test_whatever_the_auto_pipeline_draws_of_a_prompt_alone_is_drawn() -> None:
    known = [
        *AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values(),
        *_AUTO_TEXT2IMAGE_DECODER_PIPELINES_MAPPING.values(),
    ]
    names = [cls.__name__ for cls in known if "Control" not in cls.__name__]
    for name in {*names} - {"HeliosPipeline", "HeliosPyramidPipeline"}:  # which make videos
        _class(name, "somewhere")


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
