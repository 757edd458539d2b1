"""All rows from one database to another, of whichever kind: what a backup is made of, and how a study moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askance.store import schema
from askance.store.database import Database
from askance.store.sqlite import copy_file

_ROWS = 2000


def snapshot(database: Database, target: Path) -> None:
    """The database as it is at one moment, as an SQLite file; others go on writing meanwhile."""
    if isinstance(database.place, Path):
        with database.reading():  # its errors in the user's words
            copy_file(database.place, target)
        return
    copy = Database(target)
    try:
        with database.reading() as source:
            copy.create(lambda connection: copy_rows(source, connection))
    finally:
        copy.close()


def copy_rows(source: sa.Connection, target: sa.Connection) -> None:
    """Every row of every table, but for the study's id: each database has its own. ``target`` has the tables, empty."""
    for table in schema.metadata.sorted_tables:
        if table is not schema.study:
            for rows in _rows(source, table):
                target.execute(sa.insert(table), rows)
    if target.dialect.name == "postgresql":
        _count_on(target)


def _rows(source: sa.Connection, table: sa.Table) -> Iterator[Sequence[dict[str, Any]]]:
    chosen = sa.select(table)
    if table is schema.models:  # a model comes after its parent
        yield from ([row] for row in _parents_first([dict(row) for row in source.execute(chosen).mappings()]))
        return
    streamed = source.execution_options(yield_per=_ROWS).execute(chosen)
    for rows in streamed.mappings().partitions():
        yield [dict(row) for row in rows]


def _parents_first(models: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    done: set[str | None] = {None}
    while ready := [one for one in models if one["id"] not in done and one["parent"] in done]:
        done |= {one["id"] for one in ready}
        yield from ready


def _count_on(target: sa.Connection) -> None:
    """New ids go on after those that were copied."""
    for table in (schema.leases, schema.reviews, schema.audit, schema.jobs):
        last = target.scalar(sa.select(sa.func.max(table.c.id)))
        if last is not None:
            target.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "id"), last)))
