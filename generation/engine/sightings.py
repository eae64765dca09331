"""What any pipeline's model believes the finished picture to be, overheard from its scheduler."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL

from generation.catalogue import MemoryMode
from generation.engine.pipeline import Pipeline
from generation.engine.prediction import clean_latents
from generation.engine.previews import Look
from generation.request import Size

log = logging.getLogger(__name__)


def look_of(model: Pipeline) -> Look | None:
    """What shows this model's latents; None where nothing can, or only at too high a cost."""
    vae = getattr(model.pipe, "vae", None)
    if model.tiny is None:
        # In this mode the model itself would have to leave the device for its VAE, and come back.
        moves = model.info.memory is MemoryMode.SMALL and model.device.type != "cpu"
        if moves or not isinstance(vae, AutoencoderKL):
            return None
    return Look(vae, model.tiny, model.device, need_vae=lambda: None)


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
            except Exception as error:  # noqa: BLE001 - an edge: the picture goes on without a look at it
                log.warning("nothing was overheard of %s: %r", type(scheduler).__name__, error)
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

    Flux and its kin put the cells of 2 x 2 into one token: (1, tokens, 4 * channels).
    """
    if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
        takes = list(inspect.signature(pipe._unpack_latents).parameters)
        if takes != ["latents", "height", "width", "vae_scale_factor"]:
            return None
        latents = pipe._unpack_latents(latents, size.height, size.width, pipe.vae_scale_factor)
    vae = getattr(pipe, "vae", None)
    channels = None if vae is None else vae.config.get("latent_channels")
    return latents if latents.ndim == 4 and latents.shape[1] == channels else None
