"""Folders of small models that look at pictures, in the format of transformers."""

from __future__ import annotations

from pathlib import Path

from generation.modelfiles import UnreadableModel


def only_weights(folder: Path) -> Path:
    """The file of the weights.

    Raises:
        UnreadableModel: there is none that is no pickle.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise UnreadableModel("it holds no .safetensors file")
    return found[0]
