"""Cases in the database: rows from and to ``records.Case``, and what a set of cases must hold."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askance.errors import SplitError, StudyError
from askance.records import Case, Slice, Source, Split
from askance.store import schema

_MAX_ID_BYTES = 200
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts ``case2`` before ``case10``, digits before letters, and equals only for equal texts."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], text


def check_name(name: str, what: str) -> None:
    """Let ``name`` pass if it can name a folder on every system.

    Raises:
        StudyError: empty, too long, or with a character that some file system refuses.
    """
    bad = not name or name.startswith(".") or name != name.strip() or _UNSAFE.search(name)
    if bad or not _encodes(name) or len(name.encode()) > _MAX_ID_BYTES:
        raise StudyError(
            f"{what} {name!r:.220} cannot name a folder; wanted 1 to {_MAX_ID_BYTES} bytes, no leading dot, no outer "
            f'spaces, none of / \\ : * ? " < > | and no control characters; rename it'
        )


def load(connection: sa.Connection, split: Split | None = None, ids: Collection[str] | None = None) -> list[Case]:
    """The cases of ``split`` (None: all), or those named, in natural order."""
    table = schema.cases
    chosen = sa.select(table) if split is None else sa.select(table).where(table.c.split == split)
    files = sa.select(schema.sources).order_by(schema.sources.c.channel)
    if ids is not None:
        chosen = chosen.where(table.c.id.in_(ids))
        files = files.where(schema.sources.c.case_id.in_(ids))
    sources: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    for row in connection.execute(files):
        sources[row.case_id].append(row)
    found = [_case(row, sources[row.id]) for row in connection.execute(chosen)]
    return sorted(found, key=lambda case: natural(case.id))


def load_one(connection: sa.Connection, case_id: str) -> Case:
    """The case.

    Raises:
        StudyError: no such case.
    """
    found = load(connection, ids=[case_id])
    if not found:
        raise StudyError(f"case {case_id!r} is not in the study; see its cases with `askance status` or add it")
    return found[0]


def add(connection: sa.Connection, cases: Sequence[Case], axis: int) -> None:
    """Insert cases with their sources and slices; one that is there already, just so, is left as it is.

    Raises:
        StudyError: an id that is there with other content or given twice, or that cannot name a folder.
        SplitError: a patient on two sides.
    """
    known = {case.id: case for case in load(connection)}
    new = []
    for case in cases:
        check_name(case.id, "case")
        if case.id not in known:
            new.append(case)
        elif known[case.id] != case:
            raise StudyError(f"case {case.id!r} is there already with other content; give the new one another id")
        known[case.id] = case
    _check_patients(known.values())
    if new:
        connection.execute(sa.insert(schema.cases), [_row(case) for case in new])
        _insert_sources(connection, new)
        connection.execute(sa.insert(schema.slices), [row for case in new for row in _slice_rows(case, axis)])


def replace(connection: sa.Connection, case: Case) -> None:
    """Put ``case`` in the place of the one with its id: moved files, a label that came later.

    Raises:
        StudyError: no such case, or its patient, split or shape differ: its slices hang on these.
    """
    old = load_one(connection, case.id)
    for field in ("patient", "split", "shape"):
        found, wanted = getattr(case, field), getattr(old, field)
        if found != wanted:
            raise StudyError(f"case {case.id!r}: {field} {found!r}, wanted {wanted!r} as before; add it as another case")
    connection.execute(sa.update(schema.cases).where(schema.cases.c.id == case.id).values(_row(case)))
    connection.execute(sa.delete(schema.sources).where(schema.sources.c.case_id == case.id))
    _insert_sources(connection, [case])


def axis_of(connection: sa.Connection) -> int | None:
    """The file axis along which this study's slices were cut; None while it has none."""
    return connection.scalar(sa.select(schema.slices.c.axis).limit(1))


def _check_patients(cases: Iterable[Case]) -> None:
    side: dict[str, Case] = {}
    for case in cases:
        first = side.setdefault(case.patient, case)
        if first.split != case.split:
            raise SplitError(
                f"patient {case.patient!r} is on two sides: case {first.id!r} in {first.split}, case {case.id!r} in "
                f"{case.split}; put all cases of a patient on one side"
            )


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "patient": case.patient,
        "split": case.split,
        "shape": [int(n) for n in case.shape],
        "spacing_mm": [float(mm) for mm in case.spacing_mm],
        "affine": [[float(value) for value in line] for line in case.affine],
        "labelled": [int(index) for index in case.labelled],
    }


def _insert_sources(connection: sa.Connection, cases: Sequence[Case]) -> None:
    rows = []
    for case in cases:
        labels = () if case.label is None else (case.label,)
        for role, files in (("image", case.images), ("label", labels)):
            for channel, source in enumerate(files):
                path = str(source.path)
                if not _encodes(path):
                    raise StudyError(f"case {case.id!r}: the path {path!r} is not valid Unicode; rename the file")
                rows.append(
                    {"case_id": case.id, "role": role, "channel": channel, "path": path}
                    | {"sha256": source.sha256, "size": int(source.size)}
                )
    if rows:
        connection.execute(sa.insert(schema.sources), rows)


def _slice_rows(case: Case, axis: int) -> Iterable[dict[str, Any]]:
    state = "pool" if case.split == "learn" else None
    for index in range(case.shape[axis]):
        one = Slice(case.id, axis, index, case.patient, case.split)
        yield {"id": one.id, "case_id": case.id, "axis": axis, "number": index, "state": state}


def _case(row: sa.Row[Any], sources: Sequence[sa.Row[Any]]) -> Case:
    files = {role: tuple(_source(file) for file in sources if file.role == role) for role in ("image", "label")}
    return Case(
        id=row.id,
        patient=row.patient,
        split=row.split,
        images=files["image"],
        label=files["label"][0] if files["label"] else None,
        shape=tuple(row.shape),
        spacing_mm=tuple(row.spacing_mm),
        affine=tuple(tuple(line) for line in row.affine),
        labelled=tuple(row.labelled),
    )


def _source(row: sa.Row[Any]) -> Source:
    return Source(Path(row.path), row.sha256, row.size)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
