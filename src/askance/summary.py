"""What a study's report is made from, gathered: facts, cycles, scored slices, what was asked and why, and Figure 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from askance import __version__
from askance.active.environment import describe_environment
from askance.active.experts import proposals_of
from askance.active.measuring import test_slices
from askance.active.scores import enlarged
from askance.active.study import Study, by_case
from askance.cycle_record import CycleRecord
from askance.errors import UsageError
from askance.metrics.dice import slice_dice
from askance.records import Case, Prediction, Query, Split, parse_slice_id, slice_id
from askance.report.data import AskedSlice, Counts, Panel, ReportData, ScoredSlice, StudyFacts
from askance.volumes.geometry import inplane

_PANELS = 4  # most and least certain slices of Figure 2, each


def gather(study: Study, full_supervision: float | None = None) -> ReportData:
    """Everything a report of ``study`` shows."""
    cycles = tuple(cast(CycleRecord, cycle.record) for cycle in study.store.cycles())
    scored = tuple(
        ScoredSlice(one.slice_id, cycle.number, one.score, dice, one.d_raw)
        for cycle in study.store.cycles()
        for one, dice in test_slices(study, cycle.model)
    )
    asked = tuple(one for query in study.store.queries() for one in _asked(study, query))
    shown, aspect = _made(study)
    return ReportData(_facts(study), cycles, scored, asked, tuple(figure2(study)), full_supervision, shown, aspect)


def _facts(study: Study) -> StudyFacts:
    config, splits = study.config, ("learn", "test", "validation")
    about = describe_environment()
    counts: dict[Split, Counts] = {}
    for split in cast(tuple[Split, ...], splits):
        cases = study.store.cases(split)
        slices = sum(case.shape[config.grid.axis] for case in cases)
        counts[split] = Counts(len(cases), len({case.patient for case in cases}), slices)
    rows, columns = config.grid.size
    across, down = config.grid.spacing_mm
    return StudyFacts(
        name=config.name,
        preset=config.preset,
        expert=config.expert,
        acquisition=config.acquisition,
        classes=config.classes,
        seed=config.seed,
        counts=counts,
        grid=f"{rows} x {columns} pixels of {across:.3g} x {down:.3g} mm across file axis {config.grid.axis}",
        version=__version__,
        commit=about["commit"],
        environment={key: str(value) for key, value in about["environment"].items()},
    )


def _asked(study: Study, query: Query) -> Iterator[AskedSlice]:
    dice = _proposal_dice(study, query) if query.model else {}
    for one in query.asked:
        yield AskedSlice(query.cycle, one.slice_id, one.reason, one.score, dice.get(one.slice_id))


def _proposal_dice(study: Study, query: Query) -> dict[str, float]:
    """Dice of the proposals with what the expert answered, by slice; none where one is missing or both are empty."""
    asked, cases, found = set(query.slice_ids), study.cases_by_id(), {}
    answers = {one.slice_id: one for one in study.store.annotations() if one.slice_id in asked}
    for case_id, indices in by_case(list(answers)).items():
        for index, proposal in proposals_of(study, query.model, cases[case_id], indices).items():
            name = slice_id(case_id, study.config.grid.axis, index)
            dice = slice_dice(proposal, study.store.read_annotation(answers[name]), len(study.config.classes))
            if not np.isnan(dice):
                found[name] = dice
    return found


def figure2(study: Study, slice_ids: Sequence[str] | None = None) -> list[Panel]:
    """Rows of Figure 2 by the newest model: of the slices named, in their order; else of those that show it best.

    These are the least and the most certain test slices that show something; of the pool where no test volume is labelled.

    Raises:
        UsageError: a slice that the newest model has not predicted.
    """
    model = study.store.latest_model()
    if slice_ids is not None:
        predicted = {one.slice_id: one for one in study.store.predictions.of(model.id)} if model else {}
        unknown = [one for one in slice_ids if one not in predicted]
        if unknown:
            raise UsageError(
                f"{unknown[0]}: the newest model of {study.store.folder} has not predicted it; wanted test slices, such as "
                f"{', '.join(sorted(predicted)[:3]) or 'none: train first'}"
            )
        return [_panel(study, predicted[one], "") for one in slice_ids]
    if model is None:
        return []
    tests = [one for one, dice in test_slices(study, model.id) if dice is not None]
    teachers = [query.model for query in study.store.queries() if query.model]
    shown = tests or (study.store.predictions.of(teachers[-1]) if teachers else [])
    shown = [
        one for one in shown if one.measures.get("foreground", 0) > 0 or one.measures.get("dice") is not None
    ] or shown  # a model that predicts nothing anywhere is shown all the same
    ordered = sorted(shown, key=lambda one: (one.score, one.slice_id))
    least, most = ordered[:_PANELS], ordered[max(_PANELS, len(ordered) - _PANELS) :][::-1]
    return [_panel(study, one, "least certain") for one in least] + [_panel(study, one, "most certain") for one in most]


def _panel(study: Study, prediction: Prediction, title: str) -> Panel:
    case_id, _, index = parse_slice_id(prediction.slice_id)
    case = study.store.case(case_id)
    labels = study.store.predictions.labels(prediction.model, case_id)[index]
    image = study.cache.case(case_id)[index, 0].astype(np.float32)
    score_map = enlarged(study.store.predictions.maps(prediction.model, case_id)[index], image.shape)
    truth = _truth_on_grid(study, case, index) if case.split == "test" else None
    upright = [_upright(_covered(array, study, case), study, case) for array in (image, labels, score_map)]
    return Panel(
        prediction.slice_id,
        upright[0],
        None if truth is None else _upright(_covered(truth, study, case), study, case),
        upright[1],
        upright[2],
        prediction.score,
        prediction.measures.get("dice"),
        aspect=_aspect(study, case),
        title=title,
    )


def _made(study: Study) -> tuple[tuple[NDArray[np.float32], ...], float]:
    """What the newest model's imager made, turned as the first case of learn is; the height of a pixel over its width."""
    model, cases = study.store.latest_model(), study.store.cases("learn")
    images = study.made_images(model.id) if model else None
    if images is None or not cases:
        return (), 1.0
    return tuple(_upright(image[0], study, cases[0]) for image in images), _aspect(study, cases[0])


def _truth_on_grid(study: Study, case: Case, index: int) -> NDArray[np.uint8] | None:
    return None if case.label is None else study.to_grid(study.truth(case)[index], case)


def _covered(array: NDArray[Any], study: Study, case: Case) -> NDArray[Any]:
    """The part of the working grid that the case's slices cover, so that no picture has a margin nobody scanned."""
    (rows, columns), (height, width) = study.extent(case), array.shape
    top, left = (height - rows) // 2, (width - columns) // 2
    return array[top : top + rows, left : left + columns]


def _upright(array: NDArray[Any], study: Study, case: Case) -> NDArray[Any]:
    """Turned for the screen, radiological convention: anterior or superior on top, the patient's right on the left.

    The one place outside the viewer where orientation is changed, for pictures alone.
    """
    (row, row_sign), (column, column_sign) = _world_directions(study, case)
    if _is_lying(row, column):
        array, row_sign, column_sign = array.T, column_sign, row_sign
    array = array[::-1] if row_sign > 0 else array  # downwards is posterior or inferior
    return array[:, ::-1] if column_sign > 0 else array  # to the right is the patient's left, or posterior


def _world_directions(study: Study, case: Case) -> tuple[tuple[int, int], tuple[int, int]]:
    """For the two in-plane file axes: the nearest world axis (0 right, 1 anterior, 2 superior) and its sign."""
    matrix = np.array(case.affine)[:3, :3]
    found = []
    for axis in inplane(study.config.grid.axis):
        world = int(np.abs(matrix[:, axis]).argmax())
        found.append((world, 1 if matrix[world, axis] > 0 else -1))
    return found[0], found[1]


def _is_lying(row: int, column: int) -> bool:
    """True where rows run along what belongs across the picture: right-left, or anterior-posterior beside head-foot."""
    return row == 0 or (row == 1 and column == 2)


def _aspect(study: Study, case: Case) -> float:
    """A pixel's height over its width in mm, as the picture is turned."""
    height_mm, width_mm = study.config.grid.spacing_mm
    (row, _), (column, _) = _world_directions(study, case)
    return width_mm / height_mm if _is_lying(row, column) else height_mm / width_mm
