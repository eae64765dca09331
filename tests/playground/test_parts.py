"""The playground's pure parts: time, files, forms, permissions and the OpenAPI check."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from playground import media
from playground.clock import Clock, Mint, iso, minted_at
from playground.errors import ApiError, Form
from playground.nouns import Channel, ChannelKind, Overwrite, Role, Snowflake, User
from playground.permissions import EVERYTHING, ORDINARY, Permission, in_channel
from tests.playground.bots import png


def test_snowflakes_grow_and_know_their_time() -> None:
    clock = Clock()
    mint = Mint(clock)
    before = clock.now()
    made = [mint() for _ in range(1000)]
    assert made == sorted(set(made))
    assert before - 0.001 <= minted_at(made[0]) <= clock.now()
    mint.seen(Snowflake(made[-1] + 10**12))
    assert mint() > made[-1] + 10**12
    assert iso(0) == "1970-01-01T00:00:00.000000+00:00"


async def test_a_moved_clock_rings_what_is_due_in_order() -> None:
    clock = Clock()
    rung: list[str] = []
    clock.ring_in(20, lambda: rung.append("later"))
    clock.ring_in(10, lambda: rung.append("sooner"))
    cancelled = clock.ring_in(5, lambda: rung.append("never"))
    cancelled.cancel()
    clock.advance(9)
    assert rung == []
    clock.advance(12)
    assert rung == ["sooner", "later"]
    done = asyncio.Event()
    clock.ring_in(0.01, done.set)
    await asyncio.wait_for(done.wait(), 60)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_size_of_a_picture_is_read_from_its_bytes(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (37, 21), "red").save(file, kind)
    assert media.dimensions(file.getvalue()) == (37, 21)
    assert media.content_type("name.bin", file.getvalue()) == f"image/{kind.lower()}"
    assert media.dimensions(file.getvalue()[:8]) is None


def test_lossless_and_extended_webp_are_understood() -> None:
    for settings in ({"lossless": True}, {"exif": b"Exif\0\0"}):
        file = io.BytesIO()
        Image.new("RGB", (300, 5), "red").save(file, "WEBP", **settings)
        assert media.dimensions(file.getvalue()) == (300, 5)


def test_names_of_files_are_made_safe() -> None:
    assert media.safe_filename("../../etc/pass wd.png") == "pass_wd.png"
    assert media.safe_filename("C:\\x\\ä<b>.png") == "b.png"
    assert media.safe_filename("...") == "unknown"
    assert media.content_type("a.txt", b"hello") == "text/plain; charset=utf-8"
    assert media.content_type("a.png", b"hello") == "application/octet-stream"


def test_a_form_says_all_that_is_wrong_at_its_place() -> None:
    form = Form()
    form.text(["content"], "x" * 5, most=4)
    form.text(["name"], None, most=4, required=True)
    form.number(["data", 0, "flags"], "x", least=0, most=1)
    with pytest.raises(ApiError) as caught:
        form.refuse()
    assert caught.value.body() == {
        "code": 50035,
        "message": "Invalid Form Body",
        "errors": {
            "content": {
                "_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 4 or fewer in length."}]
            },
            "name": {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]},
            "data": {
                "0": {
                    "flags": {
                        "_errors": [{"code": "NUMBER_TYPE_COERCE", "message": "Value \"'x'\" is not int."}]
                    }
                }
            },
        },
    }


def test_overwrites_are_applied_everyone_first_then_roles_then_the_person() -> None:
    everyone, artist, one = Snowflake(1), Snowflake(2), Snowflake(3)
    roles = {
        everyone: Role(id=everyone, name="@everyone", permissions=int(ORDINARY), position=0),
        artist: Role(id=artist, name="Artist", permissions=0, position=1),
    }
    send, view = int(Permission.SEND_MESSAGES), int(Permission.VIEW_CHANNEL)

    def held(*overwrites: Overwrite, roles_of: tuple[Snowflake, ...] = ()) -> int:
        user = User(id=one, username="a", name="A", token="t", roles=roles_of)
        channel = Channel(id=Snowflake(9), kind=ChannelKind.TEXT, overwrites=overwrites)
        return in_channel(user, channel, roles, everyone=everyone, owner=Snowflake(8))

    quiet = Overwrite(target=everyone, role=True, deny=send)
    assert held() & send
    assert not held(quiet) & send
    assert held(quiet, Overwrite(target=artist, role=True, allow=send), roles_of=(artist,)) & send
    assert held(quiet, Overwrite(target=one, role=False, allow=send)) & send
    assert held(Overwrite(target=everyone, role=True, deny=view)) == 0
    owner = User(id=Snowflake(8), username="o", name="O", token="t")
    hidden = Channel(
        id=Snowflake(9),
        kind=ChannelKind.TEXT,
        overwrites=(Overwrite(target=everyone, role=True, deny=view),),
    )
    assert in_channel(owner, hidden, roles, everyone=everyone, owner=owner.id) == EVERYTHING


def test_the_test_picture_is_a_picture() -> None:
    Image.open(io.BytesIO(png(5, 6, padding=1000))).load()
    assert media.dimensions(png(5, 6)) == (5, 6)


DOCUMENT = os.environ.get("DISCORD_OPENAPI")


@pytest.mark.skipif(not DOCUMENT, reason="DISCORD_OPENAPI does not name Discord's OpenAPI document")
def test_discords_document_finds_what_is_wrong_and_where() -> None:
    from playground.openapi import OpenApi

    assert DOCUMENT is not None
    violations: list[str] = []
    document = OpenApi(Path(DOCUMENT), violations)
    path = "/channels/{channel_id}/messages"
    document.check_request("POST", path, {"content": "x", "attachments": [{"id": 0}], "nonce": 1})
    document.check_request("GET", path, None)
    document.check_request("POST", "/interactions", {"anything": "a person sends"})
    assert violations == []
    button = {"type": 2, "style": 1, "label": "x" * 81, "custom_id": "a"}
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://a.png"}, "description": "x" * 1025}]}
    card = {"type": 17, "components": [gallery, {"type": 1, "components": [button]}]}
    with pytest.raises(ApiError, match="50035"):
        document.check_request("POST", path, {"components": [card], "flags": 1 << 15})
    inside = f"POST {path}: request at components.0.components"
    assert violations == [
        f"{inside}.0.items.0.description: Must be 1024 or fewer in length.",
        f"{inside}.1.components.0.label: Must be 80 or fewer in length.",
    ]
    violations.clear()
    document.check_response("GET", "/users/{user_id}", 200, {"id": "1"})
    document.check_response("GET", "/users/{user_id}", 404, {"message": "Unknown User"})
    document.check_response("DELETE", path + "/{message_id}", 200, {})
    assert any("our 200 answer: 'username' is a required property" in violation for violation in violations)
    assert any("our 404 answer: 'code' is a required property" in violation for violation in violations)
    assert any("200 is not among the answers Discord gives" in violation for violation in violations)
