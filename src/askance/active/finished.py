"""A case as the study has it now: the expert's label where there is one, the model's elsewhere, and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from askance.active.measuring import at_file_resolution
from askance.active.ranking import describe, judge_of, predict_case
from askance.active.study import Study
from askance.active.triage import triage
from askance.config import PseudoConfig
from askance.errors import UsageError
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
    """``labels`` uint8 (D, h, w) at the file's resolution; ``trusted`` bool, alike: the expert's, or of kind pseudo.

    Of a pseudo-label only what the working grid shows is trusted; beyond it the model saw nothing.
    """

    labels: NDArray[np.uint8]
    trusted: NDArray[np.bool_]
    origins: tuple[Origin, ...]


def finished_cases(
    study: Study, model: Model | None, rule: PseudoConfig, progress: Progress | None = None
) -> Iterator[tuple[Case, Finished]]:
    """The cases of learn, the unlabelled slices as ``model`` (None: nobody) labels them and ``rule`` judges them."""
    cases = study.store.cases("learn")
    study.cache.build(cases if model else [])
    finisher = _Finisher(study, model, rule)
    for done, case in enumerate(cases, start=1):
        yield case, finisher.finish(case)
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


class _Finisher:
    """What is the same for all cases, and the way from a case to its labels."""

    def __init__(self, study: Study, model: Model | None, rule: PseudoConfig) -> None:
        self._study, self._model, self._rule = study, model, rule
        self._predictor = study.predictor(model.id) if model else None
        self._annotations = {one.slice_id: one for one in study.answers()}
        self._states, self._unassisted = study.store.states(), study.validation_ids()

    def finish(self, case: Case) -> Finished:
        """The case's labels, slice by slice from whom they come."""
        labels, judged = self._predicted(case)
        trusted, origins, shown = np.zeros(labels.shape, bool), [], self._shown(case)
        for index, prediction in enumerate(judged):
            name = slice_id(case.id, self._study.config.grid.axis, index)
            if name in self._annotations:
                origins.append(self._paint(self._annotations[name], prediction, labels[index], trusted[index]))
            elif prediction is None or self._states[name] == "unreadable":
                labels[index] = 0
                origins.append(Origin(name, "none", prediction.score if prediction else None))
            else:
                trusted[index] = shown & (prediction.triage == "pseudo")
                origins.append(Origin(name, prediction.triage or "hold", prediction.score, prediction.weight))
        return Finished(labels, trusted, tuple(origins))

    def _shown(self, case: Case) -> NDArray[np.bool_]:
        """(h, w) whether the working grid shows a pixel, by at least half."""
        grid = self._study.grid
        whole: NDArray[np.float32] = np.ones(grid.size, np.float32)
        return grid.map_from_grid(whole, *self._study.inplane(case), outside=0.0) >= 0.5

    def _predicted(self, case: Case) -> tuple[NDArray[np.uint8], Sequence[Prediction | None]]:
        """Labels (D, h, w) by the model, and D predictions after triage; all background and None without a model."""
        axis = self._study.config.grid.axis
        if self._model is None or self._predictor is None:
            return np.zeros((case.shape[axis], *self._study.inplane(case)[0]), np.uint8), [None] * case.shape[axis]
        outcome, indices = predict_case(self._study, self._predictor, case), list(range(case.shape[axis]))
        ids = [slice_id(case.id, axis, index) for index in indices]
        predictions = describe(outcome, judge_of(self._study, self._model.id), ids, indices)
        return at_file_resolution(self._study, outcome, case), triage(predictions, (), self._rule)

    def _paint(
        self,
        annotation: Annotation,
        prediction: Prediction | None,
        labels: NDArray[np.uint8],
        trusted: NDArray[np.bool_],
    ) -> Origin:
        """Put the annotation over ``labels`` (h, w) and mark it in ``trusted``; voxels that it leaves open stay."""
        drawn = self._study.store.read_annotation(annotation)
        trusted[...] = drawn != IGNORE
        labels[trusted] = drawn[trusted]
        return Origin(
            annotation.slice_id,
            "annotation",
            prediction.score if prediction else None,
            weight=1.0,
            version=annotation.version,
            author=annotation.author,
            open_voxels=int((~trusted).sum()),
            unassisted=annotation.slice_id in self._unassisted,
        )
