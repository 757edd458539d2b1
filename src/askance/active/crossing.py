"""What a model is likely to get wrong, before anything was asked: two models of half the patients each judge the other half.

The score learns from pairs of what can be seen of a prediction and its Dice (``calibration``). Answers to a query bring them
for nothing, but the base was answered before there was a model. Cross-fitting (Chernozhukov 2018, sec. 3) makes some of it:
no slice is judged by a model that has seen a label of its patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from askance.active.calibration import FEATURES
from askance.active.label_sets import seen_in
from askance.active.measures import MEASURES
from askance.active.ranking import predict_case
from askance.active.study import Study, by_case
from askance.learning.batches import TrainingData
from askance.learning.prediction import Predictor
from askance.learning.training import Run, train
from askance.metrics.dice import slices_dice
from askance.records import parse_slice_id, slice_id

_FEWEST = 8  # annotated slices from which halves of them teach a network anything
_MOST = 200  # slices that are judged: more cost more than they tell


@dataclass(frozen=True)
class Pairs:
    """Measures of predicted slices, and their Dice on the working grid; none of slices without foreground on either side."""

    seen: tuple[dict[str, float], ...] = ()
    dice: tuple[float, ...] = ()


def halves_of(study: Study, data: TrainingData, seed: int) -> list[NDArray[np.intp]]:
    """The places of annotated slices in ``data``, in two halves by patient; none where they are too few to be halved."""
    places = np.flatnonzero(~data.pseudo)
    cases = study.cases_by_id()
    patients = np.array([cases[parse_slice_id(data.slice_ids[place])[0]].patient for place in places])
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    if len(names) < 2 or len(places) < _FEWEST:
        return []
    first: list[str] = []
    for name in names:
        if 2 * np.isin(patients, [*first, name]).sum() <= len(places) or not first:
            first.append(name)
    inside = np.isin(patients, first)
    return [places[inside], places[~inside]]


def crossed_pairs(study: Study, runs: Sequence[Run], halves: Sequence[NDArray[np.intp]], data: TrainingData) -> Pairs:
    """What the model of each of ``runs`` says of the half of ``data`` that it has not seen, beside what is true.

    Raises:
        TrainingError: a loss that is not a number.
    """
    pairs: list[tuple[dict[str, float], float]] = []
    for run, unseen in zip(runs, reversed(halves), strict=True):
        states = train(run).states
        predictor = Predictor(states, run.shape, run.network, run.training, seen_in(study, run.data))
        judged = unseen[:: -(-2 * len(unseen) // _MOST)]
        pairs += _judged(study, predictor, {data.slice_ids[place]: data.labels[place] for place in judged})
    known = [(seen, dice) for seen, dice in pairs if np.isfinite(dice)]
    return Pairs(tuple(seen for seen, _ in known), tuple(dice for _, dice in known))


def _judged(
    study: Study, predictor: Predictor, truths: Mapping[str, NDArray[np.uint8]]
) -> Iterator[tuple[dict[str, float], float]]:
    """Measures and Dice of the slices whose ``truths``, each (H, W), are known."""
    for case, indices in by_case(list(truths)).items():
        outcome = predict_case(study, predictor, study.store.case(case))
        labels, measures = outcome.labels(), {name: MEASURES[name](outcome) for name in FEATURES}
        for index in indices:
            truth = truths[slice_id(case, study.config.grid.axis, index)]
            (dice,) = slices_dice(labels[index][None], truth[None], study.shape.classes).tolist()
            yield {name: float(values[index]) for name, values in measures.items()}, dice


def half_runs(run: Run, halves: Sequence[NDArray[np.intp]]) -> list[Run]:
    """``run`` cut down to each of ``halves``: its share of the steps, a start and a file of progress of its own."""
    steps, file = max(1, round(run.steps * run.training.crossing)), run.progress_file
    return [
        replace(
            run,
            data=_part(run.data, places),
            seed=int(np.random.SeedSequence((run.seed, number)).generate_state(1)[0]),
            steps=steps,
            pseudo_share=0.0,
            start=None,
            progress_file=file and file.with_name(f"{file.name}-{number}"),
            fingerprint=f"{run.fingerprint}, half {number}",
        )
        for number, places in enumerate(halves)
    ]


def _part(data: TrainingData, places: NDArray[np.intp]) -> TrainingData:
    return replace(
        data,
        slice_ids=tuple(data.slice_ids[place] for place in places),
        labels=np.asarray(data.labels[places]),
        weights=np.asarray(data.weights[places]),
        pseudo=data.pseudo[places],
        extents=data.extents[places],
    )
