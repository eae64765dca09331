"""About how many bytes a model needs in memory, told from its files before it is read."""

from __future__ import annotations

from pathlib import Path

from generation.catalogue import ModelInfo
from generation.modelfiles import hub_snapshot


def weight_on_disk(model: ModelInfo) -> int:
    """About how many bytes a model's weights need, from its files; 0 for one that must be fetched first."""
    return sum(_weight(source) for source in (model.source, model.refiner) if source is not None)


def _weight(source: str) -> int:
    path = hub_snapshot(source) or Path(source).expanduser()
    if path.is_file():
        return path.stat().st_size
    files = [file for file in path.glob("*/*.safetensors") if not file.name.endswith(".fp16.safetensors")]
    return sum(file.stat().st_size for file in files or path.glob("*/*.safetensors"))
