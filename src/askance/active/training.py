"""Algorithm 1, line 5: G and D trained on what is labelled and, weighted, on what G said of the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.active.answered import answered_pairs
from askance.active.calibration import fit
from askance.active.scores import enlarged
from askance.active.study import Study, by_case
from askance.config import TrainingConfig
from askance.errors import UsageError
from askance.learning.batches import TrainingData
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.fields import field_of
from askance.learning.pieces import come_in_one_piece
from askance.learning.prediction import Seen
from askance.learning.task import States, Step
from askance.learning.training import Run, step_count, train
from askance.records import IGNORE, LabelEntry, LabelSet, Model, parse_slice_id, slice_id
from askance.store.database import utc_now

_LOOKED_AT = 1000  # labelled slices that say where foreground lies and whether it comes in one piece


@dataclass(frozen=True)
class _Start:
    """The weights that a training goes on from, and whose they are; none from scratch."""

    states: States | None = None
    parent: str | None = None


def train_cycle(study: Study, cycle: int, report: Callable[[Step], None] | None = None) -> Model:
    """The model of ``cycle``: trained, saved and known to the store; the same if asked again, whole or killed.

    Raises:
        UsageError: nothing is labelled.
        TrainingError: a loss that is not a number.
    """
    model_id = model_name(cycle)
    if any(known.id == model_id for known in study.store.models()):
        return study.store.model(model_id)
    label_set = study.store.save_label_set(label_entries(study, cycle))
    start = _start(study, cycle)
    progress = study.store.folder / "models" / f"{model_id}.progress"
    with _training_data(study, label_set) as data:
        run = _run(study, cycle, label_set, data, start, progress, report)
        seen = _seen(data, study.config.training)
        trained = train(run)
    info = {
        "format": 1,
        "losses": dict(trained.losses),
        "steps": run.steps,
        "seconds": trained.seconds,
        "slices_per_s": trained.slices_per_s,
        "one_piece": seen.one_piece,
        "field": astuple(seen.field) if seen.field else None,
        "calibration": asdict(fit(*answered_pairs(study, cycle))),
        "config": study.config.model_dump(mode="json"),
    }
    digest = save_weights(study.store.model_folder(model_id), trained.states, info)
    model = Model(model_id, cycle, label_set.id, digest, utc_now(), start.parent, info)
    study.store.save_model(model)
    progress.unlink(missing_ok=True)
    return model


def _seen(data: TrainingData, config: TrainingConfig) -> Seen:
    """What the expert's labels, or an even sample of them, have shown of foreground."""
    annotated = np.flatnonzero(~data.pseudo)
    labels = [data.labels[place] for place in annotated[:: -(-len(annotated) // _LOOKED_AT)]]
    return Seen(config.one_piece and come_in_one_piece(labels), field_of(labels) if config.field else None)


def model_name(cycle: int) -> str:
    """Id of the model trained after the answers of ``cycle``."""
    return f"cycle-{cycle:03d}"


def label_entries(study: Study, cycle: int) -> list[LabelEntry]:
    """S_true + weighted G(P): the latest annotation of each slice, and the last model's pseudo-labels of the pool.

    Raises:
        UsageError: nothing is labelled.
    """
    unassisted = study.validation_ids()
    true = [
        LabelEntry(one.slice_id, "annotation", 1.0, version=one.version)
        for one in study.store.annotations()
        if one.slice_id not in unassisted and study.store.case(parse_slice_id(one.slice_id)[0]).split == "learn"
    ]
    if not true:
        raise UsageError(f"{study.store.folder}: no slice of learn is labelled yet; answer the base first (`askance query`)")
    return true + _pseudo_entries(study, cycle)


def _pseudo_entries(study: Study, cycle: int) -> list[LabelEntry]:
    if cycle == 0 or study.config.pseudo.share == 0:
        return []
    teacher, usable = model_name(cycle - 1), study.store.states()
    return [
        LabelEntry(one.slice_id, "pseudo", one.weight, model=teacher)
        for one in study.store.predictions(teacher)
        if one.triage == "pseudo" and usable.get(one.slice_id) in ("pool", "skipped")
    ]


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
    settings = json.dumps([config.model_dump(mode="json"), label_set.id, cycle, start.parent, steps], sort_keys=True)
    return Run(
        data=data,
        source=study.cache,
        shape=study.shape,
        network=config.network,
        training=config.training,
        seed=config.seed * 1000 + cycle,
        steps=steps,
        pseudo_share=config.pseudo.share,
        start=start.states,
        progress_file=progress,
        fingerprint=hashlib.sha256(settings.encode()).hexdigest(),
        report=report,
    )


@contextmanager
def _training_data(study: Study, label_set: LabelSet) -> Iterator[TrainingData]:
    """The label set on the working grid, in a memory-mapped file while it is needed: a pool may not fit in memory."""
    path = study.store.folder / "cache" / f"labels-{label_set.id}.npy"
    path.parent.mkdir(exist_ok=True)
    entries, size = label_set.entries, study.config.grid.size
    labels: NDArray[np.uint8] = np.lib.format.open_memmap(path, "w+", np.uint8, (len(entries), *size))
    try:
        extents = _fill(study, entries, labels)
        yield TrainingData(
            slice_ids=tuple(entry.slice_id for entry in entries),
            labels=labels,
            weights=np.array([entry.weight for entry in entries], np.float32),
            pseudo=np.array([entry.kind == "pseudo" for entry in entries]),
            extents=extents,
        )
    finally:
        path.unlink(missing_ok=True)


def _fill(study: Study, entries: tuple[LabelEntry, ...], labels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Write each entry's label to ``labels``; give back how far its slice covers the grid, (N, 2)."""
    extents = np.zeros((len(entries), 2), np.int64)
    annotations = {(one.slice_id, one.version): one for one in study.store.annotations(latest=False)}
    places = {(entry.slice_id, entry.kind): place for place, entry in enumerate(entries)}
    cases = by_case([entry.slice_id for entry in entries])
    extent = {case: study.extent(study.store.case(case)) for case in cases}
    for place, entry in enumerate(entries):
        extents[place] = extent[parse_slice_id(entry.slice_id)[0]]
        if entry.kind == "annotation" and entry.version is not None:
            labels[place] = study.annotation_on_grid(annotations[entry.slice_id, entry.version])
    teachers = {entry.slice_id: str(entry.model) for entry in entries if entry.kind == "pseudo"}
    for case, indices in by_case(list(teachers)).items():
        names = [slice_id(case, study.config.grid.axis, index) for index in indices]
        believed = _believed(study, teachers[names[0]], case)
        for name, index in zip(names, indices):
            labels[places[name, "pseudo"]] = believed[index]
    return extents


def _believed(study: Study, teacher: str, case: str) -> NDArray[np.uint8]:
    """What ``teacher`` predicts for ``case``, (D, H, W) on the working grid; IGNORE in patches that it may be wrong in."""
    labels, maps = study.store.prediction_labels(teacher, case), study.store.prediction_maps(teacher, case)
    return np.where(enlarged(maps, labels.shape[1:]) < study.config.pseudo.patch_threshold, np.uint8(IGNORE), labels)
