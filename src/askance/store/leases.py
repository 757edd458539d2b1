"""Who has which slice in hand. A lease without a sign of life lapses: its slice goes back to where it was.

No two people hold the same slice. Every function runs inside a write transaction, so two who ask at once get two slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

import sqlalchemy as sa

from askance.errors import LeaseError
from askance.records import State
from askance.store import audit, schema, slices
from askance.store.database import utc_now

Purpose = Literal["answer", "second", "review"]
#: How long a tab may be silent before another tab of the same person may take its slice without asking.
TAB_SILENT_S = 45


@dataclass(frozen=True)
class Lease:
    """``slice_id`` in the hands of ``user``, in the browser tab called ``tab``, until ``expires_at`` (ISO UTC)."""

    id: int
    slice_id: str
    user: str
    purpose: Purpose
    tab: str
    back_to: State
    taken_at: str
    expires_at: str
    ended: str | None
    ended_at: str | None


def take(connection: sa.Connection, slice_id: str, user: str, purpose: Purpose, tab: str, lease_s: float) -> Lease:
    """Put the slice into the hands of ``user``; its state changes to leased, or for a review to in_review.

    Raises:
        LeaseError: somebody else has it. StudyError: its state does not allow it.
    """
    other = holder(connection, slice_id)
    if other is not None:
        raise LeaseError("taken", f"slice {slice_id!r} is in the hands of {other.user}")
    before = slices.states_of(connection, [slice_id])[slice_id]
    slices.advance(connection, [slice_id], "in_review" if purpose == "review" else "leased")
    now = utc_now()
    row = {"slice_id": slice_id, "user": user, "purpose": purpose, "tab": tab, "back_to": before, "taken_at": now}
    connection.execute(sa.insert(schema.leases), row | {"expires_at": _later(lease_s)})
    audit.note(connection, user, "taken", slice_id, detail={"purpose": purpose})
    found = holder(connection, slice_id)
    assert found is not None
    return found


def holder(connection: sa.Connection, slice_id: str) -> Lease | None:
    """The running lease of the slice."""
    return next(iter(_load(connection, schema.leases.c.slice_id == slice_id)), None)


def held_by(connection: sa.Connection, user: str, purposes: tuple[Purpose, ...]) -> list[Lease]:
    """The running leases of ``user``, oldest first."""
    table = schema.leases
    return _load(connection, (table.c.user == user) & table.c.purpose.in_(purposes))


def require(connection: sa.Connection, slice_id: str, user: str, tab: str | None) -> Lease:
    """The running lease of ``user`` in ``tab`` (None: any tab).

    Raises:
        LeaseError: there is none; ``kind`` says why.
    """
    lease = holder(connection, slice_id)
    if lease is None or lease.user != user:
        had = ever_held(connection, slice_id, user)
        if not had:
            raise LeaseError("never", f"slice {slice_id!r} was not given to {user}")
        kind, how = ("lapsed", "it went back to the queue") if lease is None else ("taken", f"{lease.user} has it now")
        raise LeaseError(kind, f"the time for slice {slice_id!r} is over: {how}; what was drawn is kept")
    if tab is not None and lease.tab != tab:
        raise LeaseError("other_tab", f"slice {slice_id!r} is open in another tab of yours")
    return lease


def ever_held(connection: sa.Connection, slice_id: str, user: str) -> bool:
    """Whether ``user`` has or had the slice in hand."""
    table = schema.leases
    chosen = sa.select(table.c.id).where(table.c.slice_id == slice_id, table.c.user == user).limit(1)
    return connection.scalar(chosen) is not None


def left(connection: sa.Connection, user: str, how: str, review: bool = False) -> set[str]:
    """Slices that ``user`` had in hand to read, or to ``review``, and whose last lease ended so: lapsed, given back."""
    table = schema.leases
    newest = sa.select(sa.func.max(table.c.id)).where(table.c.user == user).group_by(table.c.slice_id)
    ended = (table.c.ended == how) & ((table.c.purpose == "review") == review)
    return set(connection.scalars(sa.select(table.c.slice_id).where(table.c.id.in_(newest), ended)))


def ended(connection: sa.Connection, slice_id: str, user: str) -> str | None:
    """How the last lease of ``user`` on the slice ended; None where it runs, or there was none."""
    table = schema.leases
    chosen = sa.select(table.c.ended).where(table.c.slice_id == slice_id, table.c.user == user)
    return connection.scalar(chosen.order_by(table.c.id.desc()).limit(1))


def renew(connection: sa.Connection, user: str, tab: str, lease_s: float) -> None:
    """A sign of life from ``tab``: its leases begin anew."""
    table = schema.leases
    mine = (table.c.user == user) & (table.c.tab == tab) & table.c.ended.is_(None)
    connection.execute(sa.update(table).where(mine).values(expires_at=_later(lease_s)))


def adopt(connection: sa.Connection, user: str, tab: str, lease_s: float) -> None:
    """Every running lease of ``user`` moves to ``tab``."""
    table = schema.leases
    mine = (table.c.user == user) & table.c.ended.is_(None)
    connection.execute(sa.update(table).where(mine).values(tab=tab, expires_at=_later(lease_s)))
    audit.note(connection, user, "tab changed")


def leave(connection: sa.Connection, user: str, tab: str, lease_s: float) -> None:
    """``tab`` is closed or loads anew: from now on it counts as silent, and another one of ``user`` may go on."""
    table = schema.leases
    mine = (table.c.user == user) & (table.c.tab == tab) & table.c.ended.is_(None)
    connection.execute(sa.update(table).where(mine).values(expires_at=_later(lease_s - TAB_SILENT_S - 1)))


def is_silent(lease: Lease, lease_s: float) -> bool:
    """Whether the lease's tab gave no sign of life for a while: it may be closed."""
    heard = datetime.fromisoformat(lease.expires_at) - timedelta(seconds=lease_s)
    return datetime.now(timezone.utc) - heard > timedelta(seconds=TAB_SILENT_S)


def end(connection: sa.Connection, lease: Lease, how: str) -> None:
    """End the lease, without a change of the slice's state."""
    values = {"ended": how, "ended_at": utc_now()}
    connection.execute(sa.update(schema.leases).where(schema.leases.c.id == lease.id).values(values))


def answered_late(connection: sa.Connection, slice_id: str, user: str) -> None:
    """The last lease of ``user`` on the slice, over by time, ended with an answer all the same."""
    table = schema.leases
    last = sa.select(sa.func.max(table.c.id)).where(table.c.slice_id == slice_id, table.c.user == user).scalar_subquery()
    connection.execute(sa.update(table).where(table.c.id == last).values(ended="answered"))


def give_back(connection: sa.Connection, lease: Lease, how: str) -> None:
    """End the lease and bring the slice back to where it was."""
    end(connection, lease, how)
    if slices.states_of(connection, [lease.slice_id])[lease.slice_id] == "leased":
        slices.advance(connection, [lease.slice_id], lease.back_to)
    audit.note(connection, lease.user, how, lease.slice_id)


def is_overdue(connection: sa.Connection) -> bool:
    """Whether a lease lapsed that was not given back yet."""
    table = schema.leases
    chosen = sa.select(table.c.id).where(table.c.ended.is_(None), table.c.expires_at < utc_now()).limit(1)
    return connection.scalar(chosen) is not None


def lapse(connection: sa.Connection) -> int:
    """Give back what lapsed; how many."""
    gone = _load(connection, schema.leases.c.expires_at < utc_now())
    for lease in gone:
        give_back(connection, lease, "lapsed")
    return len(gone)


def _load(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Lease]:
    table = schema.leases
    chosen = sa.select(table).where(table.c.ended.is_(None), condition).order_by(table.c.id)
    return [Lease(**row) for row in connection.execute(chosen).mappings()]


def _later(seconds: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
