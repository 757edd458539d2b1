"""Signed distances of simple bodies, in mm, negative inside. Knows nothing of what they stand for.

Sources: I. Quilez, "Distance functions" (ellipsoid bound, capsule, smooth minimum).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from askance.volumes.phantom.grid import Field

Vector = Sequence[float] | NDArray[np.float64]

#: Distance reported where a tube is too far off to matter.
FAR_MM = np.float32(100.0)


def ellipsoid(points: Field, centre: Vector, half_mm: Vector) -> Field:
    """Distance to an ellipsoid with half-axes ``half_mm`` along the axes of ``points`` (3, ...); a first-order bound."""
    offset = points - _column(centre, points)
    half = _column(half_mm, points)
    k1 = np.sqrt(((offset / half) ** 2).sum(axis=0))
    k2 = np.sqrt(((offset / half**2) ** 2).sum(axis=0))
    distance: Field = k1 * (k1 - 1) / np.maximum(k2, np.float32(1e-6))
    return distance


def tube(points: Field, course: NDArray[np.float64], radius_mm: Vector, segments: int = 14) -> Field:
    """Distance to a curved tube through the rows of ``course`` (n, 3), with a radius at each of them.

    Only points within 8 mm of the tube's box are measured; the others hold ``FAR_MM``.
    """
    knots = np.linspace(0, 1, len(course))
    line = CubicSpline(knots, course)(np.linspace(0, 1, segments + 1))
    radii = np.interp(np.linspace(0, 1, segments + 1), knots, radius_mm)
    margin = float(radii.max()) + 8
    low, high = line.min(axis=0) - margin, line.max(axis=0) + margin
    near = np.logical_and.reduce([(points[k] > low[k]) & (points[k] < high[k]) for k in range(3)])
    there = points[:, near].T
    nearest = np.full(len(there), FAR_MM, dtype=np.float32)
    for k in range(segments):
        np.minimum(nearest, _cone(there, line[k], line[k + 1], radii[k], radii[k + 1]), out=nearest)
    distance = np.full(points.shape[1:], FAR_MM, dtype=np.float32)
    distance[near] = nearest
    return distance


def smooth_union(a: Field, b: Field, blend_mm: float) -> Field:
    """Distance to both bodies together, with a fillet of about ``blend_mm`` where they meet."""
    gap = np.maximum(np.float32(blend_mm) - np.abs(a - b), 0)
    union: Field = np.minimum(a, b) - gap * gap / np.float32(4 * blend_mm)
    return union


def _cone(points: Field, start: NDArray[np.float64], end: NDArray[np.float64], r0: float, r1: float) -> Field:
    """Distance of points (n, 3) to a round-ended segment whose radius goes from ``r0`` to ``r1``."""
    along = (end - start).astype(np.float32)
    offset = points - start.astype(np.float32)
    share = np.clip(offset @ along / np.float32(max(float(along @ along), 1e-6)), 0, 1)
    offset -= share[:, None] * along
    distance: Field = np.sqrt(np.einsum("nk,nk->n", offset, offset)) - (np.float32(r0) + share * np.float32(r1 - r0))
    return distance


def _column(vector: Vector, points: Field) -> Field:
    return np.asarray(vector, dtype=np.float32).reshape((3,) + (1,) * (points.ndim - 1))
