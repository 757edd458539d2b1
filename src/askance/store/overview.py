"""Figures over whole cases, for clients that think in volumes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from askance.store import schema


def last_teacher(connection: sa.Connection) -> str | None:
    """The model that ranked the newest query."""
    table = schema.queries
    chosen = sa.select(table.c.model).where(table.c.model.is_not(None)).order_by(table.c.cycle.desc()).limit(1)
    model: str | None = connection.scalar(chosen)
    return model


def cases_with_labels(connection: sa.Connection) -> set[str]:
    """Cases of which somebody labelled a slice."""
    table = schema.slices
    chosen = sa.select(table.c.case_id).join(schema.annotations, schema.annotations.c.slice_id == table.c.id).distinct()
    return set(connection.scalars(chosen))


def labelled_cases(connection: sa.Connection) -> tuple[int, int]:
    """Cases of learn, and those of which somebody labelled a slice."""
    total = connection.scalar(sa.select(sa.func.count()).where(schema.cases.c.split == "learn")) or 0
    return total, len(cases_with_labels(connection))


def measures(connection: sa.Connection) -> list[str]:
    """Names of the figures that the model of the newest query gave its first slice."""
    table, model = schema.predictions, last_teacher(connection)
    found = connection.scalar(sa.select(table.c.measures).where(table.c.model == model).limit(1))
    return sorted(found or {})


def case_means(connection: sa.Connection, measure: str) -> dict[str, float]:
    """Mean of ``measure`` over each case's slices, by the model of the newest query."""
    table, model = schema.predictions, last_teacher(connection)
    values: dict[str, list[float]] = defaultdict(list)
    for row in connection.execute(sa.select(table).where(table.c.model == model)):
        values[row.case_id].append(row.score if measure == "score" else row.measures.get(measure, 0.0))
    return {case: sum(found) / len(found) for case, found in values.items()}


def newest_notes(connection: sa.Connection, what: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Case and tag -> ``info`` of the newest line of the audit log that says ``what`` of them; older lines have no tag."""
    table = schema.audit
    details = connection.scalars(sa.select(table.c.detail).where(table.c.what == what).order_by(table.c.id))
    return {(one["case"], one.get("tag", "final")): dict(one.get("info") or {}) for one in details}
