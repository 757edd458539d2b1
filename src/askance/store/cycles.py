"""Finished cycles, their log, and the steps that the loop has taken: where it goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askance.errors import StudyError
from askance.records import Cycle
from askance.store import atomic, schema
from askance.store.database import utc_now
from askance.store.plain import plain


def load(connection: sa.Connection) -> list[Cycle]:
    """The finished cycles, by number."""
    rows = connection.execute(sa.select(schema.cycles).order_by(schema.cycles.c.number))
    return [Cycle(row.number, row.model, row.record) for row in rows]


def save(connection: sa.Connection, cycle: Cycle) -> None:
    """Store a finished cycle; with the same model again (a run that goes on measures anew), the new record stands.

    Raises:
        StudyError: the cycle is stored with another model, or its record holds what JSON cannot.
    """
    record = plain(cycle.record, f"cycle {cycle.number}: record")
    table = schema.cycles
    stored = connection.scalar(sa.select(table.c.model).where(table.c.number == cycle.number))
    if stored is None:
        connection.execute(sa.insert(table), {"number": cycle.number, "model": cycle.model, "record": record})
    elif stored == cycle.model:
        connection.execute(sa.update(table).where(table.c.number == cycle.number).values(record=record))
    else:
        raise StudyError(
            f"cycle {cycle.number} is finished already, with model {stored!r}; found it again with {cycle.model!r}"
        )


def write_log(connection: sa.Connection, path: Path) -> None:
    """Write the log anew: one JSON line a cycle, its number and model first."""
    lines = ({"cycle": one.number, "model": one.model} | one.record for one in load(connection))
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)
    atomic.write(path, text.encode())


def mark(connection: sa.Connection, cycle: int, step: str, detail: Mapping[str, Any]) -> None:
    """Note that the loop has taken ``step`` of ``cycle``; marked again, the new detail stands."""
    table = schema.steps
    row = {"cycle": cycle, "step": step, "detail": plain(detail, f"step {step!r}: detail"), "created_at": utc_now()}
    connection.execute(sa.delete(table).where(table.c.cycle == cycle, table.c.step == step))
    connection.execute(sa.insert(table), row)


def marked(connection: sa.Connection, cycle: int, step: str) -> dict[str, Any] | None:
    """The detail noted with the step; None while it was not taken."""
    table = schema.steps
    detail: dict[str, Any] | None = connection.scalar(
        sa.select(table.c.detail).where(table.c.cycle == cycle, table.c.step == step)
    )
    return detail
