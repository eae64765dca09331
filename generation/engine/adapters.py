"""LoRAs in a loaded model: diffusers reads them; they are in force for the pictures that have them only."""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin, StableDiffusionXLLoraLoaderMixin
from diffusers.utils import (
    convert_state_dict_to_diffusers,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
    delete_adapter_layers,
    recurse_remove_peft_layers,
)

from generation.catalogue import Family
from generation.engine.building import building
from generation.engine.failures import CannotDraw
from generation.engine.lorafiles import Hashes, fits, prefixed, quietly
from generation.engine.memory import Memory, footprint, is_out_of_memory
from generation.engine.models import Model
from generation.loras import Lora, Loras, quoted, version_of
from generation.prompting.loras import in_force
from generation.request import GenerationRequest
from generation.sentence import Sentence, say

log = logging.getLogger(__name__)

Fitted = tuple[tuple[Lora, float], ...]
"""LoRAs with their weights, in one order: who has the same shares calls, however they were named."""

PATIENCE_S = 20.0
"""So long everybody's pictures may wait for the reading of other weights, before the LoRA is refused."""
SHARE = 2
"""Those that nobody draws with may stay as long as all need at most one in SHARE of the UNet's own bytes."""
_numbers = itertools.count()
"""Of the names that PEFT has for them."""


@dataclass(slots=True)
class _State:
    """How it is with the LoRAs of a UNet or a text encoder, whoever put them there."""

    adapted: list[Any] = field(default_factory=list)
    """Its layers that have one."""
    in_force: Fitted = ()


class _Part:
    """A UNet or a text encoder. Two engines may draw with one."""

    def __init__(self, name: str, module: Any) -> None:
        """`name` is what diffusers calls it in the names of weights."""
        self.name = name
        self.module = module
        self.state: _State = module.__dict__.setdefault("_loras_here", _State())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    key: str
    """What PEFT calls it."""
    sha256: str
    autov3: str
    """As A1111 and Civitai name it: the SHA-256 of what is behind the header, 12 digits of it."""
    bytes: int


class Adapters:
    """The LoRAs of one model. A refiner has none.

    diffusers' layers are put around the model's own, whose weights stay as they are: what is drawn without a
    LoRA has the same bits, whatever is loaded. Switching from one set to another touches no weight.
    """

    def __init__(
        self, model: Model, memory: Memory, loras: Loras | None = None, begun: Callable[[], set[Lora]] = set
    ) -> None:
        """`begun` tells the LoRAs of pictures that have begun: these are not read anew for each turn."""
        self._begun = begun
        self._short_with: set[Lora] = set()
        """Memory was short: while a picture with one of these goes on, they are read anew for each turn."""
        self._needed: Fitted = ()  # by what is drawn just now, or was last
        self._model = model
        self._memory = memory
        self._loras = loras or Loras()
        self._unet = _Part("unet", model.unet)
        names = ("text_encoder", "text_encoder_2")
        self._texts = [
            _Part(name, encoder.model) for name, encoder in zip(names, model.encoders, strict=False)
        ]
        self._loaded: OrderedDict[Lora, _Loaded] = OrderedDict()
        """The most recently used last."""
        self._hashes = Hashes()
        self._room = footprint(model.unet) // SHARE

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of those in memory, the most recently used last."""
        return tuple(lora.name for lora in self._loaded)

    def asked(self, request: GenerationRequest) -> Fitted:
        """The LoRAs of a request for one picture; those of weight 0 are none.

        Raises:
            CannotDraw: one of them is for another model.
            InvalidRequest: one is not there, or they cannot be read.
        """
        named = [each for each in in_force(request) if each.weight]
        found = self._loras.find_all([each.name for each in named])
        fitted = {lora: each.weight for lora, each in zip(found, named, strict=True)}
        for lora in fitted:
            if (reason := lora.reject_reason(self._model.info)) is not None:
                raise CannotDraw(reason)
        return tuple(sorted(fitted.items(), key=lambda each: each[0].name.casefold()))

    def are_here(self, fitted: Fitted) -> bool:
        """Whether these can be put in force without keeping others waiting; their files are read from now on.

        Raises:
            CannotDraw: one has been waited for too long.
        """
        return self._hashes.are_here([lora for lora, _ in fitted if lora not in self._loaded])

    def wait(self, seconds: float) -> None:
        """Until something that is waited for is here, but not longer than this."""
        self._hashes.wait(seconds)

    def for_unet(self, fitted: Fitted) -> None:
        """Put these in force for the next calls of the UNet, and no others.

        Raises:
            CannotDraw: one of them cannot be loaded.
        """
        self._need(fitted)
        self._switch(self._unet, fitted)

    def for_texts(self, fitted: Fitted) -> None:
        """The same for the text encoders."""
        self._need(fitted)
        for part in self._texts:
            self._switch(part, fitted)

    def reading(self, fitted: Fitted) -> Fitted:
        """Those of them that change how a prompt is read."""
        return tuple((lora, weight) for lora, weight in fitted if lora.reads)

    def record(self, fitted: Fitted) -> dict[str, Any]:
        """What the bits of a picture with these depend on; see :meth:`for_unet`."""
        if not fitted:
            return {}
        self._need(fitted)
        return {
            "loras": [
                {
                    "name": lora.name,
                    "weight": weight,
                    "sha256": self._loaded[lora].sha256,
                    "autov3": self._loaded[lora].autov3,
                }
                for lora, weight in fitted
            ]
        }

    def shed(self, needed: set[Lora]) -> bool:
        """Let go of all but these, since memory is short; whether there were any.

        If they are all, but more than have room: once, of those that what is drawn just now does not have.
        """
        needless = self._loaded.keys() - needed
        if not needless and self._bytes > self._room and (staying := self._staying()):
            self._short_with, needless = staying, self._loaded.keys() - dict(self._needed).keys()
        for lora in needless:
            self._unload(lora)
        return bool(needless)

    def _staying(self) -> set[Lora]:
        begun = self._begun()
        return begun if begun.isdisjoint(self._short_with) else set()

    @property
    def _bytes(self) -> int:
        return sum(each.bytes for each in self._loaded.values())

    # In force -----------------------------------------------------------------------------------------------

    def _switch(self, part: _Part, fitted: Fitted) -> None:
        """As diffusers' `set_adapters`, which takes a step's time to mark what is to be trained."""
        if part.state.in_force == fitted:
            return
        weights = {self._loaded[lora].key: weight for lora, weight in fitted}
        names = list(weights)
        for layer in part.state.adapted:
            layer._disable_adapters = not names
            layer._active_adapter = names
            for name, weight in weights.items():
                layer.set_scale(name, weight)
        part.state.in_force = fitted

    # They come and go ---------------------------------------------------------------------------------------

    def _need(self, fitted: Fitted) -> None:
        self._needed = fitted
        for lora, _ in fitted:
            if lora not in self._loaded:
                self._make_room(lora.version[1], fitted)
                # Weights that are read in inference mode are multiplied in another order than diffusers' are.
                with self._alone(lora), torch.inference_mode(False), torch.no_grad():
                    self._loaded[lora] = self._load(lora)
            self._loaded.move_to_end(lora)

    @contextmanager
    def _alone(self, lora: Lora) -> Iterator[None]:
        try:
            with building(PATIENCE_S):
                yield
        except TimeoutError as error:
            raise CannotDraw(_busy(lora)) from error

    def _make_room(self, wanted: int, fitted: Fitted) -> None:
        staying = {*self._staying(), *dict(fitted)}
        for lora in list(self._loaded):
            if self._bytes + wanted <= self._room:
                return
            if lora not in staying:
                self._unload(lora)

    def _load(self, lora: Lora) -> _Loaded:
        key, names = f"lora_{next(_numbers)}", self._names(lora)
        loader: Any = StableDiffusionLoraLoaderMixin
        if self._model.info.family is Family.SDXL:
            loader = StableDiffusionXLLoraLoaderMixin
        try:
            sha256, autov3 = self._hashes.take(lora)
            with quietly():
                state, alphas, notes = loader.lora_state_dict(
                    str(lora.path),
                    unet_config=self._model.unet.config,
                    use_safetensors=True,
                    local_files_only=True,
                    return_lora_metadata=True,
                )
            if version_of(lora.path) != lora.version:
                raise CannotDraw(say("The LoRA {lora} was changed just now; please ask again.", **names))
            state, notes = prefixed(state), prefixed(notes)
            touched = self._checked(lora, state)
            for part, weights in touched.items():
                self._put_into(part, key, state, alphas, notes, loader, weights)
        except CannotDraw:
            self._take_out(key)
            raise
        except Exception as error:  # whatever a broken file makes the libraries raise
            is_shortage = is_out_of_memory(error)
            if not is_shortage:
                log.exception("could not load the LoRA %s", lora.path)
            error.__traceback__ = None  # it holds the frames, and those the tensors
            self._take_out(key)
            if is_shortage:
                raise
            raise CannotDraw(
                say("The LoRA {lora} could not be loaded into {model}; the owner's log says why.", **names)
            ) from error
        used = sum(tensor.numel() for weights in touched.values() for tensor in weights.values())
        log.info("loaded the LoRA %s", lora.name)
        return _Loaded(key=key, sha256=sha256, autov3=autov3, bytes=used * self._model.dtype.itemsize)

    @property
    def _parts(self) -> list[_Part]:
        return [self._unet, *self._texts]

    def _checked(
        self, lora: Lora, state: Mapping[str, torch.Tensor]
    ) -> dict[str, Mapping[str, torch.Tensor]]:
        """The weights for each part under PEFT's names; that each has its place there, before any is put in.

        Raises:
            CannotDraw: one has not.
        """
        touched = {}
        for part in self._parts:
            mine = {
                name.removeprefix(f"{part.name}."): tensor
                for name, tensor in state.items()
                if name.startswith(f"{part.name}.")
            }
            if mine:
                touched[part.name] = _as_peft(mine, part)
                layers = dict(part.module.named_modules())
                for name in touched[part.name]:
                    if not fits(name, touched[part.name], layers):
                        raise CannotDraw(_misfit(name.partition(".lora_")[0], self._names(lora)))
        if not touched:
            raise CannotDraw(say("The LoRA {lora} changes nothing of {model}.", **self._names(lora)))
        return touched

    def _names(self, lora: Lora) -> dict[str, str]:
        return {"lora": quoted(lora.name), "model": self._model.info.name}

    def _put_into(
        self,
        name: str,
        key: str,
        state: Mapping[str, torch.Tensor],
        alphas: Mapping[str, float] | None,
        notes: Mapping[str, Any] | None,
        loader: Any,
        weights: Mapping[str, torch.Tensor],
    ) -> None:
        part = next(part for part in self._parts if part.name == name)
        arguments: dict[str, Any] = {
            "network_alphas": alphas,
            "adapter_name": key,
            "metadata": notes or None,
            "low_cpu_mem_usage": True,
        }
        with self._memory.changing(part.module), quietly():
            if part is self._unet:
                loader.load_lora_into_unet(state, unet=part.module, **arguments)
            else:
                loader.load_lora_into_text_encoder(
                    state, text_encoder=part.module, prefix=part.name, **arguments
                )
            self._settle(part)
            if part is self._unet:
                self._keep_whole(key, weights)

    def _keep_whole(self, key: str, weights: Mapping[str, torch.Tensor]) -> None:
        """Where the UNet's weights are kept in 8 bits, PEFT has put those of the LoRA into 8 bits too."""
        for name, tensor in weights.items():
            layer, _, which = name.rpartition(".lora_")
            side = which.partition(".")[0]
            held = getattr(self._unet.module.get_submodule(layer), f"lora_{side}")[key]
            if held.weight.dtype != self._model.dtype:
                held.weight.data = tensor.to(held.weight.device, self._model.dtype)

    def _unload(self, lora: Lora) -> None:
        loaded = self._loaded.pop(lora)
        self._take_out(loaded.key)
        log.info("put the LoRA %s away", lora.name)

    def _take_out(self, key: str) -> None:
        for part in self._parts:
            if key not in getattr(part.module, "peft_config", {}):
                continue
            with self._memory.changing(part.module), quietly():
                delete_adapter_layers(part.module, key)
                if not getattr(part.module, "peft_config", None):
                    recurse_remove_peft_layers(part.module)
                self._settle(part)

    def _settle(self, part: _Part) -> None:
        """Note which layers have LoRAs now; none is in force."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        adapted = [layer for layer in part.module.modules() if isinstance(layer, BaseTunerLayer)]
        for layer in adapted:
            layer._disable_adapters = True
            layer._active_adapter = []
        part.state.adapted, part.state.in_force = adapted, ()


# Files ---------------------------------------------------------------------------------------------------


def _as_peft(weights: Mapping[str, torch.Tensor], part: _Part) -> Mapping[str, torch.Tensor]:
    """Under the names that diffusers' loaders make of them."""
    if part.name == "unet":
        return (
            weights
            if "lora_A" in next(iter(weights))
            else dict(convert_unet_state_dict_to_peft(dict(weights)))
        )
    named: dict[str, torch.Tensor] = convert_state_dict_to_peft(
        convert_state_dict_to_diffusers(dict(weights))
    )
    if not hasattr(part.module, "text_model"):
        named = {name.removeprefix("text_model."): tensor for name, tensor in named.items()}
    return named


def _busy(lora: Lora) -> Sentence:
    return say(
        "Another model is being read, so the LoRA {lora} cannot be just now; try again.",
        lora=quoted(lora.name),
    )


def _misfit(layer: str, names: Mapping[str, str]) -> Sentence:
    return say(
        "The LoRA {lora} does not fit {model}: what it changes in {layer} is not there, or of another shape.",
        **names,
        layer=layer,
    )
