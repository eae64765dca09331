"""The engine draws what diffusers' own pipeline draws, follows every setting, and ends each task once."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from generation.messages import Drawn, Entered, Phase, Stepped, Stopped, TaskFailed
from generation.metadata import read
from generation.request import GenerationRequest, Seed, Size
from generation.samplers import SAMPLERS
from tests.generation.toys import Bench, a_request, a_task, picture, stock_picture

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def stock_pipeline(folder: str) -> Any:
    import torch
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def stock_sd(toy_sd: Path) -> Any:
    return stock_pipeline(str(toy_sd))


@pytest.fixture(scope="module")
def stock_mini(mini_bench: Bench) -> Any:
    return stock_pipeline(mini_bench.source)


def assert_equals_stock(bench: Bench, pipe: Any, **changes: Any) -> None:
    assert_is_stock(picture(bench.draw(**changes)), a_request(bench.source, **changes), bench, pipe)


def assert_is_stock(ours: Image.Image, request: GenerationRequest, bench: Bench, pipe: Any) -> None:
    stock = stock_picture(pipe, request, dict(bench.model.scheduler_config))
    assert ImageChops.difference(ours, stock).getbbox() is None, request
    assert ours.getextrema() != ((0, 0),) * 3
    assert len(set(ours.get_flattened_data())) > 100, "a picture of one colour proves nothing"


@functools.cache
def drawn_by(bench: Bench, sampler: str, steps: int) -> Image.Image:
    return picture(bench.draw(sampler=sampler, steps=steps, negative_prompt="blue"))


@pytest.mark.parametrize(
    ("sampler", "steps"),
    [
        *((sampler, 5) for sampler in SAMPLERS),
        *((sampler, 1) for sampler in ("Euler", "Heun", "UniPC", "LCM")),
    ],
)
def test_every_sampler_draws_what_the_stock_pipeline_draws(
    sampler: str, steps: int, sd_bench: Bench, stock_sd: Any
) -> None:
    request = a_request(sd_bench.source, sampler=sampler, steps=steps, negative_prompt="blue")
    assert_is_stock(drawn_by(sd_bench, sampler, steps), request, sd_bench, stock_sd)


@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Euler a", "UniPC", "DDPM"])
def test_the_embedded_model_draws_what_the_stock_pipeline_draws(
    sampler: str, mini_bench: Bench, stock_mini: Any
) -> None:
    size = Size(width=128, height=128)
    assert_equals_stock(mini_bench, stock_mini, sampler=sampler, size=size, steps=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance": 1.0},
        {"guidance": 0.0, "negative_prompt": "ignored without guidance"},
        {"size": Size(width=96, height=64)},
        {"prompt": "Ein grüner Würfel, 赤い丸, 🎈 und sehr viel"},
    ],
    ids=["guidance 1", "guidance 0", "wide", "foreign"],
)
def test_the_stock_pipeline_agrees_about(changes: dict[str, Any], sd_bench: Bench, stock_sd: Any) -> None:
    assert_equals_stock(sd_bench, stock_sd, **changes)


def test_each_setting_changes_the_picture(sd_bench: Bench) -> None:
    base = picture(sd_bench.draw(steps=5))
    every: list[dict[str, Any]] = [
        {"prompt": "a blue square"},
        {"negative_prompt": "blue"},
        {"seed": Seed(8)},
        {"steps": 6},
        {"guidance": 5.5},
    ]
    for changes in every:
        other = picture(sd_bench.draw(**{"steps": 5, **changes}))
        assert ImageChops.difference(base, other).getbbox() is not None, changes


def test_no_two_samplers_draw_the_same(sd_bench: Bench) -> None:
    drawn = {drawn_by(sd_bench, sampler, 5).tobytes() for sampler in SAMPLERS}
    assert len(drawn) == len(SAMPLERS)


def test_the_same_settings_give_the_same_bytes(sd_bench: Bench, toy_sd: Path) -> None:
    first = sd_bench.draw(sampler="Euler a")
    sd_bench.draw(prompt="something else in between")
    assert sd_bench.draw(sampler="Euler a") == first
    assert Bench(str(toy_sd)).draw(sampler="Euler a") == first


def test_image_k_of_a_request_is_the_one_its_own_seed_draws(sd_bench: Bench) -> None:
    request = a_request(sd_bench.source, count=3)
    third = sd_bench.run(a_task(request.image(2), index=2))[-1]
    assert isinstance(third, Drawn)
    assert third.png == sd_bench.draw(seed=Seed(9))


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "PNDM"])
def test_each_step_is_reported_once_whatever_a_step_costs(sampler: str, sd_bench: Bench) -> None:
    task = a_task(a_request(sd_bench.source, sampler=sampler, steps=5))
    said = sd_bench.run(task)
    assert said[0] == Entered(phase=Phase.DRAWING, task=task.id)
    assert said[1:6] == [Stepped(task=task.id, step=step, steps=5) for step in range(1, 6)]
    assert said[6] == Entered(phase=Phase.DECODING, task=task.id)
    assert isinstance(said[7], Drawn)
    assert len(said) == 8


def test_a_picture_is_cancelled_between_two_steps(sd_bench: Bench) -> None:
    task = a_task(a_request(sd_bench.source, steps=50))
    sd_bench.run(task, until=lambda said: len(said) == 4)
    assert sd_bench.engine.cancel(task.id)
    assert sd_bench.said[-1] == Stopped(task=task.id)
    assert not sd_bench.engine.busy
    assert not sd_bench.engine.cancel(task.id)


def test_what_the_model_cannot_draw_fails_with_a_sentence(sd_bench: Bench) -> None:
    for changes, words in (
        ({"size": Size(width=72, height=64)}, "multiples of 16"),
        ({"sampler": "Nonsense"}, "sampler `Nonsense`"),
        ({"model": "/home/ada/another"}, "drawn with another, but"),
    ):
        said = sd_bench.run(a_task(replace(a_request(sd_bench.source), **changes)))
        assert isinstance(said[-1], TaskFailed)
        assert words in said[-1].reason
        assert not sd_bench.engine.busy


@pytest.mark.parametrize("stage", ["unet", "vae"])
def test_one_task_that_runs_out_of_memory_fails_and_the_next_is_drawn(
    stage: str, sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expected = sd_bench.draw()

    def too_much(*args: Any, **kwargs: Any) -> Any:
        raise torch.OutOfMemoryError("tried to allocate 640 GiB")

    with monkeypatch.context() as patch:
        target, method = (
            (sd_bench.model.unet, "forward") if stage == "unet" else (sd_bench.model.vae, "decode")
        )
        patch.setattr(target, method, too_much)
        failed = sd_bench.run(a_task(a_request(sd_bench.source)))[-1]
    assert isinstance(failed, TaskFailed)
    assert "not enough memory" in failed.reason
    assert sd_bench.draw() == expected


def test_numbers_that_run_away_are_told_instead_of_drawn(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def nothing(latents: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor]:
        return (torch.full((1, 3, 64, 64), float("nan")),)

    monkeypatch.setattr(sd_bench.model.vae, "decode", nothing)
    failed = sd_bench.run(a_task(a_request(sd_bench.source)))[-1]
    assert isinstance(failed, TaskFailed)
    assert "numbers ran away" in failed.reason


def test_the_record_says_what_the_bits_depend_on(sd_bench: Bench) -> None:
    record = read(sd_bench.draw(sampler="Heun", steps=3, prompt="word " * 100)).record
    assert record is not None
    assert record["model_hash"] == sd_bench.model.hash.result()
    assert record["dtype"] == "float32"
    assert {"torch", "diffusers", "transformers", "threads", "device"} <= record.keys()
    assert record["unet_calls"] == [[2, 0, 5]]
    assert record["decode_batch"] == 1
    assert (record["prompt_tokens"], record["prompt_chunks"]) == (400, 6)
