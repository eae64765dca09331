"""Where a safety checker is on this disk, if there is one."""

from __future__ import annotations

from pathlib import Path

from generation.model import ModelInfo
from generation.modelfiles import hub_snapshot

WEIGHTS = "model.safetensors"


def on_disk(source: str, info: ModelInfo | None) -> Path | None:
    """The folder of the checker that pictures of a model are shown to: the one that is named, which may be in
    Hugging Face's cache, or else the model's own; None if there is neither.

    Args:
        source: a folder, or a name on Hugging Face.
        info: of that model; None: no model draws them.
    """
    named = Path(source).expanduser()
    if named.is_dir():
        return named
    if (cached := hub_snapshot(source)) is not None and (cached / WEIGHTS).is_file():
        return cached
    if info is None:
        return None
    own = (hub_snapshot(info.source) or Path(info.source).expanduser()) / "safety_checker"
    return own if (own / WEIGHTS).is_file() else None


def within(folder: Path) -> Path:
    """Where in a folder the checker is: it may be that of a whole model."""
    inside = folder / "safety_checker"
    return inside if not (folder / WEIGHTS).is_file() and (inside / WEIGHTS).is_file() else folder
