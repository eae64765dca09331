"""How large thumbnails are: of a photograph, and of whatever pictures there are."""

from __future__ import annotations

import io
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image

from storage.thumbnails import small_picture


def of_photograph() -> Mapping[str, float]:
    """Of a square of the photograph that comes with matplotlib, in kB; empty if that is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return {}
    file = io.BytesIO()
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg") as photograph:
        photograph.crop((0, 0, 512, 512)).save(file, format="PNG")
    return {"a photograph": _kilobytes([file.getvalue()])}


def of_folder(folder: Path) -> Mapping[str, float]:
    """Of all PNG files in a folder and below it, on average, in kB; empty if there are none."""
    files = sorted(folder.rglob("*.png"))
    return {f"{len(files)} pictures": _kilobytes(map(Path.read_bytes, files))} if files else {}


def _kilobytes(files: Iterable[bytes]) -> float:
    return round(statistics.mean(len(small_picture(file)) for file in files) / 1000, 2)
