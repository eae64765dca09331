"""What a message's components and embeds show of its files."""

from __future__ import annotations

from collections.abc import Callable

from playground.components import REFERENCE
from playground.media import safe_filename
from playground.nouns import Attachment, Json, Message, Snowflake


class Shown:
    """One message's components and embeds with `attachment://name` resolved; `show` renders a file."""

    def __init__(self, message: Message, show: Callable[[Snowflake, Attachment], Json]) -> None:
        self.message = message
        self.show = show
        self.by_name = {attachment.filename: attachment for attachment in message.attachments}

    def find(self, url: str) -> Attachment | None:
        if url.startswith(REFERENCE):
            return self.by_name.get(safe_filename(url.removeprefix(REFERENCE)))
        return None

    def item(self, media: Json) -> Json:
        attachment = self.find(media["url"])
        if attachment is None:
            return {"id": str(self.message.id), "url": media["url"], "proxy_url": media["url"]}
        shown = self.show(self.message.channel, attachment)
        return {
            "id": shown["id"],
            "url": shown["url"],
            "proxy_url": shown["proxy_url"],
            "width": attachment.width,
            "height": attachment.height,
            "content_type": attachment.content_type,
            "attachment_id": shown["id"],
        }

    def component(self, part: Json) -> Json:
        shown = dict(part)
        for key in ("media", "file"):
            if key in shown:
                if key == "file":
                    attachment = self.find(shown[key]["url"])
                    shown["name"] = attachment.filename if attachment else None
                    shown["size"] = attachment.size if attachment else None
                shown[key] = self.item(shown[key])
        if "accessory" in shown:
            shown["accessory"] = self.component(shown["accessory"])
        for key in ("components", "items"):
            if key in shown:
                shown[key] = [self.component(child) for child in shown[key]]
        return shown

    def embed(self, embed: Json) -> Json:
        shown = dict(embed)
        for key, field in (
            ("image", "url"),
            ("thumbnail", "url"),
            ("footer", "icon_url"),
            ("author", "icon_url"),
        ):
            url = shown[key].get(field) if key in shown else None
            attachment = self.find(url) if isinstance(url, str) else None
            if attachment is not None:
                found = self.show(self.message.channel, attachment)
                shown[key] = {**shown[key], field: found["url"], f"proxy_{field}": found["url"]}
                if key in ("image", "thumbnail"):
                    sizes = {"width": attachment.width, "height": attachment.height}
                    shown[key] |= {k: v for k, v in sizes.items() if v is not None}
        return shown
