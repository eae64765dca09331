"""The benchmark of the engine runs, says what it must, and does not compare what is not the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.engine.__main__ import main
from benchmarks.engine.compare import DifferentWork, check_in_float32, same_work
from benchmarks.engine.roofline import arithmetic, matmul_flops
from benchmarks.engine.sides import Ours, Stock
from benchmarks.engine.weights import ARCHITECTURES, SD15, SDXL, Architecture, build, folder, parts
from benchmarks.engine.work import Work, first_come_first_served, poisson
from tests.generation.toys import build_sd

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

PROMISED = (
    *("model", "device", "serial_ips", "offline_batch_ips", "engine_ips", "p95_ratio_080", "p95_ratio_130"),
    *("first_step_ticks", "lone_s", "peak_mb", "roofline", "commit", "torch", "diffusers", "dtype", "cap"),
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sd(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="module")
def ours(toy: Path) -> Ours:
    return Ours.load(toy, "cpu", "float32", cap=2)


@pytest.fixture(scope="module")
def stock(toy: Path) -> Stock:
    return Stock(toy, torch.device("cpu"), torch.float32)


@pytest.fixture
def work(toy: Path) -> Work:
    return Work.square(toy, 64, 2)


@pytest.mark.timeout(400)  # three processes that load torch
def test_a_tiny_run_says_all_that_was_promised(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            *("--model", str(toy), "--device", "cpu", "--requests", "2", "--steps", "2", "--rounds", "1"),
            *("--seconds", "0.2", "--cap", "2", "--out", str(tmp_path)),
        ]
    )
    printed = capsys.readouterr().out.splitlines()
    figures: dict[str, Any] = json.loads(printed[-1])
    assert set(PROMISED) <= set(figures)
    numbers = [figures[name] for name in PROMISED if isinstance(figures[name], int | float)]
    assert len(numbers) >= 10
    assert all(math.isfinite(number) and number > 0 for number in numbers), figures
    assert figures["offline_batch"] == figures["cap"] == 2
    assert figures["same_work"]["largest_difference"] <= 1
    assert figures["first_step_ticks"] <= 2
    assert figures["settings"]["requests"] == figures["settings"]["steps"] == 2
    for line in ("(a)", "(b)", "(c)", "(d)", "(e)", "(f)", "(g)"):
        assert any(printed_line.startswith(line) for printed_line in printed)
    with Image.open(tmp_path / "engine-toy-cpu.png") as plot:
        assert plot.width > 800
    kept = json.loads((tmp_path / "engine-toy-cpu.json").read_text())
    assert kept.pop("latencies_s")["080"]["engine"]
    assert kept == figures


def test_the_two_sides_draw_the_same(stock: Stock, ours: Ours, work: Work) -> None:
    said = same_work(stock, ours, work, count=3)
    assert said["unet_rows"] == {"stock": 3 * 2 * 2, "engine": 3 * 2 * 2}
    assert said["picture_spread"] > 5, "nothing differs between two grey pictures"


def test_sides_with_different_weights_are_not_compared(stock: Stock, ours: Ours, work: Work) -> None:
    weight = stock.pipe.unet.conv_out.weight
    with torch.no_grad():
        weight.mul_(-1)
    try:
        with pytest.raises(DifferentWork, match="differ by"):
            same_work(stock, ours, work, count=1)
    finally:
        with torch.no_grad():
            weight.mul_(-1)


def test_a_short_request_is_timed_to_its_first_step(ours: Ours, work: Work) -> None:
    [long], short = work.equal(1), work.equal(1, first=5)[0]
    beside = ours.first_step(short, [long], after=0)
    assert beside.ticks == 1
    assert beside.seconds > 0
    assert not ours.engine.busy


def test_arrivals_are_waited_for(ours: Ours, work: Work) -> None:
    served = ours.serve(work.equal(2), [0.0, 0.5])
    assert served.seconds > 0.5
    assert served.seconds == pytest.approx(0.5 + served.latencies[1])
    assert served.most_rows in (2, 4)


def test_a_queue_that_serves_in_order_of_arrival() -> None:
    assert first_come_first_served([0.0, 1.0, 10.0], [3.0, 2.0, 1.0]) == [3.0, 4.0, 1.0]


def test_chance_arrivals_come_at_their_rate() -> None:
    times = poisson(4000, rate=2.0)
    assert times == sorted(times)
    assert times[-1] == pytest.approx(2000)
    assert times[1999] == pytest.approx(1000, rel=0.1)
    assert min(poisson(4000, rate=2.0)) > 0


def test_mixed_work_has_the_mean_steps_of_equal_work(toy: Path) -> None:
    work = Work.square(toy, 64, 20)
    steps = [request.steps for request in work.varied(46)]
    assert sorted(steps) == sorted([*range(8, 31)] * 2)
    mixed = work.mixed(50)
    assert len({(request.sampler, request.guidance) for request in mixed}) == 50


def millions(module: Any) -> float:
    return round(sum(int(weight.numel()) for weight in module.parameters()) / 1e6, 1)


def test_the_architectures_are_the_real_ones() -> None:
    with torch.device("meta"):
        sd15, sdxl = parts(SD15), parts(SDXL)
    assert millions(sd15["unet"]) == 859.5
    assert millions(sdxl["unet"]) == 2567.5
    assert millions(sd15["vae"].decoder) == millions(sdxl["vae"].decoder) == 49.5
    assert millions(sd15["text_encoder"]) == millions(sdxl["text_encoder"]) == 123.1
    assert millions(sdxl["text_encoder_2"]) == 694.7


TINY_UNET = {"sample_size": 8, "block_out_channels": (32, 32, 64), "layers_per_block": 1}
TINY_TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def shrunk(architecture: Architecture) -> Architecture:
    """The same pipeline with everything in it made small."""
    small = {name: dict(values) for name, values in architecture.items()}
    for name in small:
        if name.startswith("text_encoder"):
            small[name] |= TINY_TEXT | {"projection_dim": 16}
    small["vae"] |= {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1, "sample_size": 64}
    small["unet"] |= TINY_UNET | {"cross_attention_dim": 16}
    if "text_encoder_2" in small:
        small["unet"] |= {
            "cross_attention_dim": 32,
            "transformer_layers_per_block": (1, 1, 2),
            "attention_head_dim": (2, 2, 4),
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 16,
        }
    else:
        small["unet"] |= {
            "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        }
    return small


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_built_folder_is_drawn_by_both_sides(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    build(shrunk(ARCHITECTURES[name]), place)
    said = check_in_float32(place, "cpu", Work.square(place, 64, 3))
    assert said["largest_difference"] <= 1
    assert said["picture_spread"] > 1


def test_twice_the_area_is_twice_the_arithmetic(ours: Ours) -> None:
    once, twice = arithmetic(ours.model, 64, 64), arithmetic(ours.model, 64, 128)
    assert twice.encode == once.encode
    assert twice.decode == pytest.approx(2 * once.decode, rel=0.05)
    assert matmul_flops(torch.device("cpu"), torch.float32, edge=64) > 0


def test_a_model_that_is_nowhere_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mini, sd15, sdxl or a folder"):
        folder("sd3", tmp_path)


def test_the_palette_says_what_each_feature_costs_and_whether_it_shares(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            *("--palette", "--model", str(toy), "--device", "cpu", "--steps", "2", "--rounds", "1"),
            *("--out", str(tmp_path), "--quick"),
        ]
    )
    said = capsys.readouterr().out.splitlines()
    figures = json.loads(said[-1])["features"]
    assert figures["image, strength 0.5"]["steps"] == 1
    assert figures["hires 1.5, pixels"]["steps"] == 3
    assert all(each["times_plain"] > 0 for each in figures.values())
    enlarged = figures.pop("only made 4 times larger")
    assert enlarged["shares_calls"] is None, "it needs no call of the UNet"
    shared = {name for name, each in figures.items() if each["shares_calls"]}
    alone = {"prompt of 2 chunks", "outpainting by half", "LoRA of rank 16", "look"}
    alone |= {f"ControlNet, {preprocessor}" for preprocessor in ("edges", "depth", "pose")}
    assert set(figures) - shared == alone, "what the key of a batch holds"
    assert all(each["shares_with_its_like"] for each in figures.values())
