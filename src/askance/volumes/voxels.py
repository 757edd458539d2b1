"""A volume's voxels and where they stand in the patient, whatever file they came from.

Knows arrays and affines; does not know file formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import GeometryError

#: Two affines agree where no corner of the volume is displaced by more than this share of the smallest spacing.
CORNER_TOLERANCE = 0.1
#: Two spacings agree within this relative difference (headers hold float32, or text with four digits).
SPACING_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Header:
    """Geometry without voxels. ``affine`` (4, 4): file voxel -> RAS+ mm; ``dtype``: as stored in the file."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    dtype: np.dtype[Any]


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels (X, Y, Z) in the file's axis order, ``affine`` (4, 4) voxel -> RAS+ mm, ``spacing_mm[k]`` of axis k."""

    array: NDArray[Any]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Stored:
    """Voxels as the file stores them, perhaps still on disk: ``raw`` (X, Y, Z), value = raw * slope + inter."""

    header: Header
    raw: NDArray[Any]
    slope: float = 1.0
    inter: float = 0.0

    def block(self, axis: int, start: int, stop: int) -> NDArray[Any]:
        """Planes (stop - start, h, w) along ``axis``: native integers where the file holds such unscaled, else float32."""
        return self._values(np.moveaxis(self.raw, axis, 0)[start:stop])

    def sample(self, axis: int, voxels: int = 2_000_000) -> NDArray[Any]:
        """Every plane along ``axis`` (D, h', w'), thinned evenly in plane to about ``voxels`` voxels at most."""
        step = math.ceil(math.sqrt(self.raw.size / voxels))
        return self._values(np.moveaxis(self.raw, axis, 0)[:, ::step, ::step])

    def blocks(self, axis: int, voxels: int = 2**22) -> Iterator[tuple[int, NDArray[Any]]]:
        """Every plane along ``axis`` once: (index of the first, planes), at most about ``voxels`` voxels at a time."""
        depth = self.header.shape[axis]
        step = max(1, voxels * depth // self.raw.size)
        for start in range(0, depth, step):
            yield start, self.block(axis, start, min(depth, start + step))

    def _values(self, planes: NDArray[Any]) -> NDArray[Any]:
        if self.slope == 1.0 and self.inter == 0.0 and planes.dtype.kind in "iu":
            return np.ascontiguousarray(planes, dtype=planes.dtype.newbyteorder("="))
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, which check_finite refuses
            values = np.array(planes, dtype=np.float32, order="C")
        if self.slope != 1.0 or self.inter != 0.0:
            values *= np.float32(self.slope)
            values += np.float32(self.inter)
        return values


def header_from(path: Path, shape: tuple[int, ...], affine: NDArray[np.float64], dtype: np.dtype[Any]) -> Header:
    """A header whose spacing is the affine's: one truth.

    Raises:
        GeometryError: an axis without length, a spacing that is not positive, or axes that do not span space.
    """
    if 0 in shape:
        raise GeometryError(f"{path}: found shape {shape}; wanted at least one voxel along each axis; export it again")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and (spacing > 0).all()):
        raise GeometryError(f"{path}: found spacing {tuple(spacing.tolist())} mm; wanted positive numbers; export it again")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise GeometryError(f"{path}: found axes that lie in one plane; wanted three that span space; export it again")
    x, y, z = (float(value) for value in spacing)
    return Header((shape[0], shape[1], shape[2]), (x, y, z), affine, dtype)


def require_same_geometry(a: Header, b: Header, a_path: Path, b_path: Path) -> None:
    """Checks that two files cover the same voxels: shape exactly, spacing and affine within the module's tolerances.

    Raises:
        GeometryError: says which of shape, spacing and affine differ, and how.
    """
    where = f"{a_path} and {b_path} do not fit each other"
    todo = "resample one onto the other's grid, or export both from the same volume"
    if a.shape != b.shape:
        raise GeometryError(f"{where}: found shapes {a.shape} and {b.shape}, wanted the same; {todo}")
    if not np.allclose(a.spacing_mm, b.spacing_mm, rtol=SPACING_TOLERANCE, atol=0):
        found = " and ".join(str(tuple(round(s, 4) for s in h.spacing_mm)) for h in (a, b))
        raise GeometryError(f"{where}: found spacings {found} mm, wanted the same; {todo}")
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * (*np.subtract(a.shape, 1), 1)
    off_mm = float(np.linalg.norm(corners @ (a.affine - b.affine).T, axis=1).max())
    allowed_mm = CORNER_TOLERANCE * min(a.spacing_mm)
    if off_mm > allowed_mm:
        raise GeometryError(
            f"{where}: found affines that put a corner {off_mm:.3g} mm apart, wanted at most {allowed_mm:.3g} mm; {todo}"
        )
