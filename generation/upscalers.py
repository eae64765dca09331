"""The owner's upscalers: which files are in their folder, told by the headers, without torch."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generation.modelfiles import PICKLES, UnreadableModel, tensor_shapes
from generation.request import Enlarger, InvalidRequest
from generation.sentence import first_of, say

log = logging.getLogger(__name__)

MAX_NAME = 60
"""Characters in the name of an upscaler: it stands on menus beside other words."""
MAX_NAMED = 10

_OTHERS = {
    "model.diffusion_model.": "a checkpoint, which draws pictures",
    "first_stage_model.": "a checkpoint, which draws pictures",
    "lora_": "a LoRA",
    "lycoris_": "a LoRA",
    "control_model.": "a ControlNet",
    "controlnet_": "a ControlNet",
    "encoder.mid_block.": "a VAE",
    "down_blocks.": "part of a model that draws pictures",
    "text_model.": "a text encoder",
    "emb_params": "a textual inversion",
}
"""What else people keep in .safetensors files, by how the names of the tensors begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscalerFile:
    """One file of the folder: an upscaler by its header, or a sentence for the owner on what is wrong."""

    name: str
    """Without the ending."""
    path: Path
    problem: str | None = None
    numbers: int = 0
    """That its weights are."""


class Upscalers:
    """The .safetensors files in a folder; looked at anew each time, so what is put there is there at once."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` None: there are none."""
        self.folder = folder
        self._seen: Mapping[tuple[Path, int, int], UpscalerFile] = {}

    def survey(self) -> tuple[UpscalerFile, ...]:
        """Every file that may be meant as an upscaler, by name. Reads headers: not for an event loop."""
        if self.folder is None:
            return ()
        seen: dict[tuple[Path, int, int], UpscalerFile] = {}
        found: list[UpscalerFile] = []
        names: set[str] = set()
        for path in _files_in(self.folder):
            try:
                state = path.stat()
            except OSError:  # it went away just now
                continue
            key = path, state.st_mtime_ns, state.st_size
            file = self._seen.get(key) or _looked_at(path)
            seen[key] = file
            if file.problem is None and file.name.casefold() in names:
                problem = f"The upscaler {path} is left out: there is another of that name."
                file = UpscalerFile(name=file.name, path=path, problem=problem)
            elif file.problem is None:
                names.add(file.name.casefold())
            found.append(file)
        self._seen = seen
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that can be asked for."""
        return tuple(file.name for file in self.survey() if file.problem is None)

    def find(self, typed: str) -> str:
        """The name of an upscaler, however it was capitalised.

        Raises:
            InvalidRequest: there is none of that name.
        """
        names = self.names
        wanted = typed.strip().casefold().removesuffix(".safetensors")
        for name in names:
            if name.casefold() == wanted:
                return name
        if not names:
            raise InvalidRequest(NONE_HERE)
        shown = typed[:MAX_NAME].replace("`", "'")
        told = first_of([f"`{name}`" for name in names], MAX_NAMED)
        raise InvalidRequest(
            say("I do not know the upscaler `{shown}`; I have {names}.", shown=shown, names=told)
        )

    def path_of(self, name: str) -> Path | None:
        """The file of an upscaler; None if it is not there, or not any more."""
        return next((f.path for f in self.survey() if f.name == name and f.problem is None), None)


NONE_HERE = say(
    "I have no upscaler here: whoever runs me can put one into the folder that UPSCALERS names. "
    "The Upscale button under a picture has its model draw it again, larger."
)


def _files_in(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
    except OSError as error:
        log.warning("the upscalers in %s cannot be looked at: %s", folder, error.strerror)
        return []
    return [path for path in paths if path.suffix.lower() in {".safetensors", *PICKLES} and path.is_file()]


def _looked_at(path: Path) -> UpscalerFile:
    try:
        return UpscalerFile(name=path.stem, path=path, numbers=_checked(path))
    except UnreadableModel as reason:
        return UpscalerFile(name=path.stem, path=path, problem=str(reason))


def _checked(path: Path) -> int:
    """How many numbers the weights are of what may be an upscaler.

    Raises:
        UnreadableModel: it cannot be one, or cannot be used.
    """
    if path.suffix.lower() in PICKLES:
        raise UnreadableModel(
            f"The upscaler {path} is a pickle, which can run any code when it is read, so I never open one. "
            "Most are to be had as .safetensors too; docs/models.md has the lines that make one of it."
        )
    name = path.stem
    if len(name) > MAX_NAME or not name.isprintable() or name != " ".join(name.split()) or "`" in name:
        raise UnreadableModel(
            f"The upscaler {path} has a name that cannot be shown; "
            f"give it one of up to {MAX_NAME} characters."
        )
    if name.casefold() in set(Enlarger):
        raise UnreadableModel(f"The upscaler {path} is named as a way to enlarge is named; rename it.")
    try:
        shapes = tensor_shapes(path)
    except UnreadableModel as reason:
        raise UnreadableModel(str(reason).replace("The model", "The upscaler", 1)) from reason
    for beginning, what in _OTHERS.items():
        if any(key.startswith(beginning) for key in shapes):
            raise UnreadableModel(f"The file {path} is no upscaler but {what}.")
    if not any(len(shape) == 4 for shape in shapes.values()):
        raise UnreadableModel(f"The file {path} is no upscaler: it holds no weights for pictures.")
    if importlib.util.find_spec("spandrel") is None:
        raise UnreadableModel(
            f"The upscaler {path} cannot be used: what reads it is not installed. "
            "Install it with: pip install --no-deps spandrel"
        )
    return sum(math.prod(shape) for shape in shapes.values())
