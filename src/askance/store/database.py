"""The connection to a study's database: transactions, migrations, and SQL's errors in the user's words.

What only one kind of database knows stands in ``sqlite.py`` and ``postgres.py``; all else is the same for both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError, IntegrityError

from askance.errors import StudyBusy, StudyError
from askance.store import schema
from askance.store.postgres import Postgres
from askance.store.schema import REVISION
from askance.store.sqlite import SQLite

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATING = threading.Lock()  # Alembic's context is one for all threads of a process

P = ParamSpec("P")
T = TypeVar("T")


class _Backend(Protocol):
    """What one kind of database does its own way. ``where`` is what messages call it: never with a password."""

    where: str
    reader: sa.Engine
    writer: sa.Engine

    def turn(self) -> AbstractContextManager[None]: ...
    def claim(self, connection: sa.Connection) -> None: ...
    def explained(self, error: DBAPIError) -> StudyError | None: ...
    def alone(self, wait_s: float) -> AbstractContextManager[bool]: ...


class Database:
    """study.db at a path, or PostgreSQL at a URL; every statement runs inside a transaction, reading or writing."""

    def __init__(self, place: Path | sa.URL) -> None:
        self.place = place
        self._backend: _Backend = SQLite(place) if isinstance(place, Path) else Postgres(place)

    @property
    def where(self) -> str:
        """What messages call it."""
        return self._backend.where

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database throughout."""
        with self._explained(), self._backend.reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The one connection that may write now: committed whole at the end, undone whole on any exception."""
        with self._explained(), self._backend.turn(), self._backend.writer.begin() as connection:
            self._backend.claim(connection)
            yield connection

    def read(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """``function(connection, ...)`` in one transaction that reads."""
        with self.reading() as connection:
            return function(connection, *args, **named)

    def write(self, function: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """``function(connection, ...)`` in one transaction that writes."""
        with self.writing() as connection:
            return function(connection, *args, **named)

    @contextmanager
    def alone(self, wait_s: float) -> Iterator[bool]:
        """Hold the database against other machines inside the ``with``; False where another holds it after ``wait_s``."""
        with self._explained(), self._backend.alone(wait_s) as held:
            yield held

    def create(self, fill: Callable[[sa.Connection], None] | None = None) -> str:
        """Make the tables, at the newest migration, and ``fill`` them, all of it or nothing; the new study's id.

        Raises:
            StudyError: there is a study already, or something else.
        """
        with self.writing() as connection:
            self._require_empty(connection)
            _migrate(connection)
            if fill is not None:
                fill(connection)
            return study_of(connection)

    def drop(self) -> None:
        """Remove every table of the study: what undoes ``create``."""
        with self.writing() as connection:
            schema.metadata.drop_all(connection)
            connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("DROP FUNCTION IF EXISTS askance_append_only()"))

    def upgrade(self, study: str | None = None) -> None:
        """Bring an older database to the newest migration, all of it or nothing.

        Raises:
            StudyError: no study's database, one that a newer askance made, or one of another study than ``study``.
        """
        with self.reading() as connection:
            current = self._revision(connection) == REVISION
        if not current:
            with self.writing() as connection:
                if self._revision(connection) < REVISION:
                    _migrate(connection)
        if study is not None and (found := self.read(study_of)) != study:
            raise StudyError(
                f"{self.where}: holds another study (found id {found}, wanted {study}); "
                f"give the URL of this study's own database"
            )

    def close(self) -> None:
        """Let go of it."""
        self._backend.reader.dispose()

    def _require_empty(self, connection: sa.Connection) -> None:
        tables = set(sa.inspect(connection).get_table_names())
        if tables & {"alembic_version", *schema.metadata.tables}:
            what = "a study" if "alembic_version" in tables and "slices" in tables else "tables of the same names"
            raise StudyError(f"{self.where}: holds {what} already; wanted an empty database, one a study; make one")

    def _revision(self, connection: sa.Connection) -> str:
        if not sa.inspect(connection).has_table("alembic_version"):
            raise StudyError(f"{self.where}: holds no study's tables; restore it from a backup")
        revision = str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))
        if revision > REVISION:
            raise StudyError(
                f"{self.where}: made by a newer askance (schema {revision}, this one knows {REVISION}); upgrade askance"
            )
        return revision

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise StudyError(
                f"{self.where}: refused ({_first_line(error.orig)}): it names a slice, model or label set that the study "
                f"does not hold, or repeats one; store what it refers to first"
            ) from error
        except sa.exc.TimeoutError as error:
            raise StudyBusy(f"{self.where}: all connections are in use; try again") from error
        except DBAPIError as error:
            told = self._backend.explained(error)
            if told is None:
                raise  # ours, not the user's
            raise told from error


def utc_now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def study_of(connection: sa.Connection) -> str:
    """The id by which this database is known to be its study's."""
    return str(connection.scalar(sa.select(schema.study.c.id)))


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "")


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _MIGRATING:
        command.upgrade(config, "head")
