"""Prompts into the numbers that steer the UNet."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch

from generation.catalogue import Family
from generation.engine.memory import Memory
from generation.engine.models import Model, TextEncoder

_KEPT = 64
"""Encoded prompts that are kept; one is 0.2 MB for SD 1 and 0.6 MB for SDXL in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One encoded prompt."""

    states: torch.Tensor
    """(1, tokens, width) in the model's dtype, on its device."""
    pooled: torch.Tensor | None
    """SDXL: (1, width) of the second encoder."""
    tokens: int
    """How many tokens the prompt has, beginning and end included."""
    limit: int
    """How many of them the model reads; the rest is cut off."""


class PromptEncoder:
    """Encodes prompts one at a time, so that the bits never depend on who else asks, and keeps some."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self._model = model
        self._memory = memory
        self._kept: OrderedDict[tuple[str, bool], Encoded] = OrderedDict()

    def encode(self, text: str, *, negative: bool = False) -> Encoded:
        """The prompt as the model wants it. Computed as diffusers' own pipelines do, bit for bit."""
        key = (text, negative and not text and self._model.zero_empty_negative)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        encoded = self._encode(text)
        if key[1]:
            encoded = Encoded(
                states=torch.zeros_like(encoded.states),
                pooled=None if encoded.pooled is None else torch.zeros_like(encoded.pooled),
                tokens=encoded.tokens,
                limit=encoded.limit,
            )
        self._kept[key] = encoded
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return encoded

    def _encode(self, text: str) -> Encoded:
        self._memory.need("text")
        model = self._model
        wide = model.info.family is Family.SDXL
        states, pooled, tokens, limit = [], None, 0, 0
        for encoder in model.encoders:
            limit = int(encoder.tokenizer.model_max_length)
            ids, mask, count = _tokenize(encoder, text)
            tokens = max(tokens, count)
            output = encoder.model(
                ids.to(model.device),
                attention_mask=None if mask is None else mask.to(model.device),
                output_hidden_states=wide,
            )
            if wide:  # SDXL: the last layer but one of both, and what the second says about the whole
                states.append(output.hidden_states[-2])
                if output[0].ndim == 2:
                    pooled = output[0]
            else:
                states.append(output[0])
        return Encoded(
            states=torch.cat(states, dim=-1).to(model.dtype), pooled=pooled, tokens=tokens, limit=limit
        )


def _tokenize(encoder: TextEncoder, text: str) -> tuple[torch.Tensor, torch.Tensor | None, int]:
    tokenizer = encoder.tokenizer
    inputs = tokenizer(
        text,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    count = len(tokenizer(text, truncation=False, verbose=False).input_ids)
    masked = getattr(encoder.model.config, "use_attention_mask", False)
    return inputs.input_ids, inputs.attention_mask if masked else None, count
