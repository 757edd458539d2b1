"""Two people who read the same slice: neither sees the other's label, and each answer is compared with the other's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from askance.config import ReadingConfig
from askance.records import Annotation
from askance.store import answers, schema, slices
from askance.store.queue import wants_second


def visible(connection: sa.Connection, slice_ids: Sequence[str], user: str, reading: ReadingConfig) -> list[Annotation]:
    """The newest label of each of these slices that ``user`` may see.

    Of a slice that two people read, asked or drawn beside what was asked, that is their own; who has not read it sees a
    label only once it is accepted, when nobody will ask them any more.
    """
    newest = answers.load(connection, slice_ids)
    twice = [one.slice_id for one in newest if wants_second(one.slice_id, reading)]
    chunks = slices.in_chunks(twice)
    table = schema.asked.c.slice_id
    asked = {one for chunk in chunks for one in connection.scalars(sa.select(table).where(table.in_(chunk)))}
    states = slices.states_of(connection, twice)
    read = {one for one in twice if one in asked or states[one] != "accepted"}
    own = _newest_of(connection, sorted(read), user)
    kept = []
    for one in newest:
        if one.slice_id not in read or (states[one.slice_id] == "accepted" and one.slice_id not in own):
            kept.append(one)
        elif one.slice_id in own:
            kept.append(own[one.slice_id])
    return kept


def other(connection: sa.Connection, slice_id: str, user: str, reading: ReadingConfig) -> Annotation | None:
    """What the other reader of the slice answered last; None where nobody else did, or one person reads it."""
    if not wants_second(slice_id, reading):
        return None
    table = schema.reviews.c
    overruled = sa.select(table.version).where(table.slice_id == slice_id, table.kind.in_(("corrected", "settled")))
    not_readings = set(connection.scalars(overruled))
    versions = answers.load(connection, [slice_id], latest=False)
    theirs = [one for one in versions if one.author != user and one.version not in not_readings]
    return theirs[-1] if theirs else None


def has_answered(connection: sa.Connection, slice_id: str, user: str) -> bool:
    """Whether a version of the slice's label is this person's."""
    return bool(_newest_of(connection, [slice_id], user))


def _newest_of(connection: sa.Connection, slice_ids: Sequence[str], user: str) -> dict[str, Annotation]:
    versions: dict[str, list[Annotation]] = defaultdict(list)
    for one in answers.load(connection, slice_ids, latest=False) if slice_ids else []:
        if one.author == user:
            versions[one.slice_id].append(one)
    return {slice_id: found[-1] for slice_id, found in versions.items()}
