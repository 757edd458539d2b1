"""What an expert who works on files is shown: per case a label volume with proposals on the slices that are asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from askance.active.experts import proposal_of
from askance.active.folders import suffix_of
from askance.active.study import Study
from askance.active.viewers import whereabouts
from askance.records import Annotation, Case, Query, parse_slice_id
from askance.volumes.geometry import split

#: States in which a slice is out for an answer.
OPEN = ("queried", "leased")


def image_name(case: Case, channel: int) -> str:
    """Name of the case's image file in a query's folder."""
    number = f"_{channel:04d}" if len(case.images) > 1 else ""
    return f"{case.id}_image{number}{suffix_of(case.images[channel].path)}"


def labels_name(case: Case) -> str:
    """Name of the case's label file in a query's folder: compressed where the format can be."""
    suffix = suffix_of(case.images[0].path)
    return f"{case.id}_labels{'.nii.gz' if suffix == '.nii' else suffix}"


def shown_proposal(study: Study, query: Query, slice_id: str) -> NDArray[np.uint8] | None:
    """The proposal (h, w) that goes with a slice of ``query``; None for the base and for slices of role validation."""
    assisted = {one.slice_id for one in query.asked if one.role == "train"}
    return proposal_of(study, query.model if slice_id in assisted else None, slice_id)


def volume_to_correct(study: Study, query: Query, case: Case, slice_ids: Sequence[str]) -> NDArray[np.uint8]:
    """(X, Y, Z) in the file's geometry: proposals on ``slice_ids``, the latest annotations elsewhere, 0 on the rest."""
    volume = np.zeros(case.shape, np.uint8)
    planes = split(volume, study.config.grid.axis)
    annotations = {one.slice_id: one for one in annotations_of(study, case)}
    for slice_id in {*annotations, *slice_ids}:
        case_id, _, index = parse_slice_id(slice_id)
        if case_id != case.id:
            continue
        if slice_id not in slice_ids:
            planes[index] = study.store.read_annotation(annotations[slice_id])
        elif (proposal := shown_proposal(study, query, slice_id)) is not None:
            planes[index] = proposal
    return volume


def annotations_of(study: Study, case: Case, latest: bool = True) -> list[Annotation]:
    """The annotations of the case's slices, the latest or every version."""
    return [one for one in study.store.annotations(latest) if parse_slice_id(one.slice_id)[0] == case.id]


def sheet_rows(study: Study, query: Query, slice_ids: Sequence[str]) -> list[dict[str, str]]:
    """The rows of query.csv, in the order of ``slice_ids``."""
    asked = {one.slice_id: one for one in query.asked}
    rows = []
    for number, slice_id in enumerate(slice_ids, start=1):
        case_id, axis, index = parse_slice_id(slice_id)
        one = asked[slice_id]
        rows.append(
            {
                "nr": str(number),
                "slice_id": slice_id,
                "case": case_id,
                **whereabouts(study.store.case(case_id).affine, axis, index),
                "why": one.reason,
                "score": "" if one.score is None else f"{one.score:.3f}",
                "role": one.role,
            }
        )
    return rows
