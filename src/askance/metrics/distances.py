"""How far the boundaries of two masks lie apart, in mm: average boundary distance and Hausdorff distance.

A boundary is the voxels of a mask that touch, by a face, a voxel that is not of it; beyond the volume nothing is. Distances
are between centres of voxels. Nearest points come from scipy's k-d tree: exact, whatever the spacing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from askance.errors import GeometryError
from askance.records import IGNORE

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Distances:
    """Of one class in one volume, in mm.

    ``average_mm``: mean over all voxels of both boundaries of the distance to the other boundary (average symmetric
    surface distance; the challenge's average boundary distance). ``hausdorff_mm``: the largest of these distances
    (Huttenlocher 1993). ``hausdorff95_mm``: the larger of the two sides' 95th percentiles, as MONAI and nnU-Net take it.
    All NaN where the class is absent on both sides; infinite where on one: no distance is large enough.
    """

    average_mm: float
    hausdorff_mm: float
    hausdorff95_mm: float


_ABSENT = Distances(math.nan, math.nan, math.nan)
_MISSED = Distances(math.inf, math.inf, math.inf)


def distances_per_class(
    prediction_labels: Labels, truth_labels: Labels, classes: int, spacing_mm: tuple[float, ...]
) -> list[Distances]:
    """Distances of each foreground class; ``spacing_mm[k]`` belongs to axis k. IGNORE in truth is background on both sides.

    Raises:
        GeometryError: the shapes differ, or there is not one positive spacing an axis.
    """
    if prediction_labels.shape != truth_labels.shape:
        raise GeometryError(
            f"the prediction has shape {prediction_labels.shape}, the truth {truth_labels.shape}; distances need both on "
            f"one grid: bring the prediction back to the geometry of the truth"
        )
    if len(spacing_mm) != truth_labels.ndim or min(spacing_mm) <= 0:
        raise GeometryError(f"spacing {spacing_mm} for {truth_labels.ndim} axes; wanted one above 0 mm for each")
    known = truth_labels != IGNORE
    return [
        mask_distances((prediction_labels == label) & known, (truth_labels == label) & known, spacing_mm)
        for label in range(1, classes)
    ]


def mask_distances(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> Distances:
    """Distances between the boundaries of two masks of one shape."""
    present = bool(prediction.any()), bool(truth.any())
    if not all(present):
        return _MISSED if any(present) else _ABSENT
    ours, theirs = _boundary_mm(prediction, spacing_mm), _boundary_mm(truth, spacing_mm)
    there, back = KDTree(theirs).query(ours)[0], KDTree(ours).query(theirs)[0]
    return Distances(
        average_mm=float((there.sum() + back.sum()) / (len(there) + len(back))),
        hausdorff_mm=float(max(there.max(), back.max())),
        hausdorff95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _boundary_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> Floats:
    """Centres (n, axes) in mm of the mask's boundary voxels."""
    voxels = np.argwhere(mask & ~binary_erosion(mask)).astype(np.float64)
    points: Floats = voxels * np.asarray(spacing_mm)
    return points
