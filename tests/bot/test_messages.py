"""Cards as Discord's widgets keep Discord's limits."""

from __future__ import annotations

import asyncio
import io
import os
import random
import threading
from typing import Any

import discord
from PIL import Image

from bot import messages
from bot.card import Attached, Card, Tone
from bot.cards import calling, card_for
from bot.messages import MAX_TEXT, files, fits, fitting, layout, mentions, shrunk, with_command_line
from bot.recipe import command_line, settings_card
from generation import metadata
from generation.job import Failed, Finished, JobState
from generation.request import Size
from tests.bot.things import ADA, IN_ENGLISH, SHELF, done, job, pictures, request


def worst_card() -> Card:
    """Four pictures, and prompts as long and as hostile as they may be."""
    of = job("*" * 2000, negative_prompt="_" * 2000, count=4)
    return calling(card_for(Finished(job=done(of), pictures=pictures(of)), SHELF), ADA)


def components(view: discord.ui.LayoutView) -> list[dict[str, Any]]:
    """What stands at the top level of a message, as it goes over the wire."""
    return list(view.to_components())  # type: ignore[no-untyped-call]


def nested(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for part in parts:
        found += [part, *nested(part.get("components", []))]
    return found


def every_component(view: discord.ui.LayoutView) -> list[dict[str, Any]]:
    return nested(components(view))


async def test_the_longest_card_keeps_within_the_text_of_one_message() -> None:
    assert layout(worst_card(), IN_ENGLISH).content_length() <= MAX_TEXT


async def test_a_long_failure_keeps_within_the_text_of_one_message() -> None:
    of = job("*" * 2000).moved(JobState.FAILED, failure="_" * 5000)
    assert layout(card_for(Failed(job=of), SHELF), IN_ENGLISH).content_length() <= MAX_TEXT


async def test_a_line_that_no_message_takes_is_left_out() -> None:
    for text, small in (("a" * 5000, ()), ("a" * 5000, ("b" * 5000,)), ("a", ("b" * 5000, "c"))):
        card = Card(tone=Tone.DONE, text=(text,), small=small)
        assert 0 < layout(card, IN_ENGLISH).content_length() <= MAX_TEXT


async def test_custom_ids_labels_and_descriptions_keep_their_limits() -> None:
    for component in every_component(layout(worst_card(), IN_ENGLISH)):
        assert len(component.get("custom_id", "")) <= 100
        assert len(component.get("label", "")) <= 80
        for item in component.get("items", []):
            assert len(item["description"]) <= 1024


async def test_the_buttons_stand_below_the_card_and_not_in_it() -> None:
    kinds = [component["type"] for component in components(layout(worst_card(), IN_ENGLISH))]
    row = discord.ComponentType.action_row.value
    assert kinds == [discord.ComponentType.container.value, row, row], "buttons, and a menu of pictures"


async def test_every_file_is_shown_in_the_gallery_with_its_alt_text() -> None:
    card = worst_card()
    gallery = next(c for c in every_component(layout(card, IN_ENGLISH)) if "items" in c)
    assert [item["media"]["url"] for item in gallery["items"]] == [
        f"attachment://{file.filename}" for file in files(card, IN_ENGLISH)
    ]
    assert all(file.description for file in files(card, IN_ENGLISH))


async def test_a_sent_view_is_not_kept() -> None:
    assert layout(worst_card(), IN_ENGLISH).is_finished()


def test_a_card_calls_its_asker_or_nobody() -> None:
    assert dict(mentions(worst_card()).to_dict()) == {"parse": [], "users": [ADA]}
    of = job()
    quiet = card_for(Finished(job=done(of), pictures=pictures(of)), SHELF)
    assert dict(mentions(quiet).to_dict()) == {"parse": []}


def png(edge: int) -> bytes:
    """A picture that no file can hold in few bytes."""
    file = io.BytesIO()
    Image.frombytes("RGB", (edge, edge), random.Random(edge).randbytes(edge * edge * 3)).save(file, "PNG")
    return file.getvalue()


def card_with(*data: bytes) -> Card:
    return Card(
        tone=Tone.DONE,
        text=("> a red circle",),
        pictures=tuple(Attached(name=f"{i}.png", alt="", data=each) for i, each in enumerate(data)),
    )


def test_files_fit_if_each_keeps_its_limit_and_all_together_that_of_a_request() -> None:
    assert fits(card_with(b"x" * 1000), 1000)
    assert not fits(card_with(b"x" * 1001), 1000)
    assert fits(card_with(*[b"x" * 6 * 2**20] * 4), 10 * 2**20)
    assert not fits(card_with(*[b"x" * 7 * 2**20] * 4), 10 * 2**20)


def test_one_byte_over_the_limit_makes_it_a_smaller_file_with_the_same_pixels_and_settings() -> None:
    image = Image.effect_noise((256, 256), 40).convert("RGB")
    of = request("a red circle", size=Size(width=256, height=256))
    record = {"model": "Mini", "model_source": of.model, "model_hash": "0" * 64, "version": "0"}
    large = metadata.write_png(image, of, record)
    assert fits(card_with(large), len(large))
    assert shrunk(card_with(large), len(large)) == card_with(large)
    assert not fits(card_with(large), len(large) - 1)
    card = shrunk(card_with(large), len(large) - 1)
    (smaller,) = card.pictures
    assert smaller.name == "0.webp"
    assert len(smaller.data) < len(large)
    assert Image.open(io.BytesIO(smaller.data)).convert("RGB").tobytes() == image.tobytes()
    assert metadata.read(smaller.data).request == of
    assert card.small == ("too large for Discord as PNG, so sent as WebP, with every pixel the same",)
    (lossy,) = shrunk(card_with(large), len(smaller.data) - 1).pictures
    assert metadata.read(lossy.data).request == of


async def test_many_large_pictures_keep_nobody_from_an_acknowledgement() -> None:
    large = card_with(png(128))
    over: list[str] = []

    async def one() -> None:
        card = await fitting(large, len(large.pictures[0].data) - 1)
        over.append(card.pictures[0].name)

    may_begin = threading.Event()
    messages._PRESS.submit(may_begin.wait)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(2 * min(32, (os.cpu_count() or 1) + 4)):  # twice as many as all have threads
                group.create_task(one())
            await asyncio.sleep(0)
            await asyncio.to_thread(over.append, "something else")
            assert over == ["something else"]
            may_begin.set()
    finally:
        may_begin.set()


def test_a_picture_that_is_too_large_is_sent_smaller_and_the_card_says_so() -> None:
    small, large = png(8), png(64)
    card = shrunk(card_with(small, large), len(large) // 2)
    assert [picture.name for picture in card.pictures] == ["0.png", "1.webp"]
    assert card.pictures[0].data == small
    assert len(card.pictures[1].data) <= len(large) // 2
    assert "sent as WebP, with a little less quality" in card.small[-1]


def test_a_picture_that_no_file_is_small_enough_for_is_left_out_and_the_card_says_so() -> None:
    card = shrunk(card_with(png(64)), 50)
    assert card.pictures == ()
    assert "1 of 1 too large for Discord" in card.small[-1]


async def test_the_ready_command_is_shown_if_it_fits() -> None:
    of = job("a red circle")
    view, attached = with_command_line(
        settings_card(of, SHELF, parent_link=None), of.request, SHELF, IN_ENGLISH
    )
    texts = [c["content"] for c in every_component(view) if "content" in c]
    assert any(str(command_line(of.request, SHELF)) in text for text in texts)
    assert attached == []


async def test_a_ready_command_that_is_too_long_comes_as_a_file() -> None:
    of = job("*" * 2000, negative_prompt="_" * 2000)
    view, attached = with_command_line(
        settings_card(of, SHELF, parent_link=None), of.request, SHELF, IN_ENGLISH
    )
    assert view.content_length() <= MAX_TEXT
    assert attached[0].fp.read().decode() == command_line(of.request, SHELF)


async def test_back_ticks_in_a_prompt_do_not_end_the_block_of_the_ready_command() -> None:
    of = job("a ``` b")
    view, _ = with_command_line(settings_card(of, SHELF, parent_link=None), of.request, SHELF, IN_ENGLISH)
    texts = [c["content"] for c in every_component(view) if "content" in c]
    assert all(text.count("```") in (0, 2) for text in texts)
