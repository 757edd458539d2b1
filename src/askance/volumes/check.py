"""All that is wrong with a data set, in one go: a problem never hides the next.

Reads every file once: header, voxels, hash. What it learns on the way is kept, so that a study need not read it again.
Messages hold paths and counts, never a header's text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from askance.errors import AskanceError, GeometryError, LabelError, SplitError
from askance.records import IGNORE, Case, Source, Split
from askance.volumes.files import Header, check_image, hash_file, read_header, read_labels, require_same_geometry
from askance.volumes.found import Found, FoundCase, Kind, Problem, is_safe_id, some
from askance.volumes.geometry import axis_named, coarsest_axis, is_stored_like, most_stored_like, orientation_code
from askance.volumes.patients import (
    WHAT_THE_DATA_SAYS,
    Division,
    given_splits,
    patients_of,
    require_clear_patients,
    resolve_splits,
)

__all__ = ["Examination", "Problem", "check_dataset", "examine", "study_axis"]

Progress = Callable[[int, int], None]

_KINDS: dict[type[AskanceError], Kind] = {
    GeometryError: "geometry",
    LabelError: "label",
}


@dataclass(frozen=True)
class Examination:
    """What was read: the study's axis, a header and a hash a readable file, and the labelled slices a case.

    ``labelled`` maps a case's id to the indices along ``axis`` of which at least one voxel is not ``ignore``.
    """

    axis: int
    headers: dict[Path, Header]
    sources: dict[Path, Source]
    labelled: dict[str, tuple[int, ...]]
    problems: list[Problem]


def check_dataset(
    found: Found,
    *,
    deep: bool = True,
    axis: str | None = None,
    division: Division = WHAT_THE_DATA_SAYS,
    progress: Progress | None = None,
) -> list[Problem]:
    """Every problem of ``found``, those of the whole set first; empty: it can be used.

    Not ``deep``: names and headers alone, which takes seconds; deep also reads all voxels.

    Raises:
        UsageError: ``axis`` or ``division`` cannot be understood.
    """
    return examine(found, deep=deep, axis=axis, division=division, progress=progress).problems


def examine(
    found: Found,
    *,
    deep: bool = True,
    axis: str | None = None,
    division: Division = WHAT_THE_DATA_SAYS,
    beside: Sequence[Case] = (),
    progress: Progress | None = None,
) -> Examination:
    """What ``check_dataset`` reads and finds; ``progress`` is told (cases done, cases).

    ``beside`` are cases that a study has already: no image may be one of theirs, none stored in another orientation.
    """
    sides, faults = _sides(found, division)
    problems = [*found.problems, *_wrong_names(found), *faults, *_absent_files(found)]
    headers = _read_headers(found, problems)
    number = study_axis(list(headers.values()), axis)
    for case in found.cases:
        _wrong_geometry(case, headers, number, axis, problems)
    told = {problem.case for problem in problems}
    problems += _other_orientation([case for case in found.cases if case.id not in told], headers, beside)
    examination = Examination(number, headers, {}, {}, problems)
    for done, case in enumerate(found.cases if deep else (), start=1):
        _read_voxels(case, found, examination)
        if progress is not None:
            progress(done, len(found.cases))
    problems += _same_images(found, examination.sources, sides, beside)
    return examination


def study_axis(headers: Sequence[Header], name: str | None) -> int:
    """The axis to slice along: the one that ``name`` is in most volumes; unnamed, the coarsest of median spacing.

    Raises:
        UsageError: ``name`` is no axis.
    """
    if not headers:
        return 2
    if name is None:
        x, y, z = np.median([header.spacing_mm for header in headers], axis=0).tolist()
        return coarsest_axis((x, y, z))
    return Counter(axis_named(name, header.affine) for header in headers).most_common(1)[0][0]


def _wrong_names(found: Found) -> list[Problem]:
    problems = []
    for case_id, count in Counter(case.id for case in found.cases).items():
        if not is_safe_id(case_id):
            message = f"case {case_id!r}: wanted letters, digits, '.', '_' and '-' alone; rename its files"
            problems.append(Problem(case_id, None, "name", message))
        if count > 1:
            files = [path for case in found.cases if case.id == case_id for path in _files(case)]
            message = f"case {case_id}: is there {count} times ({some(dict.fromkeys(files))}); keep one"
            problems.append(Problem(case_id, files[0], "duplicate", message))
    return problems


def _sides(found: Found, division: Division) -> tuple[dict[str, Split], list[Problem]]:
    """Case -> side where the sides are given, and what is wrong with them or keeps them from being drawn."""
    splits: dict[str, Split] = {}
    faults: list[str] = []
    if found.splits == {} and any(problem.kind == "split" for problem in found.problems):
        return splits, []  # they cannot be read, which is told already
    try:
        require_clear_patients(found, division)
        patients, given = patients_of(found, division), given_splits(found, division)
        if given is not None:
            splits, faults = resolve_splits(patients, given)
    except SplitError as error:
        faults = [str(error)]
    return splits, [Problem(None, None, "split", f"splits: {fault}") for fault in faults]


def _absent_files(found: Found) -> list[Problem]:
    problems = []
    with_image = {case.id for case in found.cases if case.images}
    for case in found.cases:
        if not case.images and case.id not in with_image:
            message = f"{case.label}: is a label without an image; wanted an image of the same name, or no label"
            problems.append(Problem(case.id, case.label, "missing", message))
        elif case.images and len(case.images) != len(found.channels):
            message = f"case {case.id}: has {len(case.images)} of {len(found.channels)} channels ({some(case.images)})"
            problems.append(Problem(case.id, case.images[0], "missing", f"{message}; wanted all"))
    return problems


def _read_headers(found: Found, problems: list[Problem]) -> dict[Path, Header]:
    headers: dict[Path, Header] = {}
    owners = {path: case for case in found.cases for path in _files(case)}
    for path, case in owners.items():
        with _noted(problems, case, path):
            headers[path] = read_header(path)
    return headers


def _wrong_geometry(
    case: FoundCase, headers: dict[Path, Header], axis: int, name: str | None, problems: list[Problem]
) -> None:
    """Every file against the case's first, and that one along the study's axis."""
    readable = [path for path in _files(case) if path in headers]
    for path in readable[1:]:
        with _noted(problems, case, path):
            require_same_geometry(headers[readable[0]], headers[path], readable[0], path)
    for path in readable[:1]:
        with _noted(problems, case, path):
            _require_slices(path, headers[path], axis, name)


def _require_slices(path: Path, header: Header, axis: int, name: str | None) -> None:
    if header.shape[axis] < 2:
        raise GeometryError(
            f"{path}: has {header.shape[axis]} slice along axis {axis}, the study's; wanted at least two, or another "
            "axis (--axis)"
        )
    if name is not None and (own := axis_named(name, header.affine)) != axis:
        raise GeometryError(
            f"{path}: {name} is its axis {own}, but axis {axis} in most volumes; store all in one order, or leave this "
            "one out"
        )


def _other_orientation(cases: Sequence[FoundCase], headers: dict[Path, Header], beside: Sequence[Case]) -> list[Problem]:
    """One problem for all volumes that are stored in another orientation than most, of those ``beside`` where there are."""
    first = [path for case in cases for path in case.images[:1] if path in headers]
    if not first:
        return []
    most = most_stored_like([case.affine for case in beside] or [headers[path].affine for path in first])
    others = [path for path in first if not is_stored_like(headers[path].affine, most)]
    if not others:
        return []
    codes = {path: orientation_code(headers[path].affine) for path in others}
    message = (
        f"{len(others)} of {len(first)} volumes are stored in another orientation than the others' {orientation_code(most)} "
        f"({some(f'{path}: {codes[path]}' for path in others)}); networks see slices as they are stored and learn turned "
        "ones worse: store all in one, as with fslreorient2std or nibabel.as_closest_canonical"
    )
    return [Problem(None, others[0], "orientation", message)]


def _read_voxels(case: FoundCase, found: Found, examination: Examination) -> None:
    """Adds the case's sources, labelled slices and problems; a file without a header is left out."""
    for path in (path for path in _files(case) if path in examination.headers):
        with _noted(examination.problems, case, path):
            examination.sources[path] = hash_file(path)
            if path == case.label:
                examination.labelled[case.id] = _labelled_slices(path, found, examination.axis)
            else:
                check_image(path)


def _labelled_slices(path: Path, found: Found, axis: int) -> tuple[int, ...]:
    labels = read_labels(path, len(found.classes), found.ignore).array
    inplane = tuple(other for other in range(3) if other != axis)
    return tuple(np.flatnonzero((labels != IGNORE).any(axis=inplane)).tolist())


def _same_images(
    found: Found, sources: dict[Path, Source], sides: dict[str, Split], beside: Sequence[Case]
) -> list[Problem]:
    """One problem a group of images that are the same bytes under several cases, those only ``beside`` left out."""
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    for case in found.cases:
        for path in (path for path in case.images if path in sources):
            groups[sources[path].sha256].setdefault(case.id, path)
    for source, known in ((source, case.id) for case in beside for source in case.images):
        if source.sha256 in groups:
            groups[source.sha256].setdefault(known, source.path)
    sides = {case.id: case.split for case in beside} | sides
    problems = []
    for files in groups.values():
        if len(files) > 1:
            told = some(f"{path} ({sides[case_id]})" if case_id in sides else path for case_id, path in files.items())
            message = f"{told}: are the same image, byte for byte, under {len(files)} cases; keep one"
            first, path = next(iter(files.items()))
            problems.append(Problem(first, path, "same_image", f"{message}; shared by two sides it flatters"))
    return problems


def _files(case: FoundCase) -> tuple[Path, ...]:
    return case.images if case.label is None else (*case.images, case.label)


@contextmanager
def _noted(problems: list[Problem], case: FoundCase, path: Path) -> Iterator[None]:
    """Turns what askance raises about ``path`` into a problem, and lets the reading go on."""
    try:
        yield
    except AskanceError as error:
        problems.append(Problem(case.id, path, _KINDS.get(type(error), "format"), str(error)))
