"""What a prediction loses and gains at the end: small pieces of a class go, holes within a class close."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_NEIGHBOURS = np.ones((3, 3, 3), bool)


def clean(labels: NDArray[np.uint8], classes: int, smallest: float) -> NDArray[np.uint8]:
    """Labels (X, Y, Z) without the pieces that hold less than ``smallest`` of their class, and with holes filled.

    As the authors' RemoveMinorCC.m, class 1 last, but for one thing: there a hole in the myocardium became myocardium
    though the blood pool lay in it; here a hole closes over background alone.
    """
    result = np.zeros_like(labels)
    for label in range(classes - 1, 0, -1):
        kept = _large_pieces(labels == label, smallest)
        filled = ndimage.binary_fill_holes(kept) & (result == 0) & (labels == 0)
        result[kept | filled] = label
    return result


def _large_pieces(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    pieces, count = ndimage.label(mask, _NEIGHBOURS)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    large = np.concatenate([[False], sizes >= smallest * sizes.sum()])
    kept: NDArray[np.bool_] = large[pieces]
    return kept
