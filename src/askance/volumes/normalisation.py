"""Intensities made comparable: per volume and channel, clipped at two percentiles, the darkest 0, in units of deviation.

The darkest, not the mean, is 0: what lies beyond a slice, where convolutions pad with 0 too, then looks like air, as air
does within it. A frame as bright as the mean looks like tissue, nearer the smaller the field of view (log.md).
Knows voxel values; does not know slices' geometry or the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import FormatError
from askance.volumes.files import check_finite
from askance.volumes.voxels import Stored

#: Raised with every change that gives other values, so that caches made before are made anew.
VERSION = 2
_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Normalisation:
    """What is done to every voxel: clip to [low, high], subtract low, divide by std."""

    low: float
    high: float
    std: float

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Normalised values, float32, in the shape given."""
        normalised = np.clip(values.astype(np.float32), np.float32(self.low), np.float32(self.high))
        normalised -= np.float32(self.low)
        normalised /= np.float32(self.std)
        return normalised


def normalisation_of(stored: Stored, axis: int, path: Path) -> Normalisation:
    """The normalisation of one volume, from an evenly strided sample of at most about two million voxels.

    Clips at the 0.5 and 99.5 percentiles; not at all where these are equal, as in a volume that is nearly all air.

    Raises:
        FormatError: a sampled voxel is not finite, or all have the same value.
    """
    planes = stored.sample(axis)
    check_finite(planes, path, axis)
    sample = planes.astype(np.float64).ravel()
    low, high = (float(value) for value in np.percentile(sample, _PERCENTILES))
    if low == high:
        low, high = float(sample.min()), float(sample.max())
    if low == high:
        raise FormatError(f"{path}: empty: every voxel looked at is {low:g}, wanted an image; leave the case out")
    np.clip(sample, low, high, out=sample)
    return Normalisation(low, high, float(sample.std()))
