"""Where in a slice there is something to see: boxes of rows and columns, of slices, labels and predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from askance.records import IGNORE

_IN_SIGHT = 0.35  # foreground probability from which a pixel belongs to the box; stray pieces are left with less (pieces.py)
_MARGIN = 16  # pixels of context around the foreground in sight, and around what labels have shown
_SEEN = 0.5  # foreground probability from which foreground is taken to reach the field's edge
_EDGE = 4  # pixels from a field's edge within which foreground reaches out of it

_Array = TypeVar("_Array", NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_], Tensor)


@dataclass(frozen=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of an image."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, array: _Array) -> _Array:
        """The box of an array (..., H, W), as a view."""
        return array[..., self.top : self.bottom, self.left : self.right]

    def around(self, other: Box | None) -> Box:
        """The smallest box that holds this one and the ``other``."""
        if other is None:
            return self
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def moved(self, rows: int, columns: int) -> Box:
        """The box that lies ``rows`` further down and ``columns`` further right."""
        return Box(self.top + rows, self.left + columns, self.bottom + rows, self.right + columns)


def centred_box(size: tuple[int, int], extent: tuple[int, int], stride: int, least: int = 1) -> Box:
    """The part of the grid that a slice of ``extent`` covers, its sides multiples of ``stride``, no less than ``least``."""
    sides = [min(whole, -(-max(part, least) // stride) * stride) for whole, part in zip(size, extent)]
    top, left = (size[0] - sides[0]) // 2, (size[1] - sides[1]) // 2
    return Box(top, left, top + sides[0], left + sides[1])


def foreground_box(foreground: Tensor, stride: int) -> Box | None:
    """A box around all foreground in sight in (D, H, W) probabilities, square if that fits; None where there is none."""
    sight = (foreground > _IN_SIGHT).any(0)
    if not sight.any():
        return None
    height, width = sight.shape
    spans = [(int(line.min()), int(line.max()) + 1) for line in (sight.any(1).nonzero(), sight.any(0).nonzero())]
    wanted = max(high - low for low, high in spans) + 2 * _MARGIN
    starts, ends = [], []
    for (low, high), whole in zip(spans, (height, width)):
        side = min(-(-wanted // stride) * stride, whole)
        start = min(max((low + high - side) // 2, 0), whole - side)
        starts.append(start)
        ends.append(start + side)
    return Box(starts[0], starts[1], ends[0], ends[1])


def field_of(labels: Iterable[NDArray[np.uint8]]) -> Box | None:
    """Where labels, each (H, W), have shown foreground, with a margin; None where they show none."""
    seen: NDArray[np.bool_] | None = None
    for label in labels:
        mask = (label != 0) & (label != IGNORE)
        seen = mask if seen is None else seen | mask
    if seen is None or not seen.any():
        return None
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    return Box(
        max(0, int(rows[0]) - _MARGIN),
        max(0, int(columns[0]) - _MARGIN),
        min(seen.shape[0], int(rows[-1]) + 1 + _MARGIN),
        min(seen.shape[1], int(columns[-1]) + 1 + _MARGIN),
    )


def field_within(field: Box, outer: Box, stride: int) -> Box:
    """The part of ``field`` inside ``outer``, in ``outer``'s own rows and columns, its sides multiples of ``stride``."""
    sizes = (outer.bottom - outer.top, outer.right - outer.left)
    spans = ((field.top - outer.top, field.bottom - outer.top), (field.left - outer.left, field.right - outer.left))
    (top, bottom), (left, right) = (_aligned(span, whole, stride) for span, whole in zip(spans, sizes))
    return Box(top, left, bottom, right)


def reaches_out(foreground: Tensor, field: Box, size: tuple[int, int]) -> bool:
    """Whether foreground (D, h, w), seen in ``field`` of slices of ``size``, goes on beyond it, or lies elsewhere."""
    sight = (foreground > _SEEN).any(0)
    if not sight.any():
        return True
    edges = (
        (field.top > 0, sight[:_EDGE]),
        (field.left > 0, sight[:, :_EDGE]),
        (field.bottom < size[0], sight[-_EDGE:]),
        (field.right < size[1], sight[:, -_EDGE:]),
    )
    return any(inside and bool(edge.any()) for inside, edge in edges)


def _aligned(span: tuple[int, int], whole: int, stride: int) -> tuple[int, int]:
    side = min(-(-max(span[1] - span[0], 1) // stride) * stride, whole)
    start = min(max(span[0], 0), whole - side)
    return start, start + side


def put_back(probs: Tensor, box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Probabilities on the whole grid, in place where the box is all of it; beyond the box all is background."""
    whole = framed(probs.numpy(), box, size)
    outside = np.ones(size, bool)
    box.cut(outside)[...] = False
    whole[:, 0, outside] = 1.0
    return whole


def framed(part: NDArray[np.float32], box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """``part`` (..., h, w) in its box of a grid of zeros (..., *size); itself where the box is all of the grid."""
    if part.shape[-2:] == size:
        return part
    whole = np.zeros((*part.shape[:-2], *size), dtype=np.float32)
    box.cut(whole)[...] = part
    return whole
