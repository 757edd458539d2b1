"""What comes to a study later: of the same kind, not there yet, and on the side that its patient stands on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from askance.active.study import Study
from askance.errors import DataError, SplitError
from askance.records import Case, Source, Split
from askance.volumes.files import hash_file
from askance.volumes.found import Found, FoundCase, some
from askance.volumes.patients import Division, patients_of, require_clear_beside

_log = logging.getLogger(__name__)
_UNSEEN = 0.001  # share of a slice beyond the grid that rounding may leave
_LEARN: Split = "learn"


def require_same_kind(study: Study, found: Found) -> None:
    """Refuse to add what is not of the study's classes, channels and ignored label.

    Raises:
        DataError: naming both.
    """
    if (found.classes, found.channels) != (study.config.classes, study.config.channels):
        raise DataError(
            f"{found.name}: classes {found.classes} and channels {found.channels} are not the study's "
            f"{study.config.classes} and {study.config.channels}"
        )
    if found.ignore is not None and found.ignore != study.config.ignore:
        raise DataError(
            f"{found.name}: label value {found.ignore} stands for what nobody labelled, which the study does not know "
            f"(its `ignore` is {study.config.ignore}); make a new study of both data sets, or label the rest"
        )


def fresh_in(study: Study, found: Found) -> Found:
    """``found`` with those of its cases that the study does not know.

    Raises:
        DataError: a case with the id of a known one and other images.
    """
    known = {case.id: case for case in study.store.cases()}
    met = [(case, known[case.id]) for case in found.cases if case.id in known]
    others = [case.id for case, stored in met if not _has_images_of(case, stored)]
    if others:
        raise DataError(
            f"{found.name}: {some(others)}: the study has a case of that id with other images; give the new one another id "
            f"(rename its files)"
        )
    late = [case.id for case, stored in met if case.label is not None and stored.label is None]
    if late:
        _log.warning(
            "%d cases have a label file now that the study knows without one (%s): it is not taken, the expert's answers "
            "count; make a new study if it is to",
            len(late), some(late),
        )  # fmt: skip
    return replace(found, cases=tuple(case for case in found.cases if case.id not in known))


def _has_images_of(case: FoundCase, stored: Case) -> bool:
    """Whether the images of both are the same files, or have the same bytes; a file that was moved is read for that."""
    pairs = zip(case.images, stored.images)
    return len(case.images) == len(stored.images) and all(_is_of(path, source) for path, source in pairs)


def _is_of(path: Path, source: Source) -> bool:
    if path.absolute() == source.path.absolute():
        return True
    return path.stat().st_size == source.size and hash_file(path).sha256 == source.sha256


def warn_of_cut(study: Study, cases: Sequence[Case]) -> None:
    """Say which of ``cases`` reach beyond the study's working grid, which was made for those it began with."""
    outside = {case.id: study.grid.share_outside(case) for case in cases}
    cut = [f"{name}: {share:.1%}" for name, share in outside.items() if share > _UNSEEN]
    if cut:
        _log.warning(
            "%d of %d new cases reach beyond the study's working grid of %s pixels (%s of each slice): networks don't see "
            "what is cut off, and label it background; make a new study of both data sets if it matters",
            len(cut), len(cases), " x ".join(map(str, study.config.grid.size)), some(cut),
        )  # fmt: skip


def sides_of_fresh(study: Study, found: Found, fresh: Found, division: Division) -> Division:
    """Patients of the new cases, told as those of the known ones were, and their side: learn, unless the user says another.

    Raises:
        SplitError: a known case would get another patient, or a new one may be of a known patient and nobody says so, so
            that one patient could stand on two sides; or a new case is one to test on.
    """
    patients = patients_of(found, division)
    stored = {case.id: case.patient for case in study.store.cases()}
    torn = sorted(case for case, patient in patients.items() if stored.get(case, patient) != patient)
    if torn:
        raise SplitError(
            f"{found.name}: {torn[0]} is of patient {patients[torn[0]]} here and of {stored[torn[0]]} in the study; "
            f"say how to tell patients as at `askance init` (--patients, --patients-csv, --each-case-a-patient)"
        )
    ids = [case.id for case in fresh.cases]
    require_clear_beside(found, division, stored, ids)
    named = {} if division.splits is not None else found.splits or {}
    kept_apart = [one for one in ids if (named.get(one) or named.get(patients[one]) or _LEARN) != _LEARN]
    if kept_apart:
        raise SplitError(
            f"{found.name} keeps {some(kept_apart)} to test on, and a study's test side is frozen: added, they would be "
            f"learnt from; take them out of the data set, or name them under learn there"
        )
    splits = division.splits if division.splits is not None else dict.fromkeys(ids, _LEARN)
    return Division(table={case: patients[case] for case in ids}, splits=splits)
