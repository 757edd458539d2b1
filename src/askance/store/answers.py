"""Experts' answers: versions of a slice's label, each a file and a row, never overwritten; and slices set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askance.errors import AnswerError, StudyError
from askance.records import IGNORE, Annotation, Effort, State, parse_slice_id
from askance.store import arrays, atomic, schema, slices
from askance.store.cases import natural
from askance.store.database import utc_now

SetAsideState = Literal["skipped", "unreadable"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What an expert hands in for one slice: ``labels`` uint8 (h, w) class ids (IGNORE: not labelled), file's shape.

    ``proposal`` is the id of the model whose prediction was shown, None if none was.
    """

    slice_id: str
    labels: NDArray[np.uint8]
    author: str
    effort: Effort | None = None
    proposal: str | None = None


@dataclass(frozen=True)
class SetAside:
    """Why a slice is skipped or unreadable, who said so and when (ISO UTC)."""

    slice_id: str
    state: SetAsideState
    reason: str
    author: str
    created_at: str


def load(connection: sa.Connection, slice_ids: Sequence[str] | None = None, latest: bool = True) -> list[Annotation]:
    """Annotations of the slices named (None: all), the latest version or every one, by slice and version."""
    table = schema.annotations
    chosen = sa.select(table)
    if latest:
        newest = sa.select(table.c.slice_id, sa.func.max(table.c.version).label("version")).group_by(table.c.slice_id)
        last = newest.subquery()
        chosen = chosen.join(last, (table.c.slice_id == last.c.slice_id) & (table.c.version == last.c.version))
    if slice_ids is None:
        rows = list(connection.execute(chosen))
    else:
        chunks = slices.in_chunks(slice_ids)
        rows = [row for chunk in chunks for row in connection.execute(chosen.where(table.c.slice_id.in_(chunk)))]
    return sorted((_annotation(row) for row in rows), key=lambda one: (_order(one.slice_id), one.version))


def encode(answer: Answer, classes: int) -> bytes:
    """The answer's label file.

    Raises:
        AnswerError: not uint8 (h, w), or a value that is no class of the study.
    """
    labels = answer.labels
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise AnswerError(
            f"slice {answer.slice_id!r}: the answer is {labels.dtype} of shape {labels.shape}; wanted uint8 (h, w)"
        )
    unknown = sorted(set(np.unique(labels).tolist()) - set(range(classes)) - {IGNORE})
    if unknown:
        raise AnswerError(
            f"slice {answer.slice_id!r}: the answer holds the value {unknown[0]}; wanted classes 0 to {classes - 1}, "
            f"or {IGNORE} where nobody labelled"
        )
    if not answer.author:
        raise AnswerError(f"slice {answer.slice_id!r}: the answer has no author; name who drew it")
    return arrays.encode(labels=labels)


def decode(folder: Path, annotation: Annotation, classes: int) -> NDArray[np.uint8]:
    """The labels (h, w) in the file of ``annotation``, in the study's ``folder``.

    Raises:
        StudyError: the file is gone or was changed, or holds a class beyond ``classes``.
    """
    labels: NDArray[np.uint8] = arrays.read(folder / annotation.path, annotation.sha256, "labels")
    highest = int(labels.max(initial=0, where=labels != IGNORE))
    if highest >= classes:
        raise StudyError(
            f"{folder}: study.toml names {classes} classes, but slice {annotation.slice_id!r} is labelled with class "
            f"{highest}; put the classes back, or make a new study"
        )
    return labels


def save_asked(
    connection: sa.Connection, folder: Path, answers: Sequence[Answer], encoded: Sequence[bytes]
) -> list[Annotation]:
    """``save`` for slices that were asked.

    Raises:
        StudyError: a slice that is still in the pool.
    """
    for slice_id, state in slices.states_of(connection, [answer.slice_id for answer in answers]).items():
        if state == "pool":
            raise StudyError(f"slice {slice_id!r} was not asked: it is in the pool; ask for it in a query first")
    return save(connection, folder, answers, encoded)


def save_given(connection: sa.Connection, folder: Path, answers: Sequence[Answer], encoded: Sequence[bytes]) -> None:
    """``save`` for labels that came with the data, asked or not; a slice that has an annotation keeps it.

    Raises:
        StudyError: an unknown slice, or one that belongs to test or validation.
    """
    known = {one.slice_id for one in load(connection, [answer.slice_id for answer in answers])}
    fresh = [(answer, data) for answer, data in zip(answers, encoded, strict=True) if answer.slice_id not in known]
    save(connection, folder, [answer for answer, _ in fresh], [data for _, data in fresh])


def save(
    connection: sa.Connection,
    folder: Path,
    answers: Sequence[Answer],
    encoded: Sequence[bytes],
    to: State | None = "accepted",
) -> list[Annotation]:
    """Store each answer as its slice's next version and bring it to state ``to`` (None: where it is), all or none.

    One whose latest version has the same bytes and author is that version already: nothing is made.

    Raises:
        AnswerError: a shape that is not the slice's.
        StudyError: an unknown slice, one listed twice, or one that cannot be answered in its state.
    """
    ids = [answer.slice_id for answer in answers]
    twice = [slice_id for slice_id, count in Counter(ids).items() if count > 1]
    if twice:
        raise StudyError(f"slice {twice[0]!r} is answered twice in one batch; hand in one answer a slice")
    if to is not None:
        slices.advance(connection, ids, to)
    _check_shapes(connection, answers)
    before = {one.slice_id: one for one in load(connection, ids)}
    saved, files = [], {}
    for answer, data in zip(answers, encoded, strict=True):
        last = before.get(answer.slice_id)
        sha256 = arrays.digest(data)
        if last is None or (last.sha256, last.author) != (sha256, answer.author):
            last = _next_version(answer, 1 if last is None else last.version + 1, sha256)
            files[folder / last.path] = data
            connection.execute(sa.insert(schema.annotations), _row(last))
        saved.append(last)
    for chunk in slices.in_chunks(ids if to is not None else []):
        connection.execute(sa.delete(schema.set_asides).where(schema.set_asides.c.slice_id.in_(chunk)))
    if files:
        atomic.write_all(files)
    return saved


def set_aside(connection: sa.Connection, aside: SetAside) -> None:
    """Take a slice that was asked out of the labelled ones, with a reason; said again, the new reason stands.

    Raises:
        StudyError: another state than these two, no reason, or a slice that cannot be set aside in its state.
    """
    require_reason(aside)
    slices.advance(connection, [aside.slice_id], aside.state)
    connection.execute(sa.delete(schema.set_asides).where(schema.set_asides.c.slice_id == aside.slice_id))
    connection.execute(sa.insert(schema.set_asides), vars(aside))


def require_reason(aside: SetAside) -> None:
    """Nothing, if it says how, why and by whom.

    Raises:
        StudyError: it does not.
    """
    if aside.state not in get_args(SetAsideState):
        raise StudyError(f"slice {aside.slice_id!r}: set aside as {aside.state!r}; wanted skipped or unreadable")
    if not aside.reason.strip() or not aside.author:
        raise StudyError(f"slice {aside.slice_id!r}: set aside without reason or author; give both")


def set_asides(connection: sa.Connection) -> dict[str, SetAside]:
    """The slices set aside now, by id."""
    rows = [SetAside(*row) for row in connection.execute(sa.select(schema.set_asides))]
    return {aside.slice_id: aside for aside in sorted(rows, key=lambda aside: _order(aside.slice_id))}


def _check_shapes(connection: sa.Connection, answers: Sequence[Answer]) -> None:
    places = {answer.slice_id: parse_slice_id(answer.slice_id) for answer in answers}
    names = sorted({case for case, _, _ in places.values()})
    shapes: dict[str, list[int]] = {}
    table = schema.cases
    for chunk in slices.in_chunks(names):
        shapes.update({row.id: row.shape for row in connection.execute(sa.select(table).where(table.c.id.in_(chunk)))})
    for answer in answers:
        case, axis, _ = places[answer.slice_id]
        wanted = tuple(n for k, n in enumerate(shapes[case]) if k != axis)
        if answer.labels.shape != wanted:
            raise AnswerError(
                f"slice {answer.slice_id!r}: the answer has shape {answer.labels.shape}; wanted {wanted}, "
                f"the file's in-plane shape; draw it on the slice as exported"
            )


def _next_version(answer: Answer, version: int, sha256: str) -> Annotation:
    case, axis, index = parse_slice_id(answer.slice_id)
    return Annotation(
        slice_id=answer.slice_id,
        version=version,
        author=answer.author,
        path=f"annotations/{case}/{axis}-{index}.v{version}.npz",
        sha256=sha256,
        created_at=utc_now(),
        effort=answer.effort,
        proposal=answer.proposal,
    )


def _row(one: Annotation) -> dict[str, Any]:
    row = {name: value for name, value in vars(one).items() if name != "effort"}
    row["changed_voxels"] = None if one.effort is None else int(one.effort.changed_voxels)
    row["area_voxels"] = None if one.effort is None else int(one.effort.area_voxels)
    return row


def _annotation(row: sa.Row[Any]) -> Annotation:
    effort = None if row.changed_voxels is None else Effort(row.changed_voxels, row.area_voxels)
    return Annotation(row.slice_id, row.version, row.author, row.path, row.sha256, row.created_at, effort, row.proposal)


def _order(slice_id: str) -> tuple[Any, int, int]:
    case, axis, index = parse_slice_id(slice_id)
    return natural(case), axis, index
