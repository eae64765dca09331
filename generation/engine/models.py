"""Loading a model: from a folder, one checkpoint file or the hub, onto the device that will draw."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file

from generation.catalogue import (
    Family,
    MemoryMode,
    ModelInfo,
    UnreadableModel,
    configuration_beside,
)
from generation.engine.building import one_at_a_time
from generation.engine.fetching import first_line, place_of, place_of_refiner
from generation.engine.hashes import hash_file, hash_folder, hash_vae, in_thread
from generation.engine.threads import drawing_threads
from generation.engine.tiny import load_tiny
from generation.modelfiles import variant_of
from generation.sentence import joined, say

log = logging.getLogger(__name__)

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """One CLIP text encoder with its tokenizer; SDXL has two."""

    tokenizer: Any
    model: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded model, ready to draw. diffusers loads it; the loop is our own."""

    info: ModelInfo
    unet: Any
    vae: Any
    encoders: tuple[TextEncoder, ...]
    scheduler_config: Mapping[str, Any]
    """The model's own, from which every image's scheduler is made."""
    zero_empty_negative: bool
    """SDXL: an empty negative prompt is zeros instead of the encoding of nothing."""
    device: torch.device
    dtype: torch.dtype
    hash: Future[str]
    """The first 10 hexadecimal digits of a SHA-256, computed while the model loads."""
    vae_hash: str | None
    """Likewise, of a VAE that replaces the model's own."""
    tiny: Any | None = None
    """An AutoencoderTiny for previews; always on the device."""
    refiner: Model | None = None
    """What takes the last of the noise away instead of this one; its pictures are decoded by this one."""
    wants_score: bool = False
    """It is a refiner: told how beautiful a picture is to be, where others are told the target size."""

    @property
    def vae_factor(self) -> int:
        """Pixels along one edge of a latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def text_models(self) -> list[Any]:
        """Its own text encoders and its refiner's, each once: the refiner's may be one of them."""
        more = () if self.refiner is None else self.refiner.encoders
        models = [encoder.model for encoder in (*self.encoders, *more)]
        return list({id(model): model for model in models}.values())

    @property
    def unets(self) -> list[Any]:
        return [self.unet] if self.refiner is None else [self.unet, self.refiner.unet]

    @property
    def modules(self) -> list[Any]:
        """All that has weights."""
        return [*self.unets, self.vae, *self.text_models, *([] if self.tiny is None else [self.tiny])]

    def record(self) -> dict[str, Any]:
        """What the bits of its pictures depend on, apart from the request and the batch."""
        return {
            **basis(self.info, self.hash.result(), self.device, self.dtype),
            "prediction_type": self.scheduler_config.get("prediction_type", "epsilon"),
            "memory": self.info.memory.value,
            **({} if self.vae_hash is None else {"vae_hash": self.vae_hash}),
            **({} if self.refiner is None else self._refined(self.refiner)),
        }

    def _refined(self, refiner: Model) -> dict[str, Any]:
        return {
            "refiner": refiner.info.public_source,
            "refiner_hash": refiner.hash.result(),
            "refiner_start": self.info.refiner_start,
        }


def basis(info: ModelInfo, digest: str, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the bits of any model's pictures depend on: its files, the machine and the libraries."""
    return {
        "model": info.name,
        "model_source": info.public_source,
        "model_hash": digest,
        "model_family": info.family.value,
        "device": device_name(device),
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }


def choose_device(name: str) -> torch.device:
    """ "auto" takes CUDA before Apple's MPS before the CPU.

    Raises:
        UnreadableModel: the device that was asked for is not here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UnreadableModel(
            say(
                "DEVICE is {name}, which torch cannot use here ({error}); try DEVICE=auto or cpu.",
                name=name,
                error=first_line(error),
            )
        ) from error
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """ "auto" is float16 on CUDA and MPS, float32 on the CPU.

    Raises:
        UnreadableModel: no such dtype.
    """
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if name not in _DTYPES:
        raise UnreadableModel(
            say("DTYPE is {name}; it may be auto, {dtypes}.", name=name, dtypes=", ".join(_DTYPES))
        )
    return _DTYPES[name]


@one_at_a_time
def load(info: ModelInfo, *, device: str = "auto", dtype: str = "auto") -> Model:
    """Load a Stable Diffusion 1, 2 or XL model; fetches it first if it is on the hub only.

    Only safetensors are read and no code that comes with a model runs.

    Raises:
        UnreadableModel: it cannot be had or read; a sentence for the owner.
    """
    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    with loading(info, where, kind):
        return _load(info, where, kind)


@contextmanager
def loading(info: ModelInfo, where: torch.device, kind: torch.dtype) -> Iterator[None]:
    """In here a model is read: told in the log, and whatever fails is a sentence for the owner.

    Raises:
        UnreadableModel: something failed.
    """
    diffusers.utils.logging.disable_progress_bar()  # reading takes seconds; fetching keeps its bars
    transformers.utils.logging.disable_progress_bar()
    if where.type == "cpu" and (threads := drawing_threads()) is not None:
        torch.set_num_threads(threads)
    log.info("loading %s on %s in %s", info.source, where, kind)
    started = time.monotonic()
    try:
        yield
        log.info("loaded %s in %.1f s", info.source, time.monotonic() - started)
    except UnreadableModel:
        raise
    except torch.OutOfMemoryError as error:
        raise UnreadableModel(
            say(
                "The model {model} does not fit into the memory of {where}; "
                "try DTYPE=float16, a smaller model, or DEVICE=cpu.",
                model=info.source,
                where=where,
            )
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnreadableModel(
            say(
                "The model {model} could not be loaded: a single file needs its family's configuration "
                "(small files) from Hugging Face the first time, and they could not be fetched. Connect "
                "once, or put them into a folder {stem}/ beside it: model_index.json, scheduler/, "
                "tokenizer/ and the config.json of text_encoder/, unet/ and vae/, as in any model of its "
                "family.",
                model=info.source,
                stem=Path(info.source).stem,
            )
        ) from error
    except Exception as error:  # whatever a broken file makes the libraries raise, the owner gets a sentence
        log.exception("could not load %s", info.source)
        raise UnreadableModel(
            say(
                "The model {model} could not be loaded: {cause}", model=info.source, cause=_cause(info, error)
            )
        ) from error


def _cause(info: ModelInfo, error: Exception) -> str:
    beside = configuration_beside(Path(info.source).expanduser())
    if isinstance(error, NotImplementedError) and "meta tensor" in str(error):
        # diffusers passes over what a file lacks; such a tensor stays a shape without numbers, on "meta",
        # and cannot be moved anywhere.
        cause: str = say("it lacks weights that its configuration asks for.")
    else:
        cause = first_line(error)
    if not beside:
        return cause
    hint = say("Is the folder {folder}/ beside it this model's configuration?", folder=beside.name)
    return joined(" ", (cause, hint))


def _load(info: ModelInfo, home: torch.device, kind: torch.dtype) -> Model:
    path, info = place_of(info, half=kind is not torch.float32)
    is_xl = info.family is Family.SDXL
    digest, pipe = _pipeline(path, StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline, kind)
    if info.vae is not None:
        pipe.vae = other_vae(info.vae, pipe.vae, kind)
    where = _where(info, home)
    # The VAE of SDXL overflows in float16 and says so. For the others the same field is only a default.
    overflows = is_xl and kind is torch.float16 and pipe.vae.config.force_upcast
    pipe.vae.eval().requires_grad_(False).to(where)
    if overflows:
        pipe.vae.to(torch.float32)
    if home.type == "cuda":
        pipe.vae.to(memory_format=torch.channels_last)
    encoders = [
        TextEncoder(
            tokenizer=getattr(pipe, f"tokenizer{name}"),
            model=getattr(pipe, f"text_encoder{name}").eval().requires_grad_(False).to(where),
        )
        for name in (("", "_2") if is_xl else ("",))
    ]
    base = Model(
        info=info,
        unet=_placed(pipe.unet, info, home, kind),
        vae=pipe.vae,
        encoders=tuple(encoders),
        scheduler_config=dict(pipe.scheduler.config),
        zero_empty_negative=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
        device=home,
        dtype=kind,
        hash=digest,
        vae_hash=None if info.vae is None else hash_vae(Path(info.vae).expanduser()),
        tiny=tiny_of(info, pipe.vae, home, kind),
    )
    return base if info.refiner is None else replace(base, refiner=_load_refiner(info.refiner, base))


def _load_refiner(source: str, base: Model) -> Model:
    """An SDXL refiner, beside the model that it goes on for."""
    info = replace(base.info, source=source, refiner=None)
    with loading(info, base.device, base.dtype):
        path = place_of_refiner(source, half=base.dtype is not torch.float32)
        without = dict.fromkeys(("vae", "text_encoder", "tokenizer"))
        digest, pipe = _pipeline(path, StableDiffusionXLImg2ImgPipeline, base.dtype, **without)
        encoder = pipe.text_encoder_2.eval().requires_grad_(False)
        if _same_weights(encoder, base.encoders[-1].model):  # as with those of Stability
            encoder = base.encoders[-1].model
        return replace(
            base,
            info=info,
            unet=_placed(pipe.unet, info, base.device, base.dtype),
            encoders=(TextEncoder(tokenizer=pipe.tokenizer_2, model=encoder.to(_where(info, base.device))),),
            scheduler_config=dict(pipe.scheduler.config),
            zero_empty_negative=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
            hash=digest,
            wants_score=True,
        )


def _where(info: ModelInfo, home: torch.device) -> torch.device:
    """Where a model's parts begin; those that go to the device when their turn comes do in memory.py."""
    return home if info.memory in (MemoryMode.FAST, MemoryMode.BALANCED) else torch.device("cpu")


def _placed(unet: Any, info: ModelInfo, home: torch.device, kind: torch.dtype) -> Any:
    if info.memory is MemoryMode.SMALLEST:
        # Kept in 8 bits, computed in `kind`: half the memory of float16, and other last bits.
        unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=kind)
    unet.eval().requires_grad_(False).to(_where(info, home))
    if home.type == "cuda":
        unet.to(memory_format=torch.channels_last)
    return unet


def _same_weights(one: Any, other: Any) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.equal(tensor, theirs[name].cpu()) for name, tensor in mine.items()
    )


def tiny_of(info: ModelInfo, vae: Any, home: torch.device, kind: torch.dtype) -> Any | None:
    """The tiny decoder that the owner wants for a model's previews."""
    if info.taesd is None:
        return None
    channels = None if vae is None else vae.config.get("latent_channels")
    return load_tiny(info.taesd, channels=channels, device=home, dtype=kind)


def other_vae(source: str, own: Any, dtype: torch.dtype) -> Any:
    """The VAE that the owner wants instead of the model's own; a single file has the shapes of `own`."""
    path = Path(source).expanduser()
    if path.is_dir():
        return AutoencoderKL.from_pretrained(str(path), dtype=dtype, use_safetensors=True)
    try:
        own.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise UnreadableModel(
            say("The VAE {source} is not made like this model's own: {error}", source=source, error=error)
        ) from error
    return own


def _pipeline(path: Path, cls: Any, dtype: torch.dtype, **parts: Any) -> tuple[Future[str], Any]:
    """The hash to come, and the object that diffusers makes of a folder or a file, with these parts."""
    extras: dict[str, Any] = dict(parts)
    if cls is StableDiffusionPipeline:
        # The safety checker is a separate model that most copies leave out; moderation is the bot's matter.
        extras |= {"safety_checker": None, "requires_safety_checker": False}
    if path.is_file():
        digest = in_thread(lambda: hash_file(path))
        # Checkpoints hold neither of these; unasked, diffusers would look for them in the configuration.
        extras |= {"feature_extractor": None, "image_encoder": None}
        if (folder := configuration_beside(path)) is not None:
            extras |= {"config": str(folder), "local_files_only": True}
        return digest, cls.from_single_file(str(path), dtype=dtype, **extras)
    variant = variant_of(path)
    digest = in_thread(lambda: hash_folder(path, variant))
    options = {"dtype": dtype, "variant": variant, "use_safetensors": True}
    return digest, cls.from_pretrained(str(path), **options, **extras)


def fetched(info: ModelInfo, *, device: str = "auto", dtype: str = "auto") -> ModelInfo:
    """The same model on this disk; only when it is fetched is it sure what one on the hub is.

    Raises:
        UnreadableModel: it cannot be had; a sentence for the owner.
    """
    return place_of(info, half=choose_dtype(dtype, choose_device(device)) is not torch.float32)[1]


def device_name(device: torch.device) -> str:
    """What of a device decides about last bits, as the record says it."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
