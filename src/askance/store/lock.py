"""One process at a time works on a study; a second one is told who does.

The lock is the operating system's: it goes when the process goes, however that ends, so there is no stale lock. Who
holds it stands beside it in ``.lock.json``, for the message alone. Where the state is on PostgreSQL, its connection holds a
second lock, since file locks do not always reach from one machine to the other.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import filelock

from askance.errors import StudyBusy
from askance.store import atomic
from askance.store.database import Database, utc_now


class StudyLock:
    """The lock of the study in ``folder``. Within one thread it may be taken again while it is held."""

    def __init__(self, folder: Path, database: Database | None = None) -> None:
        self._folder, self._database = folder, database
        self._holder = folder / ".lock.json"
        self._lock = filelock.FileLock(folder / ".lock")

    @contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold the lock inside the ``with``; wait up to ``wait_s`` seconds for it.

        Raises:
            StudyBusy: another process (or thread) holds it: its pid, host, command and since when.
            StudyError: the folder cannot be written to.
        """
        first = not self._lock.is_locked
        try:
            self._lock.acquire(timeout=wait_s)
        except filelock.Timeout:
            raise StudyBusy(f"{self._folder}: {self._who()} works on it; wait until it is done, or end it") from None
        except OSError as error:
            raise atomic.cannot_write(error, self._folder / ".lock") from None
        try:
            with self._alone(wait_s) if first else nullcontext():
                yield
        finally:
            self._lock.release()

    @contextmanager
    def _alone(self, wait_s: float) -> Iterator[None]:
        with self._database.alone(wait_s) if self._database else nullcontext(True) as held:
            if not held:
                raise StudyBusy(f"{self._folder}: a process on another machine works on it; wait until it is done")
            atomic.write(self._holder, _this_process())
            try:
                yield
            finally:
                self._holder.unlink(missing_ok=True)

    def _who(self) -> str:
        try:
            who = json.loads(self._holder.read_bytes())
            return f"process {who['pid']} on {who['host']} ({who['command']}), since {who['since']},"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def _this_process() -> bytes:
    who = {"pid": os.getpid(), "host": socket.gethostname(), "command": shlex.join(sys.argv), "since": utc_now()}
    return json.dumps(who).encode()
