"""Every adapter trains, goes on from where it was, and is written so that diffusers reads it as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image

from training.adapters.judges import filled, is_neon, overlap, things
from training.adapters.look import NeonLora
from training.adapters.neon import draw_neon
from training.adapters.outlines import EdgeControl, say
from training.adapters.teaching import Pupil, teach
from training.adapters.word import Word
from training.checker import judge
from training.clock import load_checkpoint
from training.machine import Machine, choose_machine
from training.models import (
    Parts,
    Widths,
    load_folder,
    new_autoencoder,
    new_text_encoder,
    new_tokenizer,
    new_unet,
    save_folder,
)
from training.pictures import draw
from training.scenes import Position, Single, Size, random_scene

SMALL = Widths(autoencoder=(4, 4, 8, 8), text=32, text_layers=1, unet=(8, 8, 16))
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def machine() -> Machine:
    return replace(choose_machine("cpu"), unet_batch=8, pictures=72)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the embedded one's kind that has learned nothing."""
    torch.manual_seed(0)
    folder, tokenizer = tmp_path_factory.mktemp("toy"), new_tokenizer()
    unet = new_unet(SMALL)
    for parameter in unet.parameters():  # else the blocks do nothing, and nothing in them matters
        torch.nn.init.normal_(parameter, std=0.1)
    save_folder(
        folder,
        tokenizer=tokenizer,
        text_encoder=new_text_encoder(SMALL, tokenizer),
        autoencoder=new_autoencoder(SMALL),
        unet=unet,
    )
    return folder


def big_things(count: int) -> list[Single]:
    rng, found = Random(5), list[Single]()
    while len(found) < count:
        scene = random_scene(rng, {"single": 1.0}, styled=0.0)
        if isinstance(scene, Single) and scene.size is not Size.SMALL:
            found.append(scene)
    return found


def test_tubes_are_told_from_plain_things_and_read_like_them() -> None:
    rng, right = Random(1), 0
    scenes = big_things(20)
    for scene in scenes:
        tubes = draw_neon(scene, rng)
        assert is_neon(tubes)
        assert not is_neon(draw(scene, rng))
        right += judge(scene, filled(tubes))["shape"]
    assert right >= 16  # tubes close the gaps between the rays of a middling star


def test_where_things_stand_is_compared_by_their_overlap() -> None:
    scenes = big_things(6)
    same = [(things(draw(scene, Random(3))), things(draw(scene, Random(4)))) for scene in scenes]
    assert all(overlap(one, other) > 0.65 for one, other in same)
    aside = [things(draw(replace(scene, position=Position.TOP_LEFT), Random(3))) for scene in scenes[:3]]
    assert all(overlap(one, other) < 0.5 for (one, _), other in zip(same, aside, strict=False))
    blank = things(Image.new("RGB", (128, 128), (10, 200, 30)))
    assert not blank.any()
    assert overlap(blank, blank) == 0


def test_where_a_thing_stands_is_mostly_left_to_the_edges() -> None:
    rng = Random(6)
    scene = next(s for s in big_things(50) if s.position is Position.TOP_LEFT)
    texts = [say(scene, rng) for _ in range(300)]
    assert 60 < sum(not text for text in texts) < 130
    assert sum("left" in text for text in texts) < 0.3 * len(texts)


@pytest.mark.parametrize(
    ("make", "name"), [(NeonLora, "look"), (Word, "word"), (EdgeControl, "edges")], ids=str
)
def test_an_adapter_trains_goes_on_and_changes_the_picture(
    tmp_path: Path, machine: Machine, toy: Path, make: Callable[[str, Parts, Machine], Pupil], name: str
) -> None:
    def train(minutes: float) -> tuple[int, float]:
        """Steps made, and the minutes that they count for."""
        parts = load_folder(toy)
        before = {key: value.clone() for key, value in parts.text_encoder.state_dict().items()}
        pupil = make(name, parts, machine)
        teach(pupil, parts, tmp_path, machine, minutes=minutes, seed=1, into=tmp_path / "made")
        after = parts.text_encoder.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
        kept = load_checkpoint(tmp_path / f"{name}.pt")
        assert kept is not None
        return int(kept["step"]), kept["seconds"] / 60

    first, counted = train(0.001)
    assert first > 0
    assert train(0.001) == (first, counted)
    assert train(counted + 0.001)[0] > first

    plain = StableDiffusionPipeline.from_pretrained(toy)
    plain.set_progress_bar_config(disable=True)
    without = _drawn(plain)
    made = tmp_path / "made"
    if name == "look":
        plain.load_lora_weights(made, weight_name="look.safetensors")
        changed = _drawn(plain)
    elif name == "word":
        plain.load_textual_inversion(made / "word.safetensors", token="word")
        changed = _drawn(plain, "a word")
    else:
        beside = StableDiffusionControlNetPipeline.from_pipe(
            plain, controlnet=ControlNetModel.from_pretrained(made / "edges")
        )
        beside.set_progress_bar_config(disable=True)
        changed = _drawn(beside, image=Image.new("RGB", (128, 128), "white"))
    assert not np.array_equal(without, changed)
    for path in made.rglob("*.json"):
        assert str(tmp_path) not in path.read_text()


def _drawn(pipeline: StableDiffusionPipeline, prompt: str = "a red circle", **more: object) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    images = pipeline(prompt, num_inference_steps=2, generator=generator, output_type="np", **more).images
    return np.asarray(images[0])
