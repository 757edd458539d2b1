"""How a data set is worked on in patches of volumes: spacing, patch and the network's strides, by a rule from its headers.

The rule gives DenseVoxNet's published form (patches of 64 x 64 x 64 voxels, every axis halved twice) on volumes of about
equal spacings, and leaves thick slices as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askance.records import Case
from askance.volumes.geometry import axis_named, coarsest_axis, inplane
from askance.volumes.lattice import Lattice, Sides, Spacing

_HALVINGS = 2  # of the network: its first convolution and its pooling
_NO_VOXEL = 1e-3  # what rounding added to a number of voxels
_THICK = 2.0  # times the finest spacing, from which an axis is left as it is


@dataclass(frozen=True)
class PatchPlan:
    """``kept`` axes keep the file's own slices, the others are resampled to ``spacing_mm``; ``patch`` in voxels.

    ``strides``: of the network's two halvings, 1 where an axis is spared. ``plane``: the two axes in which patches are
    turned and mirrored, of equal sides in the patch: the slices' plane, the axial plane where there are no thick slices.
    """

    spacing_mm: Spacing
    kept: tuple[bool, bool, bool]
    strides: tuple[Sides, Sides]
    patch: Sides
    plane: tuple[int, int]

    def lattice(self, case: Case) -> Lattice:
        """The voxels that ``case`` is worked on in."""
        spacings = zip(case.spacing_mm, self.spacing_mm, self.kept)
        x, y, z = (own if kept else common for own, common, kept in spacings)
        return file_lattice(case).at((x, y, z))


def file_lattice(case: Case) -> Lattice:
    """The voxels of the case's files."""
    return Lattice(case.shape, case.spacing_mm)


def plan_patches(cases: Sequence[Case], patch: int, voxels: int) -> PatchPlan:
    """The plan for data like ``cases``, from the medians of their spacings and shapes.

    An axis of twice the finest spacing or more is thick and kept. The others get one spacing, their geometric mean; a
    coarser one where the median volume would have more than ``voxels`` voxels. Each halving spares axes of twice the then
    finest spacing or more. The patch has the volume of ``patch`` cubed voxels and is a cube in mm, but no longer than the
    median volume; its sides are multiples of what the network halves.
    """
    spacing = np.median([case.spacing_mm for case in cases], axis=0)
    extents_mm = np.median([np.multiply(case.shape, case.spacing_mm) for case in cases], axis=0)
    kept = spacing >= _THICK * spacing.min()
    plane = inplane(coarsest_axis(spacing.tolist()) if kept.any() else axis_named("axial", cases[0].affine))
    spacing[~kept] = np.exp(np.log(spacing[~kept]).mean())
    slices = np.median([case.shape for case in cases], axis=0)
    too_many = float(np.prod(np.where(kept, slices, extents_mm / spacing))) / voxels
    spacing[~kept] *= max(1.0, too_many) ** (1 / np.count_nonzero(~kept))
    strides = _strides(spacing)
    stride = np.prod(strides, axis=0)
    sides = _patch_sides(spacing, np.where(kept, slices, extents_mm / spacing), stride, patch)
    square = stride[list(plane)].max()
    sides[list(plane)] = max(square, sides[list(plane)].min() // square * square)
    return PatchPlan(_triple(spacing), _flags(kept), (_whole(strides[0]), _whole(strides[1])), _whole(sides), plane)


def _strides(spacing: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    strides, coarse = [], spacing
    for _ in range(_HALVINGS):
        stride = np.where(coarse < _THICK * coarse.min(), 2, 1)
        strides.append(stride)
        coarse = coarse * stride
    return strides


def _patch_sides(
    spacing: NDArray[np.float64], longest: NDArray[np.float64], stride: NDArray[np.int64], patch: int
) -> NDArray[np.int64]:
    edge_mm = patch * np.prod(spacing) ** (1 / 3)
    wanted = np.maximum(1, np.rint(edge_mm / spacing / stride))
    limit = np.maximum(1, np.ceil(longest / stride - _NO_VOXEL))
    sides: NDArray[np.int64] = (np.minimum(wanted, limit) * stride).astype(np.int64)
    return sides


def _whole(sides: NDArray[np.int64]) -> Sides:
    x, y, z = (int(side) for side in sides)
    return x, y, z


def _triple(spacing: NDArray[np.float64]) -> Spacing:
    x, y, z = (round(float(value), 4) for value in spacing)
    return x, y, z


def _flags(kept: NDArray[np.bool_]) -> tuple[bool, bool, bool]:
    x, y, z = (bool(flag) for flag in kept)
    return x, y, z
