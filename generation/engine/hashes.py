"""What a model's pictures depend on, as one short hash over its files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from generation.modelfiles import MAX_HEADER, UnreadableModel, is_half, weights_in
from generation.sentence import say


def hash_vae(place: Path) -> str:
    """The hash of the weights in a VAE's folder or file."""
    return _hash_of(weights_in(place) if place.is_dir() else [place])


def hash_file(path: Path) -> str:
    """What A1111 calls the model hash: the first 10 hexadecimal digits of the file's SHA-256."""
    return digest_of(path)[:10]


@contextmanager
def unchanged(*paths: Path) -> Iterator[str]:
    """The hash of files that are read in here: what is read is then what was hashed.

    That of one file is its :func:`hash_file`.

    Raises:
        UnreadableModel: one was changed meanwhile.
    """
    before = [_version(path) for path in paths]
    yield _hash_of(paths)
    for path, version in zip(paths, before, strict=True):
        if _version(path) != version:
            raise UnreadableModel(
                say(
                    "{path} was changed while it was read; it is read anew when it is asked for.",
                    path=path.name,
                )
            )


def _version(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def _hash_of(paths: Sequence[Path]) -> str:
    """Of one file its :func:`hash_file`; of the parts of one model's weights a hash over all of them."""
    if len(paths) == 1:
        return hash_file(paths[0])
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.name} {digest_of(path)}\n".encode())
    return total.hexdigest()[:10]


def digest_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_PARTS = ("scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae")


def hash_folder(folder: Path, variant: str | None, parts: Iterable[str] = _PARTS) -> str:
    """One hash over names and contents of the weights, configurations and vocabularies of a model."""
    total = hashlib.sha256()
    for path in _hashed_files(folder, variant, parts):
        total.update(f"{path.relative_to(folder).as_posix()} {digest_of(path)}\n".encode())
    return total.hexdigest()[:10]


def _hashed_files(folder: Path, variant: str | None, parts: Iterable[str]) -> Iterator[Path]:
    for part in parts:
        for path in sorted((folder / part).glob("*")):
            if path.suffix in {".json", ".txt", ".model"} or (
                path.suffix == ".safetensors" and is_half(path.name) == (variant == "fp16")
            ):
                yield path


def in_thread(compute: Callable[[], str]) -> Future[str]:
    """A hash that is computed while the model loads."""
    with_one = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model hash")
    future = with_one.submit(compute)
    with_one.shutdown(wait=False)
    return future


def hashes_of(path: Path) -> tuple[str, str]:
    """The SHA-256 of a safetensors file, and 12 digits of that of what is behind its header."""
    whole, behind = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        start = file.read(8)
        whole.update(start)
        whole.update(file.read(min(int.from_bytes(start, "little"), MAX_HEADER)))
        while block := file.read(2**20):
            whole.update(block)
            behind.update(block)
    return whole.hexdigest(), behind.hexdigest()[:12]
