"""Jobs in the database: wanted by somebody, done by a process of its own, whatever becomes of the server meanwhile.

``Store.jobs`` is the door. What is wanted and cancelled is noted in the audit log, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from askance.errors import StudyBusy, StudyError
from askance.store import audit, schema
from askance.store.database import Database, utc_now
from askance.store.plain import plain

JobState = Literal["queued", "running", "done", "waiting", "failed", "cancelled"]
UNDONE: tuple[JobState, ...] = ("queued", "running")


@dataclass(frozen=True)
class Job:
    """One piece of work: ``process`` does it, ``progress`` is what it said last, ``cancel`` is who wants it ended."""

    id: int
    kind: str
    state: JobState
    user: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    process: str | None
    cancel: str | None
    progress: dict[str, Any]
    message: str | None


class Jobs:
    """The study's jobs, one transaction a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: str, user: str) -> Job:
        """A new job; StudyBusy where one is under way."""
        return self._database.write(add, kind, user)

    def newest(self) -> list[Job]:
        """The newest jobs, newest first."""
        return self._database.read(load)

    def one(self, job_id: int) -> Job:
        """The job; StudyError if there is none."""
        return self._database.read(load_one, job_id)

    def begin(self, job_id: int, process: str) -> Job:
        """Mark a queued job as running."""
        return self._database.write(begin, job_id, process)

    def report(self, job_id: int, progress: Mapping[str, Any]) -> bool:
        """Note how far the job is; True where it is to end."""
        return self._database.write(report, job_id, progress)

    def end(self, job_id: int, state: JobState, message: str) -> None:
        """Mark the job as ended."""
        self._database.write(end, job_id, state, message)

    def cancel(self, job_id: int, user: str) -> Job:
        """Ask the job to end."""
        return self._database.write(cancel, job_id, user)


def add(connection: sa.Connection, kind: str, user: str) -> Job:
    """A new job in the queue.

    Raises:
        StudyBusy: one is queued or running.
    """
    table = schema.jobs
    if connection.scalar(sa.select(table.c.id).where(table.c.state.in_(UNDONE))) is not None:
        raise StudyBusy("a job is under way already; wait until it is done, or cancel it")
    row = {"kind": kind, "state": "queued", "user": user, "created_at": utc_now(), "progress": {}}
    made = connection.execute(sa.insert(table), row).inserted_primary_key
    audit.note(connection, user, "job started", detail={"kind": kind})
    return load_one(connection, int(made[0]) if made else 0)


def load(connection: sa.Connection, last: int = 20) -> list[Job]:
    """The newest jobs, newest first."""
    chosen = sa.select(schema.jobs).order_by(schema.jobs.c.id.desc()).limit(last)
    return [Job(*row) for row in connection.execute(chosen)]


def load_one(connection: sa.Connection, job_id: int) -> Job:
    """The job.

    Raises:
        StudyError: no such job.
    """
    row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise StudyError(f"job {job_id} is not known")
    return Job(*row)


def begin(connection: sa.Connection, job_id: int, process: str) -> Job:
    """Mark a queued job as running in ``process``.

    Raises:
        StudyError: it is not queued any more.
    """
    job = load_one(connection, job_id)
    if job.state != "queued":
        raise StudyError(f"job {job_id} is {job.state}; only a queued one is begun")
    _set(connection, job_id, {"state": "running", "process": process, "started_at": utc_now()})
    return load_one(connection, job_id)


def report(connection: sa.Connection, job_id: int, progress: Mapping[str, Any]) -> bool:
    """Note how far the job is; True where somebody wants it cancelled."""
    _set(connection, job_id, {"progress": plain(progress, f"job {job_id}: progress")})
    return load_one(connection, job_id).cancel is not None


def end(connection: sa.Connection, job_id: int, state: JobState, message: str) -> None:
    """Mark the job as ended; one that has ended stays as it was."""
    if load_one(connection, job_id).state in UNDONE:
        _set(connection, job_id, {"state": state, "message": message, "ended_at": utc_now()})


def cancel(connection: sa.Connection, job_id: int, user: str) -> Job:
    """Ask the job to end; a queued one ends at once."""
    job = load_one(connection, job_id)
    if job.state in UNDONE:
        _set(connection, job_id, {"cancel": user})
        audit.note(connection, user, "job cancelled", detail={"job": job_id})
    if job.state == "queued":
        end(connection, job_id, "cancelled", f"cancelled by {user} before it began")
    return load_one(connection, job_id)


def _set(connection: sa.Connection, job_id: int, values: dict[str, Any]) -> None:
    connection.execute(sa.update(schema.jobs).where(schema.jobs.c.id == job_id).values(values))
