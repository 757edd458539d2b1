"""SQLite: study.db in the study's folder, in WAL mode. It gives its one write lock to one process at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from askance.errors import StudyBusy, StudyError
from askance.store.turns import Turns

_WAIT_MS = 30_000
_TURNS: WeakValueDictionary[Path, Turns] = WeakValueDictionary()  # one for all who open the same file
_MAKING = threading.Lock()


class SQLite:
    """The file at ``path``."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self.reader: sa.Engine = _engine(path)
        self.writer: sa.Engine = self.reader.execution_options(begin="BEGIN IMMEDIATE")

        with _MAKING:
            self._turns = _TURNS.setdefault(path.resolve(), Turns())

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The threads of this process write in the order in which they came.

        Raises:
            StudyBusy: those before wrote for too long.
        """
        with self._turns.taken(_WAIT_MS / 1000) as is_mine:
            if not is_mine:
                raise StudyBusy(f"{self.where}: others wrote for {_WAIT_MS // 1000} s; try again")
            yield

    def claim(self, connection: sa.Connection) -> None:
        """Nothing more: the transaction began as the one that writes."""

    def alone(self, wait_s: float) -> AbstractContextManager[bool]:
        """Nothing more: the file lies in the folder, and so does the folder's lock."""
        del wait_s
        return nullcontext(True)

    def explained(self, error: DBAPIError) -> StudyError | None:
        """The error in the user's words; None for one that is a fault of the program."""
        if isinstance(error, OperationalError):
            if "locked" in str(error.orig):
                return StudyBusy(f"{self.where}: another process wrote for {_WAIT_MS // 1000} s; try again")
            return StudyError(
                f"{self.where}: cannot be used ({error.orig}); check free space, permissions and that the file is there"
            )
        if isinstance(error, ProgrammingError):
            return None
        return StudyError(f"{self.where}: damaged ({error.orig}); restore it from a backup")


def copy_file(path: Path, target: Path) -> None:
    """A copy of the database at one moment, in ``target``; others go on writing meanwhile."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _url(path: Path) -> sa.URL:
    """The file; of a folder that may not be written to, as it stands: WAL would keep files beside it even to read."""
    wal = path.with_name(f"{path.name}-wal")
    if not path.exists() or os.access(path.parent, os.W_OK) or wal.exists():
        return sa.URL.create("sqlite", database=str(path))
    return sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"immutable": "1", "uri": "true"})


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(_url(path))

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3's own implicit BEGIN would leave DDL and reads outside transactions
        for pragma in (f"busy_timeout = {_WAIT_MS}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine
