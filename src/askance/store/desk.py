"""The study as the people who work on it see it: who they are, what they have in hand, what they hand in.

``Store.desk`` is the door. Every method that changes something notes it in the audit log, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askance.config import ReadingConfig, StudyConfig
from askance.errors import LeaseError
from askance.records import Annotation, Asked
from askance.store import (
    answers,
    audit,
    drafts,
    giving_out,
    handing_in,
    history,
    leases,
    overview,
    queue,
    readings,
    reviews,
    users,
)
from askance.store.answers import Answer, SetAsideState
from askance.store.audit import Entry
from askance.store.database import Database
from askance.store.giving_out import Given
from askance.store.handing_in import HandedIn, Handing
from askance.store.history import Done, Standing
from askance.store.leases import Lease
from askance.store.reviews import Review
from askance.store.users import Listed, Role, User

_HANDED_IN = ("answered", "accepted", "corrected", "settled")  # how a lease ends that leaves nothing to draw


class Desk:
    """Everything that people do to a study, one transaction a call."""

    def __init__(self, folder: Path, settings: StudyConfig, database: Database) -> None:
        self._folder, self._settings, self._database = folder, settings, database

    @property
    def reading(self) -> ReadingConfig:
        """How people read in this study."""
        return self._settings.reading

    # People

    def add_user(self, name: str, role: Role, days: float, by: str) -> str:
        """A new token, shown this once; UsageError for a name that cannot be used."""
        return self._database.write(users.add, name, role, days, by)

    def revoke_user(self, name: str, by: str) -> int:
        """End every token of a user; how many there were."""
        return self._database.write(users.revoke, name, by)

    def users(self) -> list[Listed]:
        """Everybody, by name."""
        return self._database.read(users.listed)

    def user_of(self, token: str) -> User:
        """Whose token this is; AccessError for one that does not work."""
        return self._database.read(users.known_by, token)

    # Slices in hand

    def next(self, user: str, tab: str, ahead: bool = False) -> Given | None:
        """What ``user`` is to do now: what is in hand, or the next of the queue; ``ahead``: the one after it.

        None where nothing is left for this person.
        """
        return self._database.write(giving_out.next_answer, user, tab, ahead, self.reading)

    def head(self, length: int) -> list[str]:
        """The slices at the head of the queue."""
        return self._database.read(queue.head, length)

    def next_review(self, user: str, tab: str) -> Given | None:
        """The next answer for ``user`` to review; None where there is none."""
        return self._database.write(giving_out.next_review, user, tab, self.reading)

    def waits(self, user: str, review: bool) -> bool:
        """Whether ``next``, or for a ``review`` ``next_review``, has something for ``user``."""
        return self._database.read(giving_out.waits, user, review, self.reading)

    def take(self, slice_id: str, user: str, tab: str) -> Lease:
        """Take an asked slice in hand by its name; LeaseError where somebody else has it."""
        return self._database.write(leases.take, slice_id, user, "answer", tab, self.reading.lease_s)

    def take_case(self, case_id: str, user: str, tab: str) -> list[str]:
        """Take every asked slice of a case in hand; the slices of it that ``user`` then holds."""
        return self._database.write(giving_out.take_case, case_id, user, tab, self.reading.lease_s)

    def adopt(self, user: str, tab: str) -> None:
        """All that ``user`` has in hand moves to ``tab``."""
        self._database.write(leases.adopt, user, tab, self.reading.lease_s)

    def leave(self, user: str, tab: str) -> None:
        """``tab`` is closed: another one of ``user`` may go on where it was."""
        self._database.write(leases.leave, user, tab, self.reading.lease_s)

    def renew(self, user: str, tab: str) -> None:
        """A sign of life of ``tab``."""
        self._database.write(leases.renew, user, tab, self.reading.lease_s)

    def give_back(self, slice_id: str, user: str, tab: str) -> None:
        """Put a slice back into the queue; what was drawn is kept as a draft."""
        self._database.write(_give_back, slice_id, user, tab)

    def lapse(self) -> int:
        """Give back what lies in hands that gave no sign of life for too long; how many slices."""
        return self._database.write(leases.lapse) if self._database.read(leases.is_overdue) else 0

    def reopen(self, slice_id: str, user: str, tab: str) -> Lease:
        """Take an earlier answer in hand again."""
        return self._database.write(handing_in.reopen, slice_id, user, tab, self.reading)

    def held(self, slice_id: str, user: str) -> Lease | None:
        """The running lease of the slice if it is this person's."""
        lease = self._database.read(leases.holder, slice_id)
        return lease if lease is not None and lease.user == user else None

    def ended(self, slice_id: str, user: str) -> str | None:
        """How this person's last time with the slice in hand ended; None where it is in hand, or never was."""
        return self._database.read(leases.ended, slice_id, user)

    def lapsed(self, user: str) -> set[str]:
        """Slices that ``user`` had in hand until the time was over."""
        return self._database.read(leases.left, user, "lapsed")

    def may_see(self, slice_id: str, user: str) -> bool:
        """Whether this person has or had the slice in hand."""
        return self._database.read(leases.ever_held, slice_id, user)

    # Answers

    def save_draft(self, slice_id: str, user: str, tab: str, planes: dict[int, NDArray[np.uint8]]) -> None:
        """Keep what is drawn so far; LeaseError where another tab has the slice, or it is handed in."""
        self._database.write(_save_draft, slice_id, user, tab, planes, self.reading.lease_s)

    def draft(self, slice_id: str, user: str, since: str | None = None) -> dict[int, NDArray[np.uint8]]:
        """What ``user`` has drawn and not handed in, plane by plane; ``since`` then (ISO UTC)."""
        return self._database.read(drafts.load, slice_id, user, since)

    def submit(self, handing: Handing) -> HandedIn:
        """Store an answer and move its slice on; see ``handing_in``."""
        classes = len(self._settings.classes)
        return self._database.write(handing_in.submit, self._folder, handing, classes, self.reading)

    def keep(self, given: list[Answer]) -> None:
        """Store labels of slices that were drawn on beside what was asked."""
        self._database.write(handing_in.keep, self._folder, given, len(self._settings.classes), self.reading)

    def set_aside(self, slice_id: str, state: SetAsideState, reason: str, user: str, tab: str) -> None:
        """Skip the slice in hand, or flag it as unreadable."""
        self._database.write(handing_in.set_aside, slice_id, state, reason, user, tab)

    def accept(self, slice_id: str, user: str, tab: str) -> None:
        """The reviewer accepts the newest version."""
        self._database.write(reviews.accept, slice_id, user, tab)

    def correct(self, correction: Handing) -> list[Annotation]:
        """The reviewer's own version stands; it comes first, then those of the slices drawn on beside it."""
        classes = len(self._settings.classes)
        return self._database.write(handing_in.correct, self._folder, correction, classes, self.reading)

    def settle(self, slice_id: str, version: int, user: str) -> Annotation:
        """The admin says which of two readers' versions stands."""
        return self._database.write(reviews.settle, self._folder, slice_id, version, user)

    def disagreements(self) -> list[Review]:
        """Slices that two people read differently."""
        return self._database.read(reviews.disagreements, self.reading.agreement)

    def read_twice(self) -> list[Review]:
        """How the readers of each slice that two people read compare now."""
        return self._database.read(reviews.read_twice)

    def reviews(self, slice_id: str | None = None) -> list[Review]:
        """What second pairs of eyes said."""
        return self._database.read(reviews.load, slice_id)

    # Where things stand

    def asked(self, slice_id: str) -> tuple[Asked, int, str | None] | None:
        """Why the slice was asked, in which cycle and by which model; None where it was not."""
        return self._database.read(history.asked, slice_id)

    def standing(self, case_id: str) -> dict[int, Standing]:
        """State and newest version of every slice of a case, by index."""
        return self._database.read(history.standing, case_id)

    def versions(self, slice_id: str) -> list[Annotation]:
        """Every version of a slice's label."""
        return self._database.read(answers.load, [slice_id], latest=False)

    def newest(self, slice_ids: list[str]) -> list[Annotation]:
        """The newest version of each of these slices that has one."""
        return self._database.read(answers.load, slice_ids)

    def visible(self, slice_ids: list[str], user: str) -> list[Annotation]:
        """The newest version of each of these slices that an expert may see; see ``readings``."""
        return self._database.read(readings.visible, slice_ids, user, self.reading)

    def other_reading(self, slice_id: str, user: str) -> Annotation | None:
        """What the other reader answered; None where there is none."""
        return self._database.read(readings.other, slice_id, user, self.reading)

    def is_predicted(self, model_id: str, case_id: str) -> bool:
        """Whether the model's prediction of the case is stored."""
        return self._database.read(history.is_predicted, model_id, case_id)

    def last_cycle_asked(self) -> int | None:
        """The cycle of the newest query; None before the first."""
        return self._database.read(history.last_cycle_asked)

    def last_teacher(self) -> str | None:
        """The model that ranked the newest query."""
        return self._database.read(overview.last_teacher)

    def cases_with_labels(self) -> set[str]:
        """Cases of which somebody labelled a slice."""
        return self._database.read(overview.cases_with_labels)

    def labelled_cases(self) -> tuple[int, int]:
        """Cases of learn, and those of which somebody labelled a slice."""
        return self._database.read(overview.labelled_cases)

    def measures(self) -> list[str]:
        """Names of the figures that the model of the newest query gave each slice."""
        return self._database.read(overview.measures)

    def case_means(self, measure: str) -> dict[str, float]:
        """Mean of a figure over each case's slices, by that model; ``score`` is one."""
        return self._database.read(overview.case_means, measure)

    def newest_notes(self, what: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What was noted last of each case and tag."""
        return self._database.read(overview.newest_notes, what)

    def counts(self) -> dict[str, int]:
        """Slices of the newest query by state."""
        return self._database.read(queue.counts)

    def done_by(self, user: str, last: int = 100) -> list[Done]:
        """What ``user`` handed in or set aside, newest first."""
        return self._database.read(history.done_by, user, last)

    def seconds_per_slice(self, user: str | None = None) -> list[float]:
        """How long each of the newest answers took, newest first."""
        return self._database.read(history.seconds_per_slice, user)

    def audit(self, slice_id: str | None = None, last: int | None = None) -> list[Entry]:
        """The audit log, in order."""
        return self._database.read(audit.load, slice_id, last)

    def note(self, who: str, what: str, slice_id: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        """Add a line to the audit log."""
        self._database.write(audit.note, who, what, slice_id, None, detail)


def _give_back(connection: sa.Connection, slice_id: str, user: str, tab: str) -> None:
    leases.give_back(connection, leases.require(connection, slice_id, user, tab), "given back")


def _save_draft(
    connection: sa.Connection, slice_id: str, user: str, tab: str, planes: dict[int, NDArray[np.uint8]], lease_s: float
) -> None:
    """A draft whose lease lapsed is kept as well; one of another tab of the same person, or of a slice handed in, is not."""
    lapsed: LeaseError | None = None
    try:
        leases.require(connection, slice_id, user, tab)
    except LeaseError as error:
        if error.kind not in ("lapsed", "taken"):
            raise
        if leases.ended(connection, slice_id, user) in _HANDED_IN:
            raise LeaseError(
                "answered", f"slice {slice_id!r} is handed in; to change it, open it again from your answers"
            ) from None
        lapsed = error
    drafts.save(connection, slice_id, user, planes)
    if lapsed is None:
        leases.renew(connection, user, tab, lease_s)
