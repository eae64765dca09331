"""Prompts are encoded as diffusers encodes them; long ones in chunks, with weights, and short of layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ImageChops

from generation.engine.failures import CannotDraw
from generation.engine.memory import Memory
from generation.engine.prompts import Encoded, PromptEncoder
from generation.messages import Drawn, TaskFailed
from generation.metadata import read
from generation.request import Seed
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, build_sdxl, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def stock_sd(toy_sd: Path) -> Any:
    return stock_pipeline(str(toy_sd))


@pytest.fixture(scope="module")
def deep_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """An SDXL whose encoders have layers to skip."""
    return Bench(str(build_sdxl(tmp_path_factory.mktemp("models") / "deep", layers=4)))


def encoder_of(bench: Bench) -> PromptEncoder:
    return PromptEncoder(bench.model, Memory(bench.model))


@torch.inference_mode()
def encoded(bench: Bench, text: str, **options: Any) -> Encoded:
    return encoder_of(bench).encode(text, **options)


@torch.inference_mode()
def by_hand(bench: Bench, *chunks: list[tuple[str, float]]) -> torch.Tensor:
    """What chunks of weighed words should be encoded to, for a model with one encoder."""
    tokenizer, model = bench.model.encoders[0].tokenizer, bench.model.encoders[0].model
    states = []
    for words in chunks:
        ids, weights = [tokenizer.bos_token_id], [1.0]
        for word, weight in words:
            own = tokenizer(word).input_ids[1:-1]
            ids += own
            weights += [weight] * len(own)
        ids += [tokenizer.eos_token_id] * (77 - len(ids))
        weights += [1.0] * (77 - len(weights))
        before = model(torch.tensor([ids]))[0]
        after = before * torch.tensor(weights).reshape(1, 77, 1)
        kept = before.abs().mean() / after.abs().mean() if set(weights) != {1.0} else 1
        states.append(after * kept)
    return torch.cat(states, dim=1)


def assert_drawn_like(bench: Bench, pipe: Any, *chunks: list[tuple[str, float]], **changes: Any) -> None:
    """The request equals what the stock pipeline draws with states made by hand, the negative ones empty."""
    request = a_request(bench.source, **changes)
    pipe.set_progress_bar_config(disable=True)
    from diffusers import EulerDiscreteScheduler

    pipe.scheduler = EulerDiscreteScheduler.from_config(dict(bench.model.scheduler_config))
    stock = pipe(
        prompt_embeds=by_hand(bench, *chunks),
        negative_prompt_embeds=by_hand(bench, *([] for _ in chunks)),
        width=64,
        height=64,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
    ).images[0]
    ours = picture(bench.draw(**changes))
    assert ImageChops.difference(ours, stock).getbbox() is None


def test_a_prompt_is_encoded_once_while_it_is_kept(sd_bench: Bench) -> None:
    encoder = encoder_of(sd_bench)
    first = encoder.encode("a red circle")
    assert encoder.encode("a red circle") is first
    assert encoder.encode("a red circle", chunks=2) is not first
    assert encoder.encode("a red circle", clip_skip=2) is not first
    for number in range(100):
        encoder.encode(f"circle number {number}")
    again = encoder.encode("a red circle")
    assert again is not first
    assert again.states.equal(first.states)


# Chunks --------------------------------------------------------------------------------------------------


def test_a_long_prompt_is_read_in_chunks_to_its_end(sd_bench: Bench, stock_sd: Any) -> None:
    text = "abcde " * 30  # each letter is a token
    assert (encoded(sd_bench, text).tokens, encoded(sd_bench, text).chunks) == (150, 2)
    assert_drawn_like(sd_bench, stock_sd, [("abcde " * 15, 1)], [("abcde " * 15, 1)], prompt=text)
    assert not encoded(sd_bench, text).states.equal(encoded(sd_bench, text[:-6] + "abcdf").states)


def test_a_full_chunk_ends_after_a_comma_that_is_near(sd_bench: Bench, stock_sd: Any) -> None:
    near, far = "abcd, " * 12 + "abc, ", "efgh " * 4
    assert encoded(sd_bench, near + far).tokens == 60 + 4 + 16
    assert_drawn_like(sd_bench, stock_sd, [(near, 1)], [(far, 1)], prompt=near + far)
    far = "efgh " * 6
    assert encoded(sd_bench, "abcde, " * 9 + far).tokens == 54 + 24
    whole = "abcde, " * 9 + "efgh " * 5 + "e"
    assert (
        encoded(sd_bench, "abcde, " * 9 + far).states[:, 1:75].equal(encoded(sd_bench, whole).states[:, 1:75])
    )


def test_break_begins_another_chunk(sd_bench: Bench, stock_sd: Any) -> None:
    assert_drawn_like(sd_bench, stock_sd, [("red", 1)], [("blue", 1.5)], prompt="red BREAK (blue:1.5)")


def test_the_shorter_prompt_is_filled_up_with_empty_chunks(sd_bench: Bench) -> None:
    filled = encoded(sd_bench, "blue", chunks=3)
    assert filled.states.shape == (1, 231, 16)
    assert filled.states[:, :77].equal(encoded(sd_bench, "blue").states)
    assert filled.states[:, 77:154].equal(encoded(sd_bench, "").states)


def test_long_prompts_are_drawn_together_with_others_of_their_length(sd_bench: Bench) -> None:
    from generation.engine.loop import DiffusionEngine

    long = "red circle " * 10
    requests = [
        a_request(sd_bench.source, prompt=long),
        a_request(sd_bench.source, prompt="blue", negative_prompt=long, seed=Seed(8)),
        a_request(sd_bench.source, prompt="green", seed=Seed(9)),
        a_request(sd_bench.source, prompt="blue", negative_prompt=long, seed=Seed(8), guidance=1.0),
    ]
    alone = [sd_bench.draw(**vars_of(request)) for request in requests]
    said: list[Any] = []
    engine = DiffusionEngine(sd_bench.model, said.append, cap=4, padded=False)
    for index, request in enumerate(requests):
        engine.admit(a_task(request, index=index))
    while engine.busy:
        engine.tick()
    drawn = {report.task.index: report.png for report in said if isinstance(report, Drawn)}
    assert len(drawn) == 4
    calls = [read(drawn[index]).record["unet_calls"] for index in range(4)]  # type: ignore[index]
    assert calls == [[[4, 0, 4]], [[4, 2, 4]], [[3, 0, 4]], [[3, 2, 4]]]
    for index, png in drawn.items():
        assert max(ImageChops.difference(picture(png), picture(alone[index])).tobytes()) <= 1


def vars_of(request: Any) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ("prompt", "negative_prompt", "seed", "guidance")}


def test_a_prompt_of_too_many_chunks_is_refused_in_words_and_the_next_is_drawn(sd_bench: Bench) -> None:
    with pytest.raises(CannotDraw, match="1000 tokens in 14 chunks, and I read 8"):
        encoded(sd_bench, "abcde " * 200)
    failed = sd_bench.run(a_task(a_request(sd_bench.source, prompt="🎈" * 1000)))[-1]
    assert isinstance(failed, TaskFailed)
    assert "Please shorten it" in failed.reason
    assert sd_bench.draw()


def test_brackets_that_come_as_far_as_the_engine_are_a_sentence(sd_bench: Bench) -> None:
    failed = sd_bench.run(a_task(a_request(sd_bench.source, negative_prompt="a (red:1e9) circle")))[-1]
    assert isinstance(failed, TaskFailed)
    assert failed.reason == "A weight of 1e9 is not possible; choose 0 to 10."
    assert sd_bench.draw()


# Weights -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a (red:1.4) circle", [("a", 1), ("red", 1.4), ("circle", 1)]),
        ("((a)) [red] circle", [("a", 1.1 * 1.1), ("red", 1 / 1.1), ("circle", 1)]),
        ("(a red:0) circle", [("a red", 0), ("circle", 1)]),
        (r"(a \(red\) circle:10)", [("a (red) circle", 10)]),
    ],
)
def test_weighed_words_are_scaled_and_the_size_of_the_whole_is_kept(
    prompt: str, words: list[tuple[str, float]], sd_bench: Bench, stock_sd: Any
) -> None:
    expected = by_hand(sd_bench, words)
    assert encoded(sd_bench, prompt).states.allclose(expected, rtol=1e-6, atol=1e-7)
    assert_drawn_like(sd_bench, stock_sd, words, prompt=prompt)


@pytest.mark.parametrize(
    "prompt", ["(a red circle:1)", "([a red circle])", "a (red circle:1.0)", "a red circle"]
)
def test_a_weight_of_one_changes_no_bit(prompt: str, sd_bench: Bench) -> None:
    assert encoded(sd_bench, prompt).states.equal(encoded(sd_bench, "a red circle").states)


def test_each_encoder_of_sdxl_is_weighed_and_what_it_says_of_the_whole_is_not(deep_sdxl: Bench) -> None:
    plain, weighed = encoded(deep_sdxl, "a red circle"), encoded(deep_sdxl, "a (red:1.4) circle")
    assert plain.pooled is not None
    assert weighed.pooled is not None
    assert weighed.pooled.equal(plain.pooled)
    for half in (slice(0, 16), slice(16, 32)):
        before, after = plain.states[..., half], weighed.states[..., half]
        ratio = (after / before)[0].mean(dim=-1)
        assert ratio[2:5].tolist() == pytest.approx([1.4 * float(ratio[0])] * 3, rel=1e-4)
        assert float(after.abs().mean()) == pytest.approx(float(before.abs().mean()), rel=1e-4)


# Layers --------------------------------------------------------------------------------------------------


def test_a_skipped_layer_is_as_if_the_encoder_had_none(mini_bench: Bench) -> None:
    from transformers import CLIPTextModel

    whole = mini_bench.model.encoders[0].model
    ids = mini_bench.model.encoders[0].tokenizer(
        "a red circle", padding="max_length", max_length=77, return_tensors="pt"
    )
    seen = []
    for skip in (1, 2, 4):
        config = whole.config.__class__(**{**whole.config.to_dict(), "num_hidden_layers": 5 - skip})
        short = CLIPTextModel(config).eval()
        short.load_state_dict(whole.state_dict(), strict=False)
        with torch.inference_mode():
            expected = short(ids.input_ids)[0]
        states = encoded(mini_bench, "a red circle", clip_skip=skip).states
        assert states.allclose(expected, rtol=1e-5, atol=1e-6)
        seen.append(states)
    assert not seen[0].allclose(seen[1], atol=0.1)


@pytest.mark.parametrize(("clip_skip", "theirs"), [(1, None), (2, None), (3, 1), (4, 2)])
def test_sdxl_counts_from_its_last_layer_and_never_reads_it(
    clip_skip: int, theirs: int | None, deep_sdxl: Bench
) -> None:
    """diffusers counts from the last layer but one, which SDXL was trained on; A1111 calls that one 2."""
    pipe = stock_pipeline(deep_sdxl.source)
    expected, _, pooled, _ = pipe.encode_prompt("a red circle", clip_skip=theirs, device="cpu")
    ours = encoded(deep_sdxl, "a red circle", clip_skip=clip_skip)
    assert ours.states.equal(expected)
    assert ours.pooled is not None
    assert ours.pooled.equal(pooled)


def test_a_skip_beyond_the_first_layer_is_a_sentence(sd_bench: Bench) -> None:
    failed = sd_bench.run(a_task(a_request(sd_bench.source, clip_skip=3)))[-1]
    assert isinstance(failed, TaskFailed)
    assert "choose a clip skip from 1 to 2" in failed.reason
    with pytest.raises(CannotDraw, match="its clip skip may be 1 to 2"):
        encoded(sd_bench, "a red circle", clip_skip=3)
    assert sd_bench.draw(clip_skip=2) != sd_bench.draw()
