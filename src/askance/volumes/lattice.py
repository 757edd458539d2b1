"""Whole volumes resampled along all three axes, there and back, by the rules of ``resampling``.

Knows shapes and spacings; does not know cases or files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.records import IGNORE
from askance.volumes import resampling

Sides = tuple[int, int, int]
Spacing = tuple[float, float, float]

_NO_VOXEL = 1e-3  # what rounding added to an extent, in voxels


@dataclass(frozen=True)
class Lattice:
    """Voxels along each axis and their spacings in mm; two lattices of one volume share their centre."""

    shape: Sides
    spacing_mm: Spacing

    def at(self, spacing_mm: Spacing) -> Lattice:
        """The smallest lattice of ``spacing_mm`` that covers this one."""
        x, y, z = (
            max(1, math.ceil(n * old / new - _NO_VOXEL)) for n, old, new in zip(self.shape, self.spacing_mm, spacing_mm)
        )
        return Lattice((x, y, z), spacing_mm)


def resample_images(volumes: NDArray[Any], source: Lattice, target: Lattice) -> NDArray[np.float32]:
    """Volumes (..., X, Y, Z) on ``target``: float32, linear, antialiased, 0 beyond the source's edges."""
    return _along_axes(volumes, _matrices(source, target))


def resample_labels(labels: NDArray[np.uint8], source: Lattice, target: Lattice) -> NDArray[np.uint8]:
    """Labels (X, Y, Z) on ``target``: the class that covers most of each voxel, IGNORE where the nearest voxel is."""
    matrices = _matrices(source, target)
    classes = [label for label in np.unique(labels).tolist() if label != IGNORE]
    result = _largest(((label, _along_axes(labels == label, matrices)) for label in classes), target.shape)
    if IGNORE in labels:
        nearest = np.ix_(*(weights.argmax(axis=1) for weights in matrices))
        result[labels[nearest] == IGNORE] = IGNORE
    return result


def likeliest(probs: NDArray[np.float32], source: Lattice, target: Lattice) -> NDArray[np.uint8]:
    """The class of the largest of ``probs`` (K, X, Y, Z) at each voxel of ``target``; the lowest of equals."""
    matrices = _matrices(source, target)
    return _largest(((label, _along_axes(one, matrices)) for label, one in enumerate(probs)), target.shape)


def _largest(shares: Iterable[tuple[int, NDArray[np.float32]]], shape: Sides) -> NDArray[np.uint8]:
    """The class with the largest share of each voxel; shares come one at a time, as a file's volume may be large."""
    result, best = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for label, share in shares:
        larger = share > best
        result[larger], best[larger] = label, share[larger]
    return result


def _matrices(source: Lattice, target: Lattice) -> tuple[NDArray[np.float32], ...]:
    sides = zip(source.shape, source.spacing_mm, target.shape, target.spacing_mm)
    return tuple(resampling.matrix(*side) for side in sides)


def _along_axes(volumes: NDArray[Any], matrices: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    first, second, third = matrices
    planes = resampling.resample(volumes, second, third)
    return np.moveaxis(np.moveaxis(planes, -3, -1) @ first.T, -1, -3)
