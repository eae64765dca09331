"""Which model draws and what it can do, read from its files without loading it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from generation.distilled import distilled, native_of_turbo
from generation.model import Defaults as Defaults
from generation.model import Family as Family
from generation.model import MemoryMode as MemoryMode
from generation.model import ModelInfo as ModelInfo
from generation.modelcard import with_card
from generation.modelfiles import PICKLES, hub_snapshot, is_whole, read_json, tensor_shapes
from generation.modelfiles import UnreadableModel as UnreadableModel
from generation.pipelines import sounds_like_one, traits
from generation.request import MAX_EDGE, MIN_EDGE, OWN_SAMPLER
from generation.samplers import SAMPLERS
from generation.sentence import say

_DEFAULTS: Mapping[Family, Defaults] = {
    Family.SD1: Defaults(steps=25, guidance=7.0, sampler="DPM++ 2M Karras"),
    Family.SD2: Defaults(steps=25, guidance=7.0, sampler="DPM++ 2M Karras"),
    Family.SDXL: Defaults(steps=30, guidance=5.0, sampler="Euler"),
    Family.OTHER: Defaults(steps=28, guidance=5.0, sampler=OWN_SAMPLER),
    Family.NOISE: Defaults(steps=8, guidance=5.0, sampler="Euler"),
}
_NATIVE = {Family.SD1: 512, Family.SD2: 768, Family.SDXL: 1024, Family.OTHER: 1024, Family.NOISE: 128}
_TEXT_WIDTHS = {Family.SD1: (768,), Family.SD2: (1024,), Family.SDXL: (768, 1280)}
_MULTIPLE = {Family.SD1: 64, Family.SD2: 64, Family.SDXL: 32, Family.OTHER: 16, Family.NOISE: 8}

_MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}
_PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionInpaintPipeline",
    "LatentConsistencyModelPipeline",  # the same parts; its UNet is told the guidance
)
_XL_PIPELINES = ("StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FAKE = "fake:"


def describe(source: str) -> ModelInfo:
    """What the model at `source` is and can do. Reads small files only; neither torch nor network.

    Args:
        source: a folder in diffusers' format, a .safetensors checkpoint, a Hugging Face id ("owner/name"),
            or "fake:..." for the engine that draws noise.

    Raises:
        UnreadableModel: it is not there, or nothing that this engine draws with; a sentence for the owner.
    """
    if source.startswith(_FAKE):
        note = "No model is loaded: pictures are coloured noise, made for tests."
        info = _info(source.removeprefix(_FAKE) or "noise", source, Family.NOISE, note=note)
        return replace(info, max_edge=1024)
    if (path := place_on_disk(source)) is None:
        return _hub(source)
    return _folder(path, source) if path.is_dir() else _single_file(path, source)


def place_on_disk(source: str) -> Path | None:
    """The folder or file of a source; None for a Hugging Face id.

    Raises:
        UnreadableModel: it is neither, or a pickle.
    """
    try:
        path = Path(source).expanduser()
        path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a home that nobody has, a NUL
        raise UnreadableModel(
            say("That is neither the name of a model nor a place on this disk: {error}.", error=error)
        ) from error
    if path.suffix.lower() in PICKLES:
        raise UnreadableModel(
            say(
                "The model {source} is a pickle, which can run any code when it is read, so I never open "
                "one. Use the .safetensors version of it.",
                source=source,
            )
        )
    if path.is_dir() or path.is_file():
        return path
    on_disk = path.is_absolute() or path.suffix == ".safetensors" or source.startswith((".", "~"))
    if on_disk or (path.parent.is_dir() and path.parent != Path()) or not _HUB_ID.fullmatch(source):
        raise UnreadableModel(
            say(
                "There is no model at {source}. Name a folder in diffusers' format, "
                "a .safetensors file, or a Hugging Face id like stable-diffusion-v1-5/stable-diffusion-v1-5.",
                source=source,
            )
        )
    return None


def _info(
    name: str, source: str, family: Family, *, native: int | None = None, note: str | None = None
) -> ModelInfo:
    native = native or _NATIVE[family]
    return ModelInfo(
        name=name,
        source=source,
        family=family,
        native=native,
        multiple=_MULTIPLE[family],
        defaults=_DEFAULTS[family],
        min_edge=max(MIN_EDGE, native // 2),
        max_edge=min(MAX_EDGE, native * 2),
        note=note,
        samplers=(OWN_SAMPLER,) if family is Family.OTHER else tuple(SAMPLERS),
        text_widths=_TEXT_WIDTHS.get(family, ()),
    )


# A folder ------------------------------------------------------------------------------------------------


def _folder(path: Path, source: str, *, weights: bool = True) -> ModelInfo:
    if not (path / "model_index.json").is_file():
        raise UnreadableModel(
            say(
                "The folder {source} holds no model_index.json, so it is not a model in diffusers' format.",
                source=source,
            )
        )
    pipeline = read_json(path / "model_index.json").get("_class_name")
    if pipeline not in (*_PIPELINES, *_XL_PIPELINES):
        found = traits(path, source)
        info = replace(
            _info(path.resolve().name, source, Family.OTHER, native=found.native),
            multiple=found.multiple,
            defaults=Defaults(steps=found.steps, guidance=found.guidance, sampler=OWN_SAMPLER),
            takes_negative=found.takes_negative,
        )
        if weights:
            _need_weights(path, source, "*/")
        return _with_extras(_fitted(info, _names(path, source), path), path)
    unet, vae = read_json(path / "unet" / "config.json"), read_json(path / "vae" / "config.json")
    latents, inputs = vae.get("latent_channels", 4), unet.get("in_channels", 4)
    if inputs not in (latents, 2 * latents + 1):
        raise UnreadableModel(_more_than_words(say("The model {source}", source=source), inputs))
    if weights:
        _need_weights(path, source, "unet/")
    if pipeline in _XL_PIPELINES:
        family = Family.SDXL
    else:
        family = Family.SD2 if unet.get("cross_attention_dim") == 1024 else Family.SD1
    try:
        factor = 2 ** (len(vae["block_out_channels"]) - 1)
        sample = unet.get("sample_size") or _NATIVE[family] // factor
        native = (sample if isinstance(sample, int) else max(sample)) * factor
        multiple = factor * 2 ** (len(unet["block_out_channels"]) - 1)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModel(
            say(
                "The configuration of the model {source} is not complete: {error}.",
                source=source,
                error=repr(error),
            )
        ) from error
    info = replace(
        _info(path.resolve().name, source, family, native=native),
        multiple=multiple,
        clip_layers=_clip_layers(path),
        text_widths=_text_widths(path) or _TEXT_WIDTHS[family],
        inpainting=inputs != latents,
        takes_negative=unet.get("time_cond_proj_dim") is None,
    )
    return _with_extras(_fitted(info, _names(path, source), path), path)


def _more_than_words(what: str, inputs: int) -> str:
    kind = {5: say("a depth model"), 8: say("an editing model (pix2pix)")}.get(
        inputs, say("a model for something else")
    )
    return say(
        "{what} is {kind}: its UNet reads {inputs} channels. "
        "I draw with text-to-image models, which read 4, and inpainting models, which read 9.",
        what=what,
        kind=kind,
        inputs=inputs,
    )


def _names(path: Path, source: str) -> str:
    """What a folder may be known by: one in the hub's cache has a number for a name."""
    return " ".join(dict.fromkeys((path.resolve().name, source.rstrip("/").rpartition("/")[2])))


def _fitted(info: ModelInfo, names: str, folder: Path | None = None) -> ModelInfo:
    """With what suits it if it was distilled."""
    if (defaults := distilled(names, info.family, folder)) is None:
        return info
    note = (
        f"By its files or its name I take {info.name} for a distilled model: who chooses none gets "
        f"{defaults.steps} steps, guidance {defaults.guidance:g} and {defaults.sampler}."
    )
    return replace(info, defaults=defaults, note=f"{info.note} {note}" if info.note else note)


def _clip_layers(path: Path) -> int:
    """The layers of the text encoder, or of the smaller of two."""
    configs = [path / part / "config.json" for part in ("text_encoder", "text_encoder_2")]
    counts = [read_json(config).get("num_hidden_layers") for config in configs if config.is_file()]
    return min((count for count in counts if isinstance(count, int)), default=12)


def _text_widths(path: Path) -> tuple[int, ...]:
    """Of the text encoders that a folder has."""
    configs = [path / part / "config.json" for part in ("text_encoder", "text_encoder_2")]
    widths = [read_json(config).get("hidden_size") for config in configs if config.is_file()]
    return tuple(width for width in widths if isinstance(width, int))


def _with_extras(info: ModelInfo, path: Path) -> ModelInfo:
    """With what this project's own files in a model's folder say."""
    words = path / "words.txt"
    if words.is_file():
        known = frozenset(line.strip().casefold() for line in words.read_text("utf-8").splitlines())
        info = replace(info, words=known - {""})
    card = path / "atelier.json"
    return with_card(info, read_json(card)) if card.is_file() else info


def _need_weights(path: Path, source: str, part: str) -> None:
    if any(path.glob(f"{part}*.safetensors")):
        return
    if any(path.glob(f"{part}*.bin")):
        raise UnreadableModel(
            say(
                "The model {source} keeps its weights in pickles (.bin), which can run any code when they "
                "are read, so I never open them. Use a version with .safetensors files.",
                source=source,
            )
        )
    raise UnreadableModel(
        say("The model {source} has no weights: {part} holds no .safetensors file.", source=source, part=part)
    )


# One file ------------------------------------------------------------------------------------------------

_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_CROSS_ATTENTION = "model.diffusion_model.input_blocks.{}.transformer_blocks.0.attn2.to_k.weight"


def _single_file(path: Path, source: str) -> ModelInfo:
    if path.suffix.lower() != ".safetensors":
        raise UnreadableModel(
            say("The model {source} is not a .safetensors file, the only kind of file I open.", source=source)
        )
    shapes = tensor_shapes(path)
    if any(key.startswith(("lora_", "lycoris_")) or ".lora_" in key for key in shapes):
        raise UnreadableModel(
            say(
                "The file {source} is a LoRA, which goes on top of a model; name the model itself.",
                source=source,
            )
        )
    if _INPUT not in shapes:
        raise UnreadableModel(
            say(
                "The file {source} is no Stable Diffusion 1, 2 or XL checkpoint: "
                "it has no UNet of theirs in it.",
                source=source,
            )
        )
    inputs = (shapes[_INPUT][1:2] or [0])[0]
    if inputs not in (4, 9):
        raise UnreadableModel(_more_than_words(say("The file {source}", source=source), inputs))
    family = _family(shapes, source)
    if (folder := configuration_beside(path)) is None:
        info = _info(path.stem, source, family, native=native_of_turbo(path.stem))
        return _fitted(replace(info, inpainting=inputs == 9), path.stem)
    info = replace(_folder(folder, str(folder), weights=False), source=source)
    if info.family is not family:
        raise UnreadableModel(
            say(
                "The file {source} is {family}, but the folder {folder}/ beside it configures "
                "{other}; put the configuration of its own family there, or rename the folder.",
                source=source,
                family=family,
                folder=folder.name,
                other=info.family,
            )
        )
    if info.inpainting != (inputs == 9):
        raise UnreadableModel(
            say(
                "The UNet of the file {source} reads {inputs} channels, but the folder {folder}/ beside it "
                "configures another; put the configuration of a model of its own kind there.",
                source=source,
                inputs=inputs,
                folder=folder.name,
            )
        )
    return info


def _family(shapes: Mapping[str, list[int]], source: str) -> Family:
    if not any(key.startswith(("cond_stage_model.", "conditioner.")) for key in shapes):
        raise UnreadableModel(
            say(
                "The file {source} holds a UNet without a text encoder; use a checkpoint with all its parts.",
                source=source,
            )
        )
    if any(key.startswith("conditioner.embedders.1.") for key in shapes):
        return Family.SDXL
    if any(key.startswith("conditioner.embedders.0.") for key in shapes):
        raise UnreadableModel(
            say(
                "The file {source} is an SDXL refiner, which cannot draw alone; use the base model.",
                source=source,
            )
        )
    if shapes.get(_CROSS_ATTENTION.format("2.1"), [0])[-1] == 1024:
        return Family.SD2
    if shapes.get(_CROSS_ATTENTION.format("1.1"), [0])[-1] == 768:
        return Family.SD1
    raise UnreadableModel(
        say("The file {source} is no Stable Diffusion 1, 2 or XL checkpoint that I know.", source=source)
    )


def configuration_beside(file: Path) -> Path | None:
    """The folder that configures a checkpoint file: `dreams/` in the place of `dreams.safetensors`.

    It is in diffusers' format, and holds what a checkpoint lacks: model_index.json, scheduler/, tokenizer/
    and the config.json of text_encoder/, unet/ and vae/ (for SDXL also those of the second encoder).
    """
    folder = file.with_suffix("")
    return folder if (folder / "model_index.json").is_file() else None


# A Hugging Face id ---------------------------------------------------------------------------------------


def is_guessed(source: str) -> bool:
    """Whether what :func:`describe` says of a source was told by its name: it is still to be fetched."""
    return not source.startswith(_FAKE) and place_on_disk(source) is None and _snapshot(source) is None


def _snapshot(repo: str) -> Path | None:
    """Its folder in the hub's cache, once all of it has come."""
    folder = hub_snapshot(repo)
    return folder if folder is not None and is_whole(folder) else None


def _hub(source: str) -> ModelInfo:
    current = _MOVED.get(source.lower(), source)
    moved = (
        f"{source} is gone from Hugging Face; {current} is its successor and is used."
        if current != source
        else None
    )
    if (folder := _snapshot(current)) is not None:
        info = _folder(folder, current)
        notes = [note for note in (moved, info.note) if note]
        return replace(info, name=current.split("/")[1], source=current, note=" ".join(notes) or None)
    name = current.split("/")[1].lower()
    if sounds_like_one(name):
        family, native = Family.OTHER, 1024
    elif "xl" in name:
        family, native = Family.SDXL, 1024
    elif re.search(r"(stable-diffusion-2|sd-?2|sd-turbo|v2)", name):
        family, native = Family.SD2, 512 if "base" in name else 768
    else:
        family, native = Family.SD1, 512
    note = (
        f"{current} is not on this machine yet and is fetched when it is first used (several gigabytes). "
        f"By its name I take it for {family}."
    )
    native = native_of_turbo(name) or native
    note = f"{moved} {note}" if moved else note
    name = current.split("/")[1]
    return _fitted(_info(name, current, family, native=native, note=note), name)
