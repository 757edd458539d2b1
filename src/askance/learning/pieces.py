"""Foreground that comes in one piece: seen in the labels, held in the predictions.

Far from the organ a network sees things that look like it; in the volume they are pieces of their own. Whether that may be
said of a data set, its labels show (nnU-Net decides by cross-validation, Isensee 2021; here there is no truth to spare).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from askance.records import IGNORE

_NEIGHBOURS = np.ones((3, 3, 3), bool)
_MOSTLY = 0.95  # share of the slices looked at of which it must hold; the rest may be slips of the pen
_ENOUGH = 5  # slices with foreground below which nothing is concluded
_LEFT = 0.3  # of foreground's probability in a piece that is dropped: it loses the vote, and the score still sees it


def come_in_one_piece(labels: Iterable[NDArray[np.uint8]]) -> bool:
    """Whether the foreground of labelled slices, each (H, W), is one piece in nearly all; pixels may touch at corners."""
    pieces = [count for one in labels if (count := ndimage.label(_foreground(one), _NEIGHBOURS[0])[1])]
    return len(pieces) >= _ENOUGH and float(np.mean(np.array(pieces) == 1)) >= _MOSTLY


def shown_throughout(along: Sequence[float], shown: Sequence[bool]) -> bool:
    """Whether slices between others that show foreground do so, too: two organs one behind the other leave a gap.

    ``along``: where in its volume each labelled slice lies, from 0 to 1; ``shown``: whether it shows foreground. In the
    middle half of where foreground is shown, nearly all slices have to.
    """
    places, shows = np.array(along), np.array(shown, bool)
    if not shows.any():
        return False
    low, high = np.quantile(places[shows], (0.25, 0.75))
    return float(shows[(places >= low) & (places <= high)].mean()) >= _MOSTLY


def shows_foreground(label: NDArray[np.uint8]) -> bool:
    """Whether anything is drawn on a slice."""
    return bool(_foreground(label).any())


def _foreground(label: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (label != 0) & (label != IGNORE)
    return found


def keep_largest(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (D, K, H, W) of a case in which foreground is predicted in the largest piece alone.

    In the others it falls to 0.3 of what it was, background takes the rest. One piece or none: the same array comes back.
    """
    shown = probs[:, 1:].max(1) > probs[:, 0]  # as argmax > 0, which takes 40 times as long
    pieces, count = ndimage.label(shown, _NEIGHBOURS)
    if count < 2:
        return probs
    largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
    stray = (pieces > 0) & (pieces != largest)
    kept: NDArray[np.float32] = probs * np.where(stray, np.float32(_LEFT), np.float32(1))[:, None]
    kept[:, 0] = np.where(stray, 1 - kept[:, 1:].sum(1), probs[:, 0])
    return kept
