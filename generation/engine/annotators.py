"""Preprocessors that have weights of the owner's: how near everything is. Read when they are wanted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from generation.controlfiles import Preprocessor
from generation.engine.awaited import Awaited
from generation.engine.building import one_at_a_time
from generation.engine.failures import CannotDraw
from generation.engine.fetching import first_line
from generation.engine.hashes import unchanged
from generation.modelfiles import UnreadableModel

log = logging.getLogger(__name__)

FULL = 255


class Annotators:
    """They stay on the CPU and come to the device for as long as they look at a picture."""

    def __init__(self, *, depth: Path | None = None) -> None:
        """
        Args:
            depth: a folder in the format of transformers; None: depth cannot be told.
        """
        self._sources = {Preprocessor.DEPTH: depth} if depth is not None else {}
        self._readings: dict[Preprocessor, Awaited[_Depth]] = {}
        self._reader: ThreadPoolExecutor | None = None

    @property
    def wanted(self) -> Collection[Preprocessor]:
        """Those that cannot do without weights."""
        return (Preprocessor.DEPTH,)

    def are_here(self, preprocessors: Iterable[Preprocessor]) -> bool:
        """Whether all of these are here; those that are not are read from now on.

        Raises:
            CannotDraw: one cannot be had.
        """
        here = [self._is_here(each) for each in preprocessors if each in self.wanted]  # all are begun
        return all(here)

    def wait(self, seconds: float) -> None:
        """Until what is being read is here, but not longer than this."""
        if reading := [each.future for each in self._readings.values() if not each.future.done()]:
            wait(reading, timeout=seconds)

    def hash_of(self, preprocessor: Preprocessor) -> str | None:
        """Of the weights of one that is here; None for one without."""
        return None if preprocessor not in self.wanted else self._readings[preprocessor].future.result().hash

    def __call__(self, preprocessor: Preprocessor, picture: Image.Image, device: torch.device) -> Image.Image:
        """What one that is here makes of a picture, in RGB of its size."""
        return self._readings[preprocessor].future.result()(picture, device)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.shutdown(wait=False, cancel_futures=True)
        self._readings.clear()

    def _is_here(self, preprocessor: Preprocessor) -> bool:
        if preprocessor not in self._readings:
            if (source := self._sources.get(preprocessor)) is None:
                raise CannotDraw(preprocessor.missing)
            self._reader = self._reader or ThreadPoolExecutor(1, thread_name_prefix="annotator")
            future = self._reader.submit(_Depth, source)
            self._readings[preprocessor] = Awaited(future, f"what makes a {preprocessor} picture")
        reading = self._readings[preprocessor]
        if not reading.is_over():
            return False
        try:
            reading.future.result()
        except UnreadableModel as error:
            log.error("%s", error)
            del self._readings[preprocessor]
            raise CannotDraw(
                f"What makes a {preprocessor} picture cannot be used at the moment; the owner's log says why."
            ) from error
        return True


class _Depth:
    """Any depth estimator of transformers, such as Depth Anything or DPT."""

    @one_at_a_time
    def __init__(self, folder: Path) -> None:
        """
        Raises:
            UnreadableModel: it cannot be read; a sentence for the owner.
        """
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        try:
            if not (weights := sorted(folder.glob("*.safetensors"))):
                raise UnreadableModel("it holds no .safetensors file")
            options = {"local_files_only": True}
            self._processor = AutoImageProcessor.from_pretrained(str(folder), **options)
            with unchanged(weights[0]) as self.hash:
                self._model: Any = AutoModelForDepthEstimation.from_pretrained(
                    str(folder), dtype=torch.float32, use_safetensors=True, **options
                )
            self._model.eval().requires_grad_(False)
        except Exception as error:
            if not isinstance(error, UnreadableModel):
                log.exception("could not read %s", folder)
            raise UnreadableModel(
                f"DEPTH_MODEL is {folder}, which cannot be read: {first_line(error)}"
            ) from error

    @torch.inference_mode()
    def __call__(self, picture: Image.Image, device: torch.device) -> Image.Image:
        try:
            self._model.to(device)
            inputs = self._processor(images=picture, return_tensors="pt").to(device)
            depth = self._processor.post_process_depth_estimation(
                self._model(**inputs), target_sizes=[(picture.height, picture.width)]
            )[0]["predicted_depth"]
            levels = depth.float().cpu().numpy()
        finally:
            self._model.to("cpu")
        span = float(levels.max() - levels.min())
        if not np.isfinite(levels).all() or span <= 0:
            raise CannotDraw("I found no depth in the picture, so nothing to go by; take a clearer one.")
        near = (levels - levels.min()) / span
        if self._is_metric:
            near = 1 - near
        return Image.fromarray((near * FULL).astype(np.uint8)).convert("RGB")

    @property
    def _is_metric(self) -> bool:
        """Whether it tells how far everything is, and not how near."""
        config = self._model.config
        return config.model_type in ("zoedepth", "depth_pro") or (
            getattr(config, "depth_estimation_type", "relative") == "metric"
        )
