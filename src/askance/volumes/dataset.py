"""From what lies in a folder to a study's cases, and from moved files back to them.

Knows the whole data set at once; what is wrong with it is check.py's to find, and is told here as one error.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from askance.errors import (
    DataError,
    FormatError,
    GeometryError,
    LabelError,
    SourceChanged,
    SourceMissing,
    SplitError,
)
from askance.records import Affine, Case, Source, Split
from askance.volumes.check import Examination, Progress, examine
from askance.volumes.files import SUFFIXES, hash_file
from askance.volumes.found import Found, FoundCase, Kind, Problem, some
from askance.volumes.patients import WHAT_THE_DATA_SAYS, Division, divide, require_clear_patients

_LISTED = 10

_log = logging.getLogger(__name__)

_ERRORS: dict[Kind, type[DataError]] = {
    "format": FormatError,
    "geometry": GeometryError,
    "label": LabelError,
    "split": SplitError,
    "duplicate": SplitError,
}


def study_cases(
    found: Found,
    *,
    axis: str | None = None,
    division: Division = WHAT_THE_DATA_SAYS,
    seed: int = 0,
    beside: Sequence[Case] = (),
    progress: Progress | None = None,
) -> tuple[list[Case], int]:
    """The cases of a data set, by id, and the file axis to slice along (``axis``: a number, a plane, None: coarsest).

    Every file is read and hashed. An image that stands byte for byte under two cases is only warned of: published sets
    hold some (ACDC's patient074 and patient076), and their splits are what others compare with. ``seed`` draws the test
    patients where neither the user nor the data set names them. What a study has already, ``beside``, is compared with, too.
    ``progress`` is told (cases done, cases).

    Raises:
        UsageError: ``axis`` or ``division`` cannot be understood.
        SplitError: it is not clear who the patients are, or the splits do not fit the cases.
        DataError: there are problems; up to ten are listed. Of the kind's own class where all are of one kind.
    """
    require_clear_patients(found, division)
    examination = examine(found, axis=axis, division=division, beside=beside, progress=progress)
    repeats = [problem for problem in examination.problems if problem.is_warning]
    if len(repeats) < len(examination.problems):
        raise _one_error(found, [problem for problem in examination.problems if problem not in repeats])
    for problem in repeats:
        _log.warning("%s", problem.message)
    patients, splits = divide(found, division, seed)
    cases = [_case(case, patients[case.id], splits[case.id], examination) for case in found.cases]
    return sorted(cases, key=lambda case: case.id), examination.axis


def relocate(case: Case, folder: Path) -> Case:
    """``case`` with its files where they lie under ``folder`` now, known by their bytes.

    Raises:
        SourceChanged: a file of the name is there, but none with the bytes.
        SourceMissing: nothing there has the name or the bytes.
    """
    return relocate_all([case], folder)[0]


def relocate_all(cases: Sequence[Case], folder: Path) -> list[Case]:
    """``cases`` as by ``relocate``; ``folder`` is walked once, and what is not found is told in one error.

    A file that is not under ``folder`` but still where it was, with its bytes, has not moved and is left alone.

    Raises:
        SourceChanged, SourceMissing: as ``relocate``, changed ones first.
    """
    there = _by_size(folder)
    wanted = [source for case in cases for source in _sources(case)]
    moved = {source: path for source in wanted if (path := _find(source, there)) is not None}
    moved |= {source: source.path for source in wanted if source not in moved and _has_stayed(source)}
    lost = [source.path.name for source in wanted if source not in moved]
    names = {path.name for paths in there.values() for path in paths}
    changed = [name for name in lost if name in names]
    if changed:
        raise SourceChanged(
            f"{folder}: {len(changed)} files are there by name, but with other bytes than the study knows: "
            f"{some(changed)}; bring back the files it was made from, or start a new study"
        )
    if lost:
        raise SourceMissing(
            f"{folder}: {len(lost)} of {len(wanted)} files are not there: {some(lost)}; wanted the folder that "
            "holds all that moved, at any depth"
        )
    return [_moved(case, moved) for case in cases]


def _case(case: FoundCase, patient: str, split: Split, examination: Examination) -> Case:
    header = examination.headers[case.images[0]]
    affine = tuple(tuple(float(value) for value in row) for row in header.affine)
    return Case(
        id=case.id,
        patient=patient,
        split=split,
        images=tuple(examination.sources[path] for path in case.images),
        label=None if case.label is None else examination.sources[case.label],
        shape=header.shape,
        spacing_mm=header.spacing_mm,
        affine=cast(Affine, affine),
        labelled=examination.labelled.get(case.id, ()),
    )


def _one_error(found: Found, problems: Sequence[Problem]) -> DataError:
    listed = "\n".join(f"  {problem.message}" for problem in problems[:_LISTED])
    more = f"\n  and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    kinds = {problem.kind for problem in problems}
    error = _ERRORS.get(kinds.pop(), DataError) if len(kinds) == 1 else DataError
    return error(
        f"{found.name}: {len(problems)} problem{'s' * (len(problems) > 1)} in the data set:\n{listed}{more}\n"
        "Mend them; `askance check` lists all."
    )


def _sources(case: Case) -> tuple[Source, ...]:
    return case.images if case.label is None else (*case.images, case.label)


def _by_size(folder: Path) -> dict[int, list[Path]]:
    """The volumes below ``folder``; what has lost its suffix, say in a backup, could not be read again."""
    if not folder.is_dir():
        raise SourceMissing(f"{folder}: is not a folder; wanted the one that the files were moved to")
    sizes: dict[int, list[Path]] = defaultdict(list)
    named = (path for path in folder.absolute().rglob("*") if path.name.lower().endswith(SUFFIXES))
    for path in sorted(path for path in named if path.is_file()):
        sizes[path.stat().st_size].append(path)
    return sizes


def _find(source: Source, there: dict[int, list[Path]]) -> Path | None:
    """The file with the source's bytes; of several the one that has kept its name."""
    candidates = sorted(there.get(source.size, ()), key=lambda path: path.name != source.path.name)
    return next((path for path in candidates if hash_file(path).sha256 == source.sha256), None)


def _has_stayed(source: Source) -> bool:
    path = source.path
    return path.is_file() and path.stat().st_size == source.size and hash_file(path).sha256 == source.sha256


def _moved(case: Case, moved: dict[Source, Path]) -> Case:
    label = None if case.label is None else replace(case.label, path=moved[case.label])
    return replace(case, images=tuple(replace(source, path=moved[source]) for source in case.images), label=label)
