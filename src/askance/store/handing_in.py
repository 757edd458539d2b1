"""Handing in: what becomes of a slice when the person who has it in hand is done with it.

Nothing that was drawn is dropped. An answer that comes after its lease lapsed is a version; where another answer stands
already, that one is stated again after it, so that it goes on standing. A second reading that comes late counts as one
where the slice still waits for its second reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from askance.config import ReadingConfig
from askance.errors import LeaseError
from askance.records import OPEN, UNSEEN, Annotation, State
from askance.store import answers, arrays, audit, drafts, leases, readings, reviews, slices
from askance.store.answers import Answer, SetAside, SetAsideState
from askance.store.database import utc_now
from askance.store.leases import Lease, Purpose
from askance.store.queue import wants_second

Outcome = Literal["accepted", "answered", "in_review", "late"]


@dataclass(frozen=True)
class HandedIn:
    """What came of an answer: the versions stored, and where the asked slice stands now."""

    versions: tuple[Annotation, ...]
    outcome: Outcome


@dataclass(frozen=True)
class Handing:
    """An answer on its way in. ``answer`` is of the slice in hand, ``others`` are slices that were drawn on beside it.

    ``dice`` is the agreement with the other reader, where two people read this slice and that one has answered; of a
    correction, with the version that it corrects.
    """

    user: str
    tab: str | None
    answer: Answer
    others: tuple[Answer, ...] = ()
    dice: float | None = None


def submit(connection: sa.Connection, folder: Path, handing: Handing, classes: int, reading: ReadingConfig) -> HandedIn:
    """Store the answer and the slices drawn on beside it, and move the asked slice on.

    Raises:
        LeaseError: the slice was never this person's to answer, or is open in another tab.
        AnswerError: it does not fit the slice.
    """
    slice_id = handing.answer.slice_id
    before = _latest(connection, slice_id)
    try:
        lease: Lease | None = leases.require(connection, slice_id, handing.user, handing.tab)
    except LeaseError as error:
        if error.kind not in ("lapsed", "taken"):
            raise
        lease = _taken_again(connection, handing, reading)
    if lease is not None and lease.purpose == "review":
        raise LeaseError(
            "never", f"slice {slice_id!r} was given to {handing.user} to review, not to answer; send the review"
        )
    other = readings.other(connection, slice_id, handing.user, reading)
    outcome = _outcome(connection, slice_id, lease, reading, handing.dice)
    waits = slices.states_of(connection, [slice_id])[slice_id] in OPEN
    own_and_late = waits and _authored(before, handing.user)  # what they handed in before came late as well
    saved = _save(connection, folder, [handing.answer], classes, None if outcome == "late" else outcome)
    if outcome == "late" and before is not None and not own_and_late:
        _state_again(connection, folder, before)
    if lease is not None:
        leases.end(connection, lease, "answered")
    else:
        leases.answered_late(connection, slice_id, handing.user)
    if lease is not None and lease.purpose == "second" and other is not None:
        reviews.note(connection, saved[0], other.version, handing.user, "second", handing.dice)
    for beside in handing.others:
        saved += _save_beside(connection, folder, beside, classes, reading)
    drafts.drop(connection, slice_id, handing.user)
    for one in saved:
        came_from = before.version if before is not None and one.slice_id == slice_id else None
        audit.note(connection, handing.user, "answered", one.slice_id, came_from, {"version": one.version, "to": outcome})
    return HandedIn(tuple(saved), outcome)


def keep(connection: sa.Connection, folder: Path, given: Sequence[Answer], classes: int, reading: ReadingConfig) -> None:
    """Store labels of slices that nobody asked this person for."""
    for answer in given:
        for one in _save_beside(connection, folder, answer, classes, reading):
            audit.note(connection, answer.author, "answered", one.slice_id, None, {"version": one.version, "to": "beside"})


def correct(
    connection: sa.Connection, folder: Path, correction: Handing, classes: int, reading: ReadingConfig
) -> list[Annotation]:
    """A reviewer's own version of the answer, and of the slices drawn on beside it.

    Raises:
        LeaseError: the slice is not in the reviewer's hands, or not for a review. AnswerError: one does not fit.
    """
    answer = correction.answer
    saved = [reviews.correct(connection, folder, answer, classes, correction.tab, correction.dice)]
    for beside in correction.others:
        saved += _save_beside(connection, folder, beside, classes, reading)
    for one in saved[1:]:
        audit.note(connection, answer.author, "answered", one.slice_id, None, {"version": one.version, "to": "beside"})
    return saved


def set_aside(connection: sa.Connection, slice_id: str, state: SetAsideState, reason: str, user: str, tab: str) -> None:
    """Skip the slice, or flag it as unreadable; the draft is kept.

    Of a slice that another person has read the answer stays, and a reviewer decides.

    Raises:
        LeaseError: it is not in this person's hands. StudyError: no reason.
    """
    lease = leases.require(connection, slice_id, user, tab)
    aside = SetAside(slice_id, state, reason, user, utc_now())
    if lease.purpose == "second":
        answers.require_reason(aside)
        for step in UNSEEN:
            slices.advance(connection, [slice_id], step)
    else:
        answers.set_aside(connection, aside)
    leases.end(connection, lease, state)
    audit.note(connection, user, state, slice_id, detail={"reason": reason})


def reopen(connection: sa.Connection, slice_id: str, user: str, tab: str, reading: ReadingConfig) -> Lease:
    """Take an earlier answer back in hand, to change it; its versions stay.

    Where another person read the slice as well it is a second reading again: compared anew, without a look at theirs.

    Raises:
        LeaseError: it was never this person's, or is in somebody's hands.
        StudyError: it is not answered.
    """
    if not leases.ever_held(connection, slice_id, user):
        raise LeaseError("never", f"slice {slice_id!r} was not answered by {user}")
    latest = _latest(connection, slice_id)
    purpose: Purpose = "answer" if readings.other(connection, slice_id, user, reading) is None else "second"
    lease = leases.take(connection, slice_id, user, purpose, tab, reading.lease_s)
    audit.note(connection, user, "reopened", slice_id, latest.version if latest else None)
    return lease


def _taken_again(connection: sa.Connection, handing: Handing, reading: ReadingConfig) -> Lease | None:
    """The lapsed lease of a second reading anew, where the slice waits for a second reader still."""
    slice_id, user = handing.answer.slice_id, handing.user
    waits = slices.states_of(connection, [slice_id])[slice_id] == "answered" and wants_second(slice_id, reading)
    if not waits or readings.has_answered(connection, slice_id, user):
        return None
    return leases.take(connection, slice_id, user, "second", handing.tab or "late", reading.lease_s)


def _outcome(
    connection: sa.Connection, slice_id: str, lease: Lease | None, reading: ReadingConfig, dice: float | None
) -> Outcome:
    state = slices.states_of(connection, [slice_id])[slice_id]
    if lease is None and state != "queried":
        return "late"
    if lease is not None and lease.purpose == "second":
        if dice is not None and dice < reading.agreement:
            return "in_review"
        return "answered" if reading.review else "accepted"
    return "answered" if reading.review or wants_second(slice_id, reading) else "accepted"


def _save(
    connection: sa.Connection, folder: Path, given: Sequence[Answer], classes: int, to: State | None
) -> list[Annotation]:
    """The versions; a slice in review is reached by way of answered."""
    encoded = [answers.encode(answer, classes) for answer in given]
    first: State | None = "answered" if to == "in_review" else to
    saved = answers.save(connection, folder, given, encoded, first)
    if to == "in_review":
        slices.advance(connection, [answer.slice_id for answer in given], to)
    return saved


def _save_beside(
    connection: sa.Connection, folder: Path, answer: Answer, classes: int, reading: ReadingConfig
) -> list[Annotation]:
    """A slice that was drawn on while another was asked: an answer like any, unless somebody else has it in hand.

    It waits for its reviewer or second reader as any answer does.
    """
    before = _latest(connection, answer.slice_id)
    state = slices.states_of(connection, [answer.slice_id])[answer.slice_id]
    own = state in ("answered", "accepted") and _authored(before, answer.author)
    to: State = "answered" if reading.review or wants_second(answer.slice_id, reading) else "accepted"
    free = own or state in ("pool", "queried", "skipped")
    saved = _save(connection, folder, [answer], classes, to if free else None)
    if not free and before is not None:
        _state_again(connection, folder, before)
    return saved


def _authored(annotation: Annotation | None, author: str) -> bool:
    return annotation is not None and annotation.author == author


def _state_again(connection: sa.Connection, folder: Path, one: Annotation) -> None:
    """``one`` as the newest version, word for word."""
    labels = arrays.read(folder / one.path, one.sha256, "labels")
    again = Answer(one.slice_id, labels, one.author, one.effort, one.proposal)
    answers.save(connection, folder, [again], [arrays.encode(labels=labels)], None)


def _latest(connection: sa.Connection, slice_id: str) -> Annotation | None:
    return next(iter(answers.load(connection, [slice_id])), None)
