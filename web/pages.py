"""The pages as HTML, and the stylesheet and icon that they need."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from generation.sentence import Sentence, count, say
from web.days import day, moment
from web.tongues import Tongue

HERE = Path(__file__).parent
KINDS = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
MARK = "\ufffc"
"""Stands in a sentence for what a page shows as more than text, such as a link."""


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
            finalize=_said,
        )
        by_kind = {Path(name).suffix: f"{prefix}/assets/{name}" for name in self.assets}
        self._environment.globals |= {
            "say": say,
            "count": count,
            "MARK": MARK,
            "home": f"{prefix}/",
            "stylesheet": by_kind[".css"],
            "icon": by_kind[".svg"],
        }
        self._environment.filters |= {"day": day, "moment": moment, "around": _around}

    def render(self, template: str, tongue: Tongue, **values: Any) -> bytes:
        """A page in a language, in UTF-8."""
        return self._environment.get_template(template).render(tongue=tongue, **values).encode()


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{path.stem}-{digest}{path.suffix}", content, KINDS[path.suffix])


@pass_context
def _said(context: Context, value: object) -> object:
    """Whatever a page shows: a sentence of ours in its language, all else as it is."""
    tongue: Tongue = context["tongue"]
    return tongue(value) if isinstance(value, Sentence) else value


@pass_context
def _around(context: Context, sentence: Sentence) -> tuple[str, str]:
    """What stands before and after the mark in a sentence, in the page's language."""
    tongue: Tongue = context["tongue"]
    before, _, after = tongue(sentence).partition(MARK)
    return before, after
