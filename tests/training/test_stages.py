"""Every stage trains, keeps what it learned and goes on from there: shown on the smallest of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.autoencoder import standardise, to_signed, train_autoencoder
from training.captions import full_caption
from training.clock import load_checkpoint
from training.decoder import Denoiser, polish_decoder, redraw
from training.denoiser import train_denoiser
from training.machine import Machine, choose_machine
from training.models import Widths, load_folder, new_autoencoder, new_tokenizer, new_unet
from training.pictures import draw
from training.scenes import KINDS, Colour, Position, Shape, Single, Size, Style, Thing, random_scene
from training.team import Team
from training.text import PER_PICTURE, PER_THING, ROLES, UNSAID, targets, train_text_encoder

SMALL = Widths(autoencoder=(4, 4, 8, 8), text=32, text_layers=1, unet=(8, 8, 16))
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def machine() -> Machine:
    return replace(
        choose_machine("cpu"), autoencoder_batch=4, text_batch=4, unet_batch=8, pictures=24, samples=32
    )


def test_the_team_finds_the_gradient_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    model, inputs = nn.Linear(5, 3), torch.randn(8, 5)

    def loss(part: Tensor) -> Tensor:
        answer: Tensor = model(part)
        return answer.pow(2).mean()

    alone = torch.autograd.grad(loss(inputs), list(model.parameters()))
    mean = Team(2).backward(model, loss, inputs.chunk(4))
    assert mean == pytest.approx(loss(inputs).item())
    for parameter, gradient in zip(model.parameters(), alone, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient)


def test_standardised_latents_have_mean_nought_and_deviation_one_and_decode_as_before() -> None:
    torch.manual_seed(0)
    model = new_autoencoder(SMALL)
    pictures = torch.randint(0, 256, (16, 3, 128, 128), dtype=torch.uint8)
    with torch.no_grad():
        before = model.decode(model.encode(to_signed(pictures)).latent_dist.mean).sample
        standardise(model, pictures)
        latents = model.encode(to_signed(pictures)).latent_dist.mean
        after = model.decode(latents).sample
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std(dim=(0, 2, 3)), torch.ones(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)


def test_latents_drawn_anew_show_the_same_picture_and_other_words_another() -> None:
    torch.manual_seed(0)
    mini = load_folder(Path("models/mini"))
    scene = Single(
        thing=Thing(colour=Colour.RED, shape=Shape.CIRCLE),
        size=Size.MEDIUM,
        position=Position.CENTER,
        background=Colour.WHITE,
        style=Style.PLAIN,
    )
    pixels = torch.from_numpy(np.array(draw(scene, Random(1)))).permute(2, 0, 1)[None]
    denoiser = Denoiser(tokenizer=mini.tokenizer, text_encoder=mini.text_encoder, unet=mini.unet)
    with torch.no_grad():
        latents = mini.autoencoder.encode(to_signed(pixels)).latent_dist.mean.repeat(6, 1, 1, 1)
    same = (redraw(denoiser, [full_caption(scene)] * 6, latents) - latents).square().mean()
    other = (redraw(denoiser, ["a black star on a green background"] * 6, latents) - latents).square().mean()
    assert 0 < same < 0.1
    assert other > 1.3 * same


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_encoders_targets_are_within_their_heads(kind: str) -> None:
    rng = Random(6)
    wanted = targets([random_scene(rng, {kind: 1.0}, styled=0.5) for _ in range(60)])
    assert wanted.per_thing.shape == (ROLES - 1, 60, len(PER_THING))
    for values, heads in ((wanted.per_thing, PER_THING), (wanted.per_picture, PER_PICTURE)):
        for index, size in enumerate(heads.values()):
            column = values[..., index]
            assert ((column >= 0) & (column < size) | (column == UNSAID)).all()


def test_all_stages_run_one_after_another_and_go_on_from_their_checkpoints(
    tmp_path: Path, machine: Machine
) -> None:
    tokenizer = new_tokenizer()
    minutes = 0.001
    autoencoder = train_autoencoder(tmp_path, machine, SMALL, minutes=minutes, seed=1)
    text_encoder = train_text_encoder(tmp_path, machine, SMALL, tokenizer, minutes=minutes, seed=2)

    def train(minutes: float) -> tuple[int, float]:
        """Steps made, and the minutes that they count for."""
        train_denoiser(
            tmp_path,
            machine,
            SMALL,
            tokenizer,
            text_encoder,
            autoencoder,
            minutes=minutes,
            seed=3,
            into=tmp_path / "model",
        )
        kept = load_checkpoint(tmp_path / "denoiser.pt")
        assert kept is not None
        return int(kept["step"]), kept["seconds"] / 60

    first, counted = train(minutes)
    assert first > 0
    assert train(minutes) == (first, counted)
    assert train(counted + minutes)[0] > first
    before = [parameter.clone() for parameter in autoencoder.encoder.parameters()]
    denoiser = Denoiser(tokenizer=tokenizer, text_encoder=text_encoder, unet=new_unet(SMALL))
    learned = autoencoder.decoder.conv_out.weight.clone()
    polish_decoder(tmp_path, machine, autoencoder, denoiser, minutes=minutes, seed=4)
    assert not torch.equal(learned, autoencoder.decoder.conv_out.weight)
    assert all(map(torch.equal, before, autoencoder.encoder.parameters()))
    assert (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").exists()

    # A finished folder is a place to begin from, and what comes out of that is one again.
    start, second = load_folder(tmp_path / "model"), tmp_path / "second"
    train_denoiser(
        second,
        machine,
        SMALL,
        tokenizer,
        start.text_encoder,
        start.autoencoder,
        minutes=minutes,
        seed=7,
        into=second / "model",
        start=start.unet,
    )
    assert tuple(load_folder(second / "model").unet.config.block_out_channels) == SMALL.unet
    for path in (second / "model").glob("*/config.json"):
        assert str(tmp_path) not in path.read_text()
