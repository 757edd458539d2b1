"""Files that are whole or absent: written to a temporary name in the same folder, flushed to the disk, renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from askance.errors import StudyError
from askance.volumes.writing import flush

#: How the name of an unfinished file ends; a kill leaves it behind, where nobody reads it.
UNFINISHED = ".partial"

#: Files flushed at the same time: the disk takes flushes that wait together in one go.
_FLUSHERS = 8


def write(path: Path, data: bytes) -> None:
    """Make ``path`` hold ``data``: after a kill or a power cut it has either all of it or what it had before.

    Raises:
        StudyError: the disk is full, or the folder cannot be written to.
    """
    write_all({path: data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """Make each path hold its bytes; each file for itself is whole or as it was. Missing folders are made.

    Raises:
        StudyError: the disk is full, or a folder cannot be written to.
    """
    folders = {path.parent for path in files}
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        if len(files) == 1:
            _write_one(*next(iter(files.items())))
        else:
            with ThreadPoolExecutor(_FLUSHERS) as pool:
                for _ in pool.map(_write_one, files, files.values()):
                    pass
        for folder in folders | {folder.parent for folder in folders}:
            flush(folder)
    except OSError as error:
        raise cannot_write(error, error.filename or next(iter(folders))) from None


def cannot_write(error: OSError, path: Path | str) -> StudyError:
    """The error that tells the user why ``path`` could not be written, and what to do."""
    reason = error.strerror or str(error)
    return StudyError(f"{path}: cannot be written ({reason}); free space or change its permissions, then run again")


def _write_one(path: Path, data: bytes) -> None:
    unfinished = path.parent / f".{secrets.token_hex(8)}{UNFINISHED}"
    try:
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
