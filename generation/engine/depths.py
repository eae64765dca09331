"""How near everything in a picture is, told by a model of the owner's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from generation.engine.failures import CannotDraw
from generation.engine.hashes import unchanged
from generation.engine.memory import footprint
from generation.modelfiles import weights_in
from generation.sentence import say

FULL = 255
FLAT = 1e-5
"""Of the largest number; what differs less is rounding, by which a model that sees nothing differs too."""


class Depths:
    """Any depth estimator of transformers, such as Depth Anything or DPT."""

    def __init__(self, folder: Path) -> None:
        """Whatever it raises: it cannot be read."""
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        options = {"local_files_only": True}
        self._processor = AutoImageProcessor.from_pretrained(str(folder), **options)
        with unchanged(*weights_in(folder)) as self.hash:
            self._model: Any = AutoModelForDepthEstimation.from_pretrained(
                str(folder), dtype=torch.float32, use_safetensors=True, **options
            )
        self._model.eval().requires_grad_(False)

    @property
    def footprint(self) -> int:
        """Bytes of its weights."""
        return footprint(self._model)

    @torch.inference_mode()
    def __call__(self, picture: Image.Image, device: torch.device) -> Image.Image:
        """White is near, in RGB of the picture's size."""
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
        if not np.isfinite(levels).all() or span <= FLAT * float(np.abs(levels).max()):
            raise CannotDraw(say("I found no depth in the picture, so nothing to go by; take a clearer one."))
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
