"""What a second pair of eyes said of an answer: read again, accepted, corrected, settled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from askance.errors import LeaseError, StudyError
from askance.records import Annotation
from askance.store import answers, arrays, audit, drafts, leases, schema, slices
from askance.store.answers import Answer
from askance.store.database import utc_now
from askance.store.leases import Lease

Kind = Literal["second", "accepted", "corrected", "settled"]


@dataclass(frozen=True)
class Review:
    """``user`` on ``version`` of a slice; ``dice`` is its agreement with version ``other``, where the two were compared."""

    slice_id: str
    version: int
    other: int | None
    user: str
    kind: Kind
    dice: float | None
    created_at: str


def note(connection: sa.Connection, one: Annotation, other: int | None, user: str, kind: Kind, dice: float | None) -> None:
    """Store what was said of the version ``one``."""
    row = {"slice_id": one.slice_id, "version": one.version, "other": other, "user": user, "kind": kind, "dice": dice}
    connection.execute(sa.insert(schema.reviews), row | {"created_at": utc_now()})


def load(connection: sa.Connection, slice_id: str | None = None) -> list[Review]:
    """All that was said, of one slice or of all, in order."""
    chosen = sa.select(schema.reviews).order_by(schema.reviews.c.id)
    if slice_id is not None:
        chosen = chosen.where(schema.reviews.c.slice_id == slice_id)
    return [Review(*row[1:]) for row in connection.execute(chosen)]


def accept(connection: sa.Connection, slice_id: str, user: str, tab: str) -> None:
    """The reviewer agrees: the newest version is accepted.

    Raises:
        LeaseError: the slice is not in the reviewer's hands, or not for a review.
    """
    lease = _require_review(connection, slice_id, user, tab)
    latest = _latest(connection, slice_id)
    slices.advance(connection, [slice_id], "accepted")
    leases.end(connection, lease, "accepted")
    note(connection, latest, None, user, "accepted", None)
    audit.note(connection, user, "accepted", slice_id, latest.version)


def correct(
    connection: sa.Connection, folder: Path, answer: Answer, classes: int, tab: str | None, dice: float | None
) -> Annotation:
    """The reviewer's own version, accepted; ``dice`` with the version it corrects.

    Raises:
        LeaseError: the slice is not in the reviewer's hands, or not for a review. AnswerError: it does not fit.
    """
    lease = _require_review(connection, answer.slice_id, answer.author, tab)
    before = _latest(connection, answer.slice_id)
    (saved,) = answers.save(connection, folder, [answer], [answers.encode(answer, classes)])
    leases.end(connection, lease, "corrected")
    drafts.drop(connection, answer.slice_id, answer.author)
    note(connection, saved, before.version, answer.author, "corrected", dice)
    audit.note(connection, answer.author, "corrected", answer.slice_id, before.version, {"version": saved.version})
    return saved


def settle(connection: sa.Connection, folder: Path, slice_id: str, version: int, user: str) -> Annotation:
    """``version`` is stated again by ``user`` as the one that stands.

    Raises:
        StudyError: no such version, or a slice that is not in review.
    """
    chosen = next((one for one in answers.load(connection, [slice_id], latest=False) if one.version == version), None)
    if chosen is None:
        raise StudyError(f"slice {slice_id!r} has no version {version}")
    if slices.states_of(connection, [slice_id])[slice_id] != "in_review":
        raise StudyError(f"slice {slice_id!r} is not in review; there is nothing to settle")
    labels = arrays.read(folder / chosen.path, chosen.sha256, "labels")
    again = Answer(slice_id, labels, user, None, chosen.proposal)
    (saved,) = answers.save(connection, folder, [again], [arrays.encode(labels=labels)])
    lease = leases.holder(connection, slice_id)
    if lease is not None:
        leases.end(connection, lease, "settled")
    note(connection, saved, version, user, "settled", None)
    audit.note(connection, user, "settled", slice_id, version, {"version": saved.version})
    return saved


def disagreements(connection: sa.Connection, agreement: float) -> list[Review]:
    """The newest comparison of each slice whose readers' Dice is below ``agreement`` and that nobody has settled."""
    waiting = set(connection.scalars(sa.select(schema.slices.c.id).where(schema.slices.c.state == "in_review")))
    twice = read_twice(connection)
    return [one for one in twice if one.slice_id in waiting and one.dice is not None and one.dice < agreement]


def read_twice(connection: sa.Connection) -> list[Review]:
    """The newest comparison of each slice that two people read: a reopened answer is compared anew."""
    chosen = sa.select(schema.reviews).where(schema.reviews.c.kind == "second").order_by(schema.reviews.c.id)
    newest = {row.slice_id: Review(*row[1:]) for row in connection.execute(chosen)}
    return list(newest.values())


def _require_review(connection: sa.Connection, slice_id: str, user: str, tab: str | None) -> Lease:
    """The running lease of ``user`` for a review: nobody reviews what they read themselves."""
    lease = leases.require(connection, slice_id, user, tab)
    if lease.purpose != "review":
        raise LeaseError("never", f"slice {slice_id!r} was given to {user} to read, not to review; submit an answer")
    return lease


def _latest(connection: sa.Connection, slice_id: str) -> Annotation:
    found = answers.load(connection, [slice_id])
    if not found:
        raise StudyError(f"slice {slice_id!r} has no answer to review")
    return found[0]
