"""What any pipeline's model believes the finished picture to be, overheard from its scheduler."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import torch

from generation.catalogue import MemoryMode
from generation.engine.coders import coder_of, out_of_cells
from generation.engine.pipeline import Pipeline
from generation.engine.prediction import clean_latents
from generation.engine.previews import Look
from generation.request import Size

log = logging.getLogger(__name__)


def look_of(model: Pipeline) -> Look | None:
    """What shows this model's latents; None where nothing can, or only at too high a cost."""
    coder = coder_of(getattr(model.pipe, "vae", None))
    if model.tiny is None:
        # In this mode the model itself would have to leave the device for its VAE, and come back.
        moves = model.info.memory is MemoryMode.SMALL and model.device.type != "cpu"
        if moves or coder is None:
            return None
    return Look(coder, model.tiny, model.device, need_vae=lambda: None)


def overhear(scheduler: Any, wants: Callable[[], bool], take: Callable[[torch.Tensor], None]) -> None:
    """Have `take` called with the latents without their noise at every step while `wants` holds.

    The steps themselves stay as they are. A scheduler of a kind that is not known says nothing.
    """
    step = scheduler.step
    signature = inspect.signature(step)

    @functools.wraps(step)
    def told(*args: Any, **kwargs: Any) -> Any:
        if wants():
            said = signature.bind(*args, **kwargs).arguments
            try:
                clean = _clean(scheduler, said.get("timestep"), said.get("sample"), said.get("model_output"))
            except Exception as error:  # an edge: the picture goes on without a look at it
                log.warning("nothing was overheard of %s", type(scheduler).__name__, exc_info=error)
                clean = None
            if clean is not None:
                take(clean)
        return step(*args, **kwargs)

    scheduler.step = told


def _clean(scheduler: Any, time: Any, noisy: Any, prediction: Any) -> torch.Tensor | None:
    """The latents without their noise, in the pipeline's own form."""
    if not (isinstance(noisy, torch.Tensor) and isinstance(prediction, torch.Tensor)):
        return None
    if noisy.shape != prediction.shape or time is None:
        return None
    moment, config = float(torch.as_tensor(time).flatten()[0]), scheduler.config
    is_flow = type(scheduler).__name__.startswith("FlowMatch") or config.get("use_flow_sigmas")
    if is_flow and not config.get("invert_sigmas"):
        # Straight from noise to picture (Liu et al. 2022, arXiv 2209.03003); times are 1000 noise levels.
        level = moment / config.num_train_timesteps
        clean: torch.Tensor = noisy.float() - level * prediction.float()
        return clean
    if is_flow or not hasattr(scheduler, "alphas_cumprod"):
        return None
    scaled: torch.Tensor = scheduler.scale_model_input(noisy, time)
    return clean_latents(scheduler, moment, scaled, prediction)


def unpacked(pipe: Any, latents: torch.Tensor, size: Size) -> torch.Tensor | None:
    """(1, channels, h, w) out of a pipeline's own form of latents; None if it is not known.

    Flux, Qwen-Image and their kin put the cells of 2 x 2 into one token: (1, tokens, 4 * channels). Flux 2
    puts such cells in the place of channels first, and may make tokens of them then. Those who come from
    films keep a picture as the only frame: (1, channels, 1, h, w).
    """
    coder = coder_of(getattr(pipe, "vae", None))
    if latents.ndim == 3:
        grid = _grid(pipe, latents, size)
        if grid is None:
            return None
        latents = grid
    if latents.ndim == 5 and latents.shape[2] == 1:
        latents = latents[:, :, 0]
    if coder is None or latents.ndim != 4:
        return None
    if hasattr(pipe, "_unpatchify_latents") and latents.shape[1] == 4 * coder.channels:
        latents = out_of_cells(latents)
    return latents if latents.shape[1] == coder.channels else None


def _grid(pipe: Any, tokens: torch.Tensor, size: Size) -> torch.Tensor | None:
    """Tokens in their places, as the pipeline itself puts them; None if it says in no way that is known."""
    factor = getattr(pipe, "vae_scale_factor", None)
    if factor is None:
        return None
    if hasattr(pipe, "_unpack_latents_with_ids"):  # the ids of one picture count its rows and columns
        high, wide = size.height // (2 * factor), size.width // (2 * factor)
        if high * wide != tokens.shape[1]:
            return None
        return tokens.transpose(1, 2).reshape(len(tokens), -1, high, wide)
    if not hasattr(pipe, "_unpack_latents"):
        return None
    known = {
        "latents": tokens,
        "height": size.height,
        "width": size.width,
        "vae_scale_factor": factor,
        "patch_size": getattr(getattr(pipe, "transformer", None), "config", {}).get("patch_size"),
    }
    takes = list(inspect.signature(pipe._unpack_latents).parameters)
    if not {"latents", "height", "width"} <= set(takes) <= known.keys():
        return None
    grid: torch.Tensor = pipe._unpack_latents(**{name: known[name] for name in takes})
    return grid
