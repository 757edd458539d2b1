"""PostgreSQL, through psycopg 3. Passwords are libpq's business: PGPASSWORD or ~/.pgpass; no URL of ours holds one.

Writers take turns, as they do on SQLite: each transaction that writes holds one advisory lock to its end and, being
READ COMMITTED, sees all that the writer before it left. So every rule that reads first and writes then holds here as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, InternalError, OperationalError

from askance.errors import StudyBusy, StudyError, StudyUnreachable, UsageError

_WAIT_S = 30
_CONNECT_S = 10
_POLL_S = 0.1
#: First keys of our advisory locks; the second tells studies apart that share a database as schemas of their own.
_WRITER, _WORKER = 0x61736B31, 0x61736B32
_SECOND = "hashtext(coalesce(current_schema(), ''))"

#: An acknowledged answer is on the disk, whatever the server's default is.
_CLAIM = (
    "SELECT set_config('lock_timeout', '{wait_s}s', true), "
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END"
)

#: What libpq and the server say -> what to do about it.
_ADVICE = {
    "password": "set PGPASSWORD, or add a line to ~/.pgpass that only you can read",
    "authentication failed": "set PGPASSWORD, or add a line to ~/.pgpass that only you can read",
    "refused": "check that the server runs there, and host and port",
    "could not translate host": "check the host's name",
    "failed to resolve host": "check the host's name",
    "timeout": "check host and port, and that no firewall stands between",
    "does not exist": "make it (createdb, createuser), or correct the URL",
    "too many": "raise the server's max_connections, or stop other clients",
}
_WANTED = "postgresql+psycopg://USER@HOST:PORT/NAME"
_UNSURE = "check that the server runs and can be written to"


class Postgres:
    """The database at ``url``.

    Raises:
        UsageError: psycopg is not installed.
    """

    def __init__(self, url: sa.URL) -> None:
        self.where = url.render_as_string(hide_password=True)
        query = {"connect_timeout": str(_CONNECT_S), "application_name": "askance"} | dict(url.query)
        try:
            engine = sa.create_engine(url.set(query=query), pool_pre_ping=True, max_overflow=15, pool_timeout=_WAIT_S)
        except ModuleNotFoundError:
            raise UsageError("PostgreSQL needs psycopg, which is not installed: pip install 'askance[postgres]'") from None
        self.reader: sa.Engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.writer: sa.Engine = engine.execution_options(isolation_level="READ COMMITTED")

    def turn(self) -> AbstractContextManager[None]:
        """Nothing more: the server's own queue of those who wait for a lock is kept in order."""
        return nullcontext()

    def claim(self, connection: sa.Connection) -> None:
        """Wait until nobody else writes."""
        connection.exec_driver_sql(_CLAIM.format(wait_s=_WAIT_S))
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER}, {_SECOND})")

    @contextmanager
    def alone(self, wait_s: float) -> Iterator[bool]:
        """Hold the study for this connection, which is the process's: it goes when that goes, on whatever machine."""
        until = time.monotonic() + wait_s
        with self.writer.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.detach()  # closed at the end, not kept for others
            statement = f"SELECT pg_try_advisory_lock({_WORKER}, {_SECOND})"
            while not (held := bool(connection.exec_driver_sql(statement).scalar())) and time.monotonic() < until:
                time.sleep(_POLL_S)
            yield held

    def explained(self, error: DBAPIError) -> StudyError | None:
        """The error in the user's words; None for one that is a fault of the program."""
        state, reason = getattr(error.orig, "sqlstate", None) or "", _reason(error.orig)
        if state in ("55P03", "40001", "40P01"):  # lock not available, serialization failure, deadlock
            return StudyBusy(f"{self.where}: another process wrote for {_WAIT_S} s; try again")
        if state == "42501":
            return StudyError(f"{self.where}: {reason}; let this user own the database, or the schema in it")
        if isinstance(error, DataError):
            return StudyError(f"{self.where}: cannot hold that ({reason}); leave control characters out")
        if isinstance(error, (OperationalError, InterfaceError, InternalError)):
            advice = next((text for sign, text in _ADVICE.items() if sign in reason.lower()), _UNSURE)
            return StudyUnreachable(f"{self.where}: cannot be used ({reason}); {advice}")
        return None


def address(text: str) -> sa.URL:
    """The URL of a PostgreSQL database, without a password.

    Raises:
        UsageError: another kind of URL, or one with a password in it; says nothing of what it holds.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError(f"the database's URL cannot be read; wanted {_WANTED}") from None
    if url.password is not None or {"password", "sslpassword"} & set(url.query):
        raise UsageError(
            "the database's URL holds a password, which the list of processes and the study's folder would show; "
            "leave it out, and set PGPASSWORD or add a line to ~/.pgpass (see docs/server.md); "
            "change it if others can see this command"
        )
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg") or not url.database:
        raise UsageError(f"the database's URL is of kind {url.drivername!r:.40}, or names no database; wanted {_WANTED}")
    return url.set(drivername="postgresql+psycopg")


def _reason(error: BaseException | None) -> str:
    """What the server or libpq said last, on one line."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    lines = [line.strip() for line in str(primary or error).splitlines() if line.strip()]
    return " ".join((lines or [type(error).__name__])[-1].split())[:300]
