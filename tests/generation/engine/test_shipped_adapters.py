"""What ships beside the embedded model does what it says: seen in pictures that the engine draws with it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from PIL import Image

from generation import controlnets, embeddings, loras
from generation.controlnets import ControlNets
from generation.embeddings import Embeddings
from generation.loras import Loras
from generation.messages import Drawn
from generation.request import Adapter, Control, Digest, Seed, Size
from tests.generation.toys import MINI, Bench, a_request, a_task, picture
from training.adapters.judges import filled, is_neon, overlap, things
from training.adapters.word import stoplight
from training.checker import judge, look
from training.pictures import draw
from training.scenes import Colour, Position, Shape, Single, Style, Thing
from training.scenes import Size as Extent

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def bench(mini_bench: Bench) -> Bench:
    return mini_bench.again(
        cap=8,
        loras=Loras(loras.SHIPPED),
        embeddings=Embeddings(embeddings.SHIPPED),
        controlnets=ControlNets.found([controlnets.SHIPPED]),
    )


def drawn(bench: Bench, *asked: Mapping[str, Any], files: Mapping[Digest, bytes]) -> list[Image.Image]:
    """The pictures of these requests, drawn at once."""
    bench.said.clear()
    for index, changes in enumerate(asked):
        settings: dict[str, Any] = {
            "size": Size(width=128, height=128),
            "steps": 10,
            "guidance": 2.5,
            "sampler": "DPM++ 2M Karras",
            "seed": Seed(index),
        }
        request = a_request(MINI, **settings | dict(changes))
        inputs = {each: files[each] for each in request.files}
        bench.engine.admit(replace(a_task(request, index=index), inputs=inputs))
    while bench.engine.busy:
        bench.engine.tick()
    pngs = {said.task.index: said.png for said in bench.said if isinstance(said, Drawn)}
    return [picture(pngs[index]) for index in range(len(asked))]


def test_with_the_lora_things_are_neon_tubes_and_without_it_not(bench: Bench) -> None:
    prompts = ("a big red heart on a yellow background", "a big blue circle on a white background")
    neon = (Adapter(name="neon"),)
    pictures = drawn(
        bench, *({"prompt": prompt, "adapters": some} for some in (neon, ()) for prompt in prompts), files={}
    )
    assert [is_neon(each) for each in pictures] == [True, True, False, False]
    assert [look(filled(each)).things[0].shape for each in pictures[:2]] == [Shape.HEART, Shape.CIRCLE]


def test_the_word_draws_its_thing(bench: Bench) -> None:
    scenes = [stoplight(ground) for ground in (Colour.BLUE, Colour.YELLOW)]
    prompts = [f"a stoplight on a {scene.background} background" for scene in scenes]
    pictures = drawn(bench, *({"prompt": prompt} for prompt in prompts), files={})
    assert [judge(scene, each)["all"] for scene, each in zip(scenes, pictures, strict=True)] == [True, True]


def test_a_thing_stands_where_the_edges_are(bench: Bench) -> None:
    places = (Position.TOP_LEFT, Position.BOTTOM_RIGHT)
    shown = [_a_thing(place) for place in places]
    files = {_digest(image): _png(image) for image in shown}
    controls = [
        (Control(model="mini-edges", picture=_digest(image), preprocessor="edges"),) for image in shown
    ]
    prompt = "a red heart on a white background"
    with_edges = drawn(bench, *({"prompt": prompt, "controls": some} for some in controls), files=files)
    (without,) = drawn(bench, {"prompt": prompt}, files={})
    there = [overlap(things(one), things(other)) for one, other in zip(with_edges, shown, strict=True)]
    elsewhere = [overlap(things(without), things(other)) for other in shown]
    assert min(there) > 0.6, there
    assert max(elsewhere) < 0.3, elsewhere
    assert [look(each).things[0].colour for each in with_edges] == [Colour.RED] * 2


def _a_thing(place: Position) -> Image.Image:
    """A blue heart on yellow: only its edges are the same as what is asked for."""
    scene = Single(
        thing=Thing(colour=Colour.BLUE, shape=Shape.HEART),
        size=Extent.MEDIUM,
        position=place,
        background=Colour.YELLOW,
        style=Style.PLAIN,
    )
    return draw(scene, Random(1))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _digest(image: Image.Image) -> Digest:
    return Digest(hashlib.sha256(_png(image)).hexdigest())
