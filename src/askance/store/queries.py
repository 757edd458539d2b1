"""Queries in the database: what was asked in which cycle, and why."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from askance.errors import StudyError
from askance.records import Asked, Query
from askance.store import schema, slices
from askance.store.database import utc_now


def load(connection: sa.Connection, cycle: int | None = None) -> list[Query]:
    """All queries, or that of ``cycle``, by cycle."""
    chosen = sa.select(schema.queries).order_by(schema.queries.c.cycle)
    lines = sa.select(schema.asked).order_by(schema.asked.c.cycle, schema.asked.c.place)
    if cycle is not None:
        chosen = chosen.where(schema.queries.c.cycle == cycle)
        lines = lines.where(schema.asked.c.cycle == cycle)
    asked: dict[int, list[Asked]] = defaultdict(list)
    for row in connection.execute(lines):
        asked[row.cycle].append(Asked(row.slice_id, row.priority, row.reason, row.score, row.role))
    return [Query(row.cycle, row.acquisition, tuple(asked[row.cycle]), row.model) for row in connection.execute(chosen)]


def save(connection: sa.Connection, query: Query) -> None:
    """Store ``query`` and take its slices out of the pool; the same query again changes nothing.

    Raises:
        StudyError: the cycle has another query already, or a slice is not in the pool, unknown, or listed twice, or
            a priority or score is not a number.
    """
    lines = [_line(query.cycle, place, asked) for place, asked in enumerate(query.asked)]
    stored = load(connection, query.cycle)
    if stored:
        if stored[0] != query:
            raise StudyError(
                f"cycle {query.cycle} has another query already ({len(stored[0].asked)} slices by "
                f"{stored[0].acquisition}); a query is never replaced: ask in the next cycle"
            )
        return
    _require_pool(connection, query.cycle, query.slice_ids)
    connection.execute(
        sa.insert(schema.queries),
        {"cycle": query.cycle, "acquisition": query.acquisition, "model": query.model, "created_at": utc_now()},
    )
    if lines:
        connection.execute(sa.insert(schema.asked), lines)
        slices.advance(connection, query.slice_ids, "queried")


def extend(connection: sa.Connection, cycle: int, more: Sequence[Asked]) -> None:
    """Ask ``more`` slices of the pool in ``cycle``, after those that its query has.

    Raises:
        StudyError: a slice is not in the pool, unknown, or listed twice.
    """
    ids = [one.slice_id for one in more]
    _require_pool(connection, cycle, ids)
    behind = sum(len(query.asked) for query in load(connection, cycle))
    connection.execute(sa.insert(schema.asked), [_line(cycle, behind + place, one) for place, one in enumerate(more)])
    slices.advance(connection, ids, "queried")


def _require_pool(connection: sa.Connection, cycle: int, slice_ids: Sequence[str]) -> None:
    twice = [slice_id for slice_id, count in Counter(slice_ids).items() if count > 1]
    if twice:
        raise StudyError(f"query of cycle {cycle}: slice {twice[0]!r} is listed twice; list each slice once")
    for slice_id, state in slices.states_of(connection, slice_ids).items():
        if state != "pool":
            raise StudyError(f"query of cycle {cycle}: slice {slice_id!r} is {state}; only the pool is asked")


def _line(cycle: int, place: int, asked: Asked) -> dict[str, Any]:
    score = None if asked.score is None else float(asked.score)
    if not math.isfinite(asked.priority) or (score is not None and not math.isfinite(score)):
        raise StudyError(
            f"query of cycle {cycle}: slice {asked.slice_id!r} has priority {asked.priority} and score {score}; "
            f"both must be finite numbers; mend the acquisition"
        )
    return {
        "cycle": cycle,
        "slice_id": asked.slice_id,
        "place": place,
        "priority": float(asked.priority),
        "reason": asked.reason,
        "score": score,
        "role": asked.role,
    }
