"""Which pipelines are loaded for other families, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from generation.catalogue import Family, UnreadableModel, describe
from generation.engine.hashes import hash_vae
from generation.engine.lane import PipelineEngine
from generation.engine.models import fetched
from generation.engine.pipeline import load_pipeline
from generation.messages import Drawn, Report
from tests.generation.engine.lanes import Lane
from tests.generation.toys import a_task, build_flux, picture
from tests.posix import needs_links

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


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
