"""Slices in the database, and the one table of how their state may change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, get_args

import sqlalchemy as sa

from askance.errors import StudyError
from askance.records import SET_ASIDE, Slice, Split, State
from askance.store import schema
from askance.store.cases import natural

#: From each state, where a slice may go. ``queried`` goes straight on where no lease or review is in use, ``accepted``
#: and ``answered`` to themselves where an answer gets a new version, and to ``leased`` where it is reopened;
#: ``in_review`` to itself where another reviewer takes it up. From ``leased`` it goes back to where it was where the lease
#: ends without an answer. From ``pool`` goes on without being asked what was labelled when it came
#: (``answers.save_given``) or drawn beside what was asked (``handing_in``).
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "pool": frozenset({"queried", "answered", "accepted"}),
    "queried": frozenset({"leased", "answered", "accepted", "skipped", "unreadable"}),
    "leased": frozenset({"queried", "answered", "in_review", "accepted", "skipped", "unreadable"}),
    "answered": frozenset({"leased", "answered", "in_review", "accepted"}),
    "in_review": frozenset({"leased", "in_review", "accepted"}),
    "accepted": frozenset({"leased", "answered", "accepted"}),
    "skipped": frozenset({"leased", "answered", "accepted", "skipped", "unreadable"}),
    "unreadable": frozenset({"leased", "accepted", "skipped", "unreadable"}),
}

#: Ids named in one SELECT; databases limit the number of parameters.
_CHUNK = 500


def load(connection: sa.Connection, split: Split | None = None, states: Collection[State] | None = None) -> list[Slice]:
    """The slices of ``split`` (None: all) that are in one of ``states`` (None: any, or none), by case and index."""
    patients = sa.select(schema.cases.c.id, schema.cases.c.patient, schema.cases.c.split)
    chosen = sa.select(schema.slices.c.case_id, schema.slices.c.axis, schema.slices.c.number)
    if split is not None:
        patients = patients.where(schema.cases.c.split == split)
    if states is not None:
        chosen = chosen.where(schema.slices.c.state.in_(states))
    known = {row.id: row for row in connection.execute(patients)}
    found: dict[str, list[Slice]] = {case: [] for case in sorted(known, key=natural)}
    for case, axis, index in connection.execute(chosen):
        if case in found:
            found[case].append(Slice(case, axis, index, known[case].patient, known[case].split))
    return [one for of_case in found.values() for one in sorted(of_case, key=attrgetter("index"))]


def states(connection: sa.Connection) -> dict[str, State]:
    """State of every slice of learn, by id; those of test and validation have none."""
    table = schema.slices
    rows = connection.execute(sa.select(table.c.id, table.c.state).where(table.c.state.is_not(None)))
    return {row.id: row.state for row in rows}


def states_of(connection: sa.Connection, slice_ids: Sequence[str]) -> dict[str, State]:
    """State of each slice named.

    Raises:
        StudyError: a slice that the study does not have, or that belongs to test or validation.
    """
    table = schema.slices
    wanted = sa.select(table.c.id, table.c.state)
    found: dict[str, State | None] = {}
    for chunk in in_chunks(slice_ids):
        found.update({row.id: row.state for row in connection.execute(wanted.where(table.c.id.in_(chunk)))})
    states: dict[str, State] = {}
    for slice_id in slice_ids:
        if slice_id not in found:
            raise StudyError(f"slice {slice_id!r} is not in the study; wanted CASE/AXIS/INDEX of one of its cases")
        state = found[slice_id]
        if state is None:
            raise StudyError(f"slice {slice_id!r} belongs to test or validation, whose slices are never asked")
        states[slice_id] = state
    return states


def advance(connection: sa.Connection, slice_ids: Sequence[str], to: State) -> None:
    """Bring the slices to state ``to``, all or none.

    Raises:
        StudyError: an unknown slice, or one whose state does not lead to ``to``.
    """
    if to not in get_args(State):
        raise StudyError(f"state {to!r} is not known; wanted one of {', '.join(get_args(State))}")
    for slice_id, state in states_of(connection, slice_ids).items():
        if to not in TRANSITIONS[state]:
            raise StudyError(
                f"slice {slice_id!r} is {state} and cannot become {to}; "
                f"from there it goes to {', '.join(sorted(TRANSITIONS[state]))}"
            )
    table = schema.slices
    for chunk in in_chunks(slice_ids):
        connection.execute(sa.update(table).where(table.c.id.in_(chunk)).values(state=to))


def in_chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """``items`` in pieces small enough to be the parameters of one statement."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def budget(connection: sa.Connection) -> dict[str, Any]:
    """``slices`` of learn, ``labelled`` (annotated and not set aside), and ``share`` (0 where learn is empty)."""
    slices = connection.scalar(sa.select(sa.func.count()).where(schema.slices.c.state.is_not(None))) or 0
    answered = (
        sa.select(sa.func.count(sa.distinct(schema.annotations.c.slice_id)))
        .join(schema.slices, schema.slices.c.id == schema.annotations.c.slice_id)
        .where(sa.or_(schema.slices.c.state.is_(None), schema.slices.c.state.not_in(sorted(SET_ASIDE))))
    )
    labelled = connection.scalar(answered) or 0
    return {"slices": slices, "labelled": labelled, "share": labelled / slices if slices else 0.0}
