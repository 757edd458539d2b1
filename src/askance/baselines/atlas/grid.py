"""Arrays as ITK images and back, in a frame of millimetres along the file's own axes.

The scanner's position and orientation take no part: directions are the identity and an origin is what the caller says, so
that data whose affines are not to be trusted (ACDC) register as well as others. All cases must lie in one file order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Triple = tuple[float, float, float]
#: From this ratio of slice thickness to pixel on, an image is a stack of slices more than a volume.
THICK = 2.0
_BLUR = 0.5  # sigma of the filter before a coarser grid, in the coarser grid's voxels
_HARDLY = 0.1  # deviation that is added to the local one, in the whole volume's deviations
_TRUNCATE = 2.5  # sigmas after which a Gaussian is cut off
_COARSER = 1.2  # from this ratio of spacings on it is applied


def to_itk(array: NDArray[Any], spacing_mm: Triple, origin_mm: Triple = (0.0, 0.0, 0.0)) -> sitk.Image:
    """``array`` (X, Y, Z) as an image; ``origin_mm`` is where voxel (0, 0, 0) has its centre."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(tuple(float(value) for value in spacing_mm))
    image.SetOrigin(tuple(float(value) for value in origin_mm))
    return image


def to_array(image: sitk.Image) -> NDArray[Any]:
    """The voxels (X, Y, Z)."""
    array: NDArray[Any] = np.ascontiguousarray(sitk.GetArrayViewFromImage(image).T)
    return array


def coarsened(image: sitk.Image, spacing_mm: Triple) -> sitk.Image:
    """A float ``image`` on a grid of ``spacing_mm`` over the same extent, blurred along the axes that get coarser."""
    old = np.array(image.GetSpacing())
    new = np.array(spacing_mm)
    if np.allclose(old, new, rtol=1e-3):
        return image
    for axis in np.flatnonzero((new > old * _COARSER) & (np.array(image.GetSize()) > 3)).tolist():
        image = sitk.RecursiveGaussian(image, _BLUR * float(new[axis]), direction=axis)
    return sitk.Resample(image, grid_like(image, spacing_mm), sitk.Transform(), sitk.sitkLinear, _floor(image))


def evened(image: sitk.Image, reach_mm: float) -> sitk.Image:
    """A float ``image`` less its local mean and by its local deviation, both over a Gaussian of ``reach_mm``.

    A coil's brightness and a protocol's contrast go, edges stay. Along an axis whose voxels are as long as a third of the
    reach each plane stands for itself. ``image`` has unit deviation: where it hardly varies it is not blown up.
    """
    array = to_array(image)
    sigma = [reach_mm / step if step < reach_mm / 3 else 0.0 for step in image.GetSpacing()]
    centred = array - gaussian_filter(array, sigma, truncate=_TRUNCATE)
    deviation = np.sqrt(gaussian_filter(centred**2, sigma, truncate=_TRUNCATE))
    return to_itk(centred / (deviation + np.float32(_HARDLY)), image.GetSpacing(), image.GetOrigin())


def grid_like(image: sitk.Image, spacing_mm: Triple) -> sitk.Image:
    """An empty image over ``image``'s extent with voxels of about ``spacing_mm``; both share their centre."""
    old, new = np.array(image.GetSpacing()), np.array(spacing_mm)
    size = np.maximum(1, np.round(np.array(image.GetSize()) * old / new)).astype(int)
    centre = np.array(image.GetOrigin()) + (np.array(image.GetSize()) - 1) * old / 2
    grid = sitk.Image([int(value) for value in size], sitk.sitkUInt8)
    grid.SetSpacing(tuple(new.tolist()))
    grid.SetOrigin(tuple((centre - (size - 1) * new / 2).tolist()))
    return grid


def finest(spacing_mm: Triple, limit_mm: Triple) -> Triple:
    """``spacing_mm``, no axis finer than ``limit_mm``."""
    x, y, z = (max(own, limit) for own, limit in zip(spacing_mm, limit_mm, strict=True))
    return x, y, z


def thick_axes(spacing_mm: Sequence[float]) -> list[bool]:
    """Along which axes the voxels are so long that the image is a stack of slices."""
    return [step > THICK * min(spacing_mm) for step in spacing_mm]


def stacked_along(spacing_mm: Sequence[float]) -> int | None:
    """The one thick axis of a stack of slices, whichever of the file's it is; None of a volume, or where two are thick."""
    thick = thick_axes(spacing_mm)
    return thick.index(True) if sum(thick) == 1 else None


def window(image: sitk.Image, low_mm: NDArray[np.float64], high_mm: NDArray[np.float64]) -> tuple[slice, slice, slice]:
    """The voxels of ``image`` between two corners, clipped to it and never empty."""
    spacing, origin, size = (np.array(part) for part in (image.GetSpacing(), image.GetOrigin(), image.GetSize()))
    first = np.clip(np.floor((low_mm - origin) / spacing + 0.5).astype(int), 0, size - 1)
    last = np.clip(np.ceil((high_mm - origin) / spacing - 0.5).astype(int), first, size - 1)
    x, y, z = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return x, y, z


def cut(image: sitk.Image, part: tuple[slice, slice, slice]) -> sitk.Image:
    """The voxels ``part`` of ``image``, where they were."""
    origin = np.array(image.GetOrigin()) + [side.start * step for side, step in zip(part, image.GetSpacing(), strict=True)]
    x, y, z = origin.tolist()
    return to_itk(to_array(image)[part], image.GetSpacing(), (x, y, z))


def _floor(image: sitk.Image) -> float:
    return float(sitk.GetArrayViewFromImage(image).min())
