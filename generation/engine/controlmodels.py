"""The ControlNets of one model: read when somebody asks for them, and away again when others are."""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel

from generation.catalogue import Family, MemoryMode
from generation.controlfiles import ControlNetInfo, configuration_of, is_half_only, weights_of
from generation.controlnets import ControlFolders, ControlNets
from generation.engine.awaited import Awaited
from generation.engine.building import one_at_a_time
from generation.engine.failures import CannotDraw
from generation.engine.fetching import first_line
from generation.engine.hashes import unchanged
from generation.engine.memory import Memory, footprint, free, is_out_of_memory
from generation.engine.models import Model
from generation.modelfiles import UnreadableModel
from generation.sentence import Sentence, say

log = logging.getLogger(__name__)

KEPT = 3
"""ControlNets that stay although nobody in hand is steered by them; of more the least recently used leave."""
BROKEN_S = 60.0
"""So long one that could not be read is refused at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlNet:
    """One that is read."""

    info: ControlNetInfo
    module: Any
    """A diffusers ControlNetModel."""
    hash: str


class ControlPool:
    """The ControlNets beside one model. Files are read on a thread of its own; all else is for one thread."""

    def __init__(
        self,
        model: Model,
        memory: Memory,
        known: ControlNets | ControlFolders,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            known: which there are.
            now: seconds.
        """
        self._model = model
        self._memory = memory
        self._known = known
        self._now = now
        self._here: OrderedDict[str, ControlNet] = OrderedDict()
        """By name, the most recently used last."""
        self._readings: dict[str, Awaited[ControlNet]] = {}
        self._broken: dict[str, tuple[float, ControlNetInfo | None, str]] = {}
        """When one could not be read, as it was then, and what whoever asked for it is told."""
        self._reader: ThreadPoolExecutor | None = None

    @property
    def footprint(self) -> int:
        """Bytes of the weights of all that are here."""
        return footprint(*(net.module for net in self._here.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are here, the most recently used last."""
        return tuple(self._here)

    def are_here(self, names: Iterable[str], *, in_hand: Collection[str] = ()) -> bool:
        """Whether all of these are here; those that are not are read from now on.

        Args:
            in_hand: those that must stay although others come.

        Raises:
            CannotDraw: one of them cannot be had, or does not fit the model.
            torch.OutOfMemoryError: there is not memory for one; it was read, and is tried again.
        """
        wanted = list(dict.fromkeys(names))
        staying = {*in_hand, *wanted}  # what is here of these must not make room for the rest
        here = [self._is_here(name, staying) for name in wanted]  # all are begun at once
        return all(here)

    def look_again(self, names: Iterable[str], *, in_hand: Collection[str]) -> None:
        """Let those of these go whose files were changed since they were read: they are read anew.

        Args:
            in_hand: those that somebody is, or is to be, steered by; they stay as they are.
        """
        idle = [name for name in dict.fromkeys(names) if name in self._here and name not in in_hand]
        known = self._known.look() if idle else None
        for name in idle:
            if known is not None and known.find(name) not in (None, self._here[name].info):
                log.info("the ControlNet %s was changed; it is read anew", name)
                self._memory.let_go(self._here.pop(name).module)

    def forget_but(self, names: Collection[str]) -> None:
        """Nobody waits for any others any more: what is being read for nobody is not kept."""
        for name in self._readings.keys() - set(names):
            self._readings.pop(name).future.cancel()

    def wait(self, seconds: float) -> None:
        """Until one that is being read is here, but not longer than this."""
        wait([reading.future for reading in self._readings.values()], timeout=seconds)

    def __getitem__(self, name: str) -> ControlNet:
        """One that is here."""
        self._here.move_to_end(name)
        return self._here[name]

    def let_go(self, in_hand: Collection[str], *, kept: int = 0) -> bool:
        """Let all but these and `kept` others go; whether there were any."""
        idle = [name for name in self._here if name not in in_hand]
        leaving = idle[: max(0, len(idle) - kept)]
        for name in leaving:
            log.info("putting the ControlNet %s away", name)
            self._memory.let_go(self._here.pop(name).module)
        if leaving:
            free(self._model.device)
        return bool(leaving)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.shutdown(wait=False, cancel_futures=True)
        self._here.clear()

    # One of them ------------------------------------------------------------------------------------------

    def _is_here(self, name: str, in_hand: Collection[str]) -> bool:
        if name in self._here:
            return True
        if (reading := self._readings.get(name)) is None:
            self._begin(name)
            return False
        if not reading.is_over():
            return False
        try:
            net = reading.future.result()
        except UnreadableModel as error:
            log.error("%s", error)
            self._refuse(
                name,
                say(
                    "The ControlNet {name} cannot be used at the moment; the owner's log says why.", name=name
                ),
            )
        if (reason := misfit(net.module, self._model)) is not None:
            self._refuse(
                name,
                say(
                    "The ControlNet {name} does not fit {model}: {reason}.",
                    name=name,
                    model=self._model.info.name,
                    reason=reason,
                ),
            )
        self.let_go(in_hand, kept=KEPT - 1)
        if self._model.device.type == "cuda":  # as the UNet
            net.module.to(memory_format=torch.channels_last)
        self._memory.take_in(net.module)
        del self._readings[name]
        self._here[name] = net
        return True

    def _refuse(self, name: str, reason: str) -> None:
        del self._readings[name]
        self._broken[name] = self._now(), self._known.look().find(name), reason
        raise CannotDraw(reason)

    def _begin(self, name: str) -> None:
        info = self._known.look().find(name)
        began, broken, reason = self._broken.get(name, (-BROKEN_S, None, ""))
        if reason and info == broken and self._now() - began < BROKEN_S:
            raise CannotDraw(reason)
        if info is None:
            raise CannotDraw(say("I do not have the ControlNet {name} any more.", name=name))
        if (unfit := info.reject_reason(self._model.info)) is not None:
            raise CannotDraw(unfit)
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="controlnet")
        dtype, mode = self._model.dtype, self._model.info.memory
        future = self._reader.submit(load, info, dtype, mode)
        self._readings[name] = Awaited(future, say("the ControlNet {name}", name=name), self._now)


def load(info: ControlNetInfo, dtype: torch.dtype, mode: MemoryMode = MemoryMode.FAST) -> ControlNet:
    """Read a ControlNet into the CPU's memory.

    Raises:
        UnreadableModel: it cannot be read; a sentence for the owner.
    """
    log.info("reading the ControlNet %s", info.name)
    try:
        with unchanged(weights_of(info.place)) as digest:
            module = _read(info, dtype)
        if any(each.is_meta for each in module.parameters()):
            raise UnreadableModel("it lacks weights that its configuration asks for")
    except Exception as error:  # whatever a broken file makes the libraries raise
        if is_out_of_memory(error):
            raise UnreadableModel(f"There is not memory to read the ControlNet {info.name}.") from error
        if not isinstance(error, UnreadableModel):
            log.exception("could not read %s", info.place)
        raise UnreadableModel(f"The ControlNet {info.name} could not be read: {first_line(error)}") from error
    if mode is MemoryMode.SMALLEST:  # as the UNet's
        module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    return ControlNet(info=info, module=module.eval().requires_grad_(False), hash=digest)


@one_at_a_time
def _read(info: ControlNetInfo, dtype: torch.dtype) -> Any:
    if info.place.is_dir():
        variant = "fp16" if is_half_only(info.place) else None
        options = {"use_safetensors": True, "variant": variant, "local_files_only": True}
        return ControlNetModel.from_pretrained(str(info.place), dtype=dtype, **options)
    with tempfile.TemporaryDirectory() as made:
        folder = configuration_of(info.place)
        if folder is None:  # else diffusers would look for its family's on the hub
            folder = Path(made)
            content = {"_class_name": "ControlNetModel", **_CONFIGURATIONS[info.family]}
            (folder / "config.json").write_text(json.dumps(content), "utf-8")
        return ControlNetModel.from_single_file(
            str(info.place), config=str(folder), dtype=dtype, local_files_only=True
        )


_CONFIGURATIONS: Mapping[Family, Mapping[str, Any]] = {
    Family.SD1: {"cross_attention_dim": 768},
    Family.SD2: {
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    Family.SDXL: {
        "cross_attention_dim": 2048,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "projection_class_embeddings_input_dim": 2816,
        "transformer_layers_per_block": [1, 2, 10],
        "use_linear_projection": True,
    },
}
"""What a ControlNetModel made from a UNet of these families has; the rest is diffusers' default."""


_MISFITS: Mapping[str, Callable[[object, object], Sentence]] = {
    "cross_attention_dim": lambda mine, theirs: say(
        "it reads prompts of width {mine}, and the model {theirs}", mine=mine, theirs=theirs
    ),
    "block_out_channels": lambda mine, theirs: say(
        "its layers have {mine} channels, and the model's {theirs}", mine=mine, theirs=theirs
    ),
    "layers_per_block": lambda mine, theirs: say(
        "its blocks have {mine} layers, and the model's {theirs}", mine=mine, theirs=theirs
    ),
    "addition_embed_type": lambda mine, theirs: say(
        "it is told {mine} besides the prompt, and the model {theirs}", mine=mine, theirs=theirs
    ),
}
"""By what must be the same of a ControlNet and a model: what is wrong if it is not."""


def misfit(net: Any, model: Model) -> str | None:
    """Why the residuals or inputs of a ControlNet are not those of a model, as part of a sentence."""
    mine, theirs = net.config, model.unet.config
    for key, told in _MISFITS.items():
        if (values := [_plain(mine.get(key)), _plain(theirs.get(key))])[0] != values[1]:
            return told(*values)
    latents = model.vae.config.latent_channels  # a UNet made for inpainting reads more besides them
    if mine.in_channels != latents:
        return say(
            "it reads latents of {channels} channels, and the model {latents}",
            channels=mine.in_channels,
            latents=latents,
        )
    factor = 2 ** (len(mine.conditioning_embedding_out_channels) - 1)
    if factor != model.vae_factor:
        return say(
            "it makes pictures {factor} times smaller, and the model {own} times",
            factor=factor,
            own=model.vae_factor,
        )
    return None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
