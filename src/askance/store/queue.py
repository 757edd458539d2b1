"""Which slice comes next for whom: by priority, slices of one case together where that costs little.

Reads only a handful of rows: a study may have a hundred thousand slices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from askance.config import ReadingConfig
from askance.records import UNSEEN, State
from askance.store import drafts, leases, schema

_LOOKED_AT = 500  # rows of a queue that one choice looks at


@dataclass(frozen=True)
class Wanted:
    """One asked slice in the queue."""

    slice_id: str
    case_id: str
    priority: float


def next_to_answer(connection: sa.Connection, user: str, settings: ReadingConfig) -> Wanted | None:
    """The next slice that nobody has answered; None where the queue is empty. What ``user`` had begun comes first."""
    waiting = _queued(connection)
    ids = {one.slice_id for one in waiting}
    begun = ids & leases.left(connection, user, "lapsed") & drafts.begun(connection, user)
    waiting = [one for one in waiting if one.slice_id in begun] or waiting
    return choose(waiting, _last_case(connection, user), settings.same_case)


def choose(queue: list[Wanted], case_id: str | None, cost: float) -> Wanted | None:
    """The head of ``queue`` (highest priority first), or the first of ``case_id`` that is at most ``cost`` below it.

    An expert works faster within a volume; docs/server.md has what that costs and saves.
    """
    if not queue:
        return None
    near = (one for one in queue if one.case_id == case_id and one.priority >= queue[0].priority - cost)
    return next(near, queue[0])


def next_to_read_again(connection: sa.Connection, user: str, settings: ReadingConfig) -> str | None:
    """The next slice that a second reader is to see and that ``user`` has not answered."""
    if not settings.second_reader:
        return None
    waiting = _authors(connection, ("answered",))
    open_ids = [one for one in waiting if wants_second(one, settings) and len(waiting[one]) == 1]
    return next((one for one in open_ids if user not in waiting[one]), None)


def next_to_review(connection: sa.Connection, user: str, settings: ReadingConfig, unsettled: Collection[str]) -> str | None:
    """The next answer that waits for a reviewer other than its authors; an admin sees to those ``unsettled``.

    A slice that two people are to read waits for both, unless the second has put it in review unread. What ``user`` gave
    back comes last.
    """
    waiting, in_review = _authors(connection, UNSEEN), _authors(connection, ("in_review",))
    ready = [one for one in waiting if one in in_review or not wants_second(one, settings) or len(waiting[one]) > 1]
    theirs = [one for one in ready if user not in waiting[one] and one not in unsettled]
    given_back = leases.left(connection, user, "given back", review=True)
    return min(theirs, key=lambda one: one in given_back, default=None)  # the first of equals: oldest first


def wants_second(slice_id: str, settings: ReadingConfig) -> bool:
    """Whether two people are to read this slice: the same ones in every run, whoever asks."""
    number = int.from_bytes(hashlib.sha256(slice_id.encode()).digest()[:4], "big")
    return number < settings.second_reader * 2**32


def counts(connection: sa.Connection) -> dict[str, int]:
    """Slices of the newest query by state."""
    newest = sa.select(sa.func.max(schema.queries.c.cycle)).scalar_subquery()
    asked, state = schema.asked.c, schema.slices.c.state
    chosen = (
        sa.select(state, sa.func.count())
        .join(schema.asked, asked.slice_id == schema.slices.c.id)
        .where(asked.cycle == newest)
        .group_by(state)
    )
    return {row[0]: row[1] for row in connection.execute(chosen)}


def _queued(connection: sa.Connection, limit: int = _LOOKED_AT) -> list[Wanted]:
    asked, table = schema.asked.c, schema.slices
    chosen = (
        sa.select(table.c.id, table.c.case_id, asked.priority)
        .join(schema.asked, asked.slice_id == table.c.id)
        .where(table.c.state == "queried")
        .order_by(asked.cycle.desc(), asked.place)
        .limit(limit)
    )
    return [Wanted(*row) for row in connection.execute(chosen)]


def head(connection: sa.Connection, length: int) -> list[str]:
    """The slices at the head of the queue."""
    return [one.slice_id for one in _queued(connection, length)]


def queued_of(connection: sa.Connection, case_id: str) -> list[str]:
    """Slices of the case that wait for somebody."""
    table = schema.slices
    waiting = (table.c.case_id == case_id) & (table.c.state == "queried")
    return list(connection.scalars(sa.select(table.c.id).where(waiting).order_by(table.c.number)))


def _last_case(connection: sa.Connection, user: str) -> str | None:
    table = schema.leases
    chosen = (
        sa.select(schema.slices.c.case_id)
        .join(table, table.c.slice_id == schema.slices.c.id)
        .where(table.c.user == user)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    found: Any = connection.scalar(chosen)
    return None if found is None else str(found)


def _authors(connection: sa.Connection, states: tuple[State, ...]) -> dict[str, set[str]]:
    """Slices in one of these states that are in nobody's hands, oldest first -> their authors."""
    notes, table, lease = schema.annotations.c, schema.slices, schema.leases.c
    held = sa.select(lease.slice_id).where(lease.ended.is_(None))
    chosen = (
        sa.select(table.c.id, notes.author)
        .join(schema.annotations, notes.slice_id == table.c.id)
        .where(table.c.state.in_(states), table.c.id.not_in(held))
        .order_by(notes.created_at)
    )
    found: dict[str, set[str]] = {}
    for slice_id, author in connection.execute(chosen):
        found.setdefault(slice_id, set()).add(author)
    return found
