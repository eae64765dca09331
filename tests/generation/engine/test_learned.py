"""Learned words draw as diffusers' textual inversions do, and are what their files hold at the moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generation.embeddings import Embeddings
from generation.engine.failures import CannotDraw
from generation.engine.learned import Lexicon
from generation.engine.loop import DiffusionEngine
from generation.messages import Drawn, TaskFailed
from generation.metadata import read
from generation.metadata.containers import texts_of
from generation.redraw import CannotRedraw, differences, redraw
from generation.request import Hires, Size
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture, stock_picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Words for the toys: their text encoders have widths of 16, the SDXL's two of 16 and 16."""
    generator = torch.Generator().manual_seed(3)

    def vectors(count: int, width: int = 16) -> torch.Tensor:
        return torch.randn((count, width), generator=generator)

    save_file({"emb_params": vectors(2)}, tmp_path / "My-Style.safetensors")
    save_file({"<cat-toy>": vectors(1)[0]}, tmp_path / "cat toy.safetensors")
    save_file({"clip_l": vectors(2), "clip_g": vectors(2)}, tmp_path / "twofold.safetensors")
    save_file({"emb_params": vectors(40)}, tmp_path / "wordy.safetensors")
    save_file({"emb_params": vectors(1, 768)}, tmp_path / "foreign.safetensors")
    return tmp_path


def with_words(bench: Bench, folder: Path, *, cap: int = 4) -> Bench:
    bench = bench.again()
    bench.engine = DiffusionEngine(
        bench.model, bench.said.append, cap=cap, padded=False, embeddings=Embeddings(folder)
    )
    return bench


def stock_with(source: Path, *words: tuple[Path, str], prompt: str, **changes: Any) -> Image.Image:
    """What diffusers draws that has loaded these files under these tokens."""
    pipe = stock_pipeline(str(source))
    for file, token in words:
        held = load_file(file)
        if "clip_g" in held:
            second = {"text_encoder": pipe.text_encoder_2, "tokenizer": pipe.tokenizer_2}
            pipe.load_textual_inversion([held["clip_l"]], token=[token])
            pipe.load_textual_inversion([held["clip_g"]], token=[token], **second)
        else:
            pipe.load_textual_inversion({token: next(iter(held.values()))}, token=token)
    config = dict(pipe.scheduler.config)
    return stock_picture(pipe, a_request(str(source), prompt=prompt, **changes), config)


def test_a_learned_word_draws_as_diffusers_draws_it(toy_sd: Path, sd_bench: Bench, folder: Path) -> None:
    bench = with_words(sd_bench, folder)
    files = (folder / "My-Style.safetensors", "<s>"), (folder / "cat toy.safetensors", "<c>")
    told = {"prompt": "a sun in <s>, with a <c> on it", "negative_prompt": "blurry <s>"}
    stock = stock_with(toy_sd, *files, **told)
    mine = bench.draw(prompt="a sun in MY-style, with a Cat Toy on it", negative_prompt="blurry my-style")
    assert picture(mine).tobytes() == stock.tobytes()
    assert picture(bench.draw(prompt="a sun")).tobytes() == picture(sd_bench.draw(prompt="a sun")).tobytes()


def test_a_learned_word_of_sdxl_is_read_by_both_encoders(toy_sdxl: Path, folder: Path) -> None:
    bench = with_words(Bench(str(toy_sdxl)), folder)
    stock = stock_with(toy_sdxl, (folder / "twofold.safetensors", "<s>"), prompt="a sun, <s>")
    assert picture(bench.draw(prompt="a sun, twofold")).tobytes() == stock.tobytes()


def test_what_is_drawn_with_a_learned_word_is_drawn_again_and_says_so(
    toy_sd: Path, sd_bench: Bench, folder: Path
) -> None:
    png = with_words(sd_bench, folder).draw(prompt="a sun (my-style:1.2)", negative_prompt="cat toy")
    settings = read(png)
    assert settings.record is not None
    words: dict[str, str] = settings.record["embeddings"]
    assert list(words) == ["My-Style", "cat toy"]
    assert all(len(digest) == 12 for digest in words.values())
    assert settings.record["prompt_tokens"] == len("asun") + 2
    told = f'TI hashes: "My-Style: {words["My-Style"]}, cat toy: {words["cat toy"]}"'
    assert told in texts_of(png)["parameters"]
    again = redraw(settings, model=str(toy_sd), embeddings=folder)
    assert picture(again).tobytes() == picture(png).tobytes()
    save_file({"x": torch.ones(1, 16)}, folder / "sun.safetensors")
    again = redraw(settings, model=str(toy_sd), embeddings=folder)
    assert picture(again).tobytes() == picture(png).tobytes(), "it was a word like others then"
    (folder / "cat toy.safetensors").unlink()
    with pytest.raises(
        CannotRedraw, match=r"learned words that are not here: cat toy\. Say with --embeddings"
    ):
        redraw(settings, model=str(toy_sd), embeddings=folder)
    save_file({"any": torch.ones(1, 16)}, folder / "cat toy.safetensors")
    changed = read(redraw(settings, model=str(toy_sd), embeddings=folder)).record
    assert any(line.startswith("embeddings was") for line in differences(settings.record, changed or {}))


def test_a_word_is_the_one_that_its_file_holds_now(sd_bench: Bench, folder: Path) -> None:
    bench = with_words(sd_bench, folder)
    first = bench.draw(prompt="a cat toy")
    save_file({"x": torch.ones(60, 16)}, folder / "cat toy.safetensors")
    second = bench.draw(prompt="a cat toy")
    (folder / "cat toy.safetensors").unlink()
    third = bench.draw(prompt="a cat toy")
    assert len({picture(png).tobytes() for png in (first, second, third)}) == 3
    assert picture(third).tobytes() == picture(sd_bench.draw(prompt="a cat toy")).tobytes()
    tokens = [(read(png).record or {})["prompt_tokens"] for png in (first, second, third)]
    assert tokens == [1 + 1, 1 + 60, len("acattoy")]


def test_no_picture_is_of_two_files_of_one_word(sd_bench: Bench, folder: Path) -> None:
    bench = with_words(sd_bench, folder)
    hires = Hires(size=Size(width=96, height=96), steps=4)
    task = a_task(a_request(bench.source, prompt="a cat toy", steps=2, hires=hires))
    bench.run(task, until=lambda said: any(entry.first_pass for entry in bench.engine._entries))
    file = folder / "cat toy.safetensors"
    save_file({"x": torch.ones(1, 16)}, file)
    while bench.engine.busy:
        bench.engine.tick()
    last = bench.said[-1]
    assert isinstance(last, TaskFailed)
    assert "was changed while this was being drawn" in last.reason
    lexicon = Lexicon(Embeddings(folder), (16,))
    lexicon.refresh()
    save_file({"x": torch.zeros(1, 16)}, file)
    with pytest.raises(CannotDraw, match="has just been changed"):
        lexicon.used("a cat toy")


def test_a_word_that_grows_while_it_waits_joins_those_of_its_length(sd_bench: Bench, folder: Path) -> None:
    bench = with_words(sd_bench, folder, cap=2)
    long = "my-style " * 20
    for job, prompt in (("one", "wordy cat toy"), ("other", f"wordy {long}")):
        bench.engine.admit(a_task(a_request(bench.source, prompt=prompt, steps=3), job=job))
    save_file({"x": torch.ones(60, 16)}, folder / "cat toy.safetensors")
    while bench.engine.busy:
        bench.engine.tick()
    drawn = [said for said in bench.said if isinstance(said, Drawn)]
    assert len(drawn) == 2
    assert [(read(each.png).record or {})["prompt_chunks"] for each in drawn] == [2, 2]
    assert [(read(each.png).record or {})["unet_calls"] for each in drawn] == [[[4, 0, 3]], [[4, 2, 3]]]


def test_a_word_of_several_vectors_is_not_cut_at_the_end_of_a_chunk(sd_bench: Bench, folder: Path) -> None:
    bench = with_words(sd_bench, folder)
    record = read(bench.draw(prompt="wordy " * 2)).record or {}
    assert (record["prompt_tokens"], record["prompt_chunks"]) == (80, 2)
    alone = read(bench.draw(prompt="wordy BREAK wordy"))
    assert (
        picture(bench.draw(prompt="wordy wordy")).tobytes()
        == picture(bench.draw(prompt="wordy BREAK wordy")).tobytes()
    )
    assert alone.record is not None
    assert alone.record["prompt_chunks"] == 2


def test_a_word_for_another_family_is_letters(sd_bench: Bench, folder: Path) -> None:
    mine = with_words(sd_bench, folder).draw(prompt="a foreign sun")
    assert picture(mine).tobytes() == picture(sd_bench.draw(prompt="a foreign sun")).tobytes()
    assert "embeddings" not in (read(mine).record or {})


def test_a_file_without_numbers_ends_its_own_picture_only(sd_bench: Bench, folder: Path) -> None:
    save_file({"emb_params": torch.full((1, 16), torch.nan)}, folder / "broken.safetensors")
    bench = with_words(sd_bench, folder)
    last = bench.run(a_task(a_request(bench.source, prompt="a broken sun")))[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason == "The learned word broken cannot be used: its file holds what are no numbers."
    assert bench.draw(prompt="a sun")
