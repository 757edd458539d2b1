"""A query as files: handed out for ITK-SNAP or 3D Slicer with proposals to correct, and taken back corrected.

The folder holds, per case, the image as it is and ``CASE_labels`` in its geometry; ``query.csv`` with a row a slice, which
the expert marks; colours, a README, and ``query.json``, by which the folder is known again; once it was taken also
``taken.json``, by which what is drawn later is told from what was there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askance.active.drawings import Drawings, read_drawings
from askance.active.folders import copy_source, made_whole, write_json
from askance.active.proposals import image_name, labels_name, sheet_rows, volume_to_correct
from askance.active.sheet import Mark, read_sheet, write_sheet
from askance.active.study import Study, by_case
from askance.active.viewers import readme, slicer_colours, snap_labels
from askance.errors import AnswerError, StudyError, UsageError
from askance.records import OPEN, Query
from askance.store.answers import SetAsideState
from askance.volumes.files import write_labels_like
from askance.volumes.writing import replacing

_LISTED = 10
_TAKEN = "taken.json"  # in a query's folder: what it held when it was last taken
_ASIDE: dict[str, SetAsideState] = {"skip": "skipped", "unreadable": "unreadable"}


@dataclass(frozen=True)
class Taken:
    """What came of a folder, as slice ids: taken as ``answered``, ``skipped``, ``unreadable``; ``waiting`` without status.

    ``ignored`` are slices of the same volumes that somebody drew on though they were not asked, or not marked done.
    """

    answered: tuple[str, ...]
    skipped: tuple[str, ...]
    unreadable: tuple[str, ...]
    waiting: tuple[str, ...]
    ignored: tuple[str, ...]


def write_query(study: Study, folder: Path) -> Path:
    """Write what is open of the newest query to ``folder``, of an earlier one where a reopened answer is all that is.

    An earlier writing of the same query stays as it is, drawings and all. Image files are copied with their voxels and
    geometry as stored; the texts of their headers stay behind.

    Raises:
        UsageError: no query is open, or ``folder`` holds something else.
        SourceMissing, SourceChanged: an image file is not as the study knows it.
        StudyError: ``folder`` cannot be written.
    """
    states = study.store.states()
    for query in reversed(study.store.queries()):  # an answer of an earlier cycle may have been reopened
        if slice_ids := [one for one in query.slice_ids if states[one] in OPEN]:
            break
    else:
        raise UsageError(f"{study.store.folder}: no slice waits for the expert; `askance run` asks for the next ones")
    if _marked(folder).get("query") == _identity(study, query):
        return folder
    with made_whole(folder) as draft:
        _write_volumes(study, query, slice_ids, draft)
        _write_texts(study, query, slice_ids, draft)
    return folder


def read_answers(study: Study, folder: Path, author: str, accept_unchanged: bool = False) -> Taken:
    """Take what ``author`` marked in ``folder``; everything is looked at before anything is stored.

    Taking the same folder again changes nothing, and what was corrected elsewhere since is not put back.

    Raises:
        UsageError: ``author`` is empty.
        AnswerError: not a query of this study, nothing is marked, or something that cannot be taken: all of it is named.
            A slice marked done that holds what was handed out is refused unless ``accept_unchanged``.
    """
    author = author.strip()
    if not author:
        raise UsageError("the author is empty; name who answered")
    query, slice_ids = _handed_out(study, folder)
    marks = read_sheet(folder / "query.csv", slice_ids)
    if not marks:
        raise AnswerError(f"{folder / 'query.csv'}: no slice has a status; fill in done, skip or unreadable")
    statuses = ("done", "skip", "unreadable", "")
    by_status = {status: tuple(one for one in slice_ids if _status(one, marks) == status) for status in statuses}
    drawings = read_drawings(study, query, folder, by_status["done"], author, _held(folder).get(author, {}))
    states = study.store.states()
    _require_takeable(folder, drawings, accept_unchanged, [one for one in marks if _comes_late(states[one], marks[one])])
    study.store.save_answers(drawings.answers)
    for slice_id, mark in marks.items():
        _set_aside(study, slice_id, mark, author)
    _hold(folder, author, drawings.held)
    waiting = tuple(one for one in by_status[""] if states[one] in OPEN)
    return Taken(by_status["done"], by_status["skip"], by_status["unreadable"], waiting, tuple(drawings.ignored))


def _held(folder: Path) -> dict[str, dict[str, str]]:
    """What ``folder`` held when it was last taken: a digest a slice, by author."""
    try:
        content = json.loads((folder / _TAKEN).read_text(encoding="utf-8"))
        return {str(author): {str(one): str(held[one]) for one in held} for author, held in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _hold(folder: Path, author: str, held: Mapping[str, str]) -> None:
    """Note what ``folder`` holds now, if it can be written: else what is drawn later is told by the store alone."""
    known = _held(folder)
    known[author] = {**known.get(author, {}), **held}
    with suppress(StudyError), replacing(folder / _TAKEN) as draft:
        write_json(draft, known)


def _write_volumes(study: Study, query: Query, slice_ids: Sequence[str], draft: Path) -> None:
    annotations = {one.slice_id: one for one in study.store.annotations()}
    for case_id in by_case(slice_ids):
        case = study.store.case(case_id)
        for channel, source in enumerate(case.images):
            copy_source(source, draft / image_name(case, channel))
        volume = volume_to_correct(study, query, case, slice_ids, annotations)
        write_labels_like(draft / labels_name(case), volume, draft / image_name(case, 0))


def _write_texts(study: Study, query: Query, slice_ids: Sequence[str], draft: Path) -> None:
    config, first = study.config, study.store.case(next(iter(by_case(slice_ids))))
    way = readme(config.name, query.cycle, len(slice_ids), image_name(first, 0), labels_name(first), query.model is not None)
    texts = {
        "README.txt": way,
        "labels.txt": snap_labels(config.classes),
        "labels.ctbl": slicer_colours(config.classes),
    }
    for name, text in texts.items():
        (draft / name).write_text(text, encoding="utf-8")
    write_sheet(draft / "query.csv", sheet_rows(study, query, slice_ids))
    identity = _identity(study, query)
    write_json(draft / "query.json", {"format": 1, "cycle": query.cycle, "query": identity, "slices": list(slice_ids)})


def _identity(study: Study, query: Query) -> str:
    """A query known by what was asked, of which images, and by whose weights; the study's name may change."""
    images = {case: [source.sha256 for source in study.store.case(case).images] for case in by_case(query.slice_ids)}
    weights = study.store.model(query.model).weights_sha256 if query.model else None
    content = json.dumps([query.cycle, query.slice_ids, images, weights])
    return hashlib.sha256(content.encode()).hexdigest()


def _marked(folder: Path) -> dict[str, Any]:
    """What ``folder``'s query.json says; empty where there is none that can be read."""
    try:
        content = json.loads((folder / "query.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _handed_out(study: Study, folder: Path) -> tuple[Query, list[str]]:
    """The query that ``folder`` was written for, and the slices written, in the order of its sheet."""
    said = _marked(folder)
    if not said:
        raise AnswerError(f"{folder}: no query.json is there; wanted a folder that `askance query --out` wrote, whole")
    query = next((one for one in study.store.queries() if _identity(study, one) == said.get("query")), None)
    slice_ids = said.get("slices")
    if query is None or not isinstance(slice_ids, list) or not all(one in query.slice_ids for one in slice_ids):
        raise AnswerError(
            f"{folder}: was written for cycle {said.get('cycle')} of another study or of other images than "
            f"{study.store.folder}; name the study it belongs to, or write the query anew"
        )
    return query, slice_ids


def _status(slice_id: str, marks: Mapping[str, Mark]) -> str:
    return marks[slice_id].status if slice_id in marks else ""


def _comes_late(state: str, mark: Mark) -> bool:
    """Whether a slice is to be set aside that is answered already."""
    return mark.status in _ASIDE and state not in (*OPEN, *_ASIDE.values())


def _require_takeable(folder: Path, drawings: Drawings, accept_unchanged: bool, late: Sequence[str]) -> None:
    problems = [*drawings.problems]
    if drawings.unchanged and not accept_unchanged:
        problems.append(
            f"{len(drawings.unchanged)} slices are marked done and still hold the model's proposal as it was "
            f"({', '.join(drawings.unchanged)}); correct them, or accept them as they are (--accept-unchanged)"
        )
    if drawings.empty and not accept_unchanged:
        problems.append(
            f"{len(drawings.empty)} slices are marked done and nothing is drawn on them ({', '.join(drawings.empty)}); "
            f"draw them and save under the same name, or say that they show none of the structures (--accept-unchanged)"
        )
    if late:
        problems.append(f"{', '.join(late)}: answered already and cannot be set aside; empty the status in query.csv")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:_LISTED])
        more = f"\n  and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise AnswerError(f"{folder}: cannot be taken, nothing was stored:\n{listed}{more}")


def _set_aside(study: Study, slice_id: str, mark: Mark, author: str) -> None:
    if mark.status not in _ASIDE:
        return
    state, reason = _ASIDE[mark.status], mark.note or "no reason given"
    known = study.store.set_asides().get(slice_id)
    if known is None or (known.state, known.reason, known.author) != (state, reason, author):
        study.store.set_aside(slice_id, state, reason, author)
