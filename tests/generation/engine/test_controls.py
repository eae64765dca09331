"""ControlNets steer pictures as diffusers' own pipelines do, alone and in shared calls."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image, ImageChops

from generation.catalogue import Family, describe
from generation.controlnets import ControlNets
from generation.engine.edges import edges
from generation.engine.models import load
from generation.engine.preprocessing import in_size
from generation.engine.schedulers import scheduler_class
from generation.messages import Task
from generation.metadata import read
from generation.request import Enlarger, Hires, Size, Start
from generation.samplers import SAMPLERS
from tests.generation.companions import Ensemble, build_refiner
from tests.generation.controlled import SIZE, a_scene, build_controlnet, controlled, drawn, steered
from tests.generation.engine.test_batch import largest_difference, recorded_calls, replayed, run_all
from tests.generation.engine.test_inputs import a_mask, a_photo, file_of, pipeline_of
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def stock_sd(toy_sd: Path) -> Any:
    return stock_pipeline(str(toy_sd))


@pytest.fixture(scope="module")
def bench(sd_bench: Bench, toy_nets: Path) -> Bench:
    return steered(sd_bench, toy_nets)


def stock_controlled(
    cls: str, pipe: Any, bench: Bench, task: Task, toy_nets: Path, **more: Any
) -> Image.Image:
    """The same request through diffusers' own pipeline: the oracle."""
    request, controls = task.request, task.request.controls
    loaded = [diffusers.ControlNetModel.from_pretrained(toy_nets / each.model) for each in controls]
    pictures = []
    for control in controls:
        opened = Image.open(io.BytesIO(task.inputs[control.picture])).convert("RGB")
        pictures.append(edges(opened) if control.preprocessor == "edges" else opened)
    several = len(controls) > 1

    def one_or_all(values: list[Any]) -> Any:
        return values if several else values[0]

    made = pipeline_of(cls, {**pipe.components, "controlnet": one_or_all(loaded)}, bench, request)
    name = "control_image" if request.start is not None or "image" in more else "image"
    image: Image.Image = made(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        controlnet_conditioning_scale=one_or_all([each.weight for each in controls]),
        control_guidance_start=one_or_all([each.start for each in controls]),
        control_guidance_end=one_or_all([each.end for each in controls]),
        **{name: one_or_all(pictures)},
        **more,
    ).images[0]
    return image


def assert_same(ours: bytes, wanted: Image.Image) -> None:
    assert ImageChops.difference(picture(ours), wanted).getbbox() is None


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        (
            {"weight": 0.6, "start": 0.2, "end": 0.7},
            {"sampler": "DPM++ 2M Karras", "negative_prompt": "blue"},
        ),
        ({"preprocessor": None}, {"sampler": "Heun", "guidance": 1.0}),
        ({"end": 0.5}, {"sampler": "Euler a", "size": Size(width=64, height=96)}),
    ],
    ids=["plain", "part of the steps", "as it is", "tall"],
)
def test_it_equals_the_stock_pipeline(
    options: dict[str, Any], changes: dict[str, Any], bench: Bench, stock_sd: Any, toy_nets: Path
) -> None:
    task = controlled(bench.source, ("toy-canny", options), **changes)
    size = task.request.size
    if size != SIZE:
        digest, png = file_of(a_scene(0, size))
        control = replace(task.request.controls[0], picture=digest)
        task = replace(task, request=replace(task.request, controls=(control,)), inputs={digest: png})
    png = drawn(bench, task).png
    whole = {"width": size.width, "height": size.height}
    assert_same(
        png, stock_controlled("StableDiffusionControlNetPipeline", stock_sd, bench, task, toy_nets, **whole)
    )
    plain = replace(task.request, controls=())
    assert picture(drawn(bench, a_task(plain)).png).tobytes() != picture(png).tobytes(), "it does something"


def test_several_at_once_equal_the_stock_pipeline(bench: Bench, stock_sd: Any, toy_nets: Path) -> None:
    task = controlled(
        bench.source,
        ("toy-canny", {"weight": 0.8}),
        ("toy-depth", {"preprocessor": None, "weight": 0.5, "start": 0.3}),
        ("toy-canny", {"weight": 0.3, "end": 0.6}),
    )
    png = drawn(bench, task).png
    assert_same(png, stock_controlled("StableDiffusionControlNetPipeline", stock_sd, bench, task, toy_nets))


def test_it_goes_on_from_a_picture_and_inside_a_mask_as_the_stock_pipelines_do(
    bench: Bench, stock_sd: Any, toy_nets: Path
) -> None:
    photo, mask = a_photo(SIZE, 5), a_mask(SIZE, (16, 8, 48, 40))
    (photo_digest, photo_png), (mask_digest, mask_png) = file_of(photo), file_of(mask)
    start = Start(picture=photo_digest, strength=0.6)
    task = controlled(
        bench.source, ("toy-canny", {"end": 0.7}), files={photo_digest: photo_png}.items(), start=start
    )
    wanted = stock_controlled(
        "StableDiffusionControlNetImg2ImgPipeline", stock_sd, bench, task, toy_nets, image=photo, strength=0.6
    )
    assert_same(drawn(bench, task).png, wanted)
    masked = replace(start, mask=mask_digest, blur=0)
    task = replace(
        task,
        request=replace(task.request, start=masked),
        inputs={**task.inputs, mask_digest: mask_png},
    )
    wanted = stock_controlled(
        "StableDiffusionControlNetInpaintPipeline",
        stock_sd,
        bench,
        task,
        toy_nets,
        image=photo,
        mask_image=mask,
        strength=0.6,
        width=64,
        height=64,
    )
    inside = (16, 8, 48, 40)
    ours = picture(drawn(bench, task).png).crop(inside)
    assert ImageChops.difference(ours, wanted.crop(inside)).getbbox() is None


def test_sdxl_equals_its_stock_pipelines(toy_sdxl: Path, tmp_path: Path) -> None:
    pipe = stock_pipeline(str(toy_sdxl))
    for seed, name in enumerate(("xl-canny", "xl-depth")):
        build_controlnet(tmp_path / name, toy_sdxl, seed)
    bench = steered(Bench(str(toy_sdxl)), tmp_path)
    found = ControlNets.found([tmp_path]).find("XL-canny")
    assert found is not None
    assert found.family is Family.SDXL
    task = controlled(bench.source, ("xl-canny", {"weight": 0.7}), ("xl-depth", {"start": 0.2}))
    wanted = stock_controlled("StableDiffusionXLControlNetPipeline", pipe, bench, task, tmp_path)
    assert_same(drawn(bench, task).png, wanted)
    photo = a_photo(SIZE, 3)
    digest, png = file_of(photo)
    start = Start(picture=digest, strength=0.5)
    task = controlled(bench.source, ("xl-canny", {}), files={digest: png}.items(), start=start)
    wanted = stock_controlled(
        "StableDiffusionXLControlNetImg2ImgPipeline", pipe, bench, task, tmp_path, image=photo, strength=0.5
    )
    assert_same(drawn(bench, task).png, wanted)


def test_a_second_pass_is_steered_by_the_picture_in_its_size(
    bench: Bench, stock_sd: Any, toy_nets: Path
) -> None:
    hires = Hires(size=Size(width=96, height=96), steps=4, strength=0.5, enlarger=Enlarger.LATENTS)
    task = controlled(bench.source, ("toy-canny", {}), hires=hires)
    ours = drawn(bench, task)
    generator = torch.Generator("cpu").manual_seed(task.request.seed)
    net = diffusers.ControlNetModel.from_pretrained(toy_nets / "toy-canny")
    control = edges(a_scene())
    spec = SAMPLERS[task.request.sampler]
    config = dict(bench.model.scheduler_config)
    asked: dict[str, Any] = {
        "prompt": task.request.prompt,
        "guidance_scale": task.request.guidance,
        "generator": generator,
        "controlnet_conditioning_scale": 1.0,
    }
    parts = {**stock_sd.components, "controlnet": net, "requires_safety_checker": False}
    first = diffusers.StableDiffusionControlNetPipeline(**parts)
    first.set_progress_bar_config(disable=True)
    first.scheduler = scheduler_class(spec).from_config(config, **spec.overrides)
    latents = first(**asked, image=control, num_inference_steps=4, output_type="latent").images
    larger = torch.nn.functional.interpolate(latents, size=(12, 12), mode="bilinear")
    second = diffusers.StableDiffusionControlNetImg2ImgPipeline(**parts)
    second.set_progress_bar_config(disable=True)
    second.scheduler = scheduler_class(spec).from_config(config, **spec.overrides)
    # It reads the size from what it starts from, and takes that for pixels.
    scaled = in_size(control, hires.size)
    wanted = second(
        **asked,
        image=larger,
        control_image=scaled,
        num_inference_steps=4,
        strength=0.5,
        height=96,
        width=96,
    ).images[0]
    assert_same(ours.png, wanted)


# In company ----------------------------------------------------------------------------------------------


def test_they_share_calls_and_each_is_drawn_again_exactly(bench: Bench) -> None:
    tasks = [
        controlled(bench.source, ("toy-canny", {"weight": 0.4}), job="weak"),
        controlled(bench.source, ("toy-canny", {"end": 0.6, "preprocessor": None}), job="early", steps=5),
        controlled(bench.source, ("toy-canny", {"start": 0.4}), job="late", guidance=1.0),
        controlled(bench.source, ("toy-canny", {}), ("toy-depth", {"start": 0.5}), job="two"),
        a_task(a_request(bench.source, steps=4), job="free"),
    ]
    pngs = run_all(bench, [(0, task) for task in tasks])
    assert len(pngs) == len(tasks)
    shared = 0
    for task in tasks:
        png = pngs[task.id.job]
        assert replayed(bench, task, png) == png
        assert largest_difference(picture(drawn(bench, task).png), picture(png)) <= 1
        shared += max(rows for rows, _, _ in recorded_calls(png)) > 2
    assert shared >= 4, "this proves something only if they shared calls"


def test_outside_of_its_steps_it_shares_calls_with_those_who_are_not_steered(bench: Bench) -> None:
    task = controlled(bench.source, ("toy-canny", {"start": 0.5}), job="late", steps=4)
    pngs = run_all(bench, [(0, task), (0, a_task(a_request(bench.source, steps=4), job="free"))])
    assert recorded_calls(pngs["late"])[0][::2] == (4, 2), "two calls for both"
    assert recorded_calls(pngs["late"])[1][::2] == (2, 2), "and two of its own"


def test_the_control_picture_comes_along_and_the_record_says_what_steered(bench: Bench) -> None:
    task = controlled(bench.source, ("toy-canny", {"weight": 0.5}), ("toy-depth", {"preprocessor": None}))
    last = drawn(bench, task)
    shown = [picture(png) for png in last.shown]
    assert ImageChops.difference(shown[0], edges(a_scene(0))).getbbox() is None
    assert ImageChops.difference(shown[1], a_scene(1)).getbbox() is None
    record = read(last.png).record
    assert record is not None
    assert [each["model"] for each in record["controls"]] == ["toy-canny", "toy-depth"]
    assert record["controls"][0]["picture"] == hashlib.sha256(last.shown[0]).hexdigest()
    assert len(record["controls"][0]["model_hash"]) == 10
    assert read(last.png).request == replace(task.request, model=record["model_source"])


def test_a_refiner_goes_on_from_what_was_steered_and_is_not_steered_itself(
    toy_sdxl: Path, tmp_path: Path
) -> None:
    build_controlnet(tmp_path / "nets" / "xl-canny", toy_sdxl)
    refiner = build_refiner(tmp_path / "refiner")
    info = replace(describe(str(toy_sdxl)), refiner=str(refiner), refiner_start=0.6)
    bench = steered(Bench(info.source, loaded=load(info, device="cpu")), tmp_path / "nets")
    task = controlled(bench.source, ("xl-canny", {}))
    ensemble = Ensemble(toy_sdxl, refiner)
    net = diffusers.ControlNetModel.from_pretrained(tmp_path / "nets" / "xl-canny")
    pipe = diffusers.StableDiffusionXLControlNetPipeline(**ensemble.base.components, controlnet=net)
    pipe.set_progress_bar_config(disable=True)
    ensemble._pipes = ((pipe, ensemble._pipes[0][1]), ensemble._pipes[1])
    ensemble.base = partial(pipe, image=edges(a_scene()), controlnet_conditioning_scale=1.0)
    assert_same(drawn(bench, task).png, ensemble.picture(task.request, 0.6))
