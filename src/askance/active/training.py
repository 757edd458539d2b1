"""Algorithm 1, line 5: G and D trained on what is labelled and, weighted, on what G said of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.active.answered import answered_pairs
from askance.active.belief import belief_in
from askance.active.calibration import FEATURES, Calibration, fit
from askance.active.crossing import Pairs, crossed_pairs, half_runs, halves_of
from askance.active.label_sets import label_entries, seen_in, training_data
from askance.active.own_labels import own_run, unlabelled, with_own_labels
from askance.active.study import Study, by_case, model_name
from askance.active.usual import usual_in_learn
from askance.learning.architecture import make_imager
from askance.learning.batches import TrainingData
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.novelty import NOVELTY
from askance.learning.prediction import FORMER, Predictor, Seen, as_trained
from askance.learning.semi_supervised import IMAGER, made_images
from askance.learning.task import States, Step, Trained
from askance.learning.training import Run, step_count, train
from askance.records import LabelSet, Model
from askance.store.database import utc_now
from askance.volumes.geometry import most_stored_like
from askance.volumes.normalisation import VERSION


@dataclass(frozen=True)
class _Start:
    """The weights that a training goes on from, and whose they are; none from scratch."""

    states: States | None = None
    parent: str | None = None


def train_cycle(
    study: Study,
    cycle: int,
    report: Callable[[Step], None] | None = None,
    count: Callable[[int, int], None] | None = None,
) -> Model:
    """The model of ``cycle``: trained, saved and known to the store; the same if asked again, whole or killed.

    ``report`` looks into the training; ``count`` is told the cases that are labelled by the model itself, and of how many.

    Raises:
        UsageError: nothing is labelled.
        TrainingError: a loss that is not a number.
    """
    model_id = model_name(cycle)
    progress = study.store.folder / "models" / f"{model_id}.progress"
    if any(known.id == model_id for known in study.store.models()):
        _remove_progress(progress)
        return study.store.model(model_id)
    belief, label_set = belief_in(study, cycle), study.store.save_label_set(label_entries(study, cycle))
    start = _start(study, cycle)
    with training_data(study, label_set) as data:
        run = _run(study, cycle, label_set, data, start, progress, report)
        halves, own = _halves(study, cycle, run), own_run(study, cycle, run)
        runs = _on_one_bar([*half_runs(run, halves), run, *([own] if own else [])])
        half, run, own = runs[: len(halves)], runs[len(halves)], runs[-1] if own else None
        crossed = crossed_pairs(study, half, halves, data) if halves else _crossed(study, cycle)
        seen = seen_in(study, data)
        trained, left = train(run), len(unlabelled(study))
        former = {FORMER: trained.states["G"]} if own else {}
        trained, taught = _on_own_labels(study, cycle, own, trained, seen, count) if own else (trained, ())
    states = trained.states | former | _novelty(study, trained, seen) | _made(study, trained.states, run.seed)
    info = {
        "format": 1,
        "losses": dict(trained.losses),
        "steps": trained.steps,
        "own_labels": {"slices": len(taught), "pool": left, "cases": list(by_case(taught))},
        "seconds": trained.seconds,
        "slices_per_s": trained.slices_per_s,
        "precision": trained.precision,
        "one_piece": seen.one_piece,
        "field": astuple(seen.field) if seen.field else None,
        "patients": seen.patients,
        "belief": asdict(belief),
        "calibration": {**asdict(_calibration(study, cycle, crossed)), "measures": list(FEATURES)},
        "crossed": asdict(crossed),
        "normalisation": VERSION,
        "stored_like": most_stored_like([case.affine for case in study.store.cases("learn")]).tolist(),
        "config": study.config.model_dump(mode="json"),
    }
    digest = save_weights(study.store.model_folder(model_id), states, info)
    model = Model(model_id, cycle, label_set.id, digest, utc_now(), start.parent, info)
    study.store.save_model(model)
    _remove_progress(progress)
    return model


def _remove_progress(progress: Path) -> None:
    """What a training leaves beside its model while it runs, its halves' too."""
    for path in progress.parent.glob(f"{progress.name}*"):
        path.unlink()


def _halves(study: Study, cycle: int, run: Run) -> list[NDArray[np.intp]]:
    """The halves of the base that are to judge each other; none later, nor where the pool is empty."""
    if cycle > 0 or run.training.crossing == 0 or not study.store.slices("learn", {"pool"}):
        return []
    return halves_of(study, run.data, run.seed)


def _on_own_labels(
    study: Study, cycle: int, run: Run, trained: Trained, seen: Seen, count: Callable[[int, int], None] | None
) -> tuple[Trained, tuple[str, ...]]:
    """``trained`` and gone on from as ``run`` says, with labels of its own; and of which slices."""
    training = as_trained(run.training, trained.precision)
    predictor = Predictor(trained.states, run.shape, run.network, training, seen)
    with with_own_labels(study, cycle, run, predictor, count) as data:
        taught = data.slice_ids[len(run.data.slice_ids) :]
        fingerprint = hashlib.sha256(f"{run.fingerprint}, of {taught}".encode()).hexdigest()
        further = train(replace(run, data=data, start=trained.states, training=training, fingerprint=fingerprint))
    return replace(further, seconds=trained.seconds + further.seconds, steps=trained.steps + further.steps), taught


def _on_one_bar(runs: Sequence[Run]) -> list[Run]:
    """``runs`` that report their steps as those of one training."""
    total, shown, done = sum(run.steps for run in runs), [], 0
    for run in runs:
        shown.append(replace(run, report=partial(_report, run.report, done, total) if run.report else None))
        done += run.steps
    return shown


def _report(report: Callable[[Step], None], done: int, total: int, step: Step) -> None:
    report(replace(step, number=done + step.number, steps=total))


def _crossed(study: Study, cycle: int) -> Pairs:
    """What the halves of the base said of each other, as the base's model keeps it."""
    known = study.store.model(model_name(0)).info.get("crossed") if cycle > 0 else None
    pairs = zip(known["seen"], known["dice"]) if known else ()
    usable = [(seen, dice) for seen, dice in pairs if seen.keys() >= FEATURES.keys()]  # an older base looked at others
    return Pairs(tuple(seen for seen, _ in usable), tuple(dice for _, dice in usable))


def _calibration(study: Study, cycle: int, crossed: Pairs) -> Calibration:
    """What the halves of the base and the answers up to ``cycle`` teach the score."""
    seen, dice = answered_pairs(study, cycle)
    return fit([*crossed.seen, *seen], [*crossed.dice, *dice])


def _novelty(study: Study, trained: Trained, seen: Seen) -> States:
    """What tells the model what it has not seen the like of, among its states; nothing in preset paper."""
    if study.config.preset == "paper":
        return {}
    config = study.config
    training = as_trained(config.training, trained.precision)
    usual = usual_in_learn(study, Predictor(trained.states, study.shape, config.network, training, seen))
    return {NOVELTY: usual.state()} if usual else {}


def _made(study: Study, networks: States, seed: int) -> States:
    """Images that the training's imager makes, to be shown; nothing where the objective has none."""
    if IMAGER not in networks:
        return {}
    imager = make_imager(study.shape, study.config.network, study.config.training)
    imager.load_state_dict(networks[IMAGER])
    return made_images(imager, seed)


def _start(study: Study, cycle: int) -> _Start:
    if cycle == 0 or not study.config.training.warm_start:
        return _Start()
    parent = model_name(cycle - 1)
    return _Start(load_weights(study.store.model_folder(parent))[0], parent)


def _run(
    study: Study,
    cycle: int,
    label_set: LabelSet,
    data: TrainingData,
    start: _Start,
    progress: Path,
    report: Callable[[Step], None] | None,
) -> Run:
    config = study.config
    steps = step_count(int((~data.pseudo).sum()), config.training, warm=start.parent is not None)
    learnt = [config.model_dump(mode="json"), label_set.id, data.unlabelled, cycle, start.parent, steps]
    settings = json.dumps(learnt, sort_keys=True)
    return Run(
        data=data,
        source=study.cache,
        shape=study.shape,
        network=config.network,
        training=config.training,
        seed=config.seed * 1000 + cycle,
        steps=steps,
        pseudo_share=config.pseudo.share,
        pseudo_until=config.pseudo.until,
        start=start.states,
        progress_file=progress,
        fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        report=report,
    )
