"""Loading a model: from a folder, one checkpoint file or the hub, onto the device that will draw."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file

from generation.catalogue import (
    Family,
    MemoryMode,
    ModelInfo,
    UnreadableModel,
    configuration_beside,
    describe,
)
from generation.engine.threads import drawing_threads
from generation.modelfiles import hub_snapshot

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

    @property
    def vae_factor(self) -> int:
        """Pixels along one edge of a latent."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    def record(self) -> dict[str, Any]:
        """What the bits of its pictures depend on, apart from the request and the batch."""
        return {
            **basis(self.info, self.hash.result(), self.device, self.dtype),
            "prediction_type": self.scheduler_config.get("prediction_type", "epsilon"),
            "memory": self.info.memory.value,
            **({} if self.vae_hash is None else {"vae_hash": self.vae_hash}),
        }


def basis(info: ModelInfo, digest: str, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the bits of any model's pictures depend on: its files, the machine and the libraries."""
    return {
        "model": info.name,
        "model_source": info.public_source,
        "model_hash": digest,
        "model_family": info.family.value,
        "device": _device_name(device),
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
            f"DEVICE is {name}, which torch cannot use here ({_first_line(error)}); try DEVICE=auto or cpu."
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
        raise UnreadableModel(f"DTYPE is {name}; it may be auto, {', '.join(_DTYPES)}.")
    return _DTYPES[name]


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
            f"The model {info.source} does not fit into the memory of {where}; "
            "try DTYPE=float16, a smaller model, or DEVICE=cpu."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UnreadableModel(
            f"The model {info.source} could not be loaded: a single file needs its family's configuration "
            "(small files) from Hugging Face the first time, and they could not be fetched. Connect once, or "
            f"put them into a folder {Path(info.source).stem}/ beside it: model_index.json, scheduler/, "
            "tokenizer/ and the config.json of text_encoder/, unet/ and vae/, as in any model of its family."
        ) from error
    except Exception as error:  # whatever a broken file makes the libraries raise, the owner gets a sentence
        log.exception("could not load %s", info.source)
        raise UnreadableModel(
            f"The model {info.source} could not be loaded: {_cause(info, error)}"
        ) from error


def _cause(info: ModelInfo, error: Exception) -> str:
    beside = configuration_beside(Path(info.source).expanduser())
    hint = f" Is the folder {beside.name}/ beside it this model's configuration?" if beside else ""
    if isinstance(error, NotImplementedError) and "meta tensor" in str(error):
        # diffusers passes over what a file lacks; such a tensor stays a shape without numbers, on "meta",
        # and cannot be moved anywhere.
        return f"it lacks weights that its configuration asks for.{hint}"
    return f"{_first_line(error)}{hint}"


def _load(info: ModelInfo, where: torch.device, kind: torch.dtype) -> Model:
    path, info = place_of(info, half=kind is not torch.float32)
    digest, pipe = _pipeline(path, info.family, kind)
    if info.vae is not None:
        pipe.vae = other_vae(info.vae, pipe.vae, kind)
    if info.memory is MemoryMode.SMALLEST:
        # Kept in 8 bits, computed in `kind`: half the memory of float16, and other last bits.
        pipe.unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=kind)
    home = where
    if info.memory in (MemoryMode.SMALL, MemoryMode.SMALLEST):
        where = torch.device("cpu")  # each part goes to the device when its turn comes, see memory.py
    pipe.unet.eval().requires_grad_(False).to(where)
    # The VAE of SDXL overflows in float16 and says so. For the others the same field is only a default.
    overflows = info.family is Family.SDXL and kind is torch.float16 and pipe.vae.config.force_upcast
    pipe.vae.eval().requires_grad_(False).to(where)
    if overflows:
        pipe.vae.to(torch.float32)
    if home.type == "cuda":
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    names = ("", "_2") if info.family is Family.SDXL else ("",)
    encoders = []
    for name in names:
        encoder = getattr(pipe, f"text_encoder{name}").eval().requires_grad_(False).to(where)
        encoders.append(TextEncoder(tokenizer=getattr(pipe, f"tokenizer{name}"), model=encoder))
    return Model(
        info=info,
        unet=pipe.unet,
        vae=pipe.vae,
        encoders=tuple(encoders),
        scheduler_config=dict(pipe.scheduler.config),
        zero_empty_negative=bool(pipe.config.get("force_zeros_for_empty_prompt", False)),
        device=home,
        dtype=kind,
        hash=digest,
        vae_hash=None if info.vae is None else hash_vae(Path(info.vae).expanduser()),
    )


def hash_vae(place: Path) -> str:
    """The hash of the weights in a VAE's folder or file."""
    weights = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    return hash_file(weights[0])


def other_vae(source: str, own: Any, dtype: torch.dtype) -> Any:
    """The VAE that the owner wants instead of the model's own; a single file has the shapes of `own`."""
    path = Path(source).expanduser()
    if path.is_dir():
        return AutoencoderKL.from_pretrained(str(path), dtype=dtype, use_safetensors=True)
    try:
        own.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise UnreadableModel(f"The VAE {source} is not made like this model's own: {error}") from error
    return own


def _pipeline(path: Path, family: Family, dtype: torch.dtype) -> tuple[Future[str], Any]:
    """The hash to come, and the object that diffusers makes of a folder or a file."""
    cls = StableDiffusionXLPipeline if family is Family.SDXL else StableDiffusionPipeline
    # The safety checker is a separate model that most copies leave out; moderation is the bot's matter.
    extras: dict[str, Any] = {}
    if family is not Family.SDXL:
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


def place_of(info: ModelInfo, *, half: bool) -> tuple[Path, ModelInfo]:
    """The folder or file of a model, fetched if need be, and what it is."""
    path = Path(info.source).expanduser()
    if path.exists():
        return path, info
    path = _fetch(info.source, half=half)
    # Until now it was judged by its name; what the owner said about it holds still.
    return path, replace(describe(info.source), name=info.name, vae=info.vae, memory=info.memory)


def _fetch(repo: str, *, half: bool) -> Path:
    """The folder of a hub model, fetched if need be; half-size weights where they exist and suffice."""
    if (folder := hub_snapshot(repo)) is not None and _whole(folder):
        return folder
    log.info("fetching %s from Hugging Face", repo)
    for variant in ("fp16", None) if half else (None, "fp16"):
        try:
            return Path(
                DiffusionPipeline.download(repo, variant=variant, use_safetensors=True, safety_checker=None)
            )
        except (ValueError, OSError) as error:
            failure = error
    raise UnreadableModel(
        f"The model {repo} could not be fetched from Hugging Face: {_first_line(failure)} "
        "Check the name and the network, or set MODEL to a folder or a .safetensors file."
    ) from failure


def _whole(folder: Path) -> bool:
    """Whether every part that the model's index names has come; an interrupted fetch leaves some out."""
    try:
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    parts = {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    parts -= {"safety_checker", "feature_extractor", "image_encoder"}
    weightless = ("scheduler", "tokenizer", "processor")
    return all((folder / part).is_dir() for part in parts) and all(
        any((folder / part).glob("*.safetensors")) for part in parts if not part.startswith(weightless)
    )


_HALF = re.compile(r"\.fp16[.-]")  # before the suffix, or before the number of a part


def variant_of(folder: Path) -> str | None:
    """`fp16` if the folder holds the weights of its largest part under that suffix only."""
    parts = ("unet", "transformer")
    weights = [path.name for part in parts for path in (folder / part).glob("*.safetensors")]
    return "fp16" if weights and all(_HALF.search(name) for name in weights) else None


# The hash ------------------------------------------------------------------------------------------------


def hash_file(path: Path) -> str:
    """What A1111 calls the model hash: the first 10 hexadecimal digits of the file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


_PARTS = ("scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae")


def hash_folder(folder: Path, variant: str | None, parts: Iterable[str] = _PARTS) -> str:
    """One hash over names and contents of the weights, configurations and vocabularies of a model."""
    total = hashlib.sha256()
    for path in _hashed_files(folder, variant, parts):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {digest}\n".encode())
    return total.hexdigest()[:10]


def _hashed_files(folder: Path, variant: str | None, parts: Iterable[str]) -> Iterator[Path]:
    for part in parts:
        for path in sorted((folder / part).glob("*")):
            is_variant = _HALF.search(path.name) is not None
            if path.suffix in {".json", ".txt", ".model"} or (
                path.suffix == ".safetensors" and is_variant == (variant == "fp16")
            ):
                yield path


def in_thread(compute: Callable[[], str]) -> Future[str]:
    """A hash that is computed while the model loads."""
    with_one = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model hash")
    future = with_one.submit(compute)
    with_one.shutdown(wait=False)
    return future


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return os.linesep.join(text.splitlines()[:1]).strip()
