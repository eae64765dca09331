"""Which embeds a message may have, and how they are kept (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from playground.components import REFERENCE
from playground.errors import Form
from playground.nouns import Json

MOST_EMBEDS = 10
MOST_TEXT = 6000
"""Characters all embeds of a message may have together."""
VISIBLE = ("title", "description", "fields", "image", "thumbnail", "footer", "author", "timestamp")
TEXTS = {"footer": ("text", 2048), "author": ("name", 256)}
LINKS = (("url",), ("author", "url"))
PICTURES = (("image", "url"), ("thumbnail", "url"), ("footer", "icon_url"), ("author", "icon_url"))


def check_embeds(form: Form, root: Sequence[str | int], embeds: object) -> None:
    """Note what Discord would refuse; `root` is where the message lies."""
    total = 0
    for index, embed in enumerate(form.many([*root, "embeds"], embeds, most=MOST_EMBEDS)):
        at = [*root, "embeds", index]
        total += len(form.text([*at, "title"], embed.get("title"), most=256))
        total += len(form.text([*at, "description"], embed.get("description"), most=4096))
        parts = {
            key: form.fields([*at, key], embed.get(key)) for key in ("image", "thumbnail", "footer", "author")
        }
        for key, (field, most) in TEXTS.items():
            total += len(form.text([*at, key, field], parts[key].get(field), most=most))
        for number, pair in enumerate(form.many([*at, "fields"], embed.get("fields"), most=25)):
            for key, most in (("name", 256), ("value", 1024)):
                place = [*at, "fields", number, key]
                total += len(form.text(place, pair.get(key), least=1, most=most, required=True))
        for where, schemes in ((LINKS, ()), (PICTURES, (REFERENCE,))):
            for *inside, field in where:
                holder = parts[inside[0]] if inside else embed
                form.url([*at, *inside, field], holder.get(field), besides=schemes)
        form.number([*at, "color"], embed.get("color"), least=0, most=0xFFFFFF)
        _check_timestamp(form, [*at, "timestamp"], embed.get("timestamp"))
    if total > MOST_TEXT:
        form.fail(
            [*root, "embeds"],
            "MAX_EMBED_SIZE_EXCEEDED",
            f"Embed size exceeds maximum size of {MOST_TEXT}",
        )


def is_visible(embed: Json) -> bool:
    """Whether there is anything to see in it."""
    return any(embed.get(key) for key in VISIBLE)


def stored_embed(embed: Json) -> Json:
    """The embed as the server gives it back, with every default filled in."""
    kept = {key: value for key, value in embed.items() if value is not None and value != []}
    kept["type"] = "rich"
    if "fields" in kept:
        kept["fields"] = [{"inline": False, **field} for field in kept["fields"]]
    return kept


def _check_timestamp(form: Form, path: Sequence[str | int], value: object) -> None:
    if value is None:
        return
    try:
        datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        form.fail(path, "DATE_TYPE_PARSE", f'Could not parse "{value!r:.80}". Should be ISO8601.')
