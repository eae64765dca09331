"""Loading a model of any other family, with the pipeline that diffusers has for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import diffusers
import torch
from diffusers import DiffusionPipeline, ModelMixin
from diffusers.pipelines.auto_pipeline import _get_connected_pipeline
from huggingface_hub import ModelCard

from generation.catalogue import MemoryMode, ModelInfo, UnreadableModel
from generation.engine.building import one_at_a_time
from generation.engine.fetching import first_line, place_of
from generation.engine.hashes import hash_folder, hash_vae, in_thread
from generation.engine.models import basis, choose_device, choose_dtype, loading, other_vae, tiny_of
from generation.modelfiles import hub_snapshot, read_json, variant_of
from generation.sentence import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A loaded pipeline, ready to draw: all of it is diffusers' own."""

    info: ModelInfo
    pipe: Any
    parameters: Mapping[str, inspect.Parameter]
    """What a call of it takes."""
    scheduler: Any
    """The model's own, never used itself; None for a pipeline of pipelines."""
    device: torch.device
    dtype: torch.dtype
    hash: Future[str]
    """The first 10 hexadecimal digits of a SHA-256, computed while the model loads."""
    vae_hash: str | None
    """Likewise, of a VAE that replaces the model's own."""
    prior_hash: str | None
    """Likewise, of another model that is asked first, if the prompt goes to that."""
    tiny: Any | None = None
    """An AutoencoderTiny for previews; always on the device."""

    def record(self) -> dict[str, Any]:
        """What the bits of its pictures depend on, apart from the request."""
        return {
            **basis(self.info, self.hash.result(), self.device, self.dtype),
            "pipeline": type(self.pipe).__name__,
            "memory": self.info.memory.value,
            **({} if self.vae_hash is None else {"vae_hash": self.vae_hash}),
            **({} if self.prior_hash is None else {"prior_hash": self.prior_hash}),
        }


@one_at_a_time
def load_pipeline(info: ModelInfo, *, device: str = "auto", dtype: str = "auto") -> Pipeline:
    """Load any text-to-image model that diffusers has a pipeline for; only safetensors, no foreign code.

    Raises:
        UnreadableModel: it cannot be had or read, or makes no pictures of a prompt alone.
    """
    where = choose_device(device)
    kind = choose_dtype(dtype, where)
    if dtype == "auto" and where.type == "cuda" and torch.cuda.is_bf16_supported():
        kind = torch.bfloat16  # these models were trained in it, and some overflow in float16
    with loading(info, where, kind):
        path, info = place_of(info, half=kind is not torch.float32)
        index = read_json(path / "model_index.json")
        cls = _class(str(index.get("_class_name")), info.source)
        parameters = inspect.signature(cls.__call__).parameters
        variant = variant_of(path)
        digest = in_thread(lambda: _hash(path, variant))
        pipe = cls.from_pretrained(str(path), dtype=kind, variant=variant, use_safetensors=True)
        pipe.set_progress_bar_config(disable=True)
        if info.vae is not None:
            pipe.vae = other_vae(info.vae, pipe.vae, kind)
        _place(pipe, info.memory, where, kind)
        tiny = tiny_of(info, getattr(pipe, "vae", None), where, kind)
        prior = _prior(path) if cls._load_connected_pipes else None
    return Pipeline(
        info=info,
        pipe=pipe,
        parameters=parameters,
        scheduler=getattr(pipe, "scheduler", None),
        device=where,
        dtype=kind,
        hash=digest,
        vae_hash=None if info.vae is None else hash_vae(Path(info.vae).expanduser()),
        prior_hash=None if prior is None else _hash(prior, variant),
        tiny=tiny,
    )


def _hash(folder: Path, variant: str | None) -> str:
    parts = [
        name for name, value in read_json(folder / "model_index.json").items() if isinstance(value, list)
    ]
    return hash_folder(folder, variant, sorted(parts))


def _prior(folder: Path) -> Path | None:
    """Where the model is that the one in this folder has the prompt read by: its card names that."""
    card = folder / "README.md"
    named = ModelCard.load(card).data.get("prior") if card.is_file() else None
    return None if not named else hub_snapshot(named[0]) or Path(named[0])


def _class(name: str, source: str) -> Any:
    """diffusers' class of this name, if it makes a picture of a prompt alone.

    Some models are published in two halves, of which the second asks the first; it stands for both then.
    """
    cls = getattr(diffusers, name, None)
    if not (inspect.isclass(cls) and issubclass(cls, DiffusionPipeline)):
        raise UnreadableModel(
            say(
                "The model {source} is a {name}, which diffusers {version} does not know; "
                "a newer diffusers may.",
                source=source,
                name=name,
                version=diffusers.__version__,
            )
        )
    cls = _get_connected_pipeline(cls) or cls
    parameters = inspect.signature(cls.__call__).parameters
    needed = {
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    } - {"self", "prompt"}
    if "prompt" not in parameters or needed or "num_frames" in parameters:
        raise UnreadableModel(
            say("The model {source} is a {name}; I draw with text-to-image models.", source=source, name=name)
        )
    return cls


def _denoiser(pipe: Any) -> Any:
    """The part of a pipeline that most of its weights are in."""
    return max(
        (part for part in pipe.components.values() if isinstance(part, ModelMixin)),
        key=lambda part: sum(parameter.numel() for parameter in part.parameters()),
    )


def _place(pipe: Any, memory: MemoryMode, where: torch.device, kind: torch.dtype) -> None:
    vae: Any = getattr(pipe, "vae", None)
    if memory is not MemoryMode.FAST and hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
    match memory:
        case MemoryMode.FAST | MemoryMode.BALANCED:
            pipe.to(where)
        case MemoryMode.SMALL if where.type == "cpu":
            pipe.to(where)
        case MemoryMode.SMALL:
            pipe.enable_model_cpu_offload(device=where)
        case MemoryMode.SMALLER | MemoryMode.SMALLEST:
            if memory is MemoryMode.SMALLEST:
                _denoiser(pipe).enable_layerwise_casting(
                    storage_dtype=torch.float8_e4m3fn, compute_dtype=kind
                )
            try:
                # Not its VAE: diffusers cannot follow the order of its layers while it works in tiles.
                pipe.enable_group_offload(
                    onload_device=where,
                    offload_type="leaf_level",
                    use_stream=where.type == "cuda",
                    exclude_modules=[name for name in ("vae", "vqvae") if name in pipe.components],
                )
            except ValueError as error:
                raise UnreadableModel(
                    say(
                        "This model cannot be on {where} a few layers at a time ({error}); "
                        'use it with memory = "small".',
                        where=where,
                        error=first_line(error),
                    )
                ) from error
        case _:
            assert_never(memory)
