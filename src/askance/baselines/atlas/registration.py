"""An atlas brought onto a target: affine, then a cubic B-spline (Rueckert 1999), by SimpleITK.

Correlation over every voxel of a mask, none drawn at random, summed by one thread: the same images give the same transform.
The images are evened (``grid.evened``) before. Knows images; does not know labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from askance.baselines.atlas.grid import stacked_along, thick_axes
from askance.baselines.ranges import require_ranges

_FILTERED = 4  # voxels along an axis that ITK's gradient filter needs
_STEP_MM, _LEAST_STEP_MM, _RELAXATION = 2.0, 0.01, 0.8
_GRADIENT, _CORRECTIONS, _COST_FACTOR = 1e-5, 5, 1e7  # L-BFGS-B: when to rest, its memory
_NO_OVERLAP = ("overlap", "valid points", "samples map outside", "map outside")
_RANGES = (
    ("grid_mm", 0.1, 100),
    ("affine_steps", 1, math.inf),
    ("bspline_grid_mm", 0.1, 100),
    ("bspline_steps", 0, math.inf),
    ("knots_mm", 1, math.inf),
    ("thick_knots_mm", 1, math.inf),
)


@dataclass(frozen=True)
class RegistrationSettings:
    """How hard it is tried.

    ``grid_mm``: the grid on which images are compared, where theirs is finer; ``knots_mm``: the distance of the B-spline's
    control points in plane, ``thick_knots_mm`` across thick slices.

    Raises:
        ConfigError: a setting out of its range.
    """

    grid_mm: float = 3.0
    affine_steps: int = 100
    bspline_grid_mm: float = 4.0
    bspline_steps: int = 12
    knots_mm: float = 30.0
    thick_knots_mm: float = 60.0

    def __post_init__(self) -> None:
        require_ranges(self, "the registration", _RANGES)


@contextmanager
def one_thread() -> Iterator[None]:
    """ITK on one thread: the order of its sums, and with it the last digits, depends on how many there are.

    Its warnings are off: that images ceased to overlap is caught, and need not be printed too.
    """
    process = sitk.ProcessObject
    threads, warns = process.GetGlobalDefaultNumberOfThreads(), process.GetGlobalWarningDisplay()
    process.SetGlobalDefaultNumberOfThreads(1)
    process.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        process.SetGlobalDefaultNumberOfThreads(threads)
        process.SetGlobalWarningDisplay(warns)


def affine(
    target: sitk.Image,
    mask: sitk.Image,
    atlas: sitk.Image,
    centre_mm: NDArray[np.float64],
    settings: RegistrationSettings,
) -> sitk.Transform:
    """The affine map from the target's points to the atlas's that fits best within ``mask`` (1 where to look).

    It starts with the atlas's zero on ``centre_mm``, unturned, and is that start where the images came to overlap too
    little. A stack of thick slices is turned and stretched in plane and shifted across: stretched across as well, it
    shrinks until its ends, which resemble nothing, are left out of the comparison.
    """
    start = sitk.AffineTransform(3)
    start.SetCenter(centre_mm.tolist())
    start.SetTranslation((-centre_mm).tolist())
    method = _method(mask)
    method.SetInitialTransform(start, inPlace=False)
    method.SetOptimizerAsRegularStepGradientDescent(_STEP_MM, _LEAST_STEP_MM, settings.affine_steps, _RELAXATION)
    method.SetOptimizerScalesFromPhysicalShift()
    across = stacked_along(target.GetSpacing())
    if across is not None:
        method.SetOptimizerWeights(_in_plane(across))
    return _run(method, target, atlas) or start


def bspline(
    target: sitk.Image, mask: sitk.Image, atlas: sitk.Image, affinely: sitk.Transform, settings: RegistrationSettings
) -> sitk.Transform:
    """``affinely`` and the bending before it that fits best within ``mask``; ``affinely`` alone where none was found."""
    method = _method(mask)
    method.SetMovingInitialTransform(affinely)
    method.SetInitialTransform(sitk.BSplineTransformInitializer(target, _mesh(target, settings), order=3), inPlace=False)
    steps = settings.bspline_steps
    method.SetOptimizerAsLBFGSB(_GRADIENT, steps, _CORRECTIONS, 2 * steps, _COST_FACTOR)
    bent = _run(method, target, atlas)
    return affinely if bent is None else sitk.CompositeTransform([affinely, bent])


def similarity(target: NDArray[np.float32], moved: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Normalised cross-correlation within ``mask``, 0 where either is flat there or the mask holds nothing."""
    a, b = target[mask].astype(np.float64), moved[mask].astype(np.float64)
    if not len(a):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    below = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / below if below > 0 else 0.0


def _method(mask: sitk.Image) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(mask)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)
    return method


def _in_plane(across: int) -> list[float]:
    """Which of an affine's parameters (matrix by rows, then shift) may change: 1, or 0 in row and column of ``across``."""
    matrix = np.ones((3, 3))
    matrix[across, :] = matrix[:, across] = 0
    return [*matrix.ravel().tolist(), 1.0, 1.0, 1.0]


def _mesh(target: sitk.Image, settings: RegistrationSettings) -> list[int]:
    """Cells of the B-spline along each axis."""
    extent = np.array(target.GetSize()) * np.array(target.GetSpacing())
    knots = np.where(thick_axes(target.GetSpacing()), settings.thick_knots_mm, settings.knots_mm)
    return [max(1, round(float(cells))) for cells in extent / knots]


def _run(method: sitk.ImageRegistrationMethod, target: sitk.Image, atlas: sitk.Image) -> sitk.Transform | None:
    """The transform found; None where the images came to overlap too little, which ITK's metric tells by raising.

    Of an image with too few voxels along an axis for ITK's filter, gradients are differences between neighbours.
    """
    if min(target.GetSize()) < _FILTERED:
        method.MetricUseFixedImageGradientFilterOff()
    if min(atlas.GetSize()) < _FILTERED:
        method.MetricUseMovingImageGradientFilterOff()
    try:
        found: sitk.Transform = method.Execute(target, atlas)
    except RuntimeError as error:
        if any(words in str(error) for words in _NO_OVERLAP):
            return None
        raise
    return found
