"""Files that are there whole or not at all.

Knows files; does not know what is in them.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from askance.errors import StudyError

#: What a system says where there is no room, or no more of it for this user.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

_PREFIX = ".partial-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in ``path``'s folder, with its suffix; on leaving it is flushed to disk and renamed to ``path``.

    Where the body raises, the temporary file is removed and ``path`` stays as it was.

    Raises:
        StudyError: the folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f"{_PREFIX}{os.getpid()}-{threading.get_ident()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be written ({error.strerror or type(error).__name__}); "
            "wanted a folder with room and write permission; nothing was changed"
        ) from error
    finally:
        with suppress(OSError):  # a file system that can only be read complains of a file that is not there
            temporary.unlink(missing_ok=True)


def remove_partial(folder: Path) -> None:
    """Removes what killed processes left half written in ``folder``; what another one is writing now stays."""
    for leftover in folder.glob(f"{_PREFIX}*"):
        pid = leftover.name.removeprefix(_PREFIX).split("-")[0]
        if pid == str(os.getpid()) or is_dead(pid):
            leftover.unlink(missing_ok=True)


def is_dead(pid: str) -> bool:
    """Whether ``pid``, as it stands in the name of something half made, is that of a process that is gone."""
    return pid.isdecimal() and not psutil.pid_exists(int(pid))


def reserve(path: Path) -> None:
    """Have the disk hold all of a file as long as ``path``'s: written through a map, a full disk would end the process.

    Raises:
        StudyError: there is no room for it.
    """
    if not hasattr(os, "posix_fallocate"):  # Windows gives a file its room at once
        return
    size = path.stat().st_size
    try:
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StudyError(
                f"{path.parent}: the disk is full: wanted {size / 1e6:.0f} MB to train; make room and run the command again"
            ) from error


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk; a system that cannot open folders does it by itself."""
    if path.is_dir():
        with suppress(PermissionError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())
