"""What InvokeAI, SwarmUI, NovelAI, A1111 and Forge wrote is read, from whatever file they wrote it into.

The samples are made by hand in the form of each tool's own source, which each test names.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from generation.metadata import Settings, Tool, UnreadablePicture, parse_infotext, read
from generation.metadata.names import our_sampler
from generation.request import Size
from tests.generation import foreign

SQUARE = Size(width=512, height=512)
A1111 = (
    "a cät, (masterpiece:1.2)\nwith a hat\nNegative prompt: dog,\nugly\n"
    "Steps: 20, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, "
    "Model hash: abcdef1234, Model: dream, Variation seed: 43, Variation seed strength: 0.25, "
    'Denoising strength: 0.6, Clip skip: 2, Mask blur: 8, Lora hashes: "one: 12, two: 34", Version: v1.10.1'
)
"""As modules/processing.py of stable-diffusion-webui composes it (create_infotext)."""


def assert_is_the_cat(told: Settings) -> None:
    assert (told.prompt, told.negative_prompt) == ("a cät, (masterpiece:1.2)\nwith a hat", "dog,\nugly")
    assert (told.steps, told.guidance, told.seed, told.size) == (20, 7.0, 42, Size(width=512, height=768))
    assert (told.sampler, told.model, told.model_hash) == ("DPM++ 2M SDE Karras", "dream", "abcdef1234")
    assert (told.variation_seed, told.variation_strength, told.strength) == (43, 0.25, 0.6)
    assert (told.clip_skip, told.mask_blur, told.hires_upscale) == (2, 8, None)
    assert (told.tool, told.request, told.record) == (Tool.A1111, None, None)


@pytest.mark.parametrize("order", [">", "<"], ids=["high-first", "low-first"])
@pytest.mark.parametrize("inside", [">", "<"], ids=["text-high-first", "text-low-first"])
def test_a1111_in_webp_and_jpeg(order: str, inside: str) -> None:
    # piexif, which A1111 has, writes high bytes first within either order; others the order of the file.
    exif = foreign.exif(order=order, comment=foreign.unicode_comment(A1111, inside))
    assert_is_the_cat(read(foreign.webp(exif)))
    assert_is_the_cat(read(foreign.jpeg(exif)))


def test_a1111_in_png_and_in_comments_of_other_encodings() -> None:
    assert_is_the_cat(read(foreign.png({"parameters": A1111})))
    assert_is_the_cat(read(foreign.png({"parameters": A1111.replace("\n", "\r\n")})))
    for comment in (
        b"ASCII\0\0\0" + A1111.encode(),
        bytes(8) + A1111.encode(),
        A1111.encode(),
        b"UNICODE\0" + A1111.encode("utf-16"),
    ):
        assert_is_the_cat(read(foreign.jpeg(foreign.exif(comment=comment))))


def test_every_kind_of_text_chunk() -> None:
    latin, utf = A1111.encode("latin-1"), A1111.encode()
    for chunk in (
        foreign.chunk(b"tEXt", b"parameters\0" + latin),
        foreign.chunk(b"zTXt", b"parameters\0\0" + zlib.compress(latin)),
        foreign.chunk(b"iTXt", b"parameters\0\0\0\0\0" + utf),
        foreign.chunk(b"iTXt", b"parameters\0\1\0en\0Einstellungen\0" + zlib.compress(utf)),
        foreign.chunk(b"eXIf", foreign.exif(comment=foreign.unicode_comment(A1111))),
    ):
        assert_is_the_cat(read(foreign.png_with(chunk)))


def test_forge_and_hires_fix() -> None:
    # modules/txt2img.py and processing.py of stable-diffusion-webui-forge; the version is as it says it.
    told = parse_infotext(
        "a cat\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, "
        "Seed: 1, Size: 896x1152, Model hash: 0123abcdef, Model: flux, Denoising strength: 0.7, "
        "Hires Module 1: Use same choices, Hires upscale: 2, Hires upscaler: Latent, "
        "Version: f2.0.1v1.10.1-previous-664-gd557aef9"
    )
    assert (told.tool, told.sampler, told.hires_upscale) == (Tool.FORGE, "Euler SGM Uniform", 2.0)
    assert (told.guidance, told.size) == (1.0, Size(width=896, height=1152))


INVOKE: dict[str, Any] = {
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a cabin in the woods",
    "negative_prompt": "blurry",
    "width": 1024,
    "height": 768,
    "seed": 2718281828,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_sde_k",
    "clip_skip": 1,
    "model": {"key": "6a1b", "hash": "blake3:ab12", "name": "cabin XL", "base": "sdxl", "type": "main"},
    "loras": [],
    "app_version": "5.4.2",
}
"""invokeai/app/invocations/metadata.py, CoreMetadataInvocation, which is saved as `invokeai_metadata`."""


def test_invokeai() -> None:
    told = read(foreign.json_png(invokeai_metadata=INVOKE, invokeai_graph={"nodes": {}}))
    assert told == Settings(
        prompt="a cabin in the woods",
        negative_prompt="blurry",
        steps=30,
        guidance=7.5,
        sampler="DPM++ 2M SDE Karras",
        seed=told.seed,
        size=Size(width=1024, height=768),
        model="cabin XL",
        clip_skip=2,
        tool=Tool.INVOKEAI,
    )
    assert told.seed == 2718281828
    # 3.3 named a model so.
    before = INVOKE | {"model": {"model_name": "old", "base_model": "sd-1"}, "scheduler": "euler_a"}
    told = read(foreign.json_png(invokeai_metadata=before))
    assert (told.model, told.sampler) == ("old", "Euler a")


def test_invokeai_2() -> None:
    # ldm/invoke/pngwriter.py of InvokeAI 2: the negative prompt stands in brackets.
    said = {
        "model": "stable diffusion",
        "model_weights": "stable-diffusion-1.5",
        "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516",
        "app_id": "invoke-ai/InvokeAI",
        "app_version": "2.3.5",
        "image": {
            "prompt": [{"prompt": "a robot reading [blurry, text] a book", "weight": 1.0}],
            "steps": 50,
            "cfg_scale": 7.5,
            "height": 512,
            "width": 512,
            "seed": 1618033988,
            "sampler": "k_lms",
            "variations": [],
        },
    }
    told = read(foreign.png({"sd-metadata": json.dumps(said), "Dream": '"a robot" -s 50'}))
    assert (told.prompt, told.negative_prompt) == ("a robot reading  a book", "blurry, text")
    assert (told.steps, told.guidance, told.seed, told.size) == (50, 7.5, 1618033988, SQUARE)
    assert (told.sampler, told.model, told.tool) == ("LMS", "stable-diffusion-1.5", Tool.INVOKEAI)


SWARM: dict[str, Any] = {
    "sui_image_params": {
        "prompt": "a photo of a cat",
        "model": "OfficialStableDiffusion/sd_xl_base_1.0",
        "seed": 1,
        "steps": 20,
        "cfgscale": 7.0,
        "aspectratio": "1:1",
        "width": 1024,
        "height": 1024,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
        "automaticvae": True,
        "negativeprompt": "a dog",
        "swarm_version": "0.9.3.1",
    },
    "sui_extra_data": {"date": "2024-11-13", "generation_time": "6.11 (prep) and 4.84 (gen) seconds"},
}
"""The example of SwarmUI's docs/Image Metadata Format.md, with a sampler."""


@pytest.mark.parametrize("kind", ["png", "jpeg", "strings"])
def test_swarmui(kind: str) -> None:
    said = SWARM
    if kind == "strings":  # "Often non-string values will be presented as strings regardless"
        values = {key: str(value) for key, value in SWARM["sui_image_params"].items()}
        said = {"sui_image_params": values}
    text = json.dumps(said, indent=2)
    if kind == "jpeg":
        file = foreign.jpeg(foreign.exif(comment=foreign.unicode_comment(text, "<"), order="<"))
    else:
        file = foreign.png_with(foreign.chunk(b"iTXt", b"parameters\0\0\0\0\0" + text.encode()))
    assert read(file) == Settings(
        prompt="a photo of a cat",
        negative_prompt="a dog",
        steps=20,
        guidance=7.0,
        sampler="DPM++ 2M Karras",
        seed=read(foreign.png({"parameters": text})).seed,
        size=Size(width=1024, height=1024),
        model="sd_xl_base_1.0",
        tool=Tool.SWARMUI,
    )
    assert read(file).seed == 1


NOVEL_COMMENT: dict[str, Any] = {
    "prompt": "1girl, silver hair",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "uncond_scale": 1.0,
    "cfg_rescale": 0.0,
    "seed": 3816166865,
    "n_samples": 1,
    "noise_schedule": "karras",
    "sampler": "k_euler_ancestral",
    "sm": False,
    "uc": "lowres, {bad}",
    "v4_prompt": {
        "caption": {
            "base_caption": "1girl, silver hair",
            "char_captions": [{"char_caption": "girl, red coat", "centers": [{"x": 0.5, "y": 0.5}]}],
        },
        "use_coords": False,
    },
    "request_type": "PromptGenerateRequest",
    "signed_hash": "AAAA==",
}
NOVEL = {
    "Title": "AI generated image",
    "Description": "1girl, silver hair",
    "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 37442FCA",
    "Generation time": "4.2",
    "Comment": json.dumps(NOVEL_COMMENT),
}
"""As NovelAI's pictures have it, and its novelai-image-metadata/nai_meta.py reads it."""


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(foreign.png(NOVEL), id="chunks"),
        pytest.param(foreign.png(image=foreign.stealthy(json.dumps(NOVEL))), id="alpha"),
        pytest.param(
            foreign.webp(foreign.exif(), image=foreign.stealthy(json.dumps(NOVEL), size=(16, 700))),
            id="alpha-in-webp",
        ),
        pytest.param(
            foreign.webp(foreign.exif(comment=foreign.unicode_comment(json.dumps(NOVEL)))), id="comment"
        ),
    ],
)
def test_novelai(file: bytes) -> None:
    told = read(file)
    assert told.prompt == "1girl, silver hair\ngirl, red coat"
    assert told.negative_prompt == "lowres, {bad}"
    assert (told.steps, told.guidance, told.seed) == (28, 5.0, 3816166865)
    assert (told.size, told.tool) == (Size(width=832, height=1216), Tool.NOVELAI)
    assert told.model == "NovelAI Diffusion V4 37442FCA"
    assert told.sampler == "k_euler_ancestral karras", "ours has no such schedule: what the file says"


@pytest.mark.parametrize("packed", [True, False])
def test_a_hidden_text_of_a1111(packed: bool) -> None:
    # sd-webui-stealth-pnginfo, whose form NovelAI took, hides A1111's text.
    image = foreign.stealthy(A1111, size=(97, 89), packed=packed)
    assert_is_the_cat(read(foreign.png(image=image)))


def test_our_names_of_their_samplers() -> None:
    assert our_sampler("euler", "normal") == "Euler"
    assert our_sampler("dpmpp_2m_sde_gpu", "exponential") == "DPM++ 2M SDE Exponential"
    assert our_sampler("dpmpp_3m_sde", "karras") == "dpmpp_3m_sde karras"
    assert our_sampler("k_dpmpp_2m", "native") == "DPM++ 2M"
    assert our_sampler("kdpm_2_a_k") == "DPM2 a Karras"
    assert our_sampler("er_sde") == "er_sde"
    assert our_sampler("Euler a") == "Euler a", "as SwarmUI has it before A1111 as its backend"
    assert our_sampler(["euler"]) is None


@pytest.mark.parametrize(
    "texts",
    [
        {"invokeai_metadata": "{}"},
        {"sd-metadata": '{"image": []}'},
        {"parameters": '{"sui_image_params": 7}'},
        {"Comment": "made with Gimp", "Software": "Gimp"},
        {"Comment": "{}", "Title": "a photograph"},
    ],
)
def test_what_says_nothing_is_told_in_a_sentence(texts: dict[str, str]) -> None:
    with pytest.raises(UnreadablePicture, match=r"^This picture holds no settings\.$"):
        read(foreign.png(texts))
