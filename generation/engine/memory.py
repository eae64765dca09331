"""What a model gives up, rung by rung, when the memory of its device runs out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from diffusers.hooks import HookRegistry, apply_group_offloading

from generation.catalogue import MemoryMode
from generation.engine.models import Model

log = logging.getLogger(__name__)

Part = Literal["text", "unet", "refiner", "controls", "vae"]
PARTS: tuple[Part, ...] = ("text", "unet", "refiner", "controls", "vae")
Stage = Literal["encode_tiled", "first_decode_tiled", "second_encode_tiled", "decode_tiled"]
"""What a VAE does with a picture, by the names that records have for its being done in tiles.

Before the first pass, twice between two, and at the end. They are apart, since memory may run out, or be
enough again, between any two; what is encoded before a pass is so within one tick, and all in the same way.
"""
STAGES: tuple[Stage, ...] = ("encode_tiled", "first_decode_tiled", "second_encode_tiled", "decode_tiled")
_UNETS: tuple[Part, ...] = ("unet", "refiner", "controls")
"""Those that may be on the device a few layers at a time; ControlNets are made like one half of a UNet."""
RUNGS = (
    "all parts on the device",
    "pictures decoded in tiles",
    "parts on the device one at a time",
    "the UNet on the device a few layers at a time",
)
TILED, APART, LAYERED = 1, 2, 3
"""Indices into RUNGS."""
_SHORTAGES = (
    "can't allocate memory",  # the CPU's allocator
    "out of memory",  # CUDA outside torch's allocator, and MPS
    "Invalid buffer size",  # MPS, for a tensor larger than any may be there
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
FLOORS: Mapping[MemoryMode, int] = {
    MemoryMode.FAST: 0,
    MemoryMode.BALANCED: TILED,
    MemoryMode.SMALL: APART,
    MemoryMode.SMALLER: LAYERED,
    MemoryMode.SMALLEST: LAYERED,
}
"""Where each memory mode begins; an index into RUNGS."""


class Memory:
    """The ladder of one model. On its last rungs only the part that computes is on the device.

    The owner's memory mode says on which rung it begins, and to which it comes back.
    """

    def __init__(self, model: Model, *, replayed: Collection[Stage] | None = None) -> None:
        """
        Args:
            replayed: to draw a picture again: the stages that were in tiles then, as its record says.
        """
        self._model = model
        self._replayed = replayed
        self._floor = FLOORS[model.info.memory]
        self._rung = 0
        self._controls: list[Any] = []
        """The ControlNets that are beside the model just now."""
        self._joined: list[Any] = []
        """Layers that come and go with the UNet."""
        # With one of the last rungs as its floor, a model was read without putting anything on the device.
        self._here: set[Part] = set() if self._floor >= APART else set(PARTS)
        self._climb_to(self._floor)

    @property
    def rung(self) -> int:
        """An index into RUNGS."""
        return self._rung

    @property
    def is_short(self) -> bool:
        """Whether it has climbed from where it began."""
        return self._rung != self._floor

    def climb(self) -> bool:
        """Give up more; False if there is nothing left to give up."""
        if self._rung == LAYERED:
            return False
        try:
            self._climb_to(self._rung + 1)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None
            return False
        log.warning("out of memory: from now on %s", RUNGS[self._rung])
        return True

    def descend(self) -> None:
        """Back to where it began, when what needed so much is gone."""
        if self._rung == self._floor:
            return
        if self._rung == LAYERED:
            for unet in self._layered:
                whole_again(unet)
            self._here -= set(_UNETS)
            self._rung = APART
        if self._floor < APART:
            try:
                for part in PARTS:
                    self._bring(part)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                error.__traceback__ = None
                return  # something else needs the device; another time
        self._rung = self._floor
        if self._floor < TILED:
            self._model.vae.disable_tiling()
            self._model.vae.disable_slicing()
        log.info("memory is enough again: %s", RUNGS[self._rung])

    @property
    def tiled(self) -> bool:
        """Whether the VAE works in tiles, on which the last bits depend."""
        return bool(self._model.vae.use_tiling)

    def noted(self, stage: Stage, *, done: bool = True) -> dict[str, Any]:
        """What a record says of a stage that was just gone through, or that was not at all."""
        return {stage: True} if done and self.tiled else {}

    def need(self, part: Part, stage: Stage | None = None) -> None:
        """Have this part on the device; on the last rungs the others leave it first.

        Args:
            stage: what the VAE is needed for.
        """
        if self._replayed is not None and stage is not None:
            if stage in self._replayed:
                self._model.vae.enable_tiling()
            else:
                self._model.vae.disable_tiling()
        if self._rung < APART:
            return
        if leaving := self._here - {part}:
            for other in leaving:
                self._send_away(other)
            free(self._model.device)
        self._bring(part)

    @contextmanager
    def changing(self, module: Any) -> Iterator[None]:
        """In here other layers may be put into a part; those too then come and go, if its layers do."""
        is_layered = self._rung == LAYERED and any(unet is module for unet in self._model.unets)
        if is_layered:
            whole_again(module)
        try:
            yield
        finally:
            if is_layered:
                layer_by_layer(module, self._model.device)

    def take_in(self, control: Any) -> None:
        """A ControlNet, which is on the CPU: from now on it comes and goes with the others.

        Raises:
            torch.OutOfMemoryError: it does not fit; it is on the CPU as before.
        """
        try:
            if self._rung == LAYERED:
                layer_by_layer(control, self._model.device)
            elif "controls" in self._here:
                control.to(self._model.device)
        except Exception:
            whole_again(control)
            raise
        self._controls.append(control)

    def join_unet(self, layers: Any) -> None:
        """Layers on the CPU that the UNet calls: from now on they are where it is.

        Raises:
            torch.OutOfMemoryError: they do not fit; they are on the CPU as before.
        """
        try:
            if self._rung == LAYERED:
                layer_by_layer(layers, self._model.device)
            elif "unet" in self._here:
                layers.to(self._model.device)
        except Exception:
            whole_again(layers)
            raise
        self._joined.append(layers)

    def let_go(self, control: Any) -> None:
        """One that is no longer needed."""
        self._controls = [each for each in self._controls if each is not control]

    @property
    def _layered(self) -> list[Any]:
        return [*self._model.unets, *self._controls, *self._joined]

    def _climb_to(self, rung: int) -> None:
        if rung >= TILED > self._rung:
            self._model.vae.enable_slicing()
            self._model.vae.enable_tiling()
        if rung == LAYERED > self._rung:
            for part in _UNETS:
                self._send_away(part)
            try:
                for unet in self._layered:
                    layer_by_layer(unet, self._model.device)
            except Exception:
                for unet in self._layered:
                    whole_again(unet)
                raise
        self._rung = rung

    def _bring(self, part: Part) -> None:
        if part not in self._here:
            self._here.add(part)  # first: a part that came half must leave like a whole one
            try:
                for module in self._modules(part):
                    module.to(self._model.device)
            except Exception:
                self._send_away(part)
                raise

    def _send_away(self, part: Part) -> None:
        for module in self._modules(part):
            module.to("cpu")
        self._here.discard(part)

    def _modules(self, part: Part) -> list[Any]:
        """What is moved as a whole."""
        if self._rung == LAYERED and part in _UNETS:
            return []
        match part:
            case "text":
                return self._model.text_models
            case "unet":
                return [self._model.unet, *self._joined]
            case "refiner":
                return [] if self._model.refiner is None else [self._model.refiner.unet]
            case "controls":
                return self._controls
            case "vae":
                return [self._model.vae]


_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")
"""What diffusers calls those of its group offloading (diffusers/hooks/group_offloading.py)."""


def layer_by_layer(module: Any, device: torch.device) -> None:
    """Keep a module on the CPU; each of its layers comes to the device when it computes, and leaves again.

    On CUDA the next layer is on its way meanwhile. Not with LoRAs, which are not in every call: diffusers
    notes in the first one which layer comes next.
    """
    apply_group_offloading(
        module,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        # What comes next is learned from calls of the module as a whole, and nobody calls a mere list.
        use_stream=device.type == "cuda"
        and not isinstance(module, torch.nn.ModuleList)
        and not getattr(module, "peft_config", None),
    )


def whole_again(module: Any) -> None:
    """Undo :func:`layer_by_layer`; the module is on the CPU then."""
    hooks = HookRegistry.check_if_exists_or_initialize(module)
    for name in _HOOKS:
        hooks.remove_hook(name, recurse=True)
    module.to("cpu")


def free(device: torch.device) -> None:
    """Give what torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def footprint(*modules: Any) -> int:
    """Bytes of all their parameters and buffers."""
    return sum(
        tensor.numel() * tensor.element_size()
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    )


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SHORTAGES)
