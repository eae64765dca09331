"""Telling how far a model is that comes from Hugging Face."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diffusers.loaders import single_file
from diffusers.pipelines import pipeline_utils
from huggingface_hub.errors import DryRunError
from huggingface_hub.utils.tqdm import tqdm

from generation.engine.reading import Tell
from generation.job import Loading

log = logging.getLogger(__name__)

TOLD_S = 1.0
"""Between two tellings; a card is edited more seldom."""
LOGGED_S = 10.0
"""Between two lines in the log."""

_BYTES_BAR = "huggingface_hub.snapshot_download"
"""What the hub calls its bar for bytes that are on the disk; others count files, or bytes on the wire."""


@contextmanager
def told(name: str, tell: Tell) -> Iterator[None]:
    """Whatever this thread fetches in here with diffusers is told, and logged under the model's name.

    `tell` hears 0 of 0 when all has come.
    """
    _listeners.current = (name, tell)
    try:
        yield
    finally:
        del _listeners.current


_listeners = threading.local()
_fetch = pipeline_utils.snapshot_download


def _telling(*arguments: Any, **options: Any) -> Any:
    """huggingface_hub's snapshot_download, which is asked first what there is to be fetched."""
    listener = getattr(_listeners, "current", None)
    if listener is None or options.get("local_files_only"):
        return _fetch(*arguments, **options)
    try:
        files = _fetch(*arguments, **options, dry_run=True, tqdm_class=_Silent)
    except DryRunError:
        return _fetch(*arguments, **options)  # says what is wrong better
    count = _Count(*listener, total=sum(file.file_size or 0 for file in files if file.will_download))

    class Bar(_Silent):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._counts = options.get("name") == _BYTES_BAR
            super().__init__(*arguments, **options)

        def update(self, n: float | None = 1) -> None:
            if self._counts:
                count.add(int(n or 0))
            super().update(n)

    folder = _fetch(*arguments, **options, tqdm_class=Bar)
    count.end()
    return folder


# diffusers hands the hub's hook for progress through to nobody
pipeline_utils.snapshot_download = _telling
single_file.snapshot_download = _telling


def fetch(repo: str, files: Sequence[str]) -> Path:
    """The folder on this disk with these files of a repository; told like a model's own."""
    return Path(_telling(repo, allow_patterns=list(files)))


class _Silent(tqdm):
    """The hub's bar, and nothing is seen of it: its lines and those of the log would tear each other."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "disable": True})  # type: ignore[no-untyped-call]


class _Count:
    """Adds up what several threads fetch, and tells of it now and then."""

    def __init__(self, name: str, tell: Tell, *, total: int) -> None:
        self._name = name
        self._tell = tell
        self._total = total
        self._fetched = 0
        self._told_at = self._logged_at = -math.inf
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self.add(0)

    def add(self, number: int) -> None:
        with self._lock:
            self._fetched += number
            now = time.monotonic()
            if self._total and now - self._logged_at >= LOGGED_S:
                self._logged_at = now
                loading = Loading(fetched=self._fetched, total=self._total)
                log.info("downloading %s: %s", self._name, loading.so_far)
            if now - self._told_at >= TOLD_S:
                self._told_at = now
                self._tell(self._fetched, self._total)

    def end(self) -> None:
        log.info("downloaded %s in %.0f s", self._name, time.monotonic() - self._started)
        self._tell(0, 0)
