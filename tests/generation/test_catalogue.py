"""What a model is is read from its files, and what is wrong with them is said in a sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import Defaults, Family, UnreadableModel, describe
from generation.request import OWN_SAMPLER, Size
from tests.generation.modelfiles import INPUT, REFINER, SD1, SD2, SDXL, a_folder
from tests.generation.toys import MINI, a_request, write_safetensors

pytestmark = pytest.mark.usefixtures("own_hub_cache")


def test_the_embedded_model_is_known_by_its_own_card() -> None:
    info = describe(MINI)
    assert (info.name, info.native, info.multiple) == ("mini", 128, 32)
    assert info.defaults == Defaults(steps=20, guidance=2.5, sampler="DPM++ 2M Karras")
    assert info.words is not None
    assert {"red", "circle", "triangle"} <= info.words


def test_a_folder_tells_its_native_size_and_what_its_levels_divide(tmp_path: Path) -> None:
    info = describe(str(a_folder(tmp_path / "dream")))
    assert (info.name, info.family, info.native, info.multiple) == ("dream", Family.SD1, 512, 64)
    assert (info.min_edge, info.max_edge, info.words) == (256, 1024, None)
    xl = {
        "sample_size": 128,
        "in_channels": 4,
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
    }
    info = describe(str(a_folder(tmp_path / "xl", pipeline="StableDiffusionXLPipeline", unet=xl)))
    assert (info.family, info.native, info.multiple) == (Family.SDXL, 1024, 32)


def test_a_model_made_for_inpainting_is_known_by_the_channels_of_its_unet(tmp_path: Path) -> None:
    nine = {
        "sample_size": 64,
        "in_channels": 9,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
    }
    made = describe(str(a_folder(tmp_path / "nine", pipeline="StableDiffusionInpaintPipeline", unet=nine)))
    assert (made.family, made.inpainting) == (Family.SD1, True)
    with_four = describe(str(a_folder(tmp_path / "four", pipeline="StableDiffusionInpaintPipeline")))
    assert (with_four.family, with_four.inpainting) == (Family.SD1, False)
    xl = describe(str(a_folder(tmp_path / "xl", pipeline="StableDiffusionXLInpaintPipeline", unet=nine)))
    assert (xl.family, xl.inpainting) == (Family.SDXL, True)
    file = write_safetensors(tmp_path / "alone.safetensors", {**SD1, INPUT: [320, 9, 3, 3]})
    assert describe(str(file)).inpainting
    a_folder(tmp_path / "alone")
    with pytest.raises(UnreadableModel, match="reads 9 channels, but the folder alone/ beside it"):
        describe(str(file))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pipeline": "FluxInpaintPipeline"}, "is a FluxInpaintPipeline; I draw with text-to-image models"),
        ({"pipeline": "WanPipeline"}, "is a WanPipeline; I draw with text-to-image models"),
        ({"pipeline": ["pipeline", "MyPipeline"]}, "brings code of its own, which I never run"),
        ({"weights": "diffusion_pytorch_model.bin"}, "keeps its weights in pickles"),
        ({"weights": None}, r"holds no \.safetensors file"),
        ({"unet": {"in_channels": 8}}, r"is an editing model \(pix2pix\): its UNet reads 8 channels"),
        ({"unet": {"in_channels": 5}}, "is a depth model: its UNet reads 5 channels"),
        ({"unet": {"in_channels": 7}}, "is a model for something else: its UNet reads 7 channels"),
        (
            {"pipeline": "StableDiffusionInstructPix2PixPipeline"},
            "is a StableDiffusionInstructPix2PixPipeline",
        ),
        ({"unet": {"in_channels": 4}}, "is not complete: KeyError"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableModel, match=sentence):
        describe(str(a_folder(tmp_path / "model", **changes)))


def other_folder(path: Path, pipeline: str, part: str, **config: Any) -> str:
    """The small files of a model of another family."""
    for name in (part, "vae"):
        (path / name).mkdir(parents=True, exist_ok=True)
        (path / name / "diffusion_pytorch_model.safetensors").touch()
    (path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    (path / part / "config.json").write_text(json.dumps(config))
    (path / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [128, 256, 512, 512]}))
    return str(path)


def test_a_model_of_another_family_is_described_by_its_own_files(tmp_path: Path) -> None:
    sd3 = describe(
        other_folder(tmp_path / "3", "StableDiffusion3Pipeline", "transformer", sample_size=128, patch_size=2)
    )
    assert (sd3.family, sd3.native, sd3.multiple, sd3.max_edge) == (Family.OTHER, 1024, 16, 2048)
    assert sd3.defaults == Defaults(steps=28, guidance=7.0, sampler=OWN_SAMPLER)
    flux = other_folder(tmp_path / "flux", "FluxPipeline", "transformer", patch_size=1, guidance_embeds=False)
    assert describe(flux).defaults == Defaults(steps=4, guidance=0.0, sampler=OWN_SAMPLER)
    assert (describe(flux).native, describe(flux).multiple) == (1024, 16)
    unet = {"sample_size": 64, "down_block_types": ["a", "b", "c", "d"]}
    kandinsky = describe(other_folder(tmp_path / "22", "KandinskyV22Pipeline", "unet", **unet))
    assert (kandinsky.native, kandinsky.multiple, kandinsky.defaults.steps) == (512, 64, 100)
    cascade = describe(other_folder(tmp_path / "c", "StableCascadeDecoderPipeline", "decoder"))
    assert (cascade.native, cascade.multiple, cascade.defaults.steps) == (1024, 128, 12)


def test_a_model_is_never_refused_because_it_is_new(tmp_path: Path) -> None:
    info = describe(other_folder(tmp_path / "new", "OfTheDayAfterTomorrowPipeline", "transformer"))
    assert (info.family, info.native, info.defaults.steps) == (Family.OTHER, 1024, 28)


def test_a_model_of_another_family_draws_with_its_own_sampler(tmp_path: Path) -> None:
    info = describe(other_folder(tmp_path / "flux", "FluxPipeline", "transformer"))
    size = Size(width=1024, height=768)
    assert info.reject_reason(a_request(info.source, size=size, sampler=info.defaults.sampler)) is None
    reason = info.reject_reason(a_request(info.source, size=size, sampler="Euler"))
    assert reason == "flux draws with a sampler of its own; leave the sampler out."
    unknown = describe(MINI).reject_reason(a_request(MINI, sampler=OWN_SAMPLER))
    assert unknown is not None
    assert "I do not know the sampler" in unknown


def test_what_diffusers_draws_of_a_prompt_alone_is_taken_and_the_rest_is_not(tmp_path: Path) -> None:
    from diffusers.pipelines import auto_pipeline

    def classes(*tasks: str) -> set[str]:
        tables = [getattr(auto_pipeline, f"AUTO_{task}_PIPELINES_MAPPING") for task in tasks]
        return {cls.__name__ for table in tables for cls in table.values()}

    def taken(name: str) -> bool:
        with suppress(UnreadableModel):
            return describe(other_folder(tmp_path / name, name, "transformer")).family is Family.OTHER
        return False

    # The loop's own three are described by their UNet, and these want a picture or make a video.
    drawn = {name for name in classes("TEXT2IMAGE") if not re.search("Control|Helios", name)}
    drawn |= {cls.__name__ for cls in auto_pipeline._AUTO_TEXT2IMAGE_DECODER_PIPELINES_MAPPING.values()}
    drawn -= {"StableDiffusionPipeline", "StableDiffusionXLPipeline", "LatentConsistencyModelPipeline"}
    assert [name for name in sorted(drawn) if not taken(name)] == []
    others = classes("IMAGE2IMAGE", "INPAINT", "TEXT2VIDEO", "IMAGE2VIDEO", "VIDEO2VIDEO", "TEXT2AUDIO")
    others -= classes("TEXT2IMAGE")
    assert [name for name in sorted(others) if taken(name)] == []


def test_the_settings_of_other_families_are_those_of_diffusers() -> None:
    import inspect

    from generation.engine.pipeline import _class
    from generation.pipelines import KNOWN

    for name, (steps, guidance) in KNOWN.items():
        parameters = inspect.signature(_class(name, "somewhere").__call__).parameters
        assert parameters["num_inference_steps"].default == steps, name
        scaled = "guidance_scale" if "guidance_scale" in parameters else "prior_guidance_scale"
        scale = parameters[scaled].default
        assert (parameters["true_cfg_scale"].default if scale is None else scale) == guidance, name


def test_a_folder_with_missing_or_broken_parts_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"holds no model_index\.json"):
        describe(str(tmp_path))
    folder = a_folder(tmp_path / "model")
    (folder / "vae" / "config.json").write_text("{")
    with pytest.raises(UnreadableModel, match=r"vae/config\.json cannot be read"):
        describe(str(folder))
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(UnreadableModel, match=r"vae/config\.json is missing"):
        describe(str(folder))


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({"stepz": 3}, "says stepz"),
        ({"sampler": "Fast"}, "names the sampler Fast"),
        ({"steps": "many"}, "holds a wrong value"),
    ],
)
def test_a_wrong_card_names_what_is_wrong(card: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "model")
    (folder / "atelier.json").write_text(json.dumps(card))
    with pytest.raises(UnreadableModel, match=sentence):
        describe(str(folder))


@pytest.mark.parametrize(
    ("shapes", "family", "native"),
    [(SD1, Family.SD1, 512), (SD2, Family.SD2, 768), (SDXL, Family.SDXL, 1024)],
    ids=["SD 1", "SD 2", "SDXL"],
)
def test_a_checkpoint_file_is_known_by_its_header(
    shapes: dict[str, list[int]], family: Family, native: int, tmp_path: Path
) -> None:
    info = describe(str(write_safetensors(tmp_path / "dream.v2.safetensors", shapes)))
    assert (info.name, info.family, info.native) == ("dream.v2", family, native)


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        (REFINER, "SDXL refiner"),
        ({**SD1, INPUT: [320, 8, 3, 3]}, "is an editing model"),
        ({**SD1, INPUT: [320, 5, 3, 3]}, "is a depth model: its UNet reads 5 channels"),
        ({"lora_unet_down.lora_up.weight": [4, 4]}, "is a LoRA"),
        ({"double_blocks.0.img_attn.proj.weight": [4]}, "no Stable Diffusion 1, 2 or XL checkpoint"),
    ],
    ids=["refiner", "pix2pix", "depth", "LoRA", "Flux"],
)
def test_another_kind_of_safetensors_file_is_refused(
    shapes: dict[str, list[int]], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableModel, match=sentence):
        describe(str(write_safetensors(tmp_path / "other.safetensors", shapes)))


def test_a_broken_checkpoint_file_is_refused(tmp_path: Path) -> None:
    whole = write_safetensors(tmp_path / "whole.safetensors", SD1).read_bytes()
    for content, sentence in (
        (b"", "does not begin with a header"),
        (b"<html>not found</html>", "does not begin with a header"),
        (whole[:200], "not a whole safetensors file"),
        (whole[:-1], "fetch it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "does not begin with a header"),
    ):
        (tmp_path / "broken.safetensors").write_bytes(content)
        with pytest.raises(UnreadableModel, match=sentence):
            describe(str(tmp_path / "broken.safetensors"))


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "pytorch_model.bin", "MODEL.CKPT"])
def test_pickles_are_refused_whether_they_exist_or_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="is a pickle"):
        describe(str(tmp_path / name))


@pytest.mark.parametrize(
    "source", ["", "mini", "models/none-of-this-name", "/no/such/folder", "./x", "a/b/c", "x/y.safetensors"]
)
def test_a_model_that_is_nowhere_is_told_in_a_sentence(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableModel, match=r"no model at|no model_index"):
        describe(source)


def test_a_hub_id_that_is_not_here_yet_is_taken_by_its_name() -> None:
    info = describe("stabilityai/stable-diffusion-xl-base-1.0")
    assert (info.family, info.native, info.source) == (
        Family.SDXL,
        1024,
        "stabilityai/stable-diffusion-xl-base-1.0",
    )
    assert info.note is not None
    assert "fetched when it is first used" in info.note
    assert describe("someone/sd2-base").native == 512
    assert describe("someone/dreams").family is Family.SD1
    for name in ("FLUX.1-schnell", "stable-diffusion-3.5-large", "PixArt-XL-2-1024-MS", "Qwen-Image"):
        assert describe(f"someone/{name}").family is Family.OTHER
    assert describe("someone/influx").family is Family.SD1


def test_a_hub_id_that_was_fetched_is_read_from_the_cache(own_hub_cache: Path) -> None:
    store = own_hub_cache / "models--someone--dreams"
    unet = {
        "sample_size": 96,
        "in_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
    }
    a_folder(store / "snapshots" / "abc", unet=unet)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    info = describe("someone/dreams")
    assert (info.name, info.source, info.family, info.native) == ("dreams", "someone/dreams", Family.SD2, 768)


def test_the_id_that_is_gone_from_the_hub_resolves_to_its_successor() -> None:
    info = describe("runwayml/stable-diffusion-v1-5")
    assert info.source == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert info.note is not None
    assert info.note.startswith("runwayml/stable-diffusion-v1-5 is gone from Hugging Face")


def test_describing_a_model_needs_no_torch() -> None:
    code = (
        "import sys; from generation.catalogue import describe; "
        "describe(sys.argv[1]); print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, MINI], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("source", ["x" * 6000, "a\0b", "~nobody-of-that-name/model"])
def test_a_name_that_no_disk_takes_is_a_sentence(source: str) -> None:
    with pytest.raises(UnreadableModel):
        describe(source)
