"""What an expert drew into the files of a query, read and checked; nothing is stored here."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.active.proposals import labels_name, shown_proposals
from askance.active.study import Study, by_case
from askance.errors import DataError
from askance.metrics.effort import count_effort
from askance.records import IGNORE, Annotation, Case, Query, slice_id
from askance.store.answers import Answer
from askance.volumes.files import Header, read_header, read_labels, require_same_geometry
from askance.volumes.geometry import split


@dataclass
class Drawings:
    """``answers`` not in the store yet; ``ignored`` were drawn on, but not asked.

    Of the answers, ``unchanged`` hold the proposal as it was, and ``empty`` were handed out empty and still are.
    ``problems`` are one message each. ``held`` is the digest of each slice that is done, to know what is drawn after this.
    """

    answers: list[Answer] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)


def read_drawings(
    study: Study, query: Query, folder: Path, done: Sequence[str], author: str, before: Mapping[str, str]
) -> Drawings:
    """What ``folder`` holds for the slices ``done``, by ``author``, of whom it ``held`` what ``before`` says last time."""
    reader = _Reader(study, query, author, before)
    for case_id, indices in by_case(done).items():
        reader.read(study.store.case(case_id), folder, indices)
    return reader.drawings


class _Reader:
    """Reads case by case; knows what the store holds already."""

    def __init__(self, study: Study, query: Query, author: str, before: Mapping[str, str]) -> None:
        self._study, self._query, self._author, self._before = study, query, author, before
        self._stored: dict[str, list[Annotation]] = defaultdict(list)
        for one in study.store.annotations(latest=False):
            self._stored[one.slice_id].append(one)
        self.drawings = Drawings()

    def read(self, case: Case, folder: Path, indices: Sequence[int]) -> None:
        """Add what the case's label file holds at ``indices``, or what is wrong with it."""
        try:
            planes = _read_planes(self._study, case, folder / labels_name(case))
        except DataError as error:
            self.drawings.problems.append(str(error))
            return
        drawn = {int(index) for index in np.flatnonzero(planes.any((1, 2)))}
        proposals = shown_proposals(self._study, self._query, case, drawn | set(indices))
        for index in sorted(drawn | set(indices)):
            name = slice_id(case.id, self._study.config.grid.axis, index)
            labels, proposal = np.ascontiguousarray(planes[index]), proposals.get(index)
            if index in indices:
                self._take(name, labels, proposal)
            elif not self._shows(name, labels, proposal):
                self.drawings.ignored.append(name)

    def _take(self, name: str, labels: NDArray[np.uint8], proposal: NDArray[np.uint8] | None) -> None:
        held = self.drawings.held[name] = hashlib.sha256(labels.tobytes()).hexdigest()
        # What the file held when it was last taken is there, in whatever version, and is not put over later ones. What was
        # drawn since is an answer, also where it is an older one again.
        is_new = held != self._before.get(name, held)
        if self._is_newest(name, labels) if is_new else self._is_stored(name, labels, self._author):
            return
        if proposal is not None and np.array_equal(labels, proposal):
            self.drawings.unchanged.append(name)
        elif proposal is None and not labels.any():
            self.drawings.empty.append(name)
        model = self._query.model if proposal is not None else None
        self.drawings.answers.append(Answer(name, labels, self._author, count_effort(labels, proposal), model))

    def _shows(self, name: str, labels: NDArray[np.uint8], proposal: NDArray[np.uint8] | None) -> bool:
        """Whether the slice holds just what was handed out, or is known from elsewhere."""
        return (proposal is not None and np.array_equal(labels, proposal)) or self._is_stored(name, labels)

    def _is_newest(self, name: str, labels: NDArray[np.uint8]) -> bool:
        """Whether the author's last version holds just this."""
        own = [one for one in self._stored[name] if one.author == self._author]
        return bool(own) and np.array_equal(self._study.store.read_annotation(max(own, key=lambda one: one.version)), labels)

    def _is_stored(self, name: str, labels: NDArray[np.uint8], author: str | None = None) -> bool:
        versions = [one for one in self._stored[name] if author in (None, one.author)]
        return any(np.array_equal(self._study.store.read_annotation(one), labels) for one in versions)


def _read_planes(study: Study, case: Case, path: Path) -> NDArray[np.uint8]:
    """(D, h, w) of a label file that has the geometry of the case's image.

    Raises:
        DataError: it has not, or cannot be read, or holds a value that is no class.
    """
    wanted = Header(case.shape, case.spacing_mm, np.array(case.affine), np.dtype(np.uint8))
    require_same_geometry(read_header(path), wanted, path, case.images[0].path)
    volume = read_labels(path, len(study.config.classes), ignore=IGNORE)
    return split(volume.array, study.config.grid.axis)
