"""The look of a picture is taken as diffusers' IP-Adapters take it, in calls that those with one share."""

from __future__ import annotations

import json
import re
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

from generation.catalogue import MemoryMode, describe
from generation.engine.awaited import STILL_S, Awaited
from generation.engine.memory import footprint
from generation.engine.models import load
from generation.looks import check_ip_adapter
from generation.messages import Drawn, Task, TaskFailed
from generation.metadata import read
from generation.metadata.containers import texts_of
from generation.modelfiles import UnreadableModel
from generation.redraw import CannotRedraw, redraw
from generation.request import Hires, Look, Size
from tests.generation.engine.test_batch import recorded_calls, run_all
from tests.generation.engine.test_inputs import a_photo, file_of
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import (
    Bench,
    a_request,
    a_task,
    picture,
    stock_picture,
    write_safetensors,
)
from tests.posix import needs_links

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

PLUS = {
    "latents": [1, 4, 64],
    "proj_in.weight": [64, 16],
    "proj_in.bias": [64],
    "proj_out.weight": [0, 64],
    "proj_out.bias": [0],
    "norm_out.weight": [0],
    "norm_out.bias": [0],
}
_LAYER = {
    "0.norm1.weight": [64],
    "0.norm1.bias": [64],
    "0.norm2.weight": [64],
    "0.norm2.bias": [64],
    "0.to_q.weight": [64, 64],
    "0.to_kv.weight": [128, 64],
    "0.to_out.weight": [64, 64],
    "1.0.weight": [64],
    "1.0.bias": [64],
    "1.1.weight": [256, 64],
    "1.3.weight": [64, 256],
}
PLUS |= {f"layers.{layer}.{name}": shape for layer in range(4) for name, shape in _LAYER.items()}
"""Of the kind that goes by a layer before the projection; 0 is the width of the prompts."""
PHOTO = a_photo(Size(width=96, height=64), seed=3)


def write_adapter(folder: Path, unet: Any, *, plus: bool = False) -> Path:
    """An IP-Adapter for this UNet with random weights, and a CLIP vision model beside it."""
    torch.manual_seed(8)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
        projection_dim=12,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder / "image_encoder")
    width = unet.config.cross_attention_dim
    tensors: dict[str, torch.Tensor] = {}
    if plus:
        for name, shape in PLUS.items():
            tensors[f"image_proj.{name}"] = torch.randn([edge or width for edge in shape])
    else:
        tensors["image_proj.proj.weight"] = torch.randn(4 * width, 12)
        tensors["image_proj.proj.bias"] = torch.randn(4 * width)
        tensors["image_proj.norm.weight"] = torch.ones(width)
        tensors["image_proj.norm.bias"] = torch.zeros(width)
    names = [name for name in unet.attn_processors if "attn2" in name]
    for number, name in enumerate(names):
        inner = unet.get_submodule(name.removesuffix(".processor")).inner_dim
        for which in "kv":
            tensors[f"ip_adapter.{2 * number + 1}.to_{which}_ip.weight"] = torch.randn(inner, width)
    file = folder / ("plus.safetensors" if plus else "tiny.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def with_adapter(bench: Bench, file: Path) -> Bench:
    info = replace(bench.model.info, ip_adapter=str(file))
    return Bench(bench.source, loaded=replace(bench.model, info=info))


def looking(source: str, weight: float = 0.6, *, job: str = "job", **changes: Any) -> Task:
    digest, png = file_of(PHOTO)
    request = a_request(source, **{"look": Look(picture=digest, weight=weight), **changes})
    return replace(a_task(request, job=job), inputs={digest: png})


def drawn(bench: Bench, task: Task) -> bytes:
    last = bench.run(task)[-1]
    assert isinstance(last, Drawn), last
    return last.png


class Looked:
    """The stock pipeline with an IP-Adapter, called as if it had none."""

    def __init__(self, source: Path | str, file: Path, weight: float) -> None:
        self.pipe = stock_pipeline(str(source))
        processor = CLIPImageProcessorPil(size=32, crop_size=32)  # whether torchvision is installed or not
        self.pipe.register_modules(feature_extractor=processor)
        self.pipe.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
        self.pipe.set_ip_adapter_scale(weight)

    def draws(self, task: Task) -> Image.Image:
        config = dict(self.pipe.scheduler.config)
        return stock_picture(self, task.request, config)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.pipe(*args, **kwargs, ip_adapter_image=PHOTO)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "scheduler":
            self.pipe.scheduler = value
        else:
            super().__setattr__(name, value)

    def set_progress_bar_config(self, **options: Any) -> None:
        self.pipe.set_progress_bar_config(**options)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, sd_bench: Bench) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapter"), sd_bench.model.unet)


@pytest.fixture(scope="module")
def bench(sd_bench: Bench, adapter: Path) -> Bench:
    return with_adapter(sd_bench, adapter)


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_a_look_is_taken_as_diffusers_takes_it(guidance: float, bench: Bench, adapter: Path) -> None:
    task = looking(bench.source, guidance=guidance, negative_prompt="blue")
    wanted = Looked(bench.source, adapter, 0.6).draws(task)
    ours = picture(drawn(bench, task))
    assert ours.tobytes() == wanted.tobytes()
    assert ours.tobytes() != picture(bench.draw(guidance=guidance, negative_prompt="blue")).tobytes()


def test_the_kind_that_looks_closer_is_taken_so_too(sd_bench: Bench, tmp_path: Path) -> None:
    file = write_adapter(tmp_path, sd_bench.model.unet, plus=True)
    task = looking(sd_bench.source, 0.8)
    wanted = Looked(sd_bench.source, file, 0.8).draws(task)
    assert picture(drawn(with_adapter(sd_bench, file), task)).tobytes() == wanted.tobytes()


def test_sdxl_takes_a_look_as_diffusers_takes_it(toy_sdxl: Path, tmp_path: Path) -> None:
    plain = Bench(str(toy_sdxl))
    file = write_adapter(tmp_path, plain.model.unet)
    task = looking(plain.source, 0.5)
    wanted = Looked(plain.source, file, 0.5).draws(task)
    assert picture(drawn(with_adapter(plain, file), task)).tobytes() == wanted.tobytes()


def test_looks_of_several_weights_share_calls_and_are_drawn_again_and_others_stay_as_they_are(
    bench: Bench, adapter: Path, tmp_path: Path
) -> None:
    tasks = [looking(bench.source, weight, job=f"{weight}") for weight in (0.3, 0.9)]
    plain = a_task(a_request(bench.source), job="plain")
    together = run_all(bench, [(0, task) for task in (*tasks, plain)])
    digest, png = file_of(PHOTO)
    (tmp_path / digest[:2]).mkdir()
    (tmp_path / digest[:2] / digest).write_bytes(png)
    for place, task in enumerate(tasks):
        made = together[task.id.job]
        assert recorded_calls(made) == ((4, 2 * place, 4),)
        settings = read(made)
        assert settings.record is not None
        look = settings.record["look"]
        assert set(look) == {"adapter", "hash", "encoder_hash"}
        told = f'IP-Adapter: "tiny [{look["hash"]}], weight: {task.id.job}"'
        assert told in texts_of(made)["parameters"]
        again = redraw(settings, model=bench.source, files=tmp_path, ip_adapter=str(adapter))
        assert picture(again).tobytes() == picture(made).tobytes()
    assert recorded_calls(together["plain"]) == ((2, 0, 4),)
    assert picture(together["plain"]).tobytes() == picture(bench.draw()).tobytes()
    with pytest.raises(CannotRedraw, match="say with --ip-adapter where it is"):
        redraw(read(together["0.3"]), model=bench.source, files=tmp_path)


@needs_links
def test_a_model_from_the_hub_takes_a_look_too(bench: Bench, adapter: Path, own_hub_cache: Path) -> None:
    store = own_hub_cache / "models--someone--dreams"
    (store / "snapshots").mkdir(parents=True)
    (store / "snapshots" / "abc").symlink_to(bench.source)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    info = replace(describe("someone/dreams"), ip_adapter=str(adapter))
    far = Bench(info.source, loaded=load(info, device="cpu"))
    there, here = (picture(drawn(each, looking(each.source, steps=1))) for each in (far, bench))
    assert there.tobytes() == here.tobytes()


def test_a_look_is_taken_whatever_of_the_model_is_on_the_device(bench: Bench, sd_bench: Bench) -> None:
    task = looking(bench.source)
    plenty = picture(drawn(bench, task))
    for mode in (MemoryMode.SMALL, MemoryMode.SMALLER):
        info = replace(bench.model.info, memory=mode)
        small = Bench(bench.source, loaded=replace(load(sd_bench.model.info, device="cpu"), info=info))
        assert picture(drawn(small, task)).tobytes() == plenty.tobytes()
        assert footprint(small.engine._controls.looks._adapter.layers)  # type: ignore[union-attr]


def test_a_second_pass_has_the_look_too(bench: Bench) -> None:
    hires = Hires(size=Size(width=128, height=64), steps=2, strength=0.5)
    ours, other = (drawn(bench, looking(bench.source, weight, hires=hires)) for weight in (0.6, 0.2))
    assert picture(ours).size == (128, 64)
    assert picture(ours).tobytes() != picture(other).tobytes()


def test_what_there_was_no_memory_to_read_is_read_another_time(sd_bench: Bench, adapter: Path) -> None:
    bench = with_adapter(sd_bench, adapter)
    short: Future[Any] = Future()
    short.set_exception(MemoryError())
    bench.engine._controls.looks._reading = Awaited(short, "it")
    last = bench.run(looking(bench.source))[-1]
    assert isinstance(last, TaskFailed)
    assert "cannot be used at the moment" in last.reason
    drawn(bench, looking(bench.source))


def test_a_reading_that_stands_still_is_a_sentence(sd_bench: Bench, adapter: Path) -> None:
    bench = with_adapter(sd_bench, adapter)
    began = Awaited(Future[Any](), "the IP-Adapter of the toy")
    began.began -= STILL_S + 1
    bench.engine._controls.looks._reading = began
    last = bench.run(looking(bench.source))[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason == "Reading the IP-Adapter of the toy stood still, so I gave it up; try again later."
    assert not bench.engine.busy


def test_what_cannot_be_is_a_sentence_and_the_others_are_drawn(
    bench: Bench, sd_bench: Bench, adapter: Path, tmp_path: Path
) -> None:
    last = sd_bench.run(looking(sd_bench.source))[-1]
    assert isinstance(last, TaskFailed)
    assert "cannot take the look of a picture: its owner has to give it an IP-Adapter" in last.reason
    last = bench.run(replace(looking(bench.source), inputs={}))[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason == "The picture whose look this is to have is not there any more."
    file = tmp_path / "other.safetensors"
    (tmp_path / "image_encoder").symlink_to(adapter.parent / "image_encoder")
    held = load_file(adapter)
    save_file({name: each[:1] if "_ip." in name else each for name, each in held.items()}, file)
    broken = with_adapter(sd_bench, file)
    last = broken.run(looking(broken.source))[-1]
    assert isinstance(last, TaskFailed)
    assert "cannot be used at the moment; the owner's log says why" in last.reason
    save_file(held, file)
    assert (
        picture(drawn(broken, looking(broken.source))).tobytes()
        == picture(drawn(bench, looking(bench.source))).tobytes()
    ), "it is read again once it is mended"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_proj.norm.weight": [16], "image_proj.proj.0.weight": [2, 2]}, "is one for faces (FaceID)"),
        ({"ip_adapter.1.to_k_ip.weight": [8, 768]}, "it is for another family."),
        ({"ip_adapter.1.to_k_ip.weight": []}, "its layers are of another shape"),
        ({"image_proj.proj.weight": [64, 99]}, "makes 12 numbers of a picture, and the IP-Adapter"),
        (None, "is no IP-Adapter: it has no image_proj and ip_adapter in it."),
    ],
)
def test_an_adapter_that_does_not_fit_is_told_by_its_header(
    change: dict[str, list[int]] | None, sentence: str, adapter: Path, tmp_path: Path
) -> None:
    shapes = {"image_proj.proj.weight": [64, 12], "ip_adapter.1.to_k_ip.weight": [8, 16]}
    file = write_safetensors(tmp_path / "a.safetensors", {"x": [1]} if change is None else shapes | change)
    with pytest.raises(UnreadableModel, match=re.escape(sentence)):
        check_ip_adapter(file, adapter.parent / "image_encoder", width=16)


def test_an_adapter_needs_its_encoder_and_is_no_pickle(adapter: Path, tmp_path: Path) -> None:
    for file, encoder, sentence in (
        (adapter, tmp_path, "needs its image encoder, and there is none at"),
        (tmp_path / "a.bin", tmp_path, "is a pickle"),
        (tmp_path / "a.safetensors", tmp_path, "There is no IP-Adapter at"),
    ):
        with pytest.raises(UnreadableModel, match=sentence):
            check_ip_adapter(file, encoder, width=None)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text(json.dumps({"projection_dim": 12}))
    with pytest.raises(UnreadableModel, match="has no weights in a"):
        check_ip_adapter(adapter, bare, width=None)
