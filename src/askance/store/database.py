"""The connection to study.db: transactions, migrations, and SQL's errors in the user's words.

All that only SQLite knows stands in ``_sqlite_engine``; the rest would speak to PostgreSQL as well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, ProgrammingError

from askance.errors import StudyBusy, StudyError
from askance.store.schema import REVISION

_MIGRATIONS = Path(__file__).parent / "migrations"
_WAIT_MS = 30_000

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """study.db at ``path``, opened; every statement runs inside a transaction, reading or writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = _sqlite_engine(path)
        self._writer = self._reader.execution_options(begin="BEGIN IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database throughout."""
        with self._explained(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The one connection that may write now: committed whole at the end, undone whole on any exception."""
        with self._explained(), self._writer.begin() as connection:
            yield connection

    def read(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """``function(connection, ...)`` in one transaction that reads."""
        with self.reading() as connection:
            return function(connection, *args, **named)

    def write(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """``function(connection, ...)`` in one transaction that writes."""
        with self.writing() as connection:
            return function(connection, *args, **named)

    def create(self) -> None:
        """Make the tables, at the newest migration."""
        with self.writing() as connection:
            _migrate(connection)

    def upgrade(self) -> None:
        """Bring an older database to the newest migration, all of it or nothing.

        Raises:
            StudyError: not a study's database, or one that a newer askance made.
        """
        with self.reading() as connection:
            if self._revision(connection) == REVISION:
                return
        with self.writing() as connection:
            if self._revision(connection) < REVISION:
                _migrate(connection)

    def snapshot(self, target: Path) -> None:
        """A copy of the database at one moment, in ``target``; others go on writing meanwhile."""
        with self._explained(), closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.dispose()

    def _revision(self, connection: sa.Connection) -> str:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise StudyError(f"{self.path}: holds no study's tables; restore it from a backup")
        revision = str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))
        if revision > REVISION:
            raise StudyError(
                f"{self.path}: made by a newer askance (schema {revision}, this one knows {REVISION}); upgrade askance"
            )
        return revision

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise StudyError(
                f"{self.path}: refused ({error.orig}): it names a slice, model or label set that the study does not "
                f"hold, or repeats one; store what it refers to first"
            ) from error
        except OperationalError as error:
            if "locked" in str(error.orig):
                raise StudyBusy(f"{self.path}: another process wrote for {_WAIT_MS // 1000} s; try again") from error
            raise StudyError(
                f"{self.path}: cannot be used ({error.orig}); check free space, permissions and that the file is there"
            ) from error
        except ProgrammingError:
            raise  # ours, not the user's
        except DatabaseError as error:
            raise StudyError(f"{self.path}: damaged ({error.orig}); restore it from a backup") from error


def utc_now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _sqlite_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3's own implicit BEGIN would leave DDL and reads outside transactions
        for pragma in (f"busy_timeout = {_WAIT_MS}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine
