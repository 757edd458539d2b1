"""A case as the study has it now: the expert's label where there is one, the model's elsewhere, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from askance.active.measuring import at_file_resolution
from askance.active.proposals import annotations_of
from askance.active.ranking import describe, predict_case
from askance.active.study import Study
from askance.active.triage import triage
from askance.config import PseudoConfig
from askance.errors import UsageError
from askance.learning.prediction import Predictor
from askance.records import IGNORE, Annotation, Case, Model, Prediction, slice_id

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Origin:
    """Where a slice's label comes from.

    ``kind``: ``annotation`` of ``version`` by ``author`` with ``open_voxels`` that the expert left to the model; ``pseudo``
    with ``weight``; ``hold``, the model's, not to be trusted; ``none``, all background. ``score``: the model's estimate of
    the Dice of its own prediction, None without a model. ``unassisted``: drawn without a proposal, to measure by.
    """

    slice_id: str
    kind: Literal["annotation", "pseudo", "hold", "none"]
    score: float | None
    weight: float = 0.0
    version: int | None = None
    author: str | None = None
    open_voxels: int = 0
    unassisted: bool = False


@dataclass(frozen=True, eq=False)
class Finished:
    """``labels`` uint8 (D, h, w) at the file's resolution; ``trusted`` bool, alike: the expert's, or of kind pseudo."""

    labels: NDArray[np.uint8]
    trusted: NDArray[np.bool_]
    origins: tuple[Origin, ...]


def finished_cases(
    study: Study, model: Model | None, rule: PseudoConfig, progress: Progress | None = None
) -> Iterator[tuple[Case, Finished]]:
    """The cases of learn, the unlabelled slices as ``model`` (None: nobody) labels them and ``rule`` judges them."""
    cases = study.store.cases("learn")
    predictor = None
    if model is not None:
        study.cache.build(cases)
        predictor = study.predictor(model.id)
    for done, case in enumerate(cases, start=1):
        yield case, _finish(study, model, predictor, case, rule)
        if progress is not None:
            progress(done, len(cases))


def model_to_export(study: Study, model_id: str | None) -> Model | None:
    """The model named, or the newest; None before the first training.

    Raises:
        UsageError: no model of that name.
    """
    models = {one.id: one for one in study.store.models()}
    if model_id is None:
        return study.store.latest_model()
    if model_id not in models:
        raise UsageError(
            f"model {model_id!r} is not in {study.store.folder}; wanted one of {', '.join(models) or 'none yet'}"
        )
    return models[model_id]


def _finish(study: Study, model: Model | None, predictor: Predictor | None, case: Case, rule: PseudoConfig) -> Finished:
    axis, states = study.config.grid.axis, study.store.states()
    ids = [slice_id(case.id, axis, index) for index in range(case.shape[axis])]
    judged: list[Prediction] | None = None
    labels = np.zeros((len(ids), *study.inplane(case)[0]), np.uint8)
    if model is not None and predictor is not None:
        outcome = predict_case(study, predictor, case)
        labels = at_file_resolution(study, outcome, case)
        judged = triage(describe(outcome, study.config.preset, model.id, ids, list(range(len(ids))), []), (), rule)
    annotations = {one.slice_id: one for one in annotations_of(study, case)}
    trusted, origins, unassisted = np.zeros(labels.shape, bool), [], study.validation_ids()
    for index, name in enumerate(ids):
        prediction = judged[index] if judged else None
        if name in annotations:
            left = _paint(study, annotations[name], labels[index], trusted[index])
            origins.append(_from_expert(annotations[name], prediction, left, name in unassisted))
        elif prediction is None or states[name] == "unreadable":
            labels[index] = 0
            origins.append(Origin(name, "none", prediction.score if prediction else None))
        else:
            trusted[index] = prediction.triage == "pseudo"
            origins.append(Origin(name, prediction.triage or "hold", prediction.score, prediction.weight))
    return Finished(labels, trusted, tuple(origins))


def _paint(study: Study, annotation: Annotation, labels: NDArray[np.uint8], trusted: NDArray[np.bool_]) -> int:
    """Put the annotation over ``labels`` (h, w) and mark it in ``trusted``; voxels that it leaves open stay as they are."""
    drawn = study.store.read_annotation(annotation)
    known = drawn != IGNORE
    labels[known] = drawn[known]
    trusted[...] = known
    return int((~known).sum())


def _from_expert(annotation: Annotation, prediction: Prediction | None, open_voxels: int, unassisted: bool) -> Origin:
    return Origin(
        annotation.slice_id,
        "annotation",
        prediction.score if prediction else None,
        weight=1.0,
        version=annotation.version,
        author=annotation.author,
        open_voxels=open_voxels,
        unassisted=unassisted,
    )
