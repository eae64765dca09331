"""What a prediction of the UNet says about the finished picture."""

from __future__ import annotations

from typing import Any

import torch


def clean_latents(scheduler: Any, time: float, noisy: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
    """The latents without their noise, as the UNet believes them to be (Salimans and Ho 2022, appendix D).

    Args:
        scheduler: any diffusers scheduler of a discrete diffusion process.
        time: what the UNet was told, in 0..999, whole or not.
        noisy: (1, channels, h, w), what the UNet was given: of variance one for every scheduler.
        prediction: (1, channels, h, w), what it said, guided.
    """
    alphas = scheduler.alphas_cumprod
    alpha = alphas[min(max(round(time), 0), len(alphas) - 1)].item()
    signal, dirt = alpha**0.5, (1 - alpha) ** 0.5
    noisy, prediction = noisy.float(), prediction.float()
    clean: torch.Tensor
    match scheduler.config.prediction_type:
        case "epsilon":
            clean = (noisy - dirt * prediction) / max(signal, 1e-4)
        case "v_prediction":
            clean = signal * noisy - dirt * prediction
        case _:  # "sample"
            clean = prediction
    return clean
