"""ControlNets steer pictures as diffusers' own pipelines do, alone and in shared calls."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image, ImageChops, ImageDraw

from generation.catalogue import Family, describe
from generation.controlfiles import Kind, describe_controlnet
from generation.controlnets import ControlNets
from generation.engine.controlmodels import KEPT
from generation.engine.edges import edges
from generation.engine.loop import DiffusionEngine
from generation.engine.preprocessing import in_size, lineart
from generation.engine.schedulers import scheduler_class
from generation.job import JobId
from generation.messages import Drawn, Entered, Phase, Report, Task, TaskFailed, TaskId
from generation.metadata import read
from generation.modelfiles import UnreadableModel
from generation.request import Control, Digest, Enlarger, GenerationRequest, Hires, Seed, Size, Start
from generation.samplers import SAMPLERS
from tests.generation.engine.test_batch import largest_difference, recorded_calls, replayed, run_all
from tests.generation.engine.test_inputs import a_mask, a_photo, file_of
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")
SIZE = Size(width=64, height=64)


def build_controlnet(folder: Path, pipe: Any, seed: int = 0) -> Path:
    """A ControlNet for this pipeline whose every weight is random."""
    torch.manual_seed(seed)
    net = diffusers.ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "controlnet_" in name:  # those that are zero until they are trained
                weight.normal_(0, 0.3)
    net.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def stock_sd(toy_sd: Path) -> Any:
    return stock_pipeline(str(toy_sd))


@pytest.fixture(scope="module")
def nets(stock_sd: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    for seed, name in enumerate(("toy-canny", "toy-depth", "toy-third")):
        build_controlnet(folder / name, stock_sd, seed)
    return folder


def steered(bench: Bench, folder: Path, *, cap: int = 4) -> Bench:
    """An engine with the same model, and the ControlNets of this folder."""
    other = bench.again(cap=cap)
    known = ControlNets.found([folder])
    other.engine = DiffusionEngine(other.model, other.said.append, cap=cap, padded=False, controlnets=known)
    return other


@pytest.fixture(scope="module")
def bench(sd_bench: Bench, nets: Path) -> Bench:
    return steered(sd_bench, nets)


def a_scene(seed: int = 0, size: Size = SIZE) -> Image.Image:
    image = a_photo(size, seed)
    ImageDraw.Draw(image).rectangle((12 + seed, 10, 40, 44), fill="white", outline="black")
    return image


def controlled(
    source: str, *controls: tuple[str, dict[str, Any]], job: str = "job", files: Any = (), **changes: Any
) -> Task:
    """A task with these controls, the pictures of which are scenes."""
    inputs = dict(files)
    made = []
    for number, (name, options) in enumerate(controls):
        digest, png = file_of(a_scene(number))
        inputs[digest] = png
        made.append(Control(model=name, picture=digest, **{"preprocessor": "edges", **options}))
    request = a_request(source, **{"steps": 5, "size": SIZE, "controls": tuple(made), **changes})
    return Task(id=TaskId(job=JobId(job), index=0, attempt=1), request=request, inputs=inputs)


def drawn(bench: Bench, task: Task) -> Drawn:
    last = bench.run(task)[-1]
    assert isinstance(last, Drawn), last
    return last


def stock_controlled(cls: str, pipe: Any, bench: Bench, task: Task, nets: Path, **more: Any) -> Image.Image:
    """The same request through diffusers' own pipeline: the oracle."""
    request, controls = task.request, task.request.controls
    loaded = [diffusers.ControlNetModel.from_pretrained(nets / each.model) for each in controls]
    pictures = []
    for control in controls:
        opened = Image.open(io.BytesIO(task.inputs[control.picture])).convert("RGB")
        pictures.append(edges(opened) if control.preprocessor == "edges" else opened)
    several = len(controls) > 1

    def one_or_all(values: list[Any]) -> Any:
        return values if several else values[0]

    parts = {**pipe.components, "controlnet": one_or_all(loaded)}
    if "XL" not in cls:
        parts["requires_safety_checker"] = False
    made = getattr(diffusers, cls)(**parts)
    spec = SAMPLERS[request.sampler]
    made.scheduler = scheduler_class(spec).from_config(dict(bench.model.scheduler_config), **spec.overrides)
    made.set_progress_bar_config(disable=True)
    prepare = made.prepare_latents

    def prepare_in_plain_order(*args: Any, **kwargs: Any) -> Any:
        latents = prepare(*args, **kwargs)
        if isinstance(latents, tuple):
            return tuple(each.contiguous() for each in latents)
        return latents.contiguous()

    made.prepare_latents = prepare_in_plain_order
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
    options: dict[str, Any], changes: dict[str, Any], bench: Bench, stock_sd: Any, nets: Path
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
        png, stock_controlled("StableDiffusionControlNetPipeline", stock_sd, bench, task, nets, **whole)
    )
    plain = replace(task.request, controls=())
    assert picture(drawn(bench, a_task(plain)).png).tobytes() != picture(png).tobytes(), "it does something"


def test_several_at_once_equal_the_stock_pipeline(bench: Bench, stock_sd: Any, nets: Path) -> None:
    task = controlled(
        bench.source,
        ("toy-canny", {"weight": 0.8}),
        ("toy-depth", {"preprocessor": None, "weight": 0.5, "start": 0.3}),
        ("toy-canny", {"weight": 0.3, "end": 0.6}),
    )
    png = drawn(bench, task).png
    assert_same(png, stock_controlled("StableDiffusionControlNetPipeline", stock_sd, bench, task, nets))


def test_it_goes_on_from_a_picture_and_inside_a_mask_as_the_stock_pipelines_do(
    bench: Bench, stock_sd: Any, nets: Path
) -> None:
    photo, mask = a_photo(SIZE, 5), a_mask(SIZE, (16, 8, 48, 40))
    (photo_digest, photo_png), (mask_digest, mask_png) = file_of(photo), file_of(mask)
    start = Start(picture=photo_digest, strength=0.6)
    task = controlled(
        bench.source, ("toy-canny", {"end": 0.7}), files={photo_digest: photo_png}.items(), start=start
    )
    wanted = stock_controlled(
        "StableDiffusionControlNetImg2ImgPipeline", stock_sd, bench, task, nets, image=photo, strength=0.6
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
        nets,
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
        build_controlnet(tmp_path / name, pipe, seed)
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


def test_a_second_pass_is_steered_by_the_picture_in_its_size(bench: Bench, stock_sd: Any, nets: Path) -> None:
    hires = Hires(size=Size(width=96, height=96), steps=4, strength=0.5, enlarger=Enlarger.LATENTS)
    task = controlled(bench.source, ("toy-canny", {}), hires=hires)
    ours = drawn(bench, task)
    generator = torch.Generator("cpu").manual_seed(task.request.seed)
    net = diffusers.ControlNetModel.from_pretrained(nets / "toy-canny")
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
    latents = first(**asked, image=control, num_inference_steps=5, output_type="latent").images
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
        controlled(bench.source, ("toy-canny", {"end": 0.6, "preprocessor": None}), job="early", steps=7),
        controlled(bench.source, ("toy-canny", {"start": 0.4}), job="late", guidance=1.0),
        controlled(bench.source, ("toy-canny", {}), ("toy-depth", {"start": 0.5}), job="two"),
        a_task(a_request(bench.source, steps=6), job="free"),
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


# What goes wrong -----------------------------------------------------------------------------------------


def reason(bench: Bench, task: Task) -> str:
    last = bench.run(task)[-1]
    assert isinstance(last, TaskFailed), last
    return last.reason


def still_draws(bench: Bench) -> bool:
    return isinstance(bench.run(a_task(a_request(bench.source)))[-1], Drawn)


def test_what_cannot_steer_is_a_sentence_and_the_engine_draws_on(bench: Bench) -> None:
    flat, png = file_of(Image.new("RGB", (64, 64), "teal"))
    control = Control(model="toy-canny", picture=flat, preprocessor="edges")

    def asked(**changes: Any) -> Task:
        request = a_request(bench.source, controls=(replace(control, **changes),))
        return replace(a_task(request), inputs={flat: png})

    assert "found no edges" in reason(bench, asked())
    assert "found no lines" in reason(bench, asked(preprocessor="lineart"))
    assert "DEPTH_MODEL" in reason(bench, asked(preprocessor="depth"))
    assert "do not know the preprocessor magic" in reason(bench, asked(preprocessor="magic"))
    assert reason(bench, asked(model="gone")) == "I do not have the ControlNet gone any more."
    assert "is not there any more" in reason(bench, replace(asked(), inputs={}))
    assert still_draws(bench)


def test_one_that_does_not_fit_is_refused_in_words(
    sd_bench: Bench, toy_sdxl: Path, stock_sd: Any, tmp_path: Path
) -> None:
    build_controlnet(tmp_path / "xl", stock_pipeline(str(toy_sdxl)))
    build_controlnet(tmp_path / "deep", stock_sd)
    config = json.loads((tmp_path / "deep" / "config.json").read_text())
    lacking = tmp_path / "lacking"
    shutil.copytree(tmp_path / "deep", lacking)
    (lacking / "config.json").write_text(json.dumps({**config, "layers_per_block": 2}))
    bench = steered(sd_bench, tmp_path)
    assert "is for Stable Diffusion XL" in reason(bench, controlled(bench.source, ("xl", {})))
    assert "cannot be used at the moment" in reason(bench, controlled(bench.source, ("lacking", {})))
    assert "cannot be used at the moment" in reason(bench, controlled(bench.source, ("lacking", {})))
    assert still_draws(bench)


def test_numbers_that_run_away_are_a_sentence(sd_bench: Bench, stock_sd: Any, tmp_path: Path) -> None:
    folder = build_controlnet(tmp_path / "wild", stock_sd)
    net = diffusers.ControlNetModel.from_pretrained(folder)
    with torch.no_grad():
        net.controlnet_mid_block.weight.fill_(float("nan"))
    net.save_pretrained(folder)
    bench = steered(sd_bench, tmp_path)
    assert "ran away" in reason(bench, controlled(bench.source, ("wild", {})))
    assert still_draws(bench)


def test_others_are_drawn_while_one_is_read_and_it_is_told(bench: Bench, sd_bench: Bench, nets: Path) -> None:
    fresh = steered(sd_bench, nets)
    said: list[Report] = fresh.run(controlled(fresh.source, ("toy-third", {})))
    entered = [each.phase for each in said if isinstance(each, Entered)]
    assert entered[0] is Phase.LOADING
    assert isinstance(said[-1], Drawn)
    assert fresh.engine.footprint > sd_bench.engine.footprint


def test_those_that_are_not_used_leave(sd_bench: Bench, stock_sd: Any, tmp_path: Path) -> None:
    names = [f"net{number}" for number in range(KEPT + 2)]
    for name in names:
        build_controlnet(tmp_path / name, stock_sd)
    bench = steered(sd_bench, tmp_path)
    for name in names:
        drawn(bench, controlled(bench.source, (name, {})))
    assert bench.engine._controls.names == tuple(names[-KEPT:])


@pytest.mark.parametrize("climbs", [1, 2, 3])
def test_on_every_rung_of_memory_it_is_the_same_picture(climbs: int, sd_bench: Bench, nets: Path) -> None:
    bench = steered(sd_bench, nets)
    task = controlled(bench.source, ("toy-canny", {}), ("toy-depth", {}))
    wanted = picture(drawn(bench, task).png)
    for _ in range(climbs):
        assert bench.engine._memory.climb()
    try:
        assert largest_difference(picture(drawn(bench, task).png), wanted) <= 2
    finally:
        bench.engine._memory.descend()
    assert picture(drawn(bench, task).png).tobytes() == wanted.tobytes()


def test_when_memory_runs_out_idle_ones_leave_first(sd_bench: Bench, nets: Path) -> None:
    bench = steered(sd_bench, nets)
    drawn(bench, controlled(bench.source, ("toy-depth", {})))
    assert bench.engine._climb()
    assert bench.engine._controls.names == ()
    assert bench.engine._memory.rung == 0


# The files -----------------------------------------------------------------------------------------------


def test_a_folder_is_told_by_its_files(nets: Path, toy_sd: Path, toy_sdxl: Path) -> None:
    info = describe_controlnet(nets / "toy-canny")
    assert (info.kind, info.family, info.shape.words) == (Kind.EDGES, Family.SD1, 16)
    assert info.reject_reason(describe(str(toy_sd))) is None
    assert "is for Stable Diffusion 1" in (info.reject_reason(describe(str(toy_sdxl))) or "")
    assert describe_controlnet(nets / "toy-third").kind is Kind.OTHER


def _edit(name: str, content: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)

    return edit


def _truncate(folder: Path) -> None:
    file = folder / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _pickled(folder: Path) -> None:
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
        (_edit("config.json", {"_class_name": "ControlNetUnionModel"}), "ControlNetUnionModel"),
        (_edit("config.json", "{"), "cannot be read"),
        (_truncate, "not a whole safetensors file"),
        (_pickled, "pickle"),
        (_edit("atelier.json", {"kind": "smell"}), "it may be edges, lineart, depth, pose, other"),
        (_edit("atelier.json", {"colour": "red"}), "which I do not know"),
        (_edit("atelier.json", {"name": 5}), "wrong value"),
    ],
)
def test_a_broken_one_is_a_sentence_for_the_owner(
    breaks: Callable[[Path], object], sentence: str, nets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(nets / "toy-canny", folder)
    breaks(folder)
    with pytest.raises(UnreadableModel, match=sentence):
        describe_controlnet(folder)
    found = ControlNets.found([tmp_path])
    assert found.usable == ()
    assert [each.name for each in found.broken] == ["broken"]


def test_a_single_file_is_read_like_its_folder(
    sd_bench: Bench, bench: Bench, nets: Path, tmp_path: Path
) -> None:
    shutil.copy(nets / "toy-canny" / "diffusion_pytorch_model.safetensors", tmp_path / "one.safetensors")
    (tmp_path / "one").mkdir()
    shutil.copy(nets / "toy-canny" / "config.json", tmp_path / "one")
    (tmp_path / "one.json").write_text('{"kind": "edges", "sd version": "SD1"}')
    (info,) = ControlNets.found([tmp_path]).usable
    assert (info.name, info.kind, info.family) == ("one", Kind.EDGES, Family.SD1)
    from_file = drawn(steered(sd_bench, tmp_path), controlled(bench.source, ("one", {}))).png
    from_folder = drawn(bench, controlled(bench.source, ("toy-canny", {}))).png
    assert picture(from_file).tobytes() == picture(from_folder).tobytes()


def test_lines_are_white_where_it_is_darker_than_around() -> None:
    page = Image.new("RGB", (96, 64), "white")
    ImageDraw.Draw(page).line((10, 30, 86, 30), fill="black", width=2)
    found = lineart(page).convert("L")
    assert min(found.crop((20, 30, 76, 31)).tobytes()) > 100
    assert max(found.crop((0, 50, 96, 64)).tobytes()) < 10


def test_edges_stay_black_and_white_when_they_are_scaled() -> None:
    scaled = in_size(edges(a_scene()), Size(width=160, height=96))
    assert {level for _, level in scaled.convert("L").getcolors() or ()} == {0, 255}


def test_a_request_with_controls_is_kept_whole() -> None:
    control = Control(model="a", picture=Digest("00"), preprocessor="edges", weight=0.7, start=0.1, end=0.9)
    request = a_request(controls=(control, replace(control, preprocessor=None)), seed=Seed(4))
    assert GenerationRequest.from_plain(json.loads(json.dumps(request.plain()))) == request
    assert request.rerolled(Seed(5)).controls == request.controls
    assert request.varied(Seed(5), 0.2).controls == request.controls
