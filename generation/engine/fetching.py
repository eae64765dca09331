"""Where a model's files are on this disk, fetched from Hugging Face if need be."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from diffusers import DiffusionPipeline

from generation.catalogue import ModelInfo, UnreadableModel, describe
from generation.modelfiles import hub_snapshot, is_whole
from generation.refiner import check_base, check_refiner
from generation.sentence import say

log = logging.getLogger(__name__)


def place_of(info: ModelInfo, *, half: bool) -> tuple[Path, ModelInfo]:
    """The folder or file of a model, fetched if need be, and what it is.

    Raises:
        UnreadableModel: it cannot be had, or is not what its owner takes it for.
    """
    path = Path(info.source).expanduser()
    if not path.exists():
        path = _fetch(info.source, half=half)
        # Until now it was judged by its name; what the owner said about it holds still.
        info = info.as_found(describe(info.source))
    if info.refiner is not None:
        check_base(info)
    return path, info


def place_of_refiner(source: str, *, half: bool) -> Path:
    """The folder or file of an SDXL refiner, fetched if need be.

    Raises:
        UnreadableModel: it cannot be had, or is none.
    """
    path = Path(source).expanduser()
    if not path.exists():
        path = _fetch(source, half=half)
    check_refiner(source)
    return path


def _fetch(repo: str, *, half: bool) -> Path:
    """The folder of a hub model, fetched if need be; half-size weights where they exist and suffice."""
    if (folder := hub_snapshot(repo)) is not None and is_whole(folder):
        return folder
    log.info("fetching %s from Hugging Face", repo)
    for variant in ("fp16", None) if half else (None, "fp16"):
        try:
            how = {"use_safetensors": True, "safety_checker": None, "load_connected_pipeline": True}
            return Path(DiffusionPipeline.download(repo, variant=variant, **how))
        except (ValueError, OSError) as error:
            failure: Exception = error
        except Exception as error:  # noqa: BLE001 - the way to the hub broke; the other variant is no better
            failure = error
            break
    raise UnreadableModel(
        say(
            "The model {repo} could not be fetched from Hugging Face: {error}. "
            "Check the name and the network, or set MODEL to a folder or a .safetensors file.",
            repo=repo,
            error=first_line(failure).rstrip("."),
        )
    ) from failure


def first_line(error: BaseException) -> str:
    """What an error says, without the pages that some libraries add."""
    text = str(error).strip() or type(error).__name__
    return os.linesep.join(text.splitlines()[:1]).strip()
