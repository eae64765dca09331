"""A picture's file says enough to draw it again, bit for bit."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from generation.loras import Loras
from generation.messages import Drawn, Stepped
from generation.metadata import read
from generation.prompting.wildcards import Wildcards
from generation.redraw import CannotRedraw, main, redraw
from generation.request import Adapter, Seed, Size, Start
from tests.generation.engine.test_batch import run_all
from tests.generation.engine.test_inputs import a_photo, file_of
from tests.generation.lorafiles import weights_for, write_peft
from tests.generation.toys import Bench, a_request, a_task

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture
def drawn_in_company(sd_bench: Bench, tmp_path: Path) -> Path:
    """The second of three pictures that shared their calls."""
    tasks = [
        a_task(a_request(sd_bench.source, sampler="Euler a", steps=4, seed=Seed(n)), job=f"{n}")
        for n in range(3)
    ]
    path = tmp_path / "picture.png"
    path.write_bytes(run_all(sd_bench, [(0, task) for task in tasks])["1"])
    return path


def test_a_picture_drawn_in_company_is_drawn_again_exactly(
    drawn_in_company: Path, sd_bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again.png"
    arguments = [str(drawn_in_company), "--model", sd_bench.source, "--device", "cpu", "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"
    assert Image.open(out).tobytes() == Image.open(drawn_in_company).tobytes()


def test_what_was_chosen_is_drawn_again_with_its_weights_parts_and_skipped_layer(
    sd_bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = a_request(
        sd_bench.source,
        prompt="a {(red:1.4)|[blue]} circle BREAK {2$$sun|moon|star}, " + "very " * 20,
        negative_prompt="{grey|dull}",
        clip_skip=2,
        count=3,
    )
    requests = [Wildcards().decided(request).image(index) for index in range(3)]
    tasks = [a_task(each, job=f"{index}") for index, each in enumerate(requests)]
    drawn = run_all(sd_bench, [(0, task) for task in tasks])
    assert len({each.prompt for each in requests}) > 1
    path = tmp_path / "picture.png"
    path.write_bytes(drawn["1"])
    assert main([str(path), "--model", sd_bench.source, "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"


def test_another_model_is_told_and_draws_another_picture(
    drawn_in_company: Path, toy_v: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(drawn_in_company), "--model", str(toy_v), "--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "model_hash was" in said
    assert "Pixels differ by up to" in said


@pytest.mark.parametrize("tiles", ["none", "encoding", "decoding", "both"])
def test_what_was_in_tiles_for_want_of_memory_is_drawn_again_in_the_same_tiles(
    tiles: str, sd_bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = Size(width=128, height=64)  # two tiles
    digest, photo = file_of(a_photo(size))
    request = a_request(sd_bench.source, size=size, steps=4, start=Start(picture=digest, strength=0.8))
    bench = sd_bench.again()
    memory = bench.engine._memory
    if tiles in ("encoding", "both"):
        assert memory.climb()
    task = replace(a_task(request), inputs={digest: photo})
    bench.run(task, until=lambda said: any(isinstance(report, Stepped) for report in said))
    if tiles == "decoding":
        assert memory.climb()
    elif tiles == "encoding":
        memory.descend()
    while bench.engine.busy:
        bench.engine.tick()
    drawn = bench.said[-1]
    assert isinstance(drawn, Drawn)
    memory.descend()
    record = read(drawn.png).record or {}
    assert record.get("encode_tiled", False) == (tiles in ("encoding", "both"))
    assert record.get("decode_tiled", False) == (tiles in ("decoding", "both"))
    path = tmp_path / "picture.png"
    path.write_bytes(drawn.png)
    (tmp_path / digest[:2]).mkdir()
    (tmp_path / digest[:2] / digest).write_bytes(photo)
    arguments = [str(path), "--model", sd_bench.source, "--device", "cpu", "--files", str(tmp_path)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"


def test_a_record_that_is_cut_short_is_a_sentence(drawn_in_company: Path, sd_bench: Bench) -> None:
    settings = read(drawn_in_company.read_bytes())
    settings = replace(settings, record={**(settings.record or {}), "unet_calls": [[4, 2, 2]]})
    with pytest.raises(CannotRedraw, match=r"^Its record tells of fewer calls of the UNet than it takes"):
        redraw(settings, model=sd_bench.source, device="cpu")


def test_a_picture_that_does_not_say_enough_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blank, foreign, words = tmp_path / "blank.png", tmp_path / "foreign.png", tmp_path / "words.png"
    Image.new("RGB", (8, 8)).save(blank)
    file = io.BytesIO()
    from PIL import PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler, Seed: 1, Size: 8x8")
    Image.new("RGB", (8, 8)).save(file, format="PNG", pnginfo=chunks)
    foreign.write_bytes(file.getvalue())
    words.write_text("no picture")
    for path, sentence in (
        (blank, "holds no settings"),
        (foreign, "Only a picture that Atelier drew"),
        (words, "not a PNG, JPEG or WebP file"),
        (tmp_path / "missing.png", "cannot be read"),
    ):
        assert main([str(path)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_model_that_is_not_where_the_picture_says_is_a_sentence(
    drawn_in_company: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(drawn_in_company), "--model", "nowhere/at/all"]) == 2
    assert "There is no model at nowhere/at/all" in capsys.readouterr().err


def test_a_picture_of_the_model_that_comes_along_needs_nothing_but_its_file(
    mini_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = a_task(a_request(mini_bench.source, size=Size(width=128, height=128), steps=2))
    path = tmp_path / "picture.png"
    path.write_bytes(run_all(mini_bench, [(0, task)])["job"])
    monkeypatch.chdir(tmp_path)
    assert main([str(path), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"


def test_a_picture_with_a_lora_is_drawn_again_with_the_same_file_only(
    toy_sd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffusers import StableDiffusionPipeline

    from generation.engine.loop import DiffusionEngine

    folder = tmp_path / "loras"
    folder.mkdir()
    pipe = StableDiffusionPipeline.from_pretrained(toy_sd)
    file = write_peft(folder / "hat.safetensors", weights_for(pipe))
    bench = Bench(str(toy_sd))
    bench.engine = DiffusionEngine(bench.model, bench.said.append, cap=4, padded=False, loras=Loras(folder))
    path = tmp_path / "picture.png"
    path.write_bytes(bench.draw(prompt="a red circle", adapters=(Adapter(name="hat", weight=0.5),)))
    with Image.open(path) as image:
        parameters = image.info["parameters"]
    assert parameters.startswith("a red circle <lora:hat:0.5>\nSteps: ")
    behind = file.read_bytes()[8 + int.from_bytes(file.read_bytes()[:8], "little") :]
    assert f'Lora hashes: "hat: {hashlib.sha256(behind).hexdigest()[:12]}"' in parameters
    arguments = [str(path), "--model", bench.source, "--device", "cpu"]
    assert main([*arguments, "--loras", str(folder)]) == 0
    assert capsys.readouterr().out == "Every pixel is the same.\n"
    assert main(arguments) == 2
    assert "Say with --loras where it is" in capsys.readouterr().err
    write_peft(file, weights_for(pipe, seed=3))
    assert main([*arguments, "--loras", str(folder)]) == 2
    assert "that is another file" in capsys.readouterr().err
