"""`python -m generation.redraw PICTURE`: draws a picture again from what its file says, and compares."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from generation.catalogue import Family, MemoryMode, ModelInfo, UnreadableModel, describe
from generation.controlfiles import weights_of
from generation.controlnets import ControlNets, control_folders
from generation.embeddings import SHIPPED, Embeddings
from generation.job import JobId
from generation.loras import SHIPPED as SHIPPED_LORAS
from generation.loras import Loras
from generation.messages import Drawn, Report, Task, TaskFailed, TaskId
from generation.metadata import Settings, UnreadablePicture, calls_of, read
from generation.modeltable import EMBEDDED
from generation.refiner import check_refiner
from generation.request import Digest, GenerationRequest, InvalidRequest
from generation.upscalers import Upscalers

BASIS = (
    "model_hash",
    "vae_hash",
    "prior_hash",
    "refiner_hash",
    "refiner_start",
    "loras",
    "embeddings",
    "controls",
    "opencv",
    "look",
    "upscaler_hash",
    "upscaler_dtype",
    "upscaler_tile",
    "spandrel",
    "device",
    "dtype",
    "memory",
    *("encode_tiled", "first_decode_tiled", "second_encode_tiled", "decode_tiled"),
    "mode",
    "threads",
    "version",
    "torch",
    "diffusers",
    "transformers",
)
"""What of a record the bits depend on besides the request and the calls."""

LOOKED: Mapping[str, str] = {
    "depth": "told depth",
    "pose": "told poses",
    "people": "found people",
}
"""Models that look at a picture to make a control picture of it, and what each did."""


class CannotRedraw(Exception):  # noqa: N818 - it is a sentence for a person
    """The picture cannot be drawn again; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """0 if every pixel is the same, 1 if not, 2 with a sentence if it cannot be drawn again."""
    parser = argparse.ArgumentParser(prog="python -m generation.redraw", description=__doc__)
    parser.add_argument("picture", type=Path, help="a PNG file that Atelier drew")
    parser.add_argument("--model", help="where its model is (default: where the picture says)")
    parser.add_argument("--vae", help="where its VAE is, if it was not the model's own")
    parser.add_argument("--refiner", help="where its refiner is, if it had one (default: as its model)")
    parser.add_argument("--loras", type=Path, help="the folder of LoRAs, if it has one")
    parser.add_argument("--embeddings", type=Path, help="the folder of learned words, if it has one")
    parser.add_argument("--controlnets", type=Path, help="the folder of ControlNets, if any steered it")
    for name, did in LOOKED.items():
        parser.add_argument(f"--{name}", type=Path, help=f"the model that {did} for its control picture")
    parser.add_argument("--upscalers", type=Path, help="the folder of upscalers, if one made it larger")
    parser.add_argument("--ip-adapter", help="the file of its IP-Adapter, if it has the look of a picture")
    parser.add_argument("--image-encoder", help="the folder of that one's encoder (default: image_encoder/)")
    parser.add_argument("--files", type=Path, help="where the bot keeps pictures, if it starts from one")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="where to keep the new picture")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # else it advises about what is not used here
    try:
        original = options.picture.read_bytes()
        settings = read(original)
        again = redraw(
            settings,
            model=options.model,
            vae=options.vae,
            refiner=options.refiner,
            files=options.files,
            loras=options.loras,
            embeddings=options.embeddings,
            controlnets=options.controlnets,
            looked={name: place for name in LOOKED if (place := getattr(options, name)) is not None},
            upscalers=options.upscalers,
            ip_adapter=options.ip_adapter,
            image_encoder=options.image_encoder,
            device=options.device,
        )
    except OSError as error:
        print(f"{options.picture} cannot be read: {error.strerror}.", file=sys.stderr)
        return 2
    except (UnreadablePicture, UnreadableModel, CannotRedraw) as error:
        print(error, file=sys.stderr)
        return 2
    if options.out is not None:
        options.out.write_bytes(again)
    for line in differences(settings.record or {}, read(again).record or {}):
        print(line)
    largest = largest_difference(original, again)
    print("Every pixel is the same." if largest == 0 else f"Pixels differ by up to {largest} of 255.")
    return 0 if largest == 0 else 1


def redraw(
    settings: Settings,
    *,
    model: str | None = None,
    vae: str | None = None,
    refiner: str | None = None,
    files: Path | None = None,
    loras: Path | None = None,
    embeddings: Path | None = None,
    controlnets: Path | None = None,
    looked: Mapping[str, Path] | None = None,
    upscalers: Path | None = None,
    ip_adapter: str | None = None,
    image_encoder: str | None = None,
    device: str = "auto",
) -> bytes:
    """The picture once more, as a PNG file: each of its rows stands where it stood in each call of the UNet.

    Args:
        settings: of a picture that we drew.
        model: where its model is now; None: where the picture says.
        vae: where its VAE is now; None: the model's own.
        refiner: where its refiner is now; None: where the picture says, if it had one.
        files: the folder `pictures` of the bot that drew it, for a picture that starts from another.
        loras: the folder of LoRAs, for a picture that has one which did not come along.
        embeddings: the folder of learned words, for a picture that has one which did not come along.
        controlnets: the folder of ControlNets, for a picture that one steered which did not come along.
        looked: the folders of the models that made its control picture; see :data:`LOOKED`.
        upscalers: the folder of upscalers, for a picture that one made larger.
        ip_adapter, image_encoder: where those are, for a picture that has the look of another.

    Raises:
        CannotRedraw: the picture does not say enough, or cannot be drawn.
        UnreadableModel: its model is not there.
    """
    if settings.request is None or settings.record is None:
        raise CannotRedraw("Only a picture that Atelier drew says enough to be drawn again exactly.")
    said: list[Report] = []
    request, record = settings.request, settings.record
    larger = _upscalers(request, record, upscalers, device)
    if request.upscale is not None:
        from generation.engine.enlarging import EnlargingEngine

        engine: Any = EnlargingEngine(larger, said.append)
    else:
        info = _described(model, request)
        info = replace(
            info,
            vae=vae,
            refiner=refiner or _refiner(record),
            refiner_start=float(record.get("refiner_start", info.refiner_start)),
            memory=MemoryMode(record.get("memory", MemoryMode.FAST)),
            ip_adapter=ip_adapter,
            image_encoder=image_encoder,
        )
        if request.look is not None and ip_adapter is None:
            raise CannotRedraw(
                "It has the look of a picture by an IP-Adapter: say with --ip-adapter where it is."
            )
        request = replace(request, model=info.source)
        words, adapters = _embeddings(info, record, embeddings), _loras(record, loras)
        steering = _controlnets(record, controlnets, looked or {})
        engine = _engine(info, record, device, said, words, adapters, larger, steering, looked or {})
    task = Task(
        id=TaskId(job=JobId("again"), index=0, attempt=1),
        request=request,
        inputs=_inputs(request.files, files),
        replay=calls_of(record),
    )
    engine.admit(task)
    while engine.busy:
        engine.tick()
    match said[-1]:
        case Drawn(png=png):
            return png
        case TaskFailed(reason=reason):
            raise CannotRedraw(reason)
        case report:
            raise AssertionError(f"an engine ended with {report}")


def _upscalers(
    request: GenerationRequest, record: Mapping[str, Any], folder: Path | None, device: str
) -> Any:
    """What enlarges it as it did then, in tiles of that size; None if nothing did."""
    if "upscaler" not in record:
        return None
    if folder is None:
        name = record["upscaler"]
        raise CannotRedraw(f"The upscaler {name} made it larger: say with --upscalers where it is.")
    import torch

    from generation.engine.models import choose_device, choose_dtype
    from generation.engine.upscalers import UpscalerShelf

    if request.upscale is not None and isinstance(threads := record.get("threads"), int) and threads > 0:
        torch.set_num_threads(threads)
    dtype, tile = str(record.get("upscaler_dtype", "auto")), record.get("upscaler_tile")
    if not isinstance(tile, int) or tile < 64:
        raise CannotRedraw("It does not say in which tiles it was made larger.")
    where = choose_device(device)
    return UpscalerShelf(Upscalers(folder), where, choose_dtype(dtype, where), tile=tile)


def _described(model: str | None, request: GenerationRequest) -> ModelInfo:
    shipped = Path(__file__).parents[1] / EMBEDDED  # of a place on a disk, pictures say the name only
    try:
        return describe(model or (str(shipped) if request.model == shipped.name else request.model))
    except UnreadableModel as error:
        if model is not None:
            raise
        raise UnreadableModel(
            f"The picture was drawn with {request.model}; say with --model where that is now."
        ) from error


def _refiner(record: Mapping[str, Any]) -> str | None:
    """Where the picture says that its refiner is; of a place on somebody's disk it says the name only."""
    if (source := record.get("refiner")) is None:
        return None
    try:
        check_refiner(str(source))
    except UnreadableModel as error:
        raise CannotRedraw(
            f"This was drawn with the refiner {source}; say with --refiner where it is."
        ) from error
    return str(source)


def _embeddings(info: ModelInfo, record: Mapping[str, Any], folder: Path | None) -> Embeddings:
    """The learned words that the picture has, all of which must be there; words that came later are none."""
    had = record.get("embeddings") or {}
    embeddings = Embeddings(folder, SHIPPED, only=had)
    embeddings.refresh()
    here = {each.word for each in embeddings.fitting(info.text_widths).values()}
    if missing := [word for word in had if word not in here]:
        raise CannotRedraw(
            f"It was drawn with learned words that are not here: {', '.join(missing)}. "
            "Say with --embeddings where they are."
        )
    return embeddings


def _loras(record: Mapping[str, Any], folder: Path | None) -> Loras:
    """The LoRAs that the picture has, all of which must be there and the same files as then."""
    loras = Loras(folder, SHIPPED_LORAS)
    for told in record.get("loras") or ():
        name = str(told["name"])
        try:
            path = loras.find(name).path
        except InvalidRequest:
            raise CannotRedraw(
                f"It was drawn with the LoRA {name}, which is not here. Say with --loras where it is."
            ) from None
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != told["sha256"]:
                raise CannotRedraw(f"It was drawn with a LoRA {name} that is another file than {path}.")
    return loras


def _controlnets(record: Mapping[str, Any], folder: Path | None, looked: Mapping[str, Path]) -> ControlNets:
    """The ControlNets that steered it, all of which must be there and the same files as then."""
    known = control_folders(folder).look()
    for told in record.get("controls") or ():
        if (info := known.find(str(told["model"]))) is None:
            raise CannotRedraw(
                f"It was steered by the ControlNet {told['model']}, which is not here. "
                "Say with --controlnets where it is."
            )
        with weights_of(info.place).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest()[:10] != told["model_hash"]:
                raise CannotRedraw(
                    f"It was steered by a ControlNet {info.name} that is another file than {info.place}."
                )
        if "preprocessor_hash" in told and (name := str(told.get("preprocessor", "depth"))) not in looked:
            raise CannotRedraw(
                f"A model that {LOOKED.get(name, name)} made its control picture: "
                f"say with --{name} where it is."
            )
    return known


def _inputs(needed: Sequence[Digest], folder: Path | None) -> Mapping[Digest, bytes]:
    """The files a picture starts from, as the bot keeps them: each named after its content."""
    if needed and folder is None:
        raise CannotRedraw("It starts from another picture: say with --files where the bot keeps them.")
    found = {}
    for digest in needed:
        path = Path(folder or ".") / digest[:2] / digest
        try:
            found[digest] = path.read_bytes()
        except OSError:
            raise CannotRedraw(f"It starts from another picture, which is not there: {path}.") from None
        if hashlib.sha256(found[digest]).hexdigest() != digest:
            raise CannotRedraw(f"The picture that it starts from is damaged: {path}.")
    return found


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is not as it was when the picture was drawn, a line each."""
    return [
        f"{name} was {then.get(name)}, now {now.get(name)}."
        for name in BASIS
        if then.get(name) != now.get(name)
    ]


def largest_difference(one: bytes, other: bytes) -> int:
    """The largest difference of any channel of any pixel, 0 to 255; 255 for pictures of two sizes."""
    first, second = (Image.open(io.BytesIO(png)).convert("RGB") for png in (one, other))
    if first.size != second.size:
        return 255
    return max(ImageChops.difference(first, second).tobytes())


def _engine(
    info: ModelInfo,
    record: Mapping[str, Any],
    device: str,
    said: list[Report],
    words: Embeddings,
    adapters: Loras,
    upscalers: Any,
    controlnets: ControlNets,
    looked: Mapping[str, Path],
) -> Any:
    if info.family is Family.NOISE:
        from generation.engine.noise import NoiseEngine

        return NoiseEngine(info, said.append)
    import torch

    from generation.engine.annotators import Annotators
    from generation.engine.compiling import Compiled
    from generation.engine.lane import PipelineEngine
    from generation.engine.loop import DiffusionEngine
    from generation.engine.memory import STAGES
    from generation.engine.models import load
    from generation.engine.pipeline import load_pipeline

    dtype = str(record.get("dtype", "auto"))
    lane = info.family is Family.OTHER
    model: Any = (load_pipeline if lane else load)(info, device=device, dtype=dtype)
    if isinstance(threads := record.get("threads"), int) and threads > 0:
        torch.set_num_threads(threads)
    if lane:
        return PipelineEngine(model, said.append)
    is_compiled = record.get("mode") == "compiled"
    return DiffusionEngine(
        model,
        said.append,
        cap=1,
        compiled=Compiled(model.unet) if is_compiled else None,
        compiled_calls=compiled_calls(record) if is_compiled else None,
        tiled=[stage for stage in STAGES if record.get(stage)],  # perhaps for want of memory alone
        embeddings=words,
        loras=adapters,
        upscalers=upscalers,
        controlnets=controlnets,
        annotators=Annotators(**looked),
    )


def compiled_calls(record: Mapping[str, Any]) -> Sequence[tuple[int, int]]:
    """Which of a picture's calls of the UNet were compiled, as its record says.

    Raises:
        CannotRedraw: it says nothing that can be read.
    """
    try:
        return [(int(first), int(length)) for first, length in record["compiled_calls"]]
    except (KeyError, TypeError, ValueError):
        raise CannotRedraw("It does not say which of its calls of the UNet were compiled.") from None


if __name__ == "__main__":
    sys.exit(main())
