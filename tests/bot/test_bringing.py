"""What people bring becomes an order in a size that the model draws, and takes no more memory than needed."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot import bringing, further
from bot.bringing import Order
from bot.options import Typed
from generation.canvas import Canvas
from generation.catalogue import Family
from generation.request import OWN_SAMPLER, Digest, Hires, InvalidRequest, Seed, Size, Start, Variation
from tests.bot.things import MODEL, SHELF, request

TYPED = Typed(prompt="a red circle")


def a_file(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(800, 110), (700, 200), (100, 800), (130, 128)])
def test_a_picture_of_any_shape_gets_a_size_that_the_model_draws(size: tuple[int, int]) -> None:
    order = bringing.started(TYPED, SHELF, a_file(Image.new("RGB", size, "red")))
    assert MODEL.size_reason(order.request.size) is None
    assert (order.request.size.width > order.request.size.height) == (size[0] > 1.1 * size[1])
    wider = bringing.grown(Image.new("RGB", size, "red"), "zoom out 2×", MODEL)
    assert wider.picture.size == (order.request.size.width, order.request.size.height)


@pytest.mark.parametrize(
    ("box", "aspect"),
    [((0, 0, 3, 3), None), ((0, 0, 60, 600), "tall 9:16")],
    ids=["too small", "cut away"],
)
def test_a_mark_of_which_nothing_is_left_is_told(box: tuple[int, int, int, int], aspect: str | None) -> None:
    photo, mask = Image.new("RGB", (600, 600), "red"), Image.new("L", (600, 600))
    mask.paste(255, box)
    typed = Typed(prompt="a red circle", aspect=aspect)
    with pytest.raises(InvalidRequest, match="Nothing of what you marked is left in a picture of"):
        bringing.started(typed, SHELF, a_file(photo), mask=a_file(mask), masked=True)


def test_what_is_hardly_transparent_marks_nothing() -> None:
    photo = Image.new("RGBA", (128, 128), (200, 0, 0, 254))
    with pytest.raises(InvalidRequest, match="too faint"):
        bringing.started(TYPED, SHELF, a_file(photo), masked=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": Start(picture=Digest("aa"))}, "takes no picture to start from"),
        ({"variations": (Variation(seed=Seed(1), strength=0.5),)}, "takes no variation"),
        ({"hires": Hires(size=Size(width=256, height=256), steps=20)}, "takes no second, larger pass"),
    ],
)
def test_a_model_that_draws_in_its_own_way_says_what_it_cannot(changes: dict[str, Any], words: str) -> None:
    own = replace(MODEL, family=Family.OTHER, samplers=(OWN_SAMPLER,))
    reason = own.reject_reason(request(sampler=OWN_SAMPLER, **changes))
    assert reason is not None
    assert words in reason
    assert own.reject_reason(request(sampler=OWN_SAMPLER)) is None
    assert MODEL.reject_reason(request(**changes)) is None


def test_what_goes_on_from_a_second_pass_has_none_of_its_own() -> None:
    large = request(hires=Hires(size=Size(width=256, height=256), steps=20))
    order = further.on_canvas(large, Canvas(picture=Image.new("RGB", (256, 256))), further.UPSCALE_STRENGTH)
    assert order.request.hires is None
    assert order.request.final_size == large.final_size


OPENS = """
import resource, sys
from bot import bringing
from bot.options import Typed
from tests.bot.things import SHELF
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bringing.started(Typed(prompt="a red circle"), SHELF, data)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 2**10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak of memory is counted in other units")
def test_a_large_transparent_picture_is_cut_before_anything_else_is_done_with_it(tmp_path: Path) -> None:
    photo = Image.new("RGBA", (4000, 4000))
    photo.paste((200, 0, 0, 255), (0, 0, 2000, 4000))
    (tmp_path / "photo.png").write_bytes(a_file(photo))
    command = [sys.executable, "-c", OPENS, str(tmp_path / "photo.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert int(done.stdout) < 220, "MiB; the picture alone has 61, and is converted once"


@pytest.mark.asyncio
async def test_pictures_are_opened_one_at_a_time() -> None:
    open_, most = 0, 0
    another = threading.Event()

    def make() -> Order:
        nonlocal open_, most
        open_ += 1
        most = max(most, open_)
        another.wait(0.05)
        open_ -= 1
        return Order(request=request())

    await asyncio.gather(*(bringing.one_by_one(make) for _ in range(3)))
    assert most == 1
