"""What a model is and can do is read from its files, and what is wrong with them is said in a sentence."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import Defaults, Family, UnreadableModel, describe
from generation.request import MAX_EDGE, OWN_SAMPLER, Control, Digest, Size, Wording
from tests.generation.toys import MINI, a_request, build_flux, write_safetensors

INPUT = "model.diffusion_model.input_blocks.0.0.weight"
SD1 = {
    INPUT: [320, 4, 3, 3],
    "cond_stage_model.transformer.text_model.final_layer_norm.bias": [768],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
}
SD2 = {
    INPUT: [320, 4, 3, 3],
    "cond_stage_model.model.ln_final.bias": [1024],
    "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": [320, 1024],
}
SDXL = {INPUT: [320, 4, 3, 3], "conditioner.embedders.1.model.positional_embedding": [77, 1280]}
REFINER = {INPUT: [384, 4, 3, 3], "conditioner.embedders.0.model.positional_embedding": [77, 1280]}


@pytest.fixture(autouse=True)
def own_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def a_folder(
    path: Path,
    *,
    pipeline: str | list[str] = "StableDiffusionPipeline",
    unet: dict[str, Any] | None = None,
    weights: str | None = "diffusion_pytorch_model.safetensors",
) -> Path:
    """The small files of a model in diffusers' format, those of SD 1.5 unless said otherwise."""
    sd15 = {
        "sample_size": 64,
        "in_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
    }
    for part, config in (
        ("unet", sd15 if unet is None else unet),
        ("vae", {"block_out_channels": [128, 256, 512, 512], "latent_channels": 4}),
    ):
        (path / part).mkdir(parents=True)
        (path / part / "config.json").write_text(json.dumps(config))
    (path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    if weights is not None:
        (path / "unet" / weights).touch()
    return path


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
    unet = {"sample_size": 96, "down_block_types": ["a", "b", "c", "d"]}
    lcm = describe(other_folder(tmp_path / "lcm", "LatentConsistencyModelPipeline", "unet", **unet))
    assert (lcm.native, lcm.multiple, lcm.defaults.steps) == (768, 64, 4)


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

    # The loop's own two are described by their UNet, and these want a picture or make a video.
    drawn = {name for name in classes("TEXT2IMAGE") if not re.search("Control|Helios", name)}
    drawn -= {"StableDiffusionPipeline", "StableDiffusionXLPipeline"}
    assert [name for name in sorted(drawn) if not taken(name)] == []
    others = classes("IMAGE2IMAGE", "INPAINT", "TEXT2VIDEO", "IMAGE2VIDEO", "VIDEO2VIDEO", "TEXT2AUDIO")
    others -= classes("TEXT2IMAGE")
    assert [name for name in sorted(others) if taken(name)] == []


def test_the_settings_of_other_families_are_those_of_diffusers() -> None:
    import inspect

    import diffusers

    from generation.pipelines import KNOWN

    for name, (steps, guidance) in KNOWN.items():
        parameters = inspect.signature(getattr(diffusers, name).__call__).parameters
        assert parameters["num_inference_steps"].default == steps, name
        scale = parameters["guidance_scale"].default
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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": Size(width=MAX_EDGE, height=128)}, "each edge must be 96 to 192 pixels, and 128x128 suits"),
        ({"size": Size(width=104, height=136)}, "multiples of 32. The nearest that works is 96x128"),
        ({"sampler": "Fast`"}, "I do not know the sampler `Fast'`; I have DDPM"),
        ({"sampler": "DDIM Karras"}, "DDIM has no schedule Karras; it has Automatic"),
        ({"sampler": "LCM", "steps": 60}, "LCM takes 50 steps at the most, not 60."),
        ({"prompt": "a (red circle"}, "The prompt has a `(` that is never closed"),
        ({"negative_prompt": "(red:nan)"}, "A weight of nan is not possible"),
        ({"clip_skip": 5}, "mini has 4 layers; choose a clip skip from 1 to 4."),
    ],
)
def test_a_request_that_the_model_cannot_draw_is_refused_with_a_reason(
    changes: dict[str, Any], sentence: str
) -> None:
    info = describe(MINI)
    assert info.reject_reason(a_request(MINI, size=Size(width=96, height=192))) is None
    reason = info.reject_reason(a_request(MINI, **{"size": Size(width=128, height=128), **changes}))
    assert reason is not None
    assert sentence in reason


def test_every_prompt_that_is_drawn_must_be_readable(toy_sd: Path) -> None:
    words = [Wording(prompt="a sun", negative_prompt=""), Wording(prompt="a (sun", negative_prompt="")]
    request = a_request(prompt="a {sun|\\(sun}", count=2, chosen=tuple(words))
    assert "never closed" in str(describe("fake:noise").reject_reason(request))
    assert describe(str(toy_sd)).clip_layers == 2
    assert describe("fake:noise").clip_layers == 12


def test_models_of_other_families_read_language_with_its_brackets(tmp_path: Path) -> None:
    other = describe(str(build_flux(tmp_path / "flux")))
    request = a_request(other.source, prompt="a sun :)", sampler=OWN_SAMPLER)
    assert other.reject_reason(request) is None
    assert other.reject_reason(replace(request, clip_skip=2)) == "toy Flux takes no clip skip; leave it out."
    steered = replace(request, controls=(Control(model="canny", picture=Digest("00")),))
    assert other.reject_reason(steered) == "toy Flux draws from words alone; it takes no ControlNet."
    noise = describe("fake:noise").reject_reason(replace(steered, prompt="a sun", sampler="Euler"))
    assert noise == "noise draws noise, which no ControlNet steers."


def test_words_the_model_never_saw_are_told_as_they_were_typed() -> None:
    info = describe(MINI)
    assert info.unknown_words("a red circle, 3 of them!") == ("them",)
    assert info.unknown_words("A RED Zebra's zebra's house (blue:1.2) #5 🎈") == ("Zebra's",)
    assert info.unknown_words("a (crimson:1.2) sun BREAK ([tiny] zebra)") == ("crimson", "zebra")
    assert info.unknown_words("a (crimson sun") == ("crimson",), "although it cannot be read"
    assert info.unknown_words("cafe\N{COMBINING ACUTE ACCENT} CAFÉ rouge") == ("café", "rouge")
    assert info.unknown_words("नमस्ते 赤い丸") == ("नमस्ते", "赤い丸")
    assert describe("fake:noise").unknown_words("anything at all") == ()


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


def test_the_owners_limits_narrow_the_defaults() -> None:
    model = describe("fake:noise").within(pixels=100 * 100, steps=4)
    assert (model.native, model.defaults.steps) == (96, 4)
    assert describe("fake:noise").within(pixels=4096**2, steps=150) == describe("fake:noise")


def test_limits_below_the_smallest_picture_are_told_to_the_owner() -> None:
    with pytest.raises(
        UnreadableModel, match="MAX_PIXELS is 1000, but noise draws nothing smaller than 64x64"
    ):
        describe("fake:noise").within(pixels=1000, steps=4)


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("models/mini", "models/mini"),
        ("/home/somebody/models/mine.safetensors", "mine.safetensors"),
        ("~/models/mine/", "mine"),
        ("C:\\models\\mine", "mine"),
    ],
)
def test_a_shared_picture_says_nothing_of_the_owners_folders(source: str, public: str) -> None:
    assert replace(describe("fake:noise"), source=source).public_source == public


@pytest.mark.parametrize("source", ["x" * 6000, "a\0b", "~nobody-of-that-name/model"])
def test_a_name_that_no_disk_takes_is_a_sentence(source: str) -> None:
    with pytest.raises(UnreadableModel):
        describe(source)
