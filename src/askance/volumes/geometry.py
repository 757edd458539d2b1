"""Slices of a volume, and the working grid that every slice is resampled to and back from.

Knows shapes, spacings and affines; does not know files. The matrices that resample are made in ``resampling``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from askance.config import GridConfig
from askance.errors import UsageError
from askance.volumes import resampling

#: Anatomical slice planes, each by the patient axis (of R, A, S) that it lies across.
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}
#: Axes whose spacings differ by less are equally coarse.
_SAME_SPACING = 0.01
#: Cases whose spacings differ by less are kept at it unresampled.
_ONE_SPACING = 1e-3
_MULTIPLE_PX = 16
_ANISOTROPIC = 1.5
_THICK = 3.0

Pair = tuple[float, float]


class HasGeometry(Protocol):
    """A header or a case."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each file axis."""

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of each file axis."""


def axis_named(name: str, affine: ArrayLike) -> int:
    """The file axis that ``name`` means: its number, or the one closest to the normal of an anatomical plane.

    Raises:
        UsageError: neither 0, 1, 2 nor axial, coronal, sagittal.
    """
    if name in ("0", "1", "2"):
        return int(name)
    if name not in PLANES:
        raise UsageError(f"axis {name!r} is not known; wanted 0, 1, 2 (axes of the file), axial, coronal or sagittal")
    patient_axes = nib.io_orientation(np.asarray(affine, dtype=np.float64))[:, 0]
    return int(np.flatnonzero(patient_axes == PLANES[name])[0])


def orientation_code(affine: ArrayLike) -> str:
    """Where each file axis points, in the patient's letters: RAS, LPS."""
    return "".join(nib.aff2axcodes(np.asarray(affine, np.float64)))


def most_stored_like(affines: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """An affine of the orientation in which most of ``affines`` are stored."""
    codes = [orientation_code(one) for one in affines]
    most, _ = Counter(codes).most_common(1)[0]
    return np.asarray(affines[codes.index(most)], np.float64)


def is_stored_like(affine: ArrayLike, other: ArrayLike) -> bool:
    """Whether no file axis is turned round, or another's, as compared with ``other``.

    Two oblique volumes of nearly one orientation may have different codes (LPS, LAS): seen from each other they agree. And
    two that differ much may have one code: each is as close to it as can be stored.
    """
    if orientation_code(affine) == orientation_code(other):
        return True
    between = np.linalg.inv(np.asarray(other, np.float64)) @ np.asarray(affine, np.float64)
    return bool((nib.io_orientation(between) == [[0, 1], [1, 1], [2, 1]]).all())


def coarsest_axis(spacing_mm: Sequence[float]) -> int:
    """The file axis of the largest spacing; of several within 1 %, the last."""
    largest = max(spacing_mm)
    return max(axis for axis, spacing in enumerate(spacing_mm) if spacing >= largest * (1 - _SAME_SPACING))


def inplane(axis: int) -> tuple[int, int]:
    """The two other file axes, in rising order."""
    first, second = (other for other in range(3) if other != axis)
    return first, second


def inplane_spacing(spacing_mm: Sequence[float], axis: int) -> Pair:
    """Spacing in mm of the two axes ``inplane(axis)``."""
    first, second = inplane(axis)
    return spacing_mm[first], spacing_mm[second]


def split(volume: NDArray[Any], axis: int) -> NDArray[Any]:
    """Planes (D, h, w) of a volume (X, Y, Z) along ``axis``; a view. Inverse of ``stitch``."""
    return np.moveaxis(volume, axis, 0)


def stitch(planes: NDArray[Any], axis: int) -> NDArray[Any]:
    """The volume (X, Y, Z) whose planes (D, h, w) lie along ``axis``; a view. Inverse of ``split``."""
    return np.moveaxis(planes, 0, axis)


@dataclass(frozen=True)
class Grid:
    """The working grid: slices along file ``axis``, ``size`` pixels of ``spacing_mm`` around each slice's centre.

    Spacings given to its methods are those of the slice's two axes in mm, in the file's order, as ``inplane_spacing``
    gives them; shapes are the slice's (h, w).
    """

    axis: int
    spacing_mm: Pair
    size: tuple[int, int]

    @classmethod
    def from_config(cls, config: GridConfig) -> Grid:
        """The grid that a study's settings describe."""
        return cls(config.axis, config.spacing_mm, config.size)

    def images_to_grid(self, planes: NDArray[Any], spacing_mm: Pair) -> NDArray[np.float32]:
        """Images (..., h, w) on the grid: float32 (..., H, W), antialiased, 0 outside the slice."""
        return resampling.resample(planes, *self._matrices_to(planes.shape[-2:], spacing_mm))

    def labels_to_grid(self, labels: NDArray[np.uint8], spacing_mm: Pair) -> NDArray[np.uint8]:
        """Labels (..., h, w) on the grid, uint8 (..., H, W): the class that covers most of each pixel.

        IGNORE where the nearest pixel is; 0 outside the slice.
        """
        return resampling.resample_labels(labels, *self._matrices_to(labels.shape[-2:], spacing_mm))

    def probs_from_grid(self, probs: NDArray[np.float32], shape: tuple[int, int], spacing_mm: Pair) -> NDArray[np.float32]:
        """Probabilities (..., K, H, W) at the slice's own pixels (..., K, h, w); outside the grid background is 1."""
        rows, columns = self._matrices_from(shape, spacing_mm)
        slice_probs = resampling.resample(probs, rows, columns)
        slice_probs[..., 0, :, :] += 1 - resampling.coverage(rows, columns)
        return slice_probs

    def labels_from_grid(
        self, labels: NDArray[np.uint8], classes: int, shape: tuple[int, int], spacing_mm: Pair
    ) -> NDArray[np.uint8]:
        """Labels (..., H, W) of ``classes`` classes at the slice's own pixels, uint8 (..., h, w); 0 outside the grid."""
        return resampling.resample_labels(labels, *self._matrices_from(shape, spacing_mm), classes)

    def map_from_grid(
        self, values: NDArray[np.float32], shape: tuple[int, int], spacing_mm: Pair, outside: float
    ) -> NDArray[np.float32]:
        """A map (..., H, W) at the slice's own pixels (..., h, w); ``outside`` where the grid does not reach."""
        rows, columns = self._matrices_from(shape, spacing_mm)
        beyond: NDArray[np.float32] = np.float32(outside) * (1 - resampling.coverage(rows, columns))
        return resampling.resample(values, rows, columns) + beyond

    def covered(self, case: HasGeometry) -> tuple[int, int]:
        """Rows and columns, in the middle of the grid, that show something of the slices of ``case``."""
        first, second = inplane(self.axis)
        shape = (case.shape[first], case.shape[second])
        rows, columns = self._matrices_to(shape, inplane_spacing(case.spacing_mm, self.axis))
        return int(rows.any(axis=1).sum()), int(columns.any(axis=1).sum())

    def share_outside(self, case: HasGeometry) -> float:
        """Share of the pixels of the slices of ``case`` that the grid does not reach."""
        reach = zip(inplane(self.axis), self.size, self.spacing_mm)
        return 1 - math.prod(min(1.0, size * mm / (case.shape[k] * case.spacing_mm[k])) for k, size, mm in reach)

    def _matrices_to(self, shape: tuple[int, ...], spacing_mm: Pair) -> resampling.Matrices:
        return (
            resampling.matrix(shape[0], spacing_mm[0], self.size[0], self.spacing_mm[0]),
            resampling.matrix(shape[1], spacing_mm[1], self.size[1], self.spacing_mm[1]),
        )

    def _matrices_from(self, shape: tuple[int, int], spacing_mm: Pair) -> resampling.Matrices:
        return (
            resampling.matrix(self.size[0], self.spacing_mm[0], shape[0], spacing_mm[0]),
            resampling.matrix(self.size[1], self.spacing_mm[1], shape[1], spacing_mm[1]),
        )


def default_grid(cases: Sequence[HasGeometry], axis: int, limit_px: int = 320) -> GridConfig:
    """A grid that cuts nothing off any case: median in-plane spacing, sizes in multiples of 16 up to ``limit_px``.

    One spacing for both axes unless they differ by more than 1.5 times. Cases of one spacing keep it, others get two
    digits. What would be larger than ``limit_px`` gets a coarser spacing instead.
    """
    spacings = np.array([inplane_spacing(case.spacing_mm, axis) for case in cases])
    extents_mm = np.array([[case.shape[k] * case.spacing_mm[k] for k in inplane(axis)] for case in cases]).max(axis=0)
    medians = np.median(spacings, axis=0)
    if medians.max() <= _ANISOTROPIC * medians.min():
        medians[:] = np.median(spacings)
    if (np.abs(spacings / medians - 1) > _ONE_SPACING).any():
        medians = np.array([_two_digits(spacing, round) for spacing in medians])
    limit_px = limit_px // _MULTIPLE_PX * _MULTIPLE_PX
    coarser = float((extents_mm / (medians * limit_px)).max())
    if coarser > 1:
        medians = np.array([_two_digits(spacing * coarser, math.ceil) for spacing in medians])
    first, second = (round(float(spacing), 6) for spacing in medians)
    return GridConfig(
        axis=axis,
        spacing_mm=(first, second),
        size=(_pixels(extents_mm[0], first), _pixels(extents_mm[1], second)),
    )


def default_context(cases: Sequence[HasGeometry], axis: int) -> int:
    """Slices on either side that a network had better see with each: 1 where they lie close, 0 where they are thick.

    Close is less than three times the pixels' spacing, nnU-Net's bound between two and three dimensions (docs/log.md).
    """
    spacings = np.array([[case.spacing_mm[axis], *inplane_spacing(case.spacing_mm, axis)] for case in cases])
    between, *within = np.median(spacings, axis=0)
    return int(between < _THICK * max(within))


def _two_digits(value: float, rounding: Callable[[float], int]) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return rounding(value / unit) * unit


def _pixels(extent_mm: float, spacing_mm: float) -> int:
    pixels = extent_mm / spacing_mm - _ONE_SPACING  # what rounding added is no pixel
    return max(1, math.ceil(pixels / _MULTIPLE_PX)) * _MULTIPLE_PX
