"""ComfyUI's graphs are followed from the sampler to its texts, its model and its size.

The graphs have the form of ComfyUI's nodes.py (SaveImage writes `prompt` and `workflow` into PNG) and
comfy_extras/nodes_images.py (SaveAnimatedWEBP, into EXIF).
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from generation.metadata import Settings, Tool, UnreadablePicture, read
from generation.request import Size
from tests.generation import foreign

Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> Graph:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def told(graph: Graph) -> Settings:
    return read(foreign.json_png(prompt=graph, workflow={"nodes": [], "links": []}))


PLAIN: Graph = {
    "3": node(
        "KSampler",
        seed=156680208700286,
        steps=20,
        cfg=8,
        sampler_name="dpmpp_2m",
        scheduler="karras",
        denoise=1,
        model=["10", 0],
        positive=["6", 0],
        negative=["7", 0],
        latent_image=["5", 0],
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="XL\\dream.v1.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text="beautiful scenery", clip=["11", 0]),
    "7": node("CLIPTextEncode", text="text, watermark", clip=["11", 0]),
    "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    "10": node("LoraLoader", lora_name="a.safetensors", strength_model=1, model=["4", 0], clip=["4", 1]),
    "11": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["10", 1]),
}


def assert_is_the_scenery(settings: Settings) -> None:
    assert (settings.prompt, settings.negative_prompt) == ("beautiful scenery", "text, watermark")
    assert (settings.seed, settings.steps, settings.guidance) == (156680208700286, 20, 8.0)
    assert (settings.sampler, settings.size) == ("DPM++ 2M Karras", Size(width=512, height=768))
    assert (settings.model, settings.clip_skip) == ("dream.v1", 2)
    assert (settings.strength, settings.tool) == (None, Tool.COMFYUI)


def test_the_plain_graph() -> None:
    assert_is_the_scenery(told(PLAIN))


def test_in_webp() -> None:
    exif = foreign.exif(t0110=f"prompt:{json.dumps(PLAIN)}", t010f='workflow:{"nodes": []}', order="<")
    assert_is_the_scenery(read(foreign.webp(exif)))


def test_not_a_number_is_no_reason_to_fail() -> None:
    # ComfyUI writes `"is_changed": [NaN]` for nodes that are always executed again.
    graph = {**PLAIN, "9": {**PLAIN["9"], "is_changed": [float("nan")]}}
    assert_is_the_scenery(told(graph))


def test_of_two_passes_the_first_is_told() -> None:
    second = {**PLAIN["3"]["inputs"], "seed": 1, "denoise": 0.5, "latent_image": ["20", 0]}
    graph = {
        **PLAIN,
        "20": node("LatentUpscale", samples=["3", 0], width=1024, height=1536, upscale_method="bilinear"),
        "21": {"class_type": "KSampler", "inputs": second},
        "8": node("VAEDecode", samples=["21", 0], vae=["4", 2]),
    }
    assert_is_the_scenery(told(graph))


def test_image_to_image() -> None:
    sampler = {**PLAIN["3"]["inputs"], "denoise": 0.6, "latent_image": ["20", 0]}
    graph = {
        **PLAIN,
        "3": {"class_type": "KSampler", "inputs": sampler},
        "20": node("VAEEncode", pixels=["21", 0], vae=["4", 2]),
        "21": node("LoadImage", image="photo.png", upload="image"),
    }
    settings = told(graph)
    assert (settings.strength, settings.size) == (0.6, None)


def test_a_sampler_in_parts() -> None:
    # SamplerCustomAdvanced of comfy_extras/nodes_custom_sampler.py, as the Flux examples have it.
    graph = {
        "5": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
        "6": node("CLIPTextEncode", text=["30", 0], clip=["11", 0]),
        "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
        "9": node("SaveImage", images=["8", 0]),
        "11": node("DualCLIPLoader", clip_name1="t5xxl.safetensors", clip_name2="clip_l.safetensors"),
        "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "13": node(
            "SamplerCustomAdvanced",
            noise=["25", 0],
            guider=["22", 0],
            sampler=["16", 0],
            sigmas=["17", 0],
            latent_image=["5", 0],
        ),
        "16": node("KSamplerSelect", sampler_name="euler"),
        "17": node("BasicScheduler", scheduler="simple", steps=["31", 0], denoise=1, model=["12", 0]),
        "22": node("BasicGuider", model=["12", 0], conditioning=["26", 0]),
        "25": node("RandomNoise", noise_seed=219670278747233),
        "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
        "30": node("StringConcatenate", string_a="a fox", string_b=["32", 0], delimiter=" in "),
        "31": node("PrimitiveInt", value=28),
        "32": node("PrimitiveString", value="the snow"),
    }
    settings = told(graph)
    assert (settings.prompt, settings.negative_prompt) == ("a fox in the snow", "")
    assert (settings.seed, settings.steps, settings.guidance) == (219670278747233, 28, 3.5)
    assert (settings.sampler, settings.model) == ("Euler SGM Uniform", "flux1-dev")
    assert settings.size == Size(width=1024, height=1024)


def test_texts_through_controlnet_and_several_joined() -> None:
    sampler = {**PLAIN["3"]["inputs"], "positive": ["20", 0], "negative": ["20", 1]}
    graph = {
        **PLAIN,
        "3": {"class_type": "KSampler", "inputs": sampler},
        "20": node(
            "ControlNetApplyAdvanced",
            positive=["21", 0],
            negative=["23", 0],
            control_net=["24", 0],
            image=["25", 0],
            strength=1,
        ),
        "21": node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["22", 0]),
        "22": node("CLIPTextEncodeSDXL", text_g="at dawn", text_l="at dawn", width=1024, clip=["11", 0]),
        "23": node("ConditioningZeroOut", conditioning=["6", 0]),
        "24": node("ControlNetLoader", control_net_name="canny.safetensors"),
        "25": node("LoadImage", image="edges.png"),
    }
    settings = told(graph)
    assert settings.prompt == "beautiful scenery\nat dawn"
    assert settings.negative_prompt == "", "it is zeroed out"


def test_nodes_that_nobody_knows() -> None:
    sampler = {**PLAIN["3"]["inputs"], "positive": ["20", 3], "seed": ["21", 0], "model": ["22", 0]}
    graph = {
        **PLAIN,
        "3": {"class_type": "KSampler (Efficient)", "inputs": sampler},
        "20": node("Magic Switch //", anything_1=["99", 0], anything_2=["6", 0]),
        "21": node("Seed (rgthree)", seed=77),
        "22": node("Reroute", **{"": ["4", 0]}),
        "40": node("Note", text="Steps: 1, Seed: 1"),
        "41": "no node",
        "42": {"class_type": 7, "inputs": [1]},
        "43": node("SaveImage"),
    }
    settings = told(graph)
    assert (settings.prompt, settings.seed, settings.model) == ("beautiful scenery", 77, "dream.v1")


def test_what_only_the_editor_shows() -> None:
    # ComfyUI_frontend's own form: links by number, values without names.
    workflow = {
        "nodes": [
            {
                "id": 3,
                "type": "KSampler",
                "inputs": [
                    {"name": "model", "type": "MODEL", "link": 1},
                    {"name": "positive", "type": "CONDITIONING", "link": 4},
                    {"name": "negative", "type": "CONDITIONING", "link": 6},
                    {"name": "latent_image", "type": "LATENT", "link": 2},
                ],
                "widgets_values": [42, "randomize", 20, 8, "euler_ancestral", "normal", 1],
            },
            {"id": 12, "type": "LoraLoader", "mode": 4, "inputs": [{"name": "model", "link": 9}]},
            {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["dream.ckpt"]},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [512, 512, 1]},
            {"id": 6, "type": "CLIPTextEncode", "inputs": [], "widgets_values": ["a cat"]},
            {"id": 7, "type": "CLIPTextEncode", "inputs": [], "widgets_values": ["a dog"]},
            {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 7}]},
            {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 8}]},
            {"id": 10, "type": "00000000-uuid", "inputs": None, "widgets_values": {"a": 1}},
            {"id": 11, "type": "KSampler", "mode": 2, "widgets_values": [1, "fixed", 1]},
            None,
        ],
        "links": [
            [1, 12, 0, 3, 0, "MODEL"],
            [9, 4, 0, 12, 0, "MODEL"],
            [2, 5, 0, 3, 3, "LATENT"],
            [4, 6, 0, 3, 1, "CONDITIONING"],
            [6, 7, 0, 3, 2, "CONDITIONING"],
            [7, 3, 0, 8, 0, "LATENT"],
            [8, 8, 0, 9, 0, "IMAGE"],
            "no link",
        ],
    }
    settings = read(foreign.json_png(workflow=workflow))
    assert (settings.prompt, settings.negative_prompt) == ("a cat", "a dog")
    assert (settings.seed, settings.steps, settings.sampler) == (42, 20, "Euler a")
    assert (settings.model, settings.size) == ("dream", Size(width=512, height=512))


CIRCLES: Graph = {
    "1": node("SaveImage", images=["2", 0]),
    "2": node(
        "KSampler", positive=["3", 0], negative=["3", 1], latent_image=["2", 0], model=["4", 0], seed=["5", 0]
    ),
    "3": node("Join", positive=["3", 0], negative=["6", 0], conditioning=["2", 0]),
    "4": node("LoraLoader", model=["4", 0]),
    "5": node("Reroute", **{"": ["5", 0]}),
    "6": node("CLIPTextEncode", text=["7", 0]),
    "7": node("StringConcatenate", string_a=["7", 0], string_b=["8", 0], delimiter=["7", 0]),
    "8": node("StringConcatenate", string_a=["7", 0], string_b=["7", 0], text1=["8", 0]),
}


def test_circles_end() -> None:
    settings = told(CIRCLES)
    assert (settings.prompt, settings.negative_prompt, settings.seed) == ("", "", None)


def test_a_large_graph_is_followed_in_a_moment() -> None:
    long = {
        str(n): node("Join", conditioning_1=[str(n + 1), 0], conditioning_2=[str(n + 2), 0])
        for n in range(100, 4000)
    }
    strings = {
        str(n): node("StringConcatenate", string_a=[str(n + 1), 0], string_b=[str(n + 1), 0])
        for n in range(5000, 5900)
    }
    sampler = {**PLAIN["3"]["inputs"], "positive": ["100", 0], "negative": ["4999", 0]}
    graph = {
        "3": {"class_type": "KSampler", "inputs": sampler},
        **long,
        "4999": node("CLIPTextEncode", text=["5000", 0]),
        **strings,
    }
    start = time.process_time()
    assert told(graph).steps == 20
    assert time.process_time() - start < 2


def test_beside_a_text_without_settings() -> None:
    file = foreign.png({"parameters": "any text", "prompt": json.dumps(PLAIN)})
    assert_is_the_scenery(read(file))
    assert read(foreign.png({"parameters": "any text", "prompt": "{}"})).prompt == "any text"


@pytest.mark.parametrize("graph", [{}, {"1": node("LoadImage", image="x.png"), "2": []}, {"nodes": 7}])
def test_a_graph_without_a_sampler_is_told_in_a_sentence(graph: Graph) -> None:
    for name in ("prompt", "workflow"):
        with pytest.raises(UnreadablePicture, match="ComfyUI workflow"):
            read(foreign.json_png(**{name: graph}))
