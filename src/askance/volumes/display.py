"""The one place where a case is turned for a viewer: its axes in the order and direction of the patient (RAS+).

A viewer that is handed arrays in this order has no orientation of its own to get wrong: column, row and layer of what it
draws are those of what it was shown. Turning back is the inverse permutation; nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Display:
    """How one case is shown. ``orientation`` (3, 2): file axis -> display axis and direction, as nibabel has it."""

    orientation: NDArray[np.float64]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    file_axis: int

    @classmethod
    def of(cls, affine: ArrayLike, shape: Sequence[int], file_axis: int) -> Display:
        """The display of a volume of ``shape`` with ``affine``, whose slices lie along ``file_axis``."""
        matrix = np.asarray(affine, np.float64)
        orientation = nib.io_orientation(matrix)
        return cls(np.asarray(orientation, np.float64), matrix, (shape[0], shape[1], shape[2]), file_axis)

    @property
    def axis(self) -> int:
        """The display axis that the slices lie along."""
        return int(self.orientation[self.file_axis, 0])

    def place(self, index: int, first: int, count: int) -> int:
        """Where slice ``index`` of the file stands among the ``count`` display layers that begin at file slice ``first``."""
        inside = index - first
        return inside if self.orientation[self.file_axis, 1] > 0 else count - 1 - inside

    def to_volume(self, planes: NDArray[Any]) -> NDArray[Any]:
        """Neighbouring slices (n, h, w) of the file as a display volume (X, Y, Z)."""
        volume = np.moveaxis(planes, 0, self.file_axis)
        turned: NDArray[Any] = nib.orientations.apply_orientation(volume, self.orientation)
        return turned

    def from_volume(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The inverse of ``to_volume``."""
        back = nib.orientations.ornt_transform(_AS_IS, self.orientation)
        turned = nib.orientations.apply_orientation(volume, back)
        planes: NDArray[Any] = np.moveaxis(turned, self.file_axis, 0)
        return planes

    def to_plane(self, plane: NDArray[Any]) -> NDArray[Any]:
        """A slice (h, w) of the file as it is shown: its two display axes in rising order."""
        turned: NDArray[Any] = np.moveaxis(self.to_volume(plane[None]), self.axis, 0)[0]
        return turned

    def from_plane(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The inverse of ``to_plane``."""
        return np.ascontiguousarray(self.from_volume(np.expand_dims(plane, self.axis))[0])

    def slab_affine(self, first: int, count: int) -> NDArray[np.float64]:
        """Display voxel -> RAS+ mm, for the ``count`` slices that begin at ``first``."""
        shape = list(self.shape)
        shape[self.file_axis] = count
        begin = self.affine.copy()
        begin[:3, 3] += self.affine[:3, self.file_axis] * first
        turn = nib.orientations.inv_ornt_aff(self.orientation, tuple(shape))
        moved: NDArray[np.float64] = begin @ turn
        return moved


_AS_IS = np.array([[0, 1], [1, 1], [2, 1]], np.float64)
