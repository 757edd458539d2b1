"""A voxel grid in the patient's millimetres, and smooth random fields on it. Knows nothing of anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Grid:
    """``shape`` voxels; ``affine`` (4, 4) takes voxel indices to RAS+ mm."""

    shape: Shape
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance of neighbouring voxels along each axis, (3,)."""
        spacing: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing

    def points(self) -> Field:
        """Where every voxel lies: float32 (3, X, Y, Z), RAS+ mm."""
        i, j, k = np.ogrid[: self.shape[0], : self.shape[1], : self.shape[2]]
        rows = [row[0] * i + row[1] * j + row[2] * k + row[3] for row in self.affine[:3]]
        return np.stack([np.broadcast_to(row, self.shape) for row in rows]).astype(np.float32)


def smooth_noise(grid: Grid, scale_mm: float, rng: np.random.Generator) -> Field:
    """A smooth random field, float32 of the grid's shape, mean 0 and deviation 1, that varies over about ``scale_mm``.

    Uniform cubic B-splines over normally distributed control values, one ``scale_mm`` apart.
    """
    cells = [max(1, int(np.ceil(n * step / scale_mm))) for n, step in zip(grid.shape, grid.spacing_mm, strict=True)]
    field = rng.standard_normal([count + 3 for count in cells]).astype(np.float32)
    for axis, (n, step) in enumerate(zip(grid.shape, grid.spacing_mm, strict=True)):
        basis = _spline_basis(np.arange(n) * step / scale_mm, cells[axis] + 3)
        field = np.moveaxis(np.tensordot(basis, field, axes=(1, axis)), 0, axis)
    # The deviation of such a field in the middle of its support: the sum of squared weights, averaged over a cell.
    return np.ascontiguousarray(field / _SPLINE_DEVIATION)


def smooth_displacement(grid: Grid, scale_mm: float, amplitude_mm: float, rng: np.random.Generator) -> Field:
    """A smooth random displacement, float32 (3, X, Y, Z) in mm, of deviation ``amplitude_mm`` in each direction."""
    return np.stack([amplitude_mm * smooth_noise(grid, scale_mm, rng) for _ in range(3)]).astype(np.float32)


#: sqrt of the mean over a cell of the summed squared cubic B-spline weights (151/315 per axis), for three axes.
_SPLINE_DEVIATION = np.float32((151 / 315) ** 1.5)


def _spline_basis(position: NDArray[np.float64], controls: int) -> Field:
    """Weights (positions, controls) of a uniform cubic B-spline; ``position`` in cells from the first."""
    distance = np.abs(position[:, None] + 1 - np.arange(controls)[None, :])
    inner = 2 / 3 - distance**2 + distance**3 / 2
    outer = np.clip(2 - distance, 0, None) ** 3 / 6
    return np.where(distance < 1, inner, outer).astype(np.float32)
