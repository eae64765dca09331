"""How pictures can be made larger, what their cards say of it, and which files are upscalers."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from PIL import Image

from bot.card import Action, Card
from bot.cards import card_for
from bot.enlarging import AGAIN, Choice, brought, choices, enlarged, enlarging_card
from bot.options import parse_enlarger
from bot.recipe import command_line, settings_card
from generation.image import Picture
from generation.job import Finished, JobState, Progressed
from generation.request import Enlarger, GenerationRequest, Hires, InvalidRequest, Seed, Size, Start
from generation.shelf import Shelf
from generation.upscalers import Upscalers
from tests.bot.things import job
from tests.generation.toys import NOISE, a_request, write_safetensors

LAYERS = {"body.0.weight": [8, 3, 3, 3], "body.1.weight": [8]}


def words(card: Card) -> str:
    return "\n".join((*card.text, *card.small))


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, format="PNG")
    return file.getvalue()


def a_picture() -> Picture:
    return Picture(index=0, seed=Seed(7), size=Size(width=64, height=64), png=png(64, 64))


def a_folder(folder: Path) -> Upscalers:
    for name in ("4x Sharp", "2x soft"):
        write_safetensors(folder / f"{name}.safetensors", LAYERS)
    return Upscalers(folder)


def test_only_upscalers_are_offered_and_each_other_file_gets_its_sentence(tmp_path: Path) -> None:
    upscalers = a_folder(tmp_path)
    (tmp_path / "old.pth").write_bytes(b"pickle")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "2x soft.safetensors").read_bytes()[:-9])
    write_safetensors(tmp_path / "style.safetensors", {"lora_unet_x.weight": [4, 4]})
    write_safetensors(tmp_path / "words.safetensors", {"something": [768]})
    write_safetensors(tmp_path / "latents.safetensors", LAYERS)
    write_safetensors(tmp_path / f"{'x' * 61}.safetensors", LAYERS)
    (tmp_path / "notes.txt").write_text("not meant")
    assert upscalers.names == ("2x soft", "4x Sharp")
    problems = {file.name: file.problem for file in upscalers.survey() if file.problem is not None}
    assert set(problems) == {"old", "cut", "style", "words", "latents", "x" * 61}
    assert "is a pickle, which can run any code when it is read" in str(problems["old"])
    assert "docs/models.md" in str(problems["old"])
    assert "fetch it again" in str(problems["cut"])
    assert "is no upscaler but a LoRA" in str(problems["style"])
    assert "holds no weights for pictures" in str(problems["words"])
    assert upscalers.find(" 4X SHARP ") == "4x Sharp"
    with pytest.raises(InvalidRequest, match="I have `2x soft`, `4x Sharp`"):
        upscalers.find("old")
    (tmp_path / "2x soft.safetensors").unlink()
    assert upscalers.path_of("2x soft") is None
    with pytest.raises(InvalidRequest, match="I have no upscaler here"):
        Upscalers(None).find("4x Sharp")


def test_what_can_be_chosen_fits_the_limits() -> None:
    assert tuple(map(str, choices((512, 768), ("a", "b"), 4096 * 4096, again=True))) == (
        "2× with a",
        "3× with a",
        "4× with a",
        "2× with b",
        "3× with b",
        "4× with b",
        AGAIN,
    )
    assert choices((2048, 512), ("a",), 4096 * 4096, again=False) == (Choice(2.0, "a"),)
    assert choices((3000, 3000), ("a",), 4096 * 4096, again=False) == (Choice(1.3, "a"),)
    picture = Picture(index=0, seed=Seed(1), size=Size(width=64, height=64), png=b"")
    for upscalers, are_all in ((8, True), (9, False)):
        many = choices((64, 64), list(map(str, range(upscalers))), 4096 * 4096, again=True)
        card = enlarging_card(job(), picture, many)
        assert card.menu is not None
        assert len(card.menu.entries) == 25
        assert card.menu.entries[-1].value == AGAIN
        assert (not card.small) is are_all
    with pytest.raises(InvalidRequest, match="It is as large as I can make it: 4000x4000"):
        choices((4000, 4000), ("a",), 4096 * 4096, again=True)
    with pytest.raises(InvalidRequest, match="I do not know that way"):
        Choice.parse("2x without")
    assert Choice.parse("1.3× with 4x 8× with") == Choice(1.3, "4x 8× with")


def test_an_order_keeps_what_is_known_of_a_picture_of_ours_and_says_what_is_not_known_of_others() -> None:
    request = a_request(size=Size(width=64, height=96))
    order = enlarged(request, png(64, 96), "4x", 2.5, 4096 * 4096)
    assert order.request.prompt == request.prompt
    assert order.request.final_size == Size(width=160, height=240)
    assert order.request.files == tuple(order.files)
    assert order.request.rerolled(request.seed) is order.request
    assert GenerationRequest.from_plain(order.request.plain()) == order.request
    other = brought(png(90, 70), "4x", 3, 4096 * 4096, Shelf.one(NOISE).default)
    assert other.request.final_size == Size(width=272, height=208), "the nearest multiples of 8"
    assert other.request.upscale is not None
    assert other.request.upscale.brought
    with pytest.raises(InvalidRequest, match=r"cannot be made 8 times as large here; choose 1\.1 to 2\.04"):
        enlarged(request, png(2000, 64), "4x", 8, 4096 * 4096)
    with pytest.raises(InvalidRequest, match="it is as large as I can make it"):
        enlarged(request, png(4090, 64), "4x", 2, 4096 * 4096)
    with pytest.raises(InvalidRequest, match="no PNG"):
        brought(b"nothing", "4x", 2, 4096 * 4096, Shelf.one(NOISE).default)


def test_a_card_says_which_way_a_picture_was_made_larger() -> None:
    shelf = Shelf.one(NOISE)
    request = enlarged(a_request(), png(64, 64), "4x *Sharp*", 2, 4096 * 4096).request
    done = dataclasses.replace(job(), request=request, state=JobState.DONE)
    card = card_for(Finished(job=done, pictures=(a_picture(),)), shelf)
    assert "then 128 × 128, 2 times as large with 4x \\*Sharp\\*" in words(card)
    assert [button.action for button in card.buttons] == [Action.EDIT, Action.SETTINGS, Action.DELETE]
    going = Progressed(job=dataclasses.replace(done, state=JobState.RUNNING), step=3, steps=9)
    assert "**Enlarging** part 3 of 9" in words(card_for(going, shelf))
    assert "**Made larger** 2 times by `4x *Sharp*`, to 128x128" in words(
        settings_card(done, shelf, parent_link=None)
    )
    assert command_line(request, shelf) is None
    pass_again = a_request(start=Start(picture=request.files[0], enlarged=True))
    done = dataclasses.replace(done, request=pass_again)
    card = card_for(Finished(job=done, pictures=(a_picture(),)), shelf)
    assert "made larger by a second pass of the model (a hires pass), not by an upscaler" in words(card)


def test_a_second_pass_may_be_by_an_upscaler(tmp_path: Path) -> None:
    upscalers, shelf = a_folder(tmp_path), Shelf.one(NOISE)
    assert [parse_enlarger(text, upscalers) for text in ("Pixels", "latents", "4X sharp")] == [
        "pixels",
        "latents",
        "4x Sharp",
    ]
    with pytest.raises(
        InvalidRequest, match="`upscaler` makes nothing larger here; choose pixels or latents"
    ):
        parse_enlarger("upscaler", Upscalers(None))
    hires = Hires(size=Size(width=128, height=128), steps=4, enlarger=Enlarger.UPSCALER, upscaler="4x Sharp")
    request = a_request(hires=hires)
    assert GenerationRequest.from_plain(request.plain()) == request
    assert str(command_line(request, shelf)).endswith("hires:2 hires_strength:0.5 hires_by:4x Sharp")
    said = words(settings_card(dataclasses.replace(job(), request=request), shelf, parent_link=None))
    assert "**Then** 128x128 by the upscaler `4x Sharp`, with strength 0.5" in said
