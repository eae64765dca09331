"""A model's small files on this disk: configurations, headers of weights, what the hub's cache holds."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generation.sentence import Told, say

PICKLES = {".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle"}
"""Suffixes of files that can run any code when they are read."""

MAX_HEADER = 10_000_000
"""Bytes. The safetensors library takes ten times as many; 96 MB of them took 1.2 GB of memory to read."""


class UnreadableModel(Told):
    """A model that cannot be used; the message is a sentence for the owner."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model.

    Raises:
        UnreadableModel: it is missing or holds something else.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UnreadableModel(say("The model's file {path} is missing.", path=path)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableModel(
            say("The model's file {path} cannot be read: {error}.", path=path, error=error)
        ) from error
    if not isinstance(value, dict):
        raise UnreadableModel(say("The model's file {path} does not hold a JSON object.", path=path))
    return value


def tensor_shapes(path: Path, what: str = say("model")) -> dict[str, list[int]]:
    """Names and shapes of the tensors of a safetensors file: eight bytes of length, then JSON.

    Args:
        what: the file is called in a sentence about it.

    Raises:
        UnreadableModel: the file is broken or shorter than its header says.
    """
    try:
        length, header = _header(path)
        tensors = {key: value for key, value in header.items() if key != "__metadata__"}
        end = 8 + length + max((value["data_offsets"][1] for value in tensors.values()), default=0)
        if path.stat().st_size < end:
            raise ValueError(f"it should have {end:,} bytes and has {path.stat().st_size:,}; fetch it again")
        return {key: [int(edge) for edge in value["shape"]] for key, value in tensors.items()}
    except OSError as error:
        raise UnreadableModel(
            say("The {what} {path} cannot be read: {error}.", what=what, path=path, error=error.strerror)
        ) from error
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableModel(
            say(
                "The {what} {path} is not a whole safetensors file: {error}.",
                what=what,
                path=path,
                error=error,
            )
        ) from error


_STEMS = ("model", "diffusion_pytorch_model")
"""Of the files of weights in folders that hold one model: transformers' name, and diffusers'."""


def weights_in(folder: Path) -> Sequence[Path]:
    """The file of weights that is read of a folder with one model, or all of its parts, and no other there.

    Raises:
        UnreadableModel: there is none that is no pickle.
    """
    for stem in _STEMS:
        whole = folder / f"{stem}.safetensors"
        if whole.is_file():
            return [whole]
        if (index := folder / f"{stem}.safetensors.index.json").is_file():
            parts = read_json(index).get("weight_map")
            if not isinstance(parts, dict) or not all(isinstance(name, str) for name in parts.values()):
                raise UnreadableModel(f"{index} does not say in which files its weights are.")
            return [folder / name for name in sorted(set(parts.values()))]
    raise UnreadableModel(f"{folder} holds no .safetensors file of the name {' or '.join(_STEMS)}.")


def file_notes(path: Path) -> dict[str, str]:
    """What the maker of a safetensors file noted in its header; nothing if that cannot be read."""
    try:
        notes = _header(path)[1].get("__metadata__", {})
        return {key: value for key, value in notes.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _header(path: Path) -> tuple[int, dict[str, Any]]:
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")  # a pipe would be waited for
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MAX_HEADER:
            raise ValueError(f"it does not begin with a header of {MAX_HEADER // 10**6} MB or less")
        header: dict[str, Any] = json.loads(file.read(length))
        return length, header


def check_vae(place: Path, *, channels: int | None) -> None:
    """Whether this folder or .safetensors file is a VAE in diffusers' format.

    Args:
        channels: of the latents that it must decode; None: any.

    Raises:
        UnreadableModel: it is not.
    """
    try:
        is_folder, is_file = place.is_dir(), place.is_file()
    except OSError as error:
        raise UnreadableModel(
            say("There is no VAE at {place}: {error}.", place=place, error=error.strerror)
        ) from error
    if place.suffix.lower() in PICKLES:
        raise UnreadableModel(
            say(
                "The VAE {place} is a pickle, which can run any code when it is read, so I never open one. "
                "Use the .safetensors version of it.",
                place=place,
            )
        )
    if is_folder:
        found = _vae_folder(place)
    elif is_file and place.suffix == ".safetensors":
        shapes = tensor_shapes(place)
        if any(key.startswith(("first_stage_model.", "decoder.mid.", "encoder.mid.")) for key in shapes):
            raise UnreadableModel(
                say(
                    "The VAE {place} names its weights as checkpoints do; "
                    "use the version in diffusers' format.",
                    place=place,
                )
            )
        if "decoder.mid_block.resnets.0.conv1.weight" not in shapes:
            raise UnreadableModel(say("The file {place} holds no VAE.", place=place))
        found = (shapes.get("decoder.conv_in.weight", [])[1:2] or [0])[0]
    else:
        raise UnreadableModel(
            say(
                "There is no VAE at {place}; name a folder in diffusers' format or a .safetensors file.",
                place=place,
            )
        )
    if channels is not None and found != channels:
        raise UnreadableModel(
            say(
                "The VAE {place} has {found} channels in its latents, and this model's have {channels}.",
                place=place,
                found=found,
                channels=channels,
            )
        )


def _vae_folder(folder: Path) -> int:
    """The number of channels of a VAE's latents."""
    if not (folder / "config.json").is_file():
        inside = (
            say("; its VAE is {folder}", folder=folder / "vae")
            if (folder / "vae" / "config.json").is_file()
            else ""
        )
        raise UnreadableModel(
            say(
                "The folder {folder} holds no config.json, so it is no VAE{inside}.",
                folder=folder,
                inside=inside,
            )
        )
    config = read_json(folder / "config.json")
    if config.get("_class_name") != "AutoencoderKL":
        raise UnreadableModel(
            say(
                "The folder {folder} holds {kind}, not an AutoencoderKL.",
                folder=folder,
                kind=config.get("_class_name"),
            )
        )
    if not any(folder.glob("*.safetensors")):
        raise UnreadableModel(say("The VAE {folder} has no weights in a .safetensors file.", folder=folder))
    channels = config.get("latent_channels", 4)
    return channels if isinstance(channels, int) else 0


def check_taesd(source: str) -> None:
    """Whether a source is a tiny decoder (AutoencoderTiny); of one still to be fetched nothing can be said.

    Args:
        source: a folder in diffusers' format, or a Hugging Face id.

    Raises:
        UnreadableModel: it is neither.
    """
    folder = Path(os.path.expanduser(source))  # noqa: PTH111 - a "~name" that is nobody's stays as it is
    try:
        is_here, is_near = folder.is_dir(), folder.parent.is_dir() and folder.parent != Path()
    except OSError as error:
        raise UnreadableModel(
            say("There is no taesd at {source}: {error}.", source=source, error=error.strerror)
        ) from error
    if not is_here:
        if is_near or not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", source):
            raise UnreadableModel(
                say(
                    "There is no taesd at {source}; name a folder in diffusers' format, "
                    "or a Hugging Face id like madebyollin/taesd.",
                    source=source,
                )
            )
        if (snapshot := hub_snapshot(source)) is None:
            return
        folder = snapshot
    config = read_json(folder / "config.json")
    if config.get("_class_name") != "AutoencoderTiny":
        raise UnreadableModel(
            say("{source} is no taesd: it holds {kind}.", source=source, kind=config.get("_class_name"))
        )
    if not any(folder.glob("*.safetensors")):
        raise UnreadableModel(say("The taesd {source} has no weights in a .safetensors file.", source=source))


def hub_snapshot(repo: str) -> Path | None:
    """The folder of a repository's main revision in Hugging Face's cache on this machine, if it is there."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    store = cache / f"models--{repo.replace('/', '--')}"
    try:
        revision = (store / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    folder = store / "snapshots" / revision
    return folder if folder.is_dir() else None


def is_half(name: str) -> bool:
    """Whether a file of weights is the float16 variant of another, by its name."""
    return re.search(r"\.fp16[.-]", name) is not None  # before the suffix, or before the number of a part


def variant_of(folder: Path) -> str | None:
    """`fp16` if the folder holds the weights of its largest part under that suffix only."""
    parts = ("unet", "transformer")
    weights = [path.name for part in parts for path in (folder / part).glob("*.safetensors")]
    return "fp16" if weights and all(map(is_half, weights)) else None


SHARD = re.compile(r"-\d+-of-(\d+)(?=(?:\.\w+)?\.safetensors$)")
"""In the name of a file that holds one of several parts of some weights: how many there are."""
OPTIONAL_PARTS = {"safety_checker", "feature_extractor", "image_encoder"}
"""Parts in a pipeline's index that nothing here needs."""
WEIGHTLESS_PARTS = ("scheduler", "tokenizer", "processor")
"""How the names of those parts begin that have no weights."""


def is_whole(folder: Path) -> bool:
    """Whether every part that a pipeline's index names has come; an interrupted fetch leaves some out."""
    try:
        index = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    parts = {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}
    parts -= OPTIONAL_PARTS
    return all((folder / part).is_dir() for part in parts) and all(
        _has_weights(folder / part) for part in parts if not part.startswith(WEIGHTLESS_PARTS)
    )


def _has_weights(part: Path) -> bool:
    """Whether weights are there; all, if they come in shards. The cache shows a file when it is whole."""
    names = [path.name for path in part.glob("*.safetensors")]
    here = Counter(SHARD.sub("", name) for name in names)
    return any(
        (shard := SHARD.search(name)) is None or here[SHARD.sub("", name)] >= int(shard[1]) for name in names
    )
