"""What an expert who works on files is shown: per case a label volume with proposals on the slices that are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from askance.active.experts import proposals_of
from askance.active.folders import suffix_of
from askance.active.study import Study
from askance.active.viewers import whereabouts
from askance.records import Annotation, Case, Query, parse_slice_id, slice_id
from askance.volumes.geometry import split


def image_name(case: Case, channel: int) -> str:
    """Name of the case's image file in a query's folder."""
    number = f"_{channel:04d}" if len(case.images) > 1 else ""
    return f"{case.id}_image{number}{suffix_of(case.images[channel].path)}"


def labels_name(case: Case) -> str:
    """Name of the case's label file in a query's folder: compressed where the format can be."""
    suffix = suffix_of(case.images[0].path)
    return f"{case.id}_labels{'.nii.gz' if suffix == '.nii' else suffix}"


def shown_proposals(study: Study, query: Query, case: Case, indices: Iterable[int]) -> dict[int, NDArray[np.uint8]]:
    """The proposals (h, w) that go with slices of a case, by index; none for the base and for slices of role validation."""
    assisted, axis = {one.slice_id for one in query.asked if one.role == "train"}, study.config.grid.axis
    return proposals_of(study, query.model, case, [one for one in indices if slice_id(case.id, axis, one) in assisted])


def volume_to_correct(
    study: Study, query: Query, case: Case, slice_ids: Collection[str], annotations: Mapping[str, Annotation]
) -> NDArray[np.uint8]:
    """(X, Y, Z) in the file's geometry: proposals on ``slice_ids``, ``annotations`` by slice id elsewhere, 0 on the rest."""
    volume, axis = np.zeros(case.shape, np.uint8), study.config.grid.axis
    planes = split(volume, axis)
    names = [slice_id(case.id, axis, index) for index in range(len(planes))]
    proposals = shown_proposals(study, query, case, [index for index, name in enumerate(names) if name in slice_ids])
    for index, name in enumerate(names):
        if name in slice_ids:
            planes[index] = proposals.get(index, 0)
        elif name in annotations:
            planes[index] = study.store.read_annotation(annotations[name])
    return volume


def sheet_rows(study: Study, query: Query, slice_ids: Sequence[str]) -> list[dict[str, str]]:
    """The rows of query.csv, in the order of ``slice_ids``."""
    asked, cases = {one.slice_id: one for one in query.asked}, study.cases_by_id()
    rows = []
    for number, name in enumerate(slice_ids, start=1):
        case_id, axis, index = parse_slice_id(name)
        one = asked[name]
        rows.append(
            {
                "nr": str(number),
                "slice_id": name,
                "case": case_id,
                **whereabouts(cases[case_id].affine, axis, index),
                "why": one.reason,
                "score": "" if one.score is None else f"{one.score:.3f}",
                "role": one.role,
            }
        )
    return rows
