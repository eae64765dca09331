"""What a message says and offers, read out of its JSON (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.components import BUTTON, SELECTS, TEXT, walk
from playground.nouns import Json, MessageFlag


def components_of(message: Json) -> Iterator[Json]:
    """Every component of a message or a modal, at any depth."""
    return walk(message.get("components") or [])


def text_of(message: Json) -> str:
    """All text a person reads in a message: its content, its text displays and its embeds."""
    texts: list[str] = [message.get("content") or ""]
    texts += [part["content"] for part in components_of(message) if part["type"] == TEXT]
    for embed in message.get("embeds") or ():
        texts += [embed.get("author", {}).get("name"), embed.get("title"), embed.get("description")]
        for field in embed.get("fields") or ():
            texts += [field["name"], field["value"]]
        texts.append(embed.get("footer", {}).get("text"))
    return "\n".join(text for text in texts if text)


def buttons_of(message: Json) -> list[Json]:
    return [part for part in components_of(message) if part["type"] == BUTTON]


def button_labels(message: Json) -> list[str]:
    """The labels of the buttons that can be pressed."""
    return [part.get("label", "") for part in buttons_of(message) if not part.get("disabled")]


def component(message: Json, name: str, kinds: tuple[int, ...] = (BUTTON, *SELECTS)) -> Json | None:
    """The button or select with this label, placeholder or custom_id; None if there is none."""
    for part in components_of(message):
        names = (part.get("label"), part.get("placeholder"), part.get("custom_id"))
        if part["type"] in kinds and name in names:
            return part
    return None


def pictures_of(message: Json) -> list[Json]:
    """The attachments of a message that are finished pictures."""
    return [picture for picture in _images(message) if not _is_preview(picture)]


def previews_of(message: Json) -> list[Json]:
    """The attachments of a message that show a picture while it is being drawn, as their names say."""
    return [picture for picture in _images(message) if _is_preview(picture)]


def _images(message: Json) -> list[Json]:
    attachments: list[Json] = message.get("attachments") or []
    return [one for one in attachments if str(one.get("content_type", "")).startswith("image/")]


def _is_preview(picture: Json) -> bool:
    return "-preview." in str(picture.get("filename", ""))


def is_ephemeral(message: Json) -> bool:
    return bool(message["flags"] & MessageFlag.EPHEMERAL)


def is_loading(message: Json) -> bool:
    """Whether this is still the 'is thinking' of a deferred answer."""
    return bool(message["flags"] & MessageFlag.LOADING)


def explain(status: int, body: Any) -> str:
    """An error of the API as a sentence, with the fields it names."""
    if not isinstance(body, dict):
        return f"The server answered {status}."
    reasons = [f"{'.'.join(path)}: {text}" for path, text in _reasons(body.get("errors") or {}, ())]
    return "; ".join([f"{status} {body.get('message')} ({body.get('code')})", *reasons])


def _reasons(errors: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in errors.items():
        if key == "_errors":
            for entry in value:
                yield path, entry["message"]
        else:
            yield from _reasons(value, (*path, key))
