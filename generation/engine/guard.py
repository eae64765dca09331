"""The safety checker: read when a picture is first to be checked, and asked about finished ones."""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from huggingface_hub import snapshot_download
from PIL import Image
from transformers import CLIPImageProcessorPil

from generation.catalogue import ModelInfo, UnreadableModel
from generation.checkers import WEIGHTS, on_disk, within
from generation.engine.building import one_at_a_time
from generation.engine.fetching import first_line
from generation.engine.memory import footprint, free, is_out_of_memory
from generation.engine.models import choose_device
from generation.messages import Task
from generation.safety import Verdict

log = logging.getLogger(__name__)

_PROCESSOR = "preprocessor_config.json"
PATIENCE_S = 60.0
"""So long a finished picture waits for the checker to be read from the disk. For one that must be fetched
first it does not wait at all."""
BROKEN_S = 60.0
"""So long a checker that could not be had is not tried again."""
AWAY_S = 300.0
"""So long it stays off the device after memory ran out there."""

# It says that pictures are blacked out. We show it none that it could.
logging.getLogger("diffusers.pipelines.stable_diffusion.safety_checker").setLevel(logging.ERROR)


class Checker:
    """A StableDiffusionSafetyChecker: an image model of CLIP, and 17 concepts that pictures are compared to.

    It is the checker that Stable Diffusion 1 came with (Rando et al. 2022, arXiv 2210.04610, describe it). It
    sees 224 x 224 pixels of the middle of a picture. In half precision on a GPU, in float32 on the CPU.
    """

    def __init__(self, model: Any, processor: Any, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False)
        self._processor = processor
        self._device = device
        self._is_finite = True
        self._lock = threading.Lock()
        self._away_until = 0.0
        model.visual_projection.register_forward_hook(self._look)

    @property
    def device(self) -> torch.device:
        """Where it is now."""
        where: torch.device = self._model.concept_embeds.device
        return where

    @property
    def footprint(self) -> int:
        """Bytes of its weights, which need half as many on a device as on the CPU."""
        return footprint(self._model)

    def is_flagged(self, picture: Image.Image, *, away: bool = False) -> bool:
        """Whether it finds one of its concepts in a picture. From any thread.

        Args:
            away: it has to do without the device.

        Raises:
            ArithmeticError: it found numbers that are none, so that it cannot say.
        """
        pixels = self._processor(picture.convert("RGB"), return_tensors="pt").pixel_values
        with self._lock:
            if not away and time.monotonic() >= self._away_until:
                try:
                    self._move(self._device)
                    return self._ask(pixels)
                except Exception as error:
                    if self._device.type == "cpu" or not is_out_of_memory(error):
                        raise
                    error.__traceback__ = None  # it holds the frames, and those the tensors
                    self._stay_away()
            self._move(torch.device("cpu"))
            return self._ask(pixels)

    def leave(self) -> None:
        """Leave the device for a while: memory has run out there."""
        with self._lock:
            if self._device.type != "cpu" and self.device.type != "cpu":
                self._stay_away()
                self._move(torch.device("cpu"))

    def _stay_away(self) -> None:
        log.warning("out of memory: pictures are checked on the CPU for %.0f s", AWAY_S)
        self._away_until = time.monotonic() + AWAY_S

    def _move(self, device: torch.device) -> None:
        if self.device != device:
            self._model.to(device, torch.float32 if device.type == "cpu" else torch.float16)
            free(self._device)

    def _ask(self, pixels: torch.Tensor) -> bool:
        embeds = self._model.concept_embeds
        # What it is to black out: nothing that anybody sees.
        _, [found] = self._model(pixels.to(embeds.device, embeds.dtype), torch.zeros(1, 1))
        if not self._is_finite:  # no number is larger than its threshold then
            raise ArithmeticError("the numbers of the safety checker ran away")
        return bool(found)

    def _look(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
        self._is_finite = bool(torch.isfinite(output).all())


class Guard:
    """The worker's one checker, read beside the drawing once it is expected to be asked.

    Whatever keeps it from answering, the answer is then UNCHECKED, and the owner's log says why.
    """

    def __init__(
        self,
        source: str,
        *,
        may_fetch: bool,
        device: torch.device,
        patience: float = PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            source: a folder, or a name on Hugging Face.
            may_fetch: it may be fetched from there.
            patience: seconds that a finished picture waits for it.
            now: seconds.
        """
        self._source = source
        self._may_fetch = may_fetch
        self._device = device
        self._patience = patience
        self._now = now
        self._lock = threading.Lock()
        self._reading: Future[Checker] | None = None
        self._is_fetching = False
        self._failed_at: float | None = None
        self._put_away_for: tuple[ModelInfo | None] | None = None
        """It was put away since it was expected, for this model last."""
        self._info: ModelInfo | None = None
        self.used = -math.inf
        """When it was last expected or asked, in seconds."""

    @property
    def footprint(self) -> int:
        """Bytes of the weights of the checker in memory."""
        reading = self._reading
        if reading is None or not reading.done() or reading.exception() is not None:
            return 0
        return reading.result().footprint

    def expect(self, info: ModelInfo | None) -> None:
        """It will be asked about a picture of this model, or of none; returns at once."""
        with self._lock:
            self.used, self._info, self._put_away_for = self._now(), info, None
            if self._failed_at is not None and self._now() - self._failed_at >= BROKEN_S:
                self._reading = self._failed_at = None
            if self._reading is not None:
                return
            self._reading = Future()
            arguments = (self._reading, info)
            # Not a pool's thread, which the interpreter would wait for when it ends.
            threading.Thread(target=self._read, args=arguments, name="safety", daemon=True).start()

    def verdict(self, picture: Image.Image, *, away: bool = False) -> Verdict:
        """What it says about a finished picture. From any thread; never raises.

        Args:
            away: it has to do without the device.
        """
        if (away_for := self._put_away_for) is not None:
            self.expect(*away_for)  # for a picture that took long
        self.used = self._now()
        if (reading := self._reading) is None:
            return Verdict.UNCHECKED
        try:
            checker = reading.result(0 if self._is_fetching else self._patience)
        except TimeoutError:
            log.warning("a picture could not be checked: %s is still on its way", self._source)
            return Verdict.UNCHECKED
        except Exception:  # noqa: BLE001 - it is logged where it failed
            return Verdict.UNCHECKED
        try:
            return Verdict.FLAGGED if checker.is_flagged(picture, away=away) else Verdict.CLEAN
        except Exception:  # an edge: what cannot be checked is held back, and the picture is not lost
            log.exception("a picture could not be checked")
            return Verdict.UNCHECKED

    def leave(self) -> None:
        """Leave the device for a while, if it is there: memory has run out."""
        reading = self._reading
        if reading is not None and reading.done() and reading.exception() is None:
            reading.result().leave()

    def put_away(self) -> None:
        """Let go of the checker while nothing is checked; it is read again when it is next expected."""
        with self._lock:
            if self._reading is not None and self._reading.done() and self._reading.exception() is None:
                self._reading, self._put_away_for = None, (self._info,)

    def _read(self, reading: Future[Checker], info: ModelInfo | None) -> None:
        try:
            folder = self._place(info)
            reading.set_result(read_checker(folder, self._device))
            log.info("pictures are checked where that is wanted, by %s", folder)
        except Exception as error:
            foreseen = isinstance(error, UnreadableModel)
            log.error(
                "Pictures that are to be checked cannot be, so they are held back. %s",
                str(error) if foreseen else first_line(error),
                exc_info=None if foreseen else error,
            )
            error.__traceback__ = None
            self._failed_at = self._now()
            reading.set_exception(error)
        finally:
            self._is_fetching = False

    def _place(self, info: ModelInfo | None) -> Path:
        """The folder of the checker: the one that is named, or else the model's own; fetched if it may be.

        Raises:
            UnreadableModel: there is none; a sentence for the owner.
        """
        if (here := on_disk(self._source, info)) is not None:
            return here
        if not self._may_fetch:
            brings = "" if info is None else f", and {info.name} brings none"
            raise UnreadableModel(
                f"There is no safety checker {self._source} on this machine{brings}. "
                "Set SAFETY_FETCH=true to have it fetched from Hugging Face, or SAFETY_CHECKER to a folder."
            )
        self._is_fetching = True
        log.info("fetching the safety checker %s from Hugging Face", self._source)
        try:
            return Path(snapshot_download(self._source, allow_patterns=["config.json", _PROCESSOR, WEIGHTS]))
        except Exception as error:  # whatever the way to the hub brings
            raise UnreadableModel(
                f"The safety checker {self._source} could not be fetched from Hugging Face: "
                f"{first_line(error).rstrip('.')}."
            ) from error
        finally:
            self._is_fetching = False


@functools.cache
def the_guard(source: str, may_fetch: bool, device: str) -> Guard:
    """The one that all engines of this process share."""
    return Guard(source, may_fetch=may_fetch, device=choose_device(device))


def be_ready(guard: Guard | None, task: Task, info: ModelInfo | None) -> None:
    """A task for this model is taken in: if its picture is to be checked, the guard gets ready for that."""
    if task.checked and guard is not None:
        guard.expect(info)


def make_room(guard: Guard | None) -> None:
    """Memory has run out on the device: whatever else is given up, the guard does without it first."""
    if guard is not None:
        guard.leave()


def verdict_on(guard: Guard | None, task: Task, picture: Image.Image, *, away: bool) -> Verdict:
    """What is said about a task's finished picture: nothing, unless the task asks for that."""
    if not task.checked:
        return Verdict.UNASKED
    return Verdict.UNCHECKED if guard is None else guard.verdict(picture, away=away)


@one_at_a_time
def read_checker(folder: Path, device: torch.device) -> Checker:
    """The checker of a folder. It goes to the device when it is first asked.

    Raises:
        UnreadableModel: there is none that can be used; a sentence for the owner.
    """
    folder = within(folder)
    if not (folder / WEIGHTS).is_file():
        raise UnreadableModel(f"The safety checker {folder} has no {WEIGHTS}; pickles I never open.")
    try:
        model, told = StableDiffusionSafetyChecker.from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        model.to(torch.float32)
        processor = _processor(folder, model.config.vision_config.image_size)
    except Exception as error:  # whatever a broken file makes the libraries raise
        raise UnreadableModel(
            f"The safety checker {folder} could not be loaded: {first_line(error)}"
        ) from error
    if missing := sorted(told["missing_keys"]):  # they would be random numbers
        raise UnreadableModel(f"The safety checker {folder} lacks weights, {missing[0]} for one.")
    return Checker(model, processor, device)


def _processor(folder: Path, edge: int) -> Any:
    """What makes a picture ready for the checker: as its folder says, or else as CLIP's own."""
    for place in (folder, folder.parent / "feature_extractor"):
        if (place / _PROCESSOR).is_file():
            return CLIPImageProcessorPil.from_pretrained(str(place), local_files_only=True)
    return CLIPImageProcessorPil(size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge})
