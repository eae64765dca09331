"""The pages as HTML, and the stylesheet and icon that they need."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from generation.sentence import count, say

HERE = Path(__file__).parent
KINDS = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages need, under a name that changes with it."""

    name: str
    content: bytes
    kind: str


class Pages:
    """All there is to render pages with. What is put into them is text, and is shown as text."""

    def __init__(self, prefix: str) -> None:
        """
        Args:
            prefix: what stands before all paths.
        """
        self.assets = {asset.name: asset for asset in map(_asset, sorted((HERE / "static").iterdir()))}
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        by_kind = {Path(name).suffix: f"{prefix}/assets/{name}" for name in self.assets}
        self._environment.globals |= {
            "say": say,
            "count": count,
            "home": f"{prefix}/",
            "stylesheet": by_kind[".css"],
            "icon": by_kind[".svg"],
        }
        self._environment.filters |= {"day": _day, "moment": _moment}

    def render(self, template: str, **values: Any) -> bytes:
        """A page, in UTF-8."""
        return self._environment.get_template(template).render(**values).encode()


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{path.stem}-{digest}{path.suffix}", content, KINDS[path.suffix])


def _day(seconds: float) -> str:
    """Like 22 November 2026. In UTC, as all days are counted here."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%B %Y}"


def _moment(seconds: float) -> str:
    """As machines read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
