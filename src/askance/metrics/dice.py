"""Dice of label maps: per class, per volume, per slice.

One rule for the empty: absent in both is NaN and left out of means, absent in one is 0. Pixels whose truth is
``records.IGNORE`` count for nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import GeometryError, LabelError
from askance.records import IGNORE

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

#: At most this many pixels are counted at a time, if they come in slices: each takes 32 bytes meanwhile.
_BLOCK = 2**20


def dice_per_class(prediction_labels: Labels, truth_labels: Labels, classes: int) -> Floats:
    """Dice of each foreground class, (classes - 1,): 2 |P and T| / (|P| + |T|) (Dice 1945).

    Both arrays have the same shape, any number of axes; ``classes`` counts the background, which is class 0.

    Raises:
        GeometryError: the shapes differ.
        LabelError: a label that is no class.
    """
    _require_one_shape(prediction_labels, truth_labels)
    per_class: Floats = _dice(prediction_labels[np.newaxis], truth_labels[np.newaxis], classes)[0]
    return per_class


def volume_dice(prediction_labels: Labels, truth_labels: Labels, classes: int) -> float:
    """Mean Dice over the classes present in truth or prediction; NaN if none is.

    Raises:
        GeometryError: the shapes differ.
        LabelError: a label that is no class.
    """
    return float(_mean_over_present(dice_per_class(prediction_labels, truth_labels, classes)))


def slice_dice(prediction_labels: Labels, truth_labels: Labels, classes: int) -> float:
    """Dice of one slice (h, w): the mean over the classes present in truth or prediction.

    NaN where both are empty, 0 where one is. The score of a slice estimates this number.

    Raises:
        GeometryError: the shapes differ.
        LabelError: a label that is no class.
    """
    return volume_dice(prediction_labels, truth_labels, classes)


def slices_dice(prediction_labels: Labels, truth_labels: Labels, classes: int) -> Floats:
    """``slice_dice`` of each slice of (D, h, w) at once, (D,).

    Raises:
        GeometryError: the shapes differ.
        LabelError: a label that is no class.
    """
    return _mean_over_present(slices_dice_per_class(prediction_labels, truth_labels, classes))


def slices_dice_per_class(prediction_labels: Labels, truth_labels: Labels, classes: int) -> Floats:
    """``dice_per_class`` of each slice of (D, h, w) at once, (D, classes - 1).

    Raises:
        GeometryError: the shapes differ.
        LabelError: a label that is no class.
    """
    _require_one_shape(prediction_labels, truth_labels)
    return _dice(prediction_labels, truth_labels, classes)


def _dice(prediction_labels: Labels, truth_labels: Labels, classes: int) -> Floats:
    """Dice per item of the first axis and foreground class, (D, classes - 1), NaN where absent in both."""
    confusion = _confusion(prediction_labels, truth_labels, classes)
    overlap = np.diagonal(confusion, axis1=1, axis2=2)[:, 1:]
    sizes = (confusion.sum(axis=1) + confusion.sum(axis=2))[:, 1:]
    return _ratio(2.0 * overlap, sizes)


def _confusion(prediction_labels: Labels, truth_labels: Labels, classes: int) -> NDArray[np.int64]:
    """Pixels by (item, predicted class, true class), a block of items at a time, of a large item a block of its parts."""
    pixels = math.prod(truth_labels.shape[1:])
    if pixels > _BLOCK and truth_labels.ndim > 2:
        parts = zip(prediction_labels, truth_labels, strict=True)
        return np.stack([_confusion(predicted, true, classes).sum(axis=0) for predicted, true in parts])
    step = max(1, _BLOCK // max(1, pixels))
    blocks = [slice(start, start + step) for start in range(0, max(1, len(truth_labels)), step)]
    return np.concatenate([_counted(prediction_labels[block], truth_labels[block], classes) for block in blocks])


def _counted(prediction_labels: Labels, truth_labels: Labels, classes: int) -> NDArray[np.int64]:
    """``_confusion`` of one block; one pass over the pixels whatever the number of classes."""
    items = len(truth_labels)
    known = truth_labels != IGNORE
    predicted = _checked(prediction_labels[known], classes, "prediction")
    true = _checked(truth_labels[known], classes, "truth")
    item = np.repeat(np.arange(items), known.sum(axis=tuple(range(1, known.ndim))))
    cells = (item * classes + predicted) * classes + true
    return np.bincount(cells, minlength=items * classes**2).reshape(items, classes, classes)


def _require_one_shape(prediction_labels: Labels, truth_labels: Labels) -> None:
    if prediction_labels.shape != truth_labels.shape:
        raise GeometryError(
            f"the prediction has shape {prediction_labels.shape}, the truth {truth_labels.shape}; "
            f"Dice needs both on one grid: bring the prediction back to the geometry of the truth"
        )


def _checked(labels: Labels, classes: int, what: str) -> NDArray[np.intp]:
    if labels.dtype.kind not in "iub":
        raise LabelError(f"the {what} holds {labels.dtype}; wanted whole class ids from 0 to {classes - 1}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        found = int(labels.max() if labels.max() >= classes else labels.min())
        raise LabelError(f"the {what} holds label {found}; the study has the classes 0 to {classes - 1}")
    return labels.astype(np.intp)


def _mean_over_present(dice: Floats) -> Floats:
    """Mean over the last axis without NaN, NaN where nothing is left (``nanmean`` would warn)."""
    present = ~np.isnan(dice)
    return _ratio(np.where(present, dice, 0.0).sum(axis=-1), present.sum(axis=-1))


def _ratio(above: NDArray[np.floating[Any]], below: NDArray[np.int64]) -> Floats:
    """``above / below``, NaN where ``below`` is 0."""
    quotient: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return quotient
