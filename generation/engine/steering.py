"""How ControlNets steer a call of the UNet: each row by its own picture, as strongly as it is to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from generation.engine.uploads import to_device
from generation.request import Control

Filled = Callable[[list[torch.Tensor]], torch.Tensor]
"""Puts parts of some rows each into one tensor of all rows of a call."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steering:
    """One control of an image in flight."""

    control: Control
    picture: torch.Tensor
    """(1, 3, height, width), 0 to 1, in the model's dtype on its device; pixels."""

    def scale(self, call: int, calls: int) -> float:
        """By how much it steers call number `call` of a pass of `calls`; as diffusers' `control_guidance`."""
        is_outside = call / calls < self.control.start or (call + 1) / calls > self.control.end
        return 0.0 if is_outside else self.control.weight


class Steerer:
    """The ControlNets of a kind of call, one after the other."""

    def __init__(self, nets: Sequence[Any], need: Callable[[bool], None]) -> None:
        """`need` has the ControlNets on the device, or after them, for False, the UNet."""
        self._nets = nets
        self._need = need

    def __call__(
        self,
        images: Sequence[tuple[int, Mapping[Steering, float]]],
        filled: Filled,
        inputs: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What the UNet is given besides: residuals for its blocks, the sums over all ControlNets.

        Args:
            images: of each image its rows, and what steers it by how much, in the order of the ControlNets.
            inputs: `sample`, `timestep`, `encoder_hidden_states` and `added_cond_kwargs` of the call.
        """
        if not self._nets:
            return {}
        self._need(True)
        device, dtype = inputs["sample"].device, inputs["sample"].dtype
        down: list[torch.Tensor] = []
        middle: torch.Tensor | None = None
        for place, net in enumerate(self._nets):
            mine = [(rows, list(steered.items())[place]) for rows, steered in images]
            pictures = [each.picture.expand(rows, -1, -1, -1) for rows, (each, _) in mine]
            # Scaled in float32 and then rounded, as by a plain number.
            scales = [torch.full((rows, 1, 1, 1), scale) for rows, (_, scale) in mine]
            more, centre = net(
                **inputs,
                controlnet_cond=filled(pictures),
                conditioning_scale=to_device(filled(scales), device),
                return_dict=False,
            )
            more, centre = [each.to(dtype) for each in more], centre.to(dtype)
            down = [old + new for old, new in zip(down, more, strict=True)] if down else more
            middle = centre if middle is None else middle + centre
        self._need(False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


NOT_STEERED = Steerer((), lambda nets: None)


def as_pixels(picture: Image.Image, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """A control picture as a ControlNet takes it; see :class:`Steering`."""
    levels = np.asarray(picture.convert("RGB")).astype(np.float32) / 255.0
    return torch.from_numpy(levels[None].transpose(0, 3, 1, 2)).contiguous().to(device=device, dtype=dtype)
