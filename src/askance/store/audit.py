"""The audit log: who did what to which slice, when, from which version. Rows are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from askance.store import schema
from askance.store.database import utc_now
from askance.store.plain import plain


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    at: str
    who: str
    what: str
    slice_id: str | None
    from_version: int | None
    detail: dict[str, Any]


def note(
    connection: sa.Connection,
    who: str,
    what: str,
    slice_id: str | None = None,
    from_version: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a line."""
    row = {"at": utc_now(), "who": who, "what": what, "slice_id": slice_id, "from_version": from_version}
    connection.execute(sa.insert(schema.audit), row | {"detail": plain(detail or {}, "audit: detail")})


def load(connection: sa.Connection, slice_id: str | None = None, last: int | None = None) -> list[Entry]:
    """The log in order, of one slice or of all; only the ``last`` lines where that is given."""
    table = schema.audit
    chosen = sa.select(table).order_by(table.c.id.desc())
    if slice_id is not None:
        chosen = chosen.where(table.c.slice_id == slice_id)
    rows = connection.execute(chosen if last is None else chosen.limit(last)).all()
    return [Entry(*row[1:]) for row in reversed(rows)]
