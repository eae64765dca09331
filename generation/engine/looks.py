"""The look of a picture, by way of an IP-Adapter: read when it is wanted, seen by the rows that have one."""

from __future__ import annotations

import io
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import scaled_dot_product_attention
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from generation.engine.awaited import Awaited
from generation.engine.building import one_at_a_time
from generation.engine.failures import CannotDraw
from generation.engine.hashes import unchanged
from generation.engine.memory import Memory, footprint
from generation.engine.models import Model
from generation.engine.uploads import to_device
from generation.looks import check_ip_adapter, image_encoder_of
from generation.messages import Task
from generation.modelfiles import UnreadableModel, weights_in
from generation.request import Digest, GenerationRequest
from generation.sentence import say

log = logging.getLogger(__name__)

_KEPT = 16
"""Pictures whose look is kept; one is 12 kB for SD 1 in float32."""

Filled = Callable[[list[torch.Tensor]], torch.Tensor]
"""Parts of the rows of some images into all rows of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The look that one image is to have."""

    tokens: torch.Tensor
    """(rows, tokens, width): what is read beside the prompt; of no picture for the negative row."""
    weight: float
    record: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adapter:
    """What is read from the owner's files."""

    projection: Any
    """A picture's numbers into tokens, on the CPU."""
    encoder: Any
    """The CLIP vision model, on the CPU."""
    layers: torch.nn.ModuleList
    """For each cross attention of the UNet two linear layers: tokens into keys, and into values."""
    record: Mapping[str, str]


class Looks:
    """The IP-Adapter of one model. All but reading happens on the thread that draws."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self._model = model
        self._memory = memory
        self._reading: Awaited[_Adapter] | None = None
        self._adapter: _Adapter | None = None
        self._kept: OrderedDict[tuple[Digest, int], torch.Tensor] = OrderedDict()

    @property
    def footprint(self) -> int:
        """Bytes of all that was read, of which the layers alone stay on the device."""
        if (read := self._adapter) is None:
            return 0
        return footprint(read.layers, read.encoder, read.projection)

    def is_here(self, request: GenerationRequest) -> bool:
        """Whether a request can be drawn as far as its look goes; if not, the adapter is read from now on.

        Raises:
            CannotDraw: it cannot be had.
            torch.OutOfMemoryError: there is no room for it on the device.
        """
        if request.look is None or self._adapter is not None:
            return True
        if self._reading is None:
            thread = ThreadPoolExecutor(1, thread_name_prefix="look")
            whose = say("the IP-Adapter of {model}", model=self._model.info.name)
            self._reading = Awaited(thread.submit(_read, self._model), whose)
            thread.shutdown(wait=False)
        if not self._reading.is_over():
            return False
        try:
            adapter = self._reading.future.result()
        except Exception as error:  # whatever went wrong on the thread that read it
            self._reading = None  # the owner may mend it, or memory may be enough another time
            if isinstance(error, UnreadableModel):
                log.error("%s", error)
            else:
                log.error("could not read the IP-Adapter %s", self._model.info.ip_adapter, exc_info=error)
            raise CannotDraw(
                say(
                    "The IP-Adapter of {model} cannot be used at the moment; the owner's log says why.",
                    model=self._model.info.name,
                )
            ) from error
        self._memory.join_unet(adapter.layers)
        self._adapter, self._reading = adapter, None
        return True

    def wait(self, seconds: float) -> None:
        """Until what is being read is here, but not longer than this."""
        if self._reading is not None:
            wait_for([self._reading.future], timeout=seconds)

    @torch.inference_mode()
    def seen(self, task: Task, rows: int) -> Seen | None:
        """The look of a task whose adapter is here.

        Args:
            rows: 2 with guidance, else 1.

        Raises:
            CannotDraw: its picture is not there.
        """
        if (look := task.request.look) is None:
            return None
        assert self._adapter is not None, "what is not read yet is waited for"
        key = look.picture, rows
        if look.picture not in task.inputs:
            raise CannotDraw(say("The picture whose look this is to have is not there any more."))
        if key not in self._kept:
            picture = Image.open(io.BytesIO(task.inputs[look.picture])).convert("RGB")
            self._kept[key] = self._tokens(self._adapter, picture, rows)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return Seen(tokens=self._kept[key], weight=look.weight, record=self._adapter.record)

    def _tokens(self, adapter: _Adapter, picture: Image.Image, rows: int) -> torch.Tensor:
        """As diffusers' pipelines make them of a picture, and of none for the negative row."""
        model, encoder = self._model, adapter.encoder
        edge = encoder.config.image_size
        # The other kind, which diffusers takes where torchvision is installed, has other last bits.
        processor = CLIPImageProcessorPil(size=edge, crop_size=edge)
        pixels = processor(picture, return_tensors="pt").pixel_values.to(model.device, model.dtype)
        self._memory.need("text")  # what the UNet needs of the device is free then, if that is short
        try:
            for part in (encoder, adapter.projection):
                part.to(model.device)
            if isinstance(adapter.projection, ImageProjection):
                numbers = encoder(pixels).image_embeds
                nothing = torch.zeros_like(numbers)
            else:
                numbers = encoder(pixels, output_hidden_states=True).hidden_states[-2]
                nothing = encoder(torch.zeros_like(pixels), output_hidden_states=True).hidden_states[-2]
            given = torch.cat([nothing, numbers][-rows:])
            tokens: torch.Tensor = adapter.projection(given)
        finally:
            for part in (encoder, adapter.projection):
                part.to("cpu")
        return tokens

    @contextmanager
    def looking(self, seen: Sequence[Seen], filled: Filled) -> Iterator[None]:
        """In here the UNet sees these looks, one for each image of a call; without any it is as ever."""
        if not seen:
            yield
            return
        assert self._adapter is not None
        tokens = filled([each.tokens for each in seen])
        weights = filled([torch.full((len(each.tokens), 1, 1), each.weight) for each in seen])
        weights = to_device(weights, tokens.device, tokens.dtype)
        attentions = [module for _, module in _cross_attentions(self._model.unet)]
        own = [attention.processor for attention in attentions]
        try:
            for attention, layers in zip(attentions, self._adapter.layers, strict=True):
                attention.processor = _Looking(tokens, weights, layers)
            yield
        finally:
            for attention, processor in zip(attentions, own, strict=True):
                attention.processor = processor


class _Looking:
    """Attention to the prompt as ever, and beside it to the tokens of a look.

    As diffusers' IPAdapterAttnProcessor2_0, but that each row has a weight of its own, and that the tokens
    are no part of the prompt (Ye et al. 2023, arXiv 2308.06721).
    """

    def __init__(self, tokens: torch.Tensor, weights: torch.Tensor, layers: Any) -> None:
        """
        Args:
            tokens: (rows, tokens, width).
            weights: (rows, 1, 1).
        """
        self._tokens, self._weights = tokens, weights
        self._to_key, self._to_value = layers

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor, **unused: Any
    ) -> torch.Tensor:
        """Of the transformers of UNets: no mask and no norms of its own; states are (rows, places, width)."""
        query = attn.to_q(hidden_states)
        told = attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
        look = self._to_key(self._tokens), self._to_value(self._tokens)

        def heads(states: torch.Tensor) -> torch.Tensor:
            return states.view(len(states), -1, attn.heads, states.shape[-1] // attn.heads).transpose(1, 2)

        def attended(key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
            found = scaled_dot_product_attention(heads(query), heads(key), heads(value))
            return found.transpose(1, 2).reshape(query.shape).to(query.dtype)

        states = attended(*told) + self._weights * attended(*look)
        out: torch.Tensor = attn.to_out[1](attn.to_out[0](states)) / attn.rescale_output_factor
        return out


def _cross_attentions(unet: Any) -> list[tuple[str, Any]]:
    """In the order in which IP-Adapters number them."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [(name, unet.get_submodule(name)) for name in names if name.endswith("attn2")]


@one_at_a_time
def _read(model: Model) -> _Adapter:
    """The owner's files; beside the drawing.

    Raises:
        UnreadableModel: they do not go with the model.
    """
    info, unet = model.info, model.unet
    assert info.ip_adapter is not None, "who has none is refused"
    file, folder = Path(info.ip_adapter), image_encoder_of(info.ip_adapter, info.image_encoder)
    check_ip_adapter(file, folder, width=int(unet.config.cross_attention_dim))
    with unchanged(file) as digest:
        held = load_file(file)
    image_proj = {
        name.removeprefix("image_proj."): t for name, t in held.items() if name.startswith("image_proj.")
    }
    projection = unet._convert_ip_adapter_image_proj_to_diffusers(image_proj, low_cpu_mem_usage=False)
    with unchanged(*weights_in(folder)) as encoder_digest:
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            str(folder), dtype=model.dtype, use_safetensors=True, local_files_only=True
        )
    layers = torch.nn.ModuleList(
        torch.nn.ModuleList(
            _linear(held.pop(f"ip_adapter.{number}.to_{which}_ip.weight", None), attention, file)
            for which in "kv"
        )
        for number, (_, attention) in zip(_numbers(), _cross_attentions(unet), strict=False)
    )
    if any(name.startswith("ip_adapter.") for name in held):
        raise UnreadableModel(f"The IP-Adapter {file} has more layers than the UNet of {info.name}.")
    return _Adapter(
        projection=projection.eval().requires_grad_(False).to(model.dtype),
        encoder=encoder.eval().requires_grad_(False),
        layers=layers.eval().requires_grad_(False).to(model.dtype),
        record={"adapter": file.stem, "hash": digest, "encoder_hash": encoder_digest},
    )


def _numbers() -> Iterator[int]:
    number = 1
    while True:
        yield number
        number += 2


def _linear(weight: torch.Tensor | None, attention: Any, file: Path) -> torch.nn.Linear:
    inner = attention.inner_dim
    if weight is None or weight.shape[0] != inner:
        found = "nothing" if weight is None else f"{weight.shape[0]} channels"
        raise UnreadableModel(
            f"The IP-Adapter {file} was made for another UNet: "
            f"where this one has {inner} channels it has {found}."
        )
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(weight, requires_grad=False)
    return layer
