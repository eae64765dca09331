"""Which ControlNet is meant, and what its picture becomes."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.controlling import TypedControl, steered
from bot.options import Typed
from generation.controlnets import ControlNetInfo, ControlNets, Kind, Preprocessor
from generation.model import Family
from generation.request import Digest, InvalidRequest, Size
from generation.unetshape import UnetShape, shape_of
from tests.bot.things import MODEL, SHELF

_SHAPE = shape_of(MODEL)
assert _SHAPE is not None


def a_net(name: str, kind: Kind, *, family: Family = Family.SD1, shape: UnetShape = _SHAPE) -> ControlNetInfo:
    return ControlNetInfo(
        name=name, place=Path(name), kind=kind, family=family, shape=shape, numbers=1, note=None
    )


KNOWN = ControlNets(
    usable=(
        a_net("Depths", Kind.DEPTH),
        a_net("Lines of ink", Kind.LINEART),
        a_net("Outlines", Kind.EDGES),
        a_net("Seg", Kind.OTHER),
        a_net("Large", Kind.EDGES, family=Family.SDXL),
        a_net("Wide", Kind.EDGES, shape=replace(_SHAPE, words=4096)),
    )
)


def made(**typed: Any) -> tuple[str, str | None]:
    control = TypedControl(picture="picture", **typed).control(KNOWN, MODEL, Digest("00"))
    return control.model, control.preprocessor


def test_it_is_found_by_name_or_kind_and_brings_its_preprocessor() -> None:
    assert made() == ("Outlines", Preprocessor.EDGES)
    assert made(name=" lines OF ink") == ("Lines of ink", Preprocessor.LINEART)
    assert made(name="lineart", preprocessor="edges") == ("Lines of ink", Preprocessor.EDGES)
    assert made(name="seg") == ("Seg", None)
    assert made(name="outlines", preprocessor="none") == ("Outlines", None)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "fog"}, "I do not know the ControlNet `fog`; I have `Depths`, `Lines of ink`"),
        ({"name": "large"}, "The ControlNet Large is for Stable Diffusion XL"),
        ({"name": "wide"}, "it reads prompts of width 4096, and this model's have"),
        ({"name": "depths"}, "the owner can name as DEPTH_MODEL"),
        ({"preprocessor": "magic"}, "I do not know the preprocessor `magic`"),
        ({"weight": -1.0}, "choose 0 to 2"),
        ({"start": 0.5, "end": 0.5}, "it must begin before it ends"),
    ],
)
def test_what_cannot_be_is_a_sentence(typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        made(**typed)
    with pytest.raises(InvalidRequest, match="I have no ControlNet for `Mini`"):
        TypedControl(picture="picture").chosen(ControlNets(), MODEL)


def test_its_picture_has_the_size_that_is_drawn() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (400, 200), (255, 0, 0, 128)).save(file, format="PNG")
    one, two = TypedControl(picture="picture"), TypedControl(picture="second picture", name="seg")
    order = steered(Typed(prompt="a house"), SHELF, KNOWN, [(one, file.getvalue()), (two, file.getvalue())])
    assert order.request.size == Size(width=176, height=96)
    (digest,) = {control.picture for control in order.request.controls}
    with Image.open(io.BytesIO(order.files[digest])) as kept:
        assert (kept.size, kept.mode) == ((176, 96), "RGB")
    with pytest.raises(InvalidRequest, match="The second picture is damaged"):
        steered(Typed(prompt="a house"), SHELF, KNOWN, [(one, file.getvalue()), (two, file.getvalue()[:60])])


OPENS = """
import resource, sys
from bot.controlling import TypedControl, steered
from bot.options import Typed
from tests.bot.test_controlling import KNOWN
from tests.bot.things import SHELF
data = open(sys.argv[1], "rb").read()
two = [(TypedControl(picture=f"picture {number}"), data) for number in (1, 2)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
steered(Typed(prompt="a house"), SHELF, KNOWN, two, start=data)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 2**10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of memory is counted in other units")
def test_large_pictures_are_not_open_at_the_same_time(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 4000), "red").save(tmp_path / "photo.png")
    command = [sys.executable, "-c", OPENS, str(tmp_path / "photo.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert int(done.stdout) < 160, "MiB; one has 61, and is converted once"
