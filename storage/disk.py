"""What the disk must have done before a thing counts as kept. Everything here blocks: call it in a thread."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

TEMPORARY = ".tmp"
"""The suffix of a file that is being written."""


def write_durably(files: Mapping[Path, bytes]) -> None:
    """Make each path hold its content, also after a power cut; a crash leaves all of a file or nothing.

    Files of these names are replaced. A crash may leave files with the suffix TEMPORARY behind. Several files
    at once are much faster than one by one, because the disk is waited for twice and not twice for each.
    """
    temporary = {path: path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY}") for path in files}
    changed = {path.parent for path in files}
    for folder in tuple(changed):
        changed.update(made.parent for made in (folder, *folder.parents) if not made.is_dir())
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            handles = []
            for path, content in files.items():
                file = stack.enter_context(temporary[path].open("xb"))
                file.write(content)
                file.flush()
                handles.append(file.fileno())
            for handle in handles:
                os.fsync(handle)
        for path in files:
            temporary[path].replace(path)
    except BaseException:
        for path in temporary.values():
            path.unlink(missing_ok=True)
        raise
    for folder in changed:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(path: Path) -> IO[bytes]:
    """Lock the file at `path` for this process; closing what is returned, or dying, gives it back.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: it cannot be opened or locked.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(*error.args) from error
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file
