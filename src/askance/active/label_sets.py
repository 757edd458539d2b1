"""What a training learns from: S_true + weighted G(P) (Algorithm 1, line 9), as entries of the store and as arrays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from askance.active.belief import belief_in
from askance.active.scores import enlarged
from askance.active.study import Study, by_case, model_name
from askance.errors import UsageError
from askance.learning.batches import TrainingData
from askance.learning.fields import field_of
from askance.learning.objectives import learns_from_unlabelled
from askance.learning.pieces import come_in_one_piece, shown_throughout, shows_foreground
from askance.learning.prediction import Seen
from askance.records import IGNORE, Case, LabelEntry, LabelSet, parse_slice_id, slice_id
from askance.volumes.writing import reserve

_LOOKED_AT = 1000  # labelled slices that say where foreground lies and whether it comes in one piece


def label_entries(study: Study, cycle: int) -> list[LabelEntry]:
    """S_true + weighted G(P): the latest annotation of each slice, and the last model's pseudo-labels of the pool.

    The latter only where ``pseudo.by`` is "last"; what a model itself says it learns without their being kept. An
    annotation of a slice that was skipped or found unreadable since stays in the store and is not learnt from. Where the
    answers do not bear the last model out, its pseudo-labels stay out (``belief``).

    Raises:
        UsageError: nothing is labelled.
    """
    true = [LabelEntry(one.slice_id, "annotation", 1.0, version=one.version) for one in study.learnt_from()]
    if not true:
        raise UsageError(f"{study.store.folder}: no slice of learn is labelled yet; answer the base first (`askance query`)")
    taken = {entry.slice_id for entry in true}
    return true + [entry for entry in _pseudo_entries(study, cycle) if entry.slice_id not in taken]


def _pseudo_entries(study: Study, cycle: int) -> list[LabelEntry]:
    pseudo = study.config.pseudo
    if cycle == 0 or pseudo.by != "last" or pseudo.share == 0 or not belief_in(study, cycle).holds:
        return []
    teacher, usable, unassisted = model_name(cycle - 1), study.store.states(), study.validation_ids()
    return [
        LabelEntry(one.slice_id, "pseudo", one.weight, model=teacher)
        for one in study.store.predictions.of(teacher)
        if one.triage == "pseudo" and usable.get(one.slice_id) in ("pool", "skipped") and one.slice_id not in unassisted
    ]


def seen_in(study: Study, data: TrainingData) -> Seen:
    """What the expert's labels in ``data``, or an even sample, have shown of foreground, and of how many patients."""
    annotated, config = np.flatnonzero(~data.pseudo), study.config.training
    chosen = annotated[:: -(-len(annotated) // _LOOKED_AT)]
    labels = [data.labels[place] for place in chosen]
    cases = study.cases_by_id()
    one_piece = config.one_piece and come_in_one_piece(labels)
    if one_piece:
        along = [_along(cases, data.slice_ids[place]) for place in chosen]
        one_piece = shown_throughout(along, [shows_foreground(label) for label in labels])
    patients = {cases[parse_slice_id(data.slice_ids[place])[0]].patient for place in annotated}
    return Seen(one_piece, field_of(labels) if config.field else None, len(patients))


def _along(cases: Mapping[str, Case], name: str) -> float:
    """Where in its volume a slice lies, from 0 to 1."""
    case, axis, index = parse_slice_id(name)
    return index / max(1, cases[case].shape[axis] - 1)


@contextmanager
def training_data(study: Study, label_set: LabelSet) -> Iterator[TrainingData]:
    """The label set on the working grid, in memory-mapped files while it is needed: a pool may not fit in memory.

    Where the objective learns from slices without label, all that is readable of learn outside the label set comes with it.
    """
    unlabelled, entries = _unlabelled(study, label_set), label_set.entries
    ids = tuple(entry.slice_id for entry in entries)
    folder = study.store.folder / "cache" / "training"
    shutil.rmtree(folder, ignore_errors=True)  # what a killed training left
    folder.mkdir(parents=True, exist_ok=True)
    try:
        labels: NDArray[np.uint8] = file_of(folder / "labels.npy", np.uint8, (len(ids), *study.config.grid.size))
        weights: NDArray[np.float16] = file_of(folder / "weights.npy", np.float16, (len(ids), *_patches(study, entries)))
        _fill(study, entries, labels, weights)
        yield TrainingData(
            slice_ids=ids,
            labels=labels,
            weights=weights,
            pseudo=np.array([entry.kind == "pseudo" for entry in entries]),
            extents=extents_of(study, ids),
            unlabelled=unlabelled,
            unlabelled_extents=extents_of(study, unlabelled),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_of(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A new array in a memory-mapped file.

    Raises:
        StudyError: there is no room for it.
    """
    found: NDArray[Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
    reserve(path)
    return found


def _patches(study: Study, entries: Sequence[LabelEntry]) -> tuple[int, int]:
    """Rows and columns of the score maps that weigh pseudo-labels; one for a whole slice where there are none."""
    for entry in entries:
        if entry.kind == "pseudo":
            rows, columns = study.store.predictions.maps(str(entry.model), parse_slice_id(entry.slice_id)[0]).shape[-2:]
            return rows, columns
    return 1, 1


def _unlabelled(study: Study, label_set: LabelSet) -> tuple[str, ...]:
    """Readable slices of learn outside the label set and the validation, if the objective reads such."""
    if not learns_from_unlabelled(study.config.training):
        return ()
    taken = {entry.slice_id for entry in label_set.entries} | study.validation_ids()
    return tuple(sorted(one.id for one in study.readable() if one.id not in taken))


def extents_of(study: Study, slice_ids: Sequence[str]) -> NDArray[np.int64]:
    """(N, 2): how far each of ``slice_ids`` covers the grid, in rows and columns."""
    extent = {name: study.extent(case) for name, case in study.cases_by_id().items()}
    return np.array([extent[parse_slice_id(one)[0]] for one in slice_ids], np.int64).reshape(-1, 2)


def _fill(study: Study, entries: tuple[LabelEntry, ...], labels: NDArray[np.uint8], weights: NDArray[np.float16]) -> None:
    """Write each entry's label to ``labels`` (N, H, W) and the weights of its patches to ``weights`` (N, h, w)."""
    weights[:] = np.array([entry.weight for entry in entries])[:, None, None]
    cases = study.cases_by_id()
    annotations = {(one.slice_id, one.version): one for one in study.store.annotations(latest=False)}
    places = {(entry.slice_id, entry.kind): place for place, entry in enumerate(entries)}
    for place, entry in enumerate(entries):
        if entry.kind == "annotation" and entry.version is not None:
            labels[place] = study.annotation_on_grid(
                annotations[entry.slice_id, entry.version], cases[parse_slice_id(entry.slice_id)[0]]
            )
    teachers = {entry.slice_id: str(entry.model) for entry in entries if entry.kind == "pseudo"}
    for case, indices in by_case(list(teachers)).items():
        names = [slice_id(case, study.config.grid.axis, index) for index in indices]
        believed, trusted = _believed(study, teachers[names[0]], case)
        for name, index in zip(names, indices):
            place = places[name, "pseudo"]
            labels[place] = believed[index]
            weights[place] *= trusted[index]


def _believed(study: Study, teacher: str, case: str) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """What ``teacher`` predicts for ``case``, (D, H, W), IGNORE in doubtful patches, and what patches weigh, (D, h, w)."""
    labels, maps = study.store.predictions.labels(teacher, case), study.store.predictions.maps(teacher, case)
    config = study.config.pseudo
    doubtful = enlarged(maps, labels.shape[1:]) < config.patch_threshold
    return np.where(doubtful, np.uint8(IGNORE), labels), maps**config.power
