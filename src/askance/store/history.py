"""What happened to slices, as people look back on it: why asked, where they stand, what somebody did, how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askance.records import Asked, State
from askance.store import schema

_LOOKED_AT = 50  # answers that the time per slice is taken from
_HANDED_IN = ("answered", "skipped", "unreadable", "accepted", "corrected")


@dataclass(frozen=True)
class Standing:
    """``state`` of a slice (None outside learn), and the newest ``version`` of its label (None: nobody labelled it)."""

    state: State | None
    version: int | None


@dataclass(frozen=True)
class Done:
    """One thing that somebody finished: ``how`` it ended, and where the slice stands now."""

    slice_id: str
    how: str
    at: str
    state: State


def asked(connection: sa.Connection, slice_id: str) -> tuple[Asked, int, str | None] | None:
    """The newest asking of the slice: why, cycle, model."""
    table = schema.asked
    chosen = (
        sa.select(table, schema.queries.c.model)
        .join(schema.queries, schema.queries.c.cycle == table.c.cycle)
        .where(table.c.slice_id == slice_id)
        .order_by(table.c.cycle.desc())
        .limit(1)
    )
    row = connection.execute(chosen).one_or_none()
    if row is None:
        return None
    return Asked(row.slice_id, row.priority, row.reason, row.score, row.role), row.cycle, row.model


def standing(connection: sa.Connection, case_id: str) -> dict[int, Standing]:
    """Every slice of the case, by index."""
    table, notes = schema.slices, schema.annotations.c
    newest = sa.func.max(notes.version)
    chosen = (
        sa.select(table.c.number, table.c.state, newest)
        .select_from(table.outerjoin(schema.annotations, notes.slice_id == table.c.id))
        .where(table.c.case_id == case_id)
        .group_by(table.c.number, table.c.state)
    )
    return {number: Standing(state, version) for number, state, version in connection.execute(chosen)}


def is_predicted(connection: sa.Connection, model_id: str, case_id: str) -> bool:
    """Whether the model's prediction of the case is stored."""
    table = schema.prediction_files
    chosen = sa.select(table.c.path).where(table.c.model == model_id, table.c.case_id == case_id)
    return connection.scalar(chosen) is not None


def last_cycle_asked(connection: sa.Connection) -> int | None:
    """The cycle of the newest query."""
    newest: int | None = connection.scalar(sa.select(sa.func.max(schema.queries.c.cycle)))
    return newest


def done_by(connection: sa.Connection, user: str, last: int) -> list[Done]:
    """What ``user`` finished, newest first, each slice once."""
    table = schema.leases
    chosen = (
        sa.select(table.c.slice_id, table.c.ended, table.c.ended_at, schema.slices.c.state)
        .join(schema.slices, schema.slices.c.id == table.c.slice_id)
        .where(table.c.user == user, table.c.ended.in_(_HANDED_IN))
        .order_by(table.c.ended_at.desc(), table.c.id.desc())
        .limit(last)
    )
    found: dict[str, Done] = {}
    for row in connection.execute(chosen):
        found.setdefault(row.slice_id, Done(*row))
    return list(found.values())


def seconds_per_slice(connection: sa.Connection, user: str | None) -> list[float]:
    """Seconds from taking a slice, or from handing in the one before if that was later, to handing it in; newest first."""
    table = schema.leases
    chosen = sa.select(table.c.user, table.c.taken_at, table.c.ended_at).where(table.c.ended == "answered")
    if user is not None:
        chosen = chosen.where(table.c.user == user)
    rows = connection.execute(chosen.order_by(table.c.ended_at.desc()).limit(_LOOKED_AT)).all()
    return [_seconds(row, _before(rows[place + 1 :], row.user)) for place, row in enumerate(rows)]


def _before(rows: Any, user: str) -> str:
    return next((row.ended_at for row in rows if row.user == user), "")


def _seconds(row: Any, before: str) -> float:
    began = datetime.fromisoformat(max(row.taken_at, before))
    return (datetime.fromisoformat(row.ended_at) - began).total_seconds()
