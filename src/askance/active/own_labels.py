"""The rest, labelled by the model itself: what a training's last part learns from, beside the experts' labels.

A model that has just learnt the labels says of slices without one what each pixel may be, and is trained on from there
with a part of every batch drawn from that. Nothing is held back or weighed: a pixel is drawn from its two likeliest
classes whenever its slice is seen, so that what is doubted is taught as doubtful. What the next query is chosen among
comes last: a slice that a model has learnt from is not judged by it, as long as there are enough of others. Labels of
the model that asked, which has not learnt the answers, gained nothing on the labels alone, and weights by the score took
away from what these gain (log.md).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from askance.active.belief import belief_in
from askance.active.label_sets import extents_of, file_of
from askance.active.ranking import predict_case, slices_to_rank
from askance.active.study import Study, by_case
from askance.learning.batches import TrainingData
from askance.learning.prediction import Predictor
from askance.learning.training import Run
from askance.records import slice_id

_SEEN = 4  # times that a slice is seen, on the mean: more of them would have to be predicted for as many steps
_STREAM = 13  # keeps this file's random numbers apart from those of ranking, queries and training with the same seed


def own_run(study: Study, cycle: int, run: Run) -> Run | None:
    """How ``run`` goes on with the model's own labels, but for its data and its start; None where it does not.

    It does not in a study whose pseudo-labels come from the model that asked, where the answers of ``cycle`` do not bear
    that model out (``belief``), or where no slice is left.
    """
    pseudo = study.config.pseudo
    if pseudo.by != "itself" or pseudo.share == 0 or pseudo.more == 0:
        return None
    if not belief_in(study, cycle).holds or not unlabelled(study):
        return None
    file = run.progress_file
    return replace(
        run,
        seed=int(np.random.SeedSequence((run.seed, _STREAM)).generate_state(1)[0]),
        steps=max(1, round(pseudo.more * run.steps)),
        pseudo_share=pseudo.share,
        pseudo_until=1.0,
        progress_file=file and file.with_name(f"{file.name}-own"),
        fingerprint=f"{run.fingerprint}, own labels",
    )


def unlabelled(study: Study) -> list[str]:
    """Slices of learn that a model may label for itself: nobody has, or wants to, and nothing is measured by them."""
    unassisted = study.validation_ids()
    return [one.id for one in study.store.slices("learn", {"pool", "skipped"}) if one.id not in unassisted]


@contextmanager
def with_own_labels(
    study: Study, cycle: int, run: Run, predictor: Predictor, count: Callable[[int, int], None] | None = None
) -> Iterator[TrainingData]:
    """``run.data`` and as many slices of the pool as ``run`` has use for, as ``predictor`` labels them; gone afterwards.

    ``count`` is told how many cases are labelled, and of how many.
    """
    chosen = _chosen(study, cycle, run.steps * run.training.batch * run.pseudo_share / _SEEN, run.seed)
    axis, known, folder = study.config.grid.axis, run.data, study.store.folder / "cache" / "training" / "own"
    names = tuple(slice_id(case, axis, index) for case, indices in chosen.items() for index in indices)
    folder.mkdir(parents=True)  # in that of the training's data, which goes with them
    taken = set(names)
    bare = [place for place, name in enumerate(known.unlabelled) if name not in taken]
    try:
        shape = (len(known.slice_ids) + len(names), *study.config.grid.size)
        labels, seconds, doubts = (
            file_of(folder / f"{name}.npy", np.uint8, shape) for name in ("labels", "seconds", "doubts")
        )
        labels[: len(known.slice_ids)] = known.labels
        _predict(study, predictor, chosen, [layer[len(known.slice_ids) :] for layer in (labels, seconds, doubts)], count)
        yield replace(
            known,
            slice_ids=known.slice_ids + names,
            labels=labels,
            weights=np.concatenate([known.weights, np.ones((len(names), *known.weights.shape[1:]), known.weights.dtype)]),
            pseudo=np.concatenate([known.pseudo, np.ones(len(names), bool)]),
            extents=np.concatenate([known.extents, extents_of(study, names)]),
            unlabelled=tuple(known.unlabelled[place] for place in bare),
            unlabelled_extents=known.unlabelled_extents[bare],
            seconds=seconds,
            doubts=doubts,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _chosen(study: Study, cycle: int, wanted: float, seed: int) -> dict[str, list[int]]:
    """Indices of slices without a label by case: whole cases by lot, until there are ``wanted``."""
    cases, ahead = by_case(unlabelled(study)), by_case(slices_to_rank(study, cycle + 1))
    lots = np.random.default_rng((seed, _STREAM)).permutation(sorted(cases)).tolist()
    ordered = sorted(lots, key=lambda case: case in ahead)
    before = np.cumsum([0, *(len(cases[case]) for case in ordered)])
    return {case: cases[case] for case, held in zip(ordered, before) if held < wanted}


def _predict(
    study: Study,
    predictor: Predictor,
    chosen: Mapping[str, list[int]],
    layers: Sequence[NDArray[np.uint8]],
    count: Callable[[int, int], None] | None,
) -> None:
    """Write what each slice of ``chosen`` shows, may else show, and how likely, into ``layers`` (N, H, W), in that order."""
    at = 0
    for done, (case, indices) in enumerate(chosen.items()):
        if count:
            count(done, len(chosen))
        outcome = predict_case(study, predictor, study.store.case(case))
        for layer, found in zip(layers, (outcome.labels(), *outcome.doubts()), strict=True):
            layer[at : at + len(indices)] = found[indices]
        at += len(indices)
