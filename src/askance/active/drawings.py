"""What an expert drew into the files of a query, read and checked; nothing is stored here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.active.experts import count_effort
from askance.active.proposals import annotations_of, labels_name, shown_proposal
from askance.active.study import Study, by_case
from askance.errors import DataError
from askance.records import IGNORE, Case, Query, slice_id
from askance.store.answers import Answer
from askance.volumes.files import Header, read_header, read_labels, require_same_geometry
from askance.volumes.geometry import split


@dataclass
class Drawings:
    """``answers`` not in the store yet; of them ``unchanged`` hold the proposal as it was; ``ignored`` were not asked.

    ``problems`` are one message each.
    """

    answers: list[Answer] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_drawings(study: Study, query: Query, folder: Path, done: Sequence[str], author: str) -> Drawings:
    """What ``folder`` holds for the slices ``done``, by ``author``."""
    drawings = Drawings()
    for case_id, indices in by_case(done).items():
        case = study.store.case(case_id)
        try:
            planes = _read_planes(study, case, folder / labels_name(case))
        except DataError as error:
            drawings.problems.append(str(error))
            continue
        for index in indices:
            _add_answer(drawings, study, query, slice_id(case_id, study.config.grid.axis, index), planes[index], author)
        drawings.ignored += _drawn_beside(study, query, case, planes, indices)
    return drawings


def _read_planes(study: Study, case: Case, path: Path) -> NDArray[np.uint8]:
    """(D, h, w) of a label file that has the geometry of the case's image.

    Raises:
        DataError: it has not, or cannot be read, or holds a value that is no class.
    """
    wanted = Header(case.shape, case.spacing_mm, np.array(case.affine), np.dtype(np.uint8))
    require_same_geometry(read_header(path), wanted, path, case.images[0].path)
    volume = read_labels(path, len(study.config.classes), ignore=IGNORE)
    return split(volume.array, study.config.grid.axis)


def _add_answer(drawings: Drawings, study: Study, query: Query, name: str, plane: NDArray[np.uint8], author: str) -> None:
    labels, proposal = np.ascontiguousarray(plane), shown_proposal(study, query, name)
    if _is_stored(study, name, labels, author):
        return
    if proposal is not None and np.array_equal(labels, proposal):
        drawings.unchanged.append(name)
    model = query.model if proposal is not None else None
    drawings.answers.append(Answer(name, labels, author, count_effort(labels, proposal), model))


def _is_stored(study: Study, name: str, labels: NDArray[np.uint8], author: str) -> bool:
    """Whether ``author`` gave this very answer before, in whatever version: it is then not put over later ones."""
    versions = [one for one in study.store.annotations(latest=False) if (one.slice_id, one.author) == (name, author)]
    return any(np.array_equal(study.store.read_annotation(one), labels) for one in versions)


def _drawn_beside(study: Study, query: Query, case: Case, planes: NDArray[np.uint8], taken: Sequence[int]) -> list[str]:
    """Slices that are not ``taken`` and hold what neither the model nor an annotation put there."""
    axis, shown = study.config.grid.axis, annotations_of(study, case, latest=False)
    drawn = []
    for index in sorted({int(place) for place in np.flatnonzero(planes.any((1, 2)))} - set(taken)):
        name = slice_id(case.id, axis, index)
        known = [study.store.read_annotation(one) for one in shown if one.slice_id == name]
        known += [proposal] if (proposal := shown_proposal(study, query, name)) is not None else []
        if not any(np.array_equal(planes[index], one) for one in known):
            drawn.append(name)
    return drawn
