"""Whoever watches sees the picture come out of the noise; nobody else pays for it."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from generation.catalogue import MemoryMode, UnreadableModel, describe
from generation.engine.models import load
from generation.engine.tiny import load_tiny
from generation.messages import Drawn, Previewed, Report
from generation.request import Seed, Size
from generation.samplers import SAMPLERS
from tests.generation.companions import build_taesd
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def watched(bench: Bench, **changes: object) -> list[Report]:
    """Draw and ask for a preview before each step."""
    bench.said.clear()
    task = a_task(a_request(bench.source, **changes))
    bench.engine.admit(task)
    while bench.engine.busy:
        bench.engine.watch(task.id)
        bench.engine.tick()
    return list(bench.said)


def previews(said: list[Report]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(r.webp)).convert("RGB") for r in said if isinstance(r, Previewed)]


def distance(small: Image.Image, final: Image.Image) -> float:
    """Mean difference of levels between a preview and the picture at the size of the latents."""
    cells = (final.width // 8, final.height // 8)
    difference = ImageChops.difference(
        small.resize(cells, Image.Resampling.BOX), final.resize(cells, Image.Resampling.BOX)
    )
    return sum(ImageStat.Stat(difference).mean) / 3


@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Euler", "Euler a", "DDIM", "UniPC"])
def test_the_previews_of_the_embedded_model_come_closer_to_the_picture(
    sampler: str, mini_bench: Bench
) -> None:
    size = Size(width=128, height=128)
    said = watched(
        mini_bench,
        prompt="a red circle on a blue background",
        size=size,
        steps=8,
        guidance=2.5,
        sampler=sampler,
        seed=Seed(3),
    )
    shown = previews(said)
    last = said[-1]
    assert isinstance(last, Drawn)
    final = picture(last.png)
    assert len(shown) == 6, "the first call cannot be watched, and the last shows the picture itself"
    assert distance(shown[-1], final) < 20
    assert distance(shown[-1], final) < distance(shown[0], final)


def test_watching_changes_no_bit_of_the_picture(sd_bench: Bench) -> None:
    plain = sd_bench.draw(steps=5)
    said = watched(sd_bench, steps=5)
    assert previews(said)
    assert isinstance(said[-1], Drawn)
    assert said[-1].png == plain


def test_nobody_watches_and_nothing_is_shown(sd_bench: Bench) -> None:
    said = sd_bench.run(a_task(a_request(sd_bench.source, steps=5)))
    assert not previews(said)


@pytest.mark.parametrize("sampler", sorted({spec.sampler for spec in SAMPLERS.values()}))
def test_any_sampler_can_be_watched(sampler: str, sd_bench: Bench) -> None:
    assert previews(watched(sd_bench, sampler=sampler, steps=4))


def test_other_families_and_sizes_can_be_watched(toy_v: Path, toy_sdxl: Path) -> None:
    for folder in (toy_v, toy_sdxl):
        bench = Bench(str(folder))
        shown = previews(watched(bench, steps=4, size=Size(width=128, height=64)))
        assert {small.size for small in shown} == {(256, 128)}


def test_the_clean_latents_come_out_of_any_prediction_that_is_right(toy_sd: Path, toy_v: Path) -> None:
    """Known latents are noised as the training of a model does it; the exact answer must give them back."""
    import torch
    from diffusers import DDPMScheduler

    from generation.engine.prediction import clean_latents

    torch.manual_seed(3)
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler = DDPMScheduler(prediction_type=kind)
        for time in (5, 400, 900):
            moment = torch.tensor([time])
            noisy = scheduler.add_noise(clean, noise, moment)
            answer = {
                "epsilon": noise,
                "v_prediction": scheduler.get_velocity(clean, noise, moment),
                "sample": clean,
            }[kind]
            torch.testing.assert_close(
                clean_latents(scheduler, float(time), noisy, answer), clean, atol=2e-3, rtol=1e-3
            )


def test_colours_are_told_by_a_linear_function_where_that_is_near_enough(sd_bench: Bench) -> None:
    """With an autoencoder whose latents are colours, as those of large models nearly are."""
    from types import SimpleNamespace
    from typing import Any, cast

    import torch

    from generation.engine.memory import Memory
    from generation.engine.previews import Previews

    mix = torch.tensor([[0.5, -0.2, 0.1, 0.3], [0.2, 0.6, -0.3, 0.1], [-0.1, 0.2, 0.7, -0.4]])

    class Colours(torch.nn.Module):
        dtype, config = torch.float32, SimpleNamespace(scaling_factor=0.18, block_out_channels=(1, 1, 1, 1))

        def encode(self, pixels: torch.Tensor) -> Any:
            cells = torch.nn.functional.avg_pool2d(pixels, 8)
            latents = torch.einsum("bkhw,kc->bchw", cells, mix) / self.config.scaling_factor
            return SimpleNamespace(latent_dist=SimpleNamespace(mean=latents))

    from dataclasses import replace

    model = replace(sd_bench.model, vae=Colours())
    previews = Previews(model, Memory(sd_bench.model))
    wanted = torch.rand(1, 3, 2, 2).repeat_interleave(32, 2).repeat_interleave(32, 3)
    latents = Colours().encode(2 * wanted - 1).latent_dist.mean * Colours.config.scaling_factor
    scheduler = SimpleNamespace(
        alphas_cumprod=torch.tensor([0.5]), config=SimpleNamespace(prediction_type="sample")
    )
    image = SimpleNamespace(scheduler=scheduler, seen=(0.0, latents, latents))
    webp = previews.draw(cast(Any, image))
    assert webp is not None
    assert previews.look.colours is not None, "the linear function was near enough"
    shown = Image.open(io.BytesIO(webp)).convert("RGB").resize((8, 8), Image.Resampling.BOX)
    true = Image.fromarray(
        (wanted[0, :, ::8, ::8] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    )
    assert sum(ImageStat.Stat(ImageChops.difference(shown, true)).mean) / 3 < 12


@pytest.fixture(scope="module")
def taesd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_taesd(tmp_path_factory.mktemp("models") / "toy-taesd")


def test_a_tiny_decoder_shows_latents_as_it_does_by_itself(taesd: Path, sd_bench: Bench) -> None:
    import torch
    from diffusers import AutoencoderTiny
    from diffusers.image_processor import VaeImageProcessor

    from generation.engine.previews import Look

    tiny = load_tiny(str(taesd), channels=4, device=torch.device("cpu"), dtype=torch.float32)
    latents = torch.randn(1, 4, 32, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        webp = Look(None, tiny, torch.device("cpu"), need_vae=lambda: None).webp(latents)
        decoded = AutoencoderTiny.from_pretrained(taesd).decode(latents).sample
    theirs = VaeImageProcessor().postprocess(decoded)[0]
    shown = Image.open(io.BytesIO(webp))
    assert (shown.size, theirs.size) == ((128, 256), (128, 256))
    file = io.BytesIO()
    theirs.save(file, format="WEBP", quality=70)
    assert ImageChops.difference(shown.convert("RGB"), Image.open(file).convert("RGB")).getbbox() is None
    assert len(set(theirs.get_flattened_data())) > 100


def test_with_a_tiny_decoder_nobody_asks_the_vae_before_the_end(
    taesd: Path, sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = replace(describe(sd_bench.source), taesd=str(taesd), memory=MemoryMode.SMALL)
    bench = Bench(sd_bench.source, loaded=load(info, device="cpu"))
    vae, asked = bench.model.vae, list[str]()
    for name in ("encode", "decode"):
        original = getattr(vae, name)

        def counted(*args: Any, name: str = name, original: Any = original, **kwargs: Any) -> Any:
            asked.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(vae, name, counted)
    said = watched(bench, steps=5)
    assert len(previews(said)) == 3
    assert asked == ["decode"]
    assert isinstance(said[-1], Drawn)
    assert picture(said[-1].png).tobytes() == picture(sd_bench.draw(steps=5)).tobytes()


def test_a_tiny_decoder_that_does_not_fit_or_is_none_is_a_sentence(
    taesd: Path, sd_bench: Bench, tmp_path: Path
) -> None:
    def sentence(source: Path | str) -> str:
        with pytest.raises(UnreadableModel) as caught:
            load(replace(describe(sd_bench.source), taesd=str(source)), device="cpu")
        return str(caught.value)

    wide = build_taesd(tmp_path / "wide", channels=16)
    assert "has 16 channels in its latents, and this model's have 4" in sentence(wide)
    broken = shutil.copytree(taesd, tmp_path / "broken")
    weights = broken / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    assert f"The taesd {broken} could not be loaded" in sentence(broken)
    assert "The taesd nobody/taesd could not be loaded" in sentence("nobody/taesd")


def test_a_look_that_fails_does_not_cost_the_picture(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sd_bench.draw(steps=4)

    def broken(image: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(sd_bench.engine._previews, "draw", broken)
    said = watched(sd_bench, steps=4)
    assert isinstance(said[-1], Drawn)
    assert said[-1].png == expected
    assert not previews(said)
