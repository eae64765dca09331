"""All that is kept about a person as zip files that fit into messages. Slow: not for the event loop."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ROWS_IN_A_FILE = 2000
"""A file of rows must fit into a zip file whole."""

OVERHEAD = 300
"""Bytes that a file takes in a zip file beside its content and twice its name, at the most."""


class Parcel:
    """A zip file of at most `limit` bytes. It is asked whether something fits before that is put in."""

    def __init__(self, limit: int) -> None:
        self._limit = limit - OVERHEAD
        self._buffer = io.BytesIO()
        self._zip = zipfile.ZipFile(self._buffer, "w")
        self._names: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._names)

    def put(self, name: str, data: bytes, *, compress: bool = False) -> bool:
        """Whether it was put in; False: there is no room for it.

        Args:
            compress: it is text; pictures are as small as they can be.
        """
        listed = sum(2 * len(known.encode()) + OVERHEAD for known in (*self._names, name))
        if compress and len(data) + listed + self._buffer.tell() > self._limit:
            return self._put_compressed(name, data, listed)
        if self._buffer.tell() + len(data) + listed > self._limit:
            return False
        self._write(name, data, compress=compress)
        return True

    def _put_compressed(self, name: str, data: bytes, listed: int) -> bool:
        trial = io.BytesIO()
        with zipfile.ZipFile(trial, "w") as alone:
            alone.writestr(name, data, zipfile.ZIP_DEFLATED)
        if self._buffer.tell() + trial.tell() + listed > self._limit:
            return False
        self._write(name, data, compress=True)
        return True

    def _write(self, name: str, data: bytes, *, compress: bool) -> None:
        self._zip.writestr(name, data, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED)
        self._names.append(name)

    def closed(self) -> bytes:
        """The file."""
        self._zip.close()
        return self._buffer.getvalue()


def row_files(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, bytes]]:
    """The rows as JSON files, by name: one for each kind of them, or of very many several."""
    for kind, rows in told.items():
        for number, start in enumerate(range(0, len(rows), ROWS_IN_A_FILE), start=1):
            name = f"{kind}.json" if len(rows) <= ROWS_IN_A_FILE else f"{kind}-{number}.json"
            chunk = rows[start : start + ROWS_IN_A_FILE]
            yield name, json.dumps(chunk, ensure_ascii=False, indent=1).encode(errors="replace")
