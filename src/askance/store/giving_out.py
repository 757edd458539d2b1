"""Giving out: which slice a person has to do now, be it in hand already or the next of the queue.

Each function runs inside one write transaction, so two who ask at once get two slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from askance.config import ReadingConfig
from askance.records import parse_slice_id
from askance.store import leases, queue, reviews
from askance.store.leases import Lease, Purpose

#: A slice ahead is given only where more than this many wait: at the end of a query nobody keeps two.
_AHEAD_LEAVES = 2


@dataclass(frozen=True)
class Given:
    """A slice given out. ``elsewhere``: it is open in another tab of the same person, and stays there."""

    lease: Lease
    elsewhere: bool


def next_answer(connection: sa.Connection, user: str, tab: str, ahead: bool, reading: ReadingConfig) -> Given | None:
    """What ``user`` is to answer now, or, ``ahead``, after that; None where nothing is left for this person."""
    leases.lapse(connection)
    mine = leases.held_by(connection, user, ("answer", "second"))
    if len(mine) > int(ahead):
        return _in_hand(connection, mine[int(ahead)], user, tab, reading)
    if ahead and queue.counts(connection).get("queried", 0) <= _AHEAD_LEAVES:
        return None
    wanted = queue.next_to_answer(connection, user, reading)
    if wanted is not None:
        return _taken(connection, wanted.slice_id, user, "answer", tab, reading)
    again = queue.next_to_read_again(connection, user, reading)
    return None if again is None else _taken(connection, again, user, "second", tab, reading)


def next_review(connection: sa.Connection, user: str, tab: str, reading: ReadingConfig) -> Given | None:
    """The answer that ``user`` is to review now; None where there is none."""
    leases.lapse(connection)
    mine = leases.held_by(connection, user, ("review",))
    if mine:
        return _in_hand(connection, mine[0], user, tab, reading)
    found = _to_review(connection, user, reading)
    return None if found is None else _taken(connection, found, user, "review", tab, reading)


def waits(connection: sa.Connection, user: str, review: bool, reading: ReadingConfig) -> bool:
    """Whether there is an answer to review, or else a slice to answer, for ``user``; changes nothing."""
    if review:
        return _to_review(connection, user, reading) is not None
    if leases.held_by(connection, user, ("answer", "second")):
        return True
    wanted = queue.next_to_answer(connection, user, reading) or queue.next_to_read_again(connection, user, reading)
    return wanted is not None


def take_case(connection: sa.Connection, case_id: str, user: str, tab: str, lease_s: float) -> list[str]:
    """Take every asked slice of a case in hand; the slices of it that ``user`` then holds."""
    leases.lapse(connection)
    for slice_id in queue.queued_of(connection, case_id):
        leases.take(connection, slice_id, user, "answer", tab, lease_s)
    mine = leases.held_by(connection, user, ("answer", "second"))
    ids = [one.slice_id for one in mine if parse_slice_id(one.slice_id)[0] == case_id]
    return sorted(ids, key=parse_slice_id)


def _to_review(connection: sa.Connection, user: str, reading: ReadingConfig) -> str | None:
    unsettled = {one.slice_id for one in reviews.disagreements(connection, reading.agreement)}
    return queue.next_to_review(connection, user, reading, unsettled)


def _taken(connection: sa.Connection, slice_id: str, user: str, purpose: Purpose, tab: str, reading: ReadingConfig) -> Given:
    return Given(leases.take(connection, slice_id, user, purpose, tab, reading.lease_s), elsewhere=False)


def _in_hand(connection: sa.Connection, lease: Lease, user: str, tab: str, reading: ReadingConfig) -> Given:
    if lease.tab != tab and leases.is_silent(lease, reading.lease_s):
        leases.adopt(connection, user, tab, reading.lease_s)
        return Given(lease, elsewhere=False)
    return Given(lease, elsewhere=lease.tab != tab)
