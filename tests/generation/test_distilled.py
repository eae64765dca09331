"""A distilled model is known by its files or its name, and gets the defaults that suit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import Defaults, Family, describe
from generation.request import OWN_SAMPLER
from tests.generation.modelfiles import SD1, SDXL, a_folder
from tests.generation.shelves import shelf_of
from tests.generation.toys import write_safetensors

XL = "StableDiffusionXLPipeline"
EULER = {"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon", "timestep_spacing": "leading"}
TRAILING = {**EULER, "timestep_spacing": "trailing"}
ANCESTRAL = {**TRAILING, "_class_name": "EulerAncestralDiscreteScheduler"}
TURBO = Defaults(steps=4, guidance=1.0, sampler="Euler a SGM Uniform")
FAST = Defaults(steps=4, guidance=1.0, sampler="Euler SGM Uniform")
LCM = Defaults(steps=4, guidance=1.0, sampler="LCM")
USUAL = Defaults(steps=30, guidance=5.0, sampler="Euler")


def a_model(path: Path, scheduler: dict[str, Any], pipeline: str = XL, **unet: Any) -> Path:
    sizes = {"sample_size": 64, "in_channels": 4, "block_out_channels": [320, 640, 1280]}
    folder = a_folder(path, pipeline=pipeline, unet=sizes | unet)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    return folder


@pytest.mark.parametrize(
    ("name", "scheduler", "expected"),
    [
        ("a", ANCESTRAL, TURBO),  # as SDXL Turbo is published
        ("a", TRAILING, FAST),  # as SD Turbo and SDXL Lightning are
        ("a", {**TRAILING, "rescale_betas_zero_snr": True}, USUAL),
        ("a", {**TRAILING, "prediction_type": "v_prediction"}, USUAL),
        ("a", {**TRAILING, "_class_name": "DPMSolverMultistepScheduler"}, USUAL),
        ("a", EULER, USUAL),
        ("a", {"_class_name": "LCMScheduler"}, LCM),
        ("a", {"_class_name": "TCDScheduler"}, Defaults(steps=4, guidance=1.0, sampler="TCD")),
        ("realvisxl-v40-lightning", EULER, FAST),
        ("sdxl-lightning-8-steps", TRAILING, Defaults(steps=8, guidance=1.0, sampler="Euler SGM Uniform")),
        ("DreamShaperXL_Lightning", ANCESTRAL, FAST),
        ("dreamshaper-xl-turbo", EULER, FAST),
        ("my-lcm-mix", EULER, LCM),
        ("mixLCM", EULER, LCM),
        ("calcmodel", EULER, USUAL),
    ],
)
def test_a_folder_is_known_by_its_scheduler_or_its_name(
    name: str, scheduler: dict[str, Any], expected: Defaults, tmp_path: Path
) -> None:
    info = describe(str(a_model(tmp_path / name, scheduler)))
    assert info.defaults == expected
    assert (info.note is None) == (expected == USUAL)


def test_a_unet_that_is_told_its_guidance_gets_some(tmp_path: Path) -> None:
    info = describe(str(a_model(tmp_path / "a", EULER, "StableDiffusionPipeline", time_cond_proj_dim=256)))
    assert info.defaults == Defaults(steps=4, guidance=8.5, sampler="LCM")


@pytest.mark.parametrize(
    ("name", "shapes", "expected", "native"),
    [
        ("sd_xl_turbo_1.0_fp16", SDXL, TURBO, 512),
        ("dreamshaperXL_v21TurboDPMSDE", SDXL, TURBO, 1024),
        ("sdxl_lightning_2step", SDXL, Defaults(steps=2, guidance=1.0, sampler="Euler SGM Uniform"), 1024),
        ("dreamshaper_8LCM", SD1, LCM, 512),
    ],
)
def test_a_file_is_known_by_its_name(
    name: str, shapes: dict[str, list[int]], expected: Defaults, native: int, tmp_path: Path
) -> None:
    info = describe(str(write_safetensors(tmp_path / f"{name}.safetensors", shapes)))
    assert (info.defaults, info.native) == (expected, native)


@pytest.mark.parametrize(
    ("repo", "family", "expected", "native"),
    [
        ("stabilityai/sdxl-turbo", Family.SDXL, TURBO, 512),
        ("stabilityai/sd-turbo", Family.SD2, FAST, 512),
        ("Tongyi-MAI/Z-Image-Turbo", Family.OTHER, Defaults(steps=9, guidance=0, sampler=OWN_SAMPLER), 1024),
        (
            "black-forest-labs/FLUX.1-schnell",
            Family.OTHER,
            Defaults(steps=4, guidance=0, sampler=OWN_SAMPLER),
            1024,
        ),
        (
            "somebody/PixArt-Lightning",
            Family.OTHER,
            Defaults(steps=4, guidance=0, sampler=OWN_SAMPLER),
            1024,
        ),
        ("stabilityai/stable-diffusion-xl-base-1.0", Family.SDXL, USUAL, 1024),
    ],
)
def test_what_is_still_to_be_fetched_is_known_by_its_name(
    repo: str, family: Family, expected: Defaults, native: int
) -> None:
    info = describe(repo)
    assert (info.family, info.defaults, info.native) == (family, expected, native)


def test_the_owner_has_the_last_word(tmp_path: Path) -> None:
    a_model(tmp_path / "turbo", ANCESTRAL)
    text = '[[model]]\nname = "a"\nsource = "./turbo"\nsteps = 8\nguidance = 2\nsampler = "DPM++ SDE Karras"'
    assert shelf_of(tmp_path, text).default.defaults == Defaults(
        steps=8, guidance=2.0, sampler="DPM++ SDE Karras"
    )
    assert shelf_of(tmp_path, text.replace("steps = 8\n", "")).default.defaults.steps == 4
