"""What a model is worth: Dice on the frozen test volumes at original resolution, and how far its score can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.measures import MEASURES
from askance.active.ranking import describe, judge_of, predict_case, predicted_labels
from askance.active.scores import score_maps
from askance.active.study import Study, by_case
from askance.learning.outcome import Outcome
from askance.learning.prediction import Predictor
from askance.metrics.bootstrap import mean_interval
from askance.metrics.correlation import correlate, mean_absolute_error, pearson_interval
from askance.metrics.dice import dice_per_class, slices_dice
from askance.records import Case, Prediction, parse_slice_id, slice_id

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One case: Dice per foreground class of the volume, slice Dice (D,), and the predictions of its slices."""

    case: str
    patient: str
    volume: Floats
    slices: Floats
    predictions: list[Prediction]


#: What a record holds where no test volume is labelled.
_NO_TEST: dict[str, Any] = {
    "dice": None,
    "dice_per_class": {},
    "per_volume": {},
    "slice_dice": None,
    "slice_dice_per_volume": {},
    "correlation": None,
    "correlation_d_raw": None,
    "correlation_measures": {},
    "mae": None,
}


#: Is shown a test case: labels and truth (D, h, w) at the file's resolution, and the predictions of its slices.
Witness = Callable[[Case, NDArray[np.uint8], NDArray[np.uint8], list[Prediction]], None]


def measure(
    study: Study, model: str, progress: Callable[[int, int], None] | None = None, witness: Witness | None = None
) -> dict[str, Any]:
    """Everything that the truth of the test volumes says of ``model``, as it goes into a cycle's record.

    ``estimate`` comes from the unassisted validation slices, where any are answered; where no test volume is labelled,
    ``dice`` is None.
    """
    cases = [case for case in study.store.cases("test") if case.label is not None]
    predictor, measured = study.predictor(model), []
    for place, case in enumerate(cases):
        measured.append(_measure_case(study, predictor, model, case, witness))
        if progress:
            progress(place + 1, len(cases))
    record = _summary(study, measured) if measured else dict(_NO_TEST)
    return {**record, "estimate": estimate(study, predictor)}


def at_file_resolution(study: Study, outcome: Outcome, case: Case) -> NDArray[np.uint8]:
    """The prediction as class ids (D, h, w), probabilities interpolated to the file's pixels before the choice."""
    shape, spacing = study.inplane(case)
    return np.stack(
        [study.grid.probs_from_grid(probs, shape, spacing).argmax(0).astype(np.uint8) for probs in outcome.probs]
    )


def estimate(study: Study, predictor: Predictor) -> dict[str, Any] | None:
    """Mean slice Dice over the unassisted validation slices with its 95 % interval; None where none is answered."""
    wanted = study.validation_ids()
    answered = [one for one in study.answers() if one.slice_id in wanted]
    dice: dict[str, dict[str, float]] = {}
    truths = {one.slice_id: one for one in answered}
    for case_id, indices in by_case(list(truths)).items():
        case = study.store.case(case_id)
        labels = at_file_resolution(study, predict_case(study, predictor, case), case)
        for index in indices:
            name = slice_id(case_id, study.config.grid.axis, index)
            truth = study.store.read_annotation(truths[name])
            (value,) = slices_dice(labels[index][None], truth[None], len(study.config.classes)).tolist()
            if not np.isnan(value):
                dice.setdefault(case.patient, {})[name] = value
    if not dice:
        return None
    slices = {name: value for found in dice.values() for name, value in found.items()}
    low, high = mean_interval({patient: list(found.values()) for patient, found in dice.items()})
    interval = {"low": max(0.0, low), "high": min(1.0, high)}
    return {"dice": float(np.mean(list(slices.values()))), **interval, "n": len(slices), "slices": slices}


def _measure_case(study: Study, predictor: Predictor, model: str, case: Case, witness: Witness | None = None) -> Measured:
    outcome = predict_case(study, predictor, case)
    labels, truth, classes = at_file_resolution(study, outcome, case), study.truth(case), len(study.config.classes)
    ids = [slice_id(case.id, study.config.grid.axis, index) for index in range(len(labels))]
    predictions = describe(outcome, judge_of(study, model), ids, list(range(len(ids))), MEASURES)
    dice = slices_dice(labels, truth, classes)
    predictions = [_with_dice(one, value) for one, value in zip(predictions, dice)]
    maps = score_maps(outcome, study.config.preset)
    study.store.predictions.save(model, case.id, predictions, predicted_labels(outcome), maps)
    if witness:
        witness(case, labels, truth, predictions)
    return Measured(case.id, case.patient, dice_per_class(labels, truth, classes), dice, predictions)


def _with_dice(prediction: Prediction, dice: float) -> Prediction:
    known = {} if np.isnan(dice) else {"dice": float(dice)}
    return Prediction(
        prediction.slice_id, prediction.model, prediction.score, prediction.d_raw, {**prediction.measures, **known}
    )


def _summary(study: Study, measured: Sequence[Measured]) -> dict[str, Any]:
    names = study.config.classes[1:]
    volumes = np.stack([one.volume for one in measured])
    per_class = [_mean(volumes[:, place]) for place in range(len(names))]
    slices = np.concatenate([one.slices for one in measured])
    scores = _values(measured, "score")
    raw = None if measured[0].predictions[0].d_raw is None else _values(measured, "d_raw")
    return {
        "dice": _mean(np.array([_nan_mean(one.volume) for one in measured])),
        "dice_per_class": dict(zip(names, per_class)),
        "per_volume": {one.case: dict(zip(names, map(_plain, one.volume))) for one in measured},
        "slice_dice": _mean(slices),
        "slice_dice_per_volume": {one.case: _mean(one.slices) for one in measured},
        "correlation": _trust(measured, scores),
        "correlation_d_raw": None if raw is None else _trust(measured, raw),
        "correlation_measures": {key: _by_slice(measured, _values(measured, key)) for key in MEASURES},
        "mae": mean_absolute_error(np.concatenate(scores), slices),
    }


def _values(measured: Sequence[Measured], key: str) -> list[Floats]:
    """Per case, (D,) of the score, d_raw or a measure."""
    return [
        np.array([getattr(one, key) if key in ("score", "d_raw") else one.measures[key] for one in case.predictions])
        for case in measured
    ]


def _trust(measured: Sequence[Measured], scores: list[Floats]) -> dict[str, Any]:
    """Correlation with Dice per slice, and per volume of the slices' mean score with the volume's Dice."""
    by_volume = correlate([float(score.mean()) for score in scores], [_nan_mean(one.volume) for one in measured])
    patients: dict[str, list[Floats]] = {}
    for one, score in zip(measured, scores):
        patients.setdefault(one.patient, []).append(np.stack([score, one.slices], 1))
    interval = pearson_interval({patient: np.concatenate(pairs) for patient, pairs in patients.items()})
    by_slice = {**_by_slice(measured, scores), "interval": interval}
    return {"slice": by_slice, "volume": {**asdict(by_volume), "interval": None}}


def _by_slice(measured: Sequence[Measured], scores: list[Floats]) -> dict[str, Any]:
    return {**asdict(correlate(np.concatenate(scores), np.concatenate([one.slices for one in measured]))), "interval": None}


def _nan_mean(values: Floats) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _mean(values: Floats) -> float | None:
    """Mean of what is a number; None where nothing is, as JSON has no NaN."""
    return _plain(_nan_mean(values))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def test_slices(study: Study, model: str) -> list[tuple[Prediction, float | None]]:
    """The predictions of the test slices by ``model``, each with its Dice where it has one."""
    tests = {case.id for case in study.store.cases("test")}
    return [
        (one, one.measures.get("dice"))
        for one in study.store.predictions.of(model)
        if parse_slice_id(one.slice_id)[0] in tests
    ]
