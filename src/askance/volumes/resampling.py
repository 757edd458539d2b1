"""Separable resampling of slices: out = rows @ plane @ columns.T, with small matrices made once and kept.

Both lattices share a centre. Linear interpolation; where the target is coarser, a triangle filter as wide as its pixels.
A target pixel whose centre lies beyond the outermost source pixels' edges gets nothing: 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.records import IGNORE

Matrices = tuple[NDArray[np.float32], NDArray[np.float32]]
#: Spacings whose ratio is this close to 1 are taken as equal: over 500 pixels that is a twentieth of one.
_EQUAL = 1e-4
_EDGE = 1e-6


@lru_cache(maxsize=256)
def matrix(n_in: int, spacing_in: float, n_out: int, spacing_out: float) -> NDArray[np.float32]:
    """Weights (n_out, n_in): rows sum to 1 inside the source's extent and to 0 outside.

    Spacings in mm. At equal spacing it copies pixels: where only one of the counts is odd, the shared centre gives way
    by half a pixel, in opposite directions there and back.
    """
    places = _places(n_in, spacing_in, n_out, spacing_out)
    radius = max(1.0, _ratio(spacing_in, spacing_out))
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(n_in)) / radius)
    weights[(places < -0.5 - _EDGE) | (places > n_in - 0.5 + _EDGE)] = 0
    totals = weights.sum(axis=1, keepdims=True)
    result: NDArray[np.float32] = np.divide(weights, totals, out=weights, where=totals > 0).astype(np.float32)
    result.setflags(write=False)
    return result


def coverage(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where the source reaches, 0 where it does not: (n_out of rows, n_out of columns)."""
    inside = np.outer(rows.any(axis=1), columns.any(axis=1))
    return inside.astype(np.float32)


def resample(planes: NDArray[Any], rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes (..., h, w) as float32 (..., H, W), given rows (H, h) and columns (W, w)."""
    result: NDArray[np.float32] = rows @ planes.astype(np.float32, copy=False) @ columns.T
    return result


def resample_labels(
    labels: NDArray[np.uint8], rows: NDArray[np.float32], columns: NDArray[np.float32], classes: int = IGNORE
) -> NDArray[np.uint8]:
    """Labels (..., h, w) as uint8 (..., H, W): the class of largest coverage, the lowest of equals; 0 outside.

    IGNORE stands where the nearest source pixel is IGNORE, and covers nothing elsewhere.
    """
    result = np.zeros((*labels.shape[:-2], len(rows), len(columns)), np.uint8)
    best = np.zeros(result.shape, np.float32)
    for label in _present(labels, classes):
        covered = resample(labels == label, rows, columns)
        larger = covered > best
        result[larger], best[larger] = label, covered[larger]
    if IGNORE in labels:
        nearest = labels[..., rows.argmax(axis=1)[:, None], columns.argmax(axis=1)]
        result[(nearest == IGNORE) & (coverage(rows, columns) > 0)] = IGNORE
    return result


def _present(labels: NDArray[np.uint8], classes: int) -> list[int]:
    return [label for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=1)).tolist() if label < classes]


def _ratio(spacing_in: float, spacing_out: float) -> float:
    ratio = spacing_out / spacing_in
    return 1.0 if abs(ratio - 1) < _EQUAL else ratio


def _places(n_in: int, spacing_in: float, n_out: int, spacing_out: float) -> NDArray[np.float64]:
    """Where the target's pixel centres lie, in source pixels."""
    ratio = _ratio(spacing_in, spacing_out)
    if ratio == 1:
        return np.arange(n_out, dtype=np.float64) + float(int((n_in - n_out) / 2))  # int() rounds towards zero
    return (np.arange(n_out, dtype=np.float64) - (n_out - 1) / 2) * ratio + (n_in - 1) / 2
