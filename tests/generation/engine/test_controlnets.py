"""ControlNets are told by their files, and control pictures are what they are said to be."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image, ImageDraw

from generation.catalogue import Family, describe
from generation.controlfiles import Kind, describe_controlnet, weights_of
from generation.controlnets import ControlNets
from generation.engine.edges import edges
from generation.engine.hashes import hash_file
from generation.engine.preprocessing import in_size, lineart
from generation.metadata import parse_infotext, read, write_png
from generation.modelfiles import UnreadableModel
from generation.redraw import CannotRedraw, _controlnets
from generation.request import Control, Digest, GenerationRequest, Seed, Size
from tests.generation.controlled import a_scene, controlled, drawn, steered, write_original
from tests.generation.toys import Bench, a_request, picture, write_safetensors

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def bench(sd_bench: Bench, toy_nets: Path) -> Bench:
    return steered(sd_bench, toy_nets)


def test_a_folder_is_told_by_its_files(toy_nets: Path, toy_sd: Path, toy_sdxl: Path) -> None:
    info = describe_controlnet(toy_nets / "toy-canny")
    assert (info.kind, info.family, info.shape.words) == (Kind.EDGES, Family.SD1, 16)
    assert info.reject_reason(describe(str(toy_sd))) is None
    assert "is for Stable Diffusion 1" in (info.reject_reason(describe(str(toy_sdxl))) or "")
    assert describe_controlnet(toy_nets / "toy-third").kind is Kind.OTHER


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
    breaks: Callable[[Path], object], sentence: str, toy_nets: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(toy_nets / "toy-canny", folder)
    breaks(folder)
    with pytest.raises(UnreadableModel, match=sentence):
        describe_controlnet(folder)
    found = ControlNets.found([tmp_path])
    assert found.usable == ()
    assert [each.name for each in found.broken] == ["broken"]


def test_no_file_of_odd_shapes_hides_the_others(tmp_path: Path) -> None:
    hint = {"controlnet_cond_embedding.conv_in.weight": [4, 3, 3, 3]}
    write_safetensors(tmp_path / "flat.safetensors", {"conv_in.weight": [5], **hint})
    odd = {"conv_in.weight": [8, 4, 3, 3], "a.attn2.to_k.weight": [], **hint}
    write_safetensors(tmp_path / "odd.safetensors", odd)
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "config.json").write_text("[" * 100_000)
    found = ControlNets.found([tmp_path])
    assert [each.name for each in found.broken] == ["deep", "flat", "pipe"]
    assert [each.name for each in found.usable] == ["odd"]


@pytest.mark.parametrize("original", [True, False], ids=["as A1111 has it", "as diffusers has it"])
def test_a_single_file_is_read_like_its_folder(
    original: bool, sd_bench: Bench, bench: Bench, toy_nets: Path, tmp_path: Path
) -> None:
    folder, file = toy_nets / "toy-canny", tmp_path / "one.safetensors"
    if original:
        write_original(folder, file)
    else:
        shutil.copy(folder / "diffusion_pytorch_model.safetensors", file)
    (tmp_path / "one").mkdir()
    shutil.copy(folder / "config.json", tmp_path / "one")
    (tmp_path / "one.json").write_text('{"kind": "edges", "sd version": "SD1"}')
    (info,) = ControlNets.found([tmp_path]).usable
    assert (info.name, info.kind, info.family) == ("one", Kind.EDGES, Family.SD1)
    from_file = drawn(steered(sd_bench, tmp_path), controlled(bench.source, ("one", {}))).png
    from_folder = drawn(bench, controlled(bench.source, ("toy-canny", {}))).png
    assert picture(from_file).tobytes() == picture(from_folder).tobytes()


def test_depth_is_told_by_the_owners_model(sd_bench: Bench, toy_nets: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        image_size=32,
        patch_size=8,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    transformers.DPTForDepthEstimation(config).save_pretrained(tmp_path)
    processor = {"image_processor_type": "DPTImageProcessor", "size": {"height": 32, "width": 32}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    (tmp_path / "model.fp16.safetensors").write_bytes(b"not read")
    bench = steered(sd_bench, toy_nets, depth=tmp_path)
    task = controlled(bench.source, ("toy-depth", {"preprocessor": "depth"}))
    last = drawn(bench, task)
    (shown,) = map(picture, last.shown)
    assert shown.convert("L").getextrema() == (0, 255)
    record = read(last.png).record
    assert record is not None
    assert record["controls"][0]["preprocessor_hash"] == hash_file(tmp_path / "model.safetensors")
    assert drawn(bench, task).png == last.png


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


def test_the_settings_say_it_as_a1111s_extension_does_whatever_its_name_is() -> None:
    hostile = 'a", Seed: 1, Model: evil\nSteps: 2'
    control = Control(model=hostile, picture=Digest("00"), preprocessor="edges", weight=0.7, end=0.5)
    second = replace(control, model="depths", preprocessor=None)
    request = a_request(controls=(control, second))
    told = [{"model_hash": "0123456789"}, {"model_hash": "abcdefabcd"}]
    record = {"model": "toy", "model_source": "toy", "model_hash": "77", "version": "1", "controls": told}
    png = write_png(Image.new("RGB", (64, 64)), request, record)
    text = Image.open(io.BytesIO(png)).info["parameters"]
    assert (
        'ControlNet 1: "Module: none, Model: depths [abcdefabcd], Weight: 0.7, Resize Mode: Crop and Resize, '
        "Processor Res: 64, Guidance Start: 0, Guidance End: 0.5, Pixel Perfect: True, "
        'Control Mode: Balanced"'
    ) in text
    assert "Module: canny, Model: a " in text
    assert "Threshold A: 100, Threshold B: 200" in text
    settings = parse_infotext(text)
    assert (settings.seed, settings.model, settings.steps) == (request.seed, "toy", request.steps)
    assert "evil" in text
    assert text.count("Seed:") == 1


def test_what_steered_a_picture_must_be_there_to_draw_it_again(toy_nets: Path) -> None:
    def needed(**told: str) -> None:
        record = {"controls": [{"model": "toy-canny", "model_hash": "0123456789", **told}]}
        _controlnets(record, toy_nets, {})

    with pytest.raises(CannotRedraw, match=r"ControlNet gone, which is not here\. Say with --controlnets"):
        needed(model="gone")
    with pytest.raises(CannotRedraw, match="is another file than"):
        needed()
    digest = hash_file(weights_of(toy_nets / "toy-canny"))
    needed(model_hash=digest)
    with pytest.raises(CannotRedraw, match="told poses made its control picture: say with --pose"):
        needed(model_hash=digest, preprocessor="pose", preprocessor_hash="01")
