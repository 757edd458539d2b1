"""Where the heart is: each atlas's heart is slid over the target at low resolution, and the atlases vote.

Normalised cross-correlation (Lewis 1995) at every place, so that no start and no scanner coordinate is needed. A vote that
does not hold together is a failed localisation and said so; it is not repaired here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.fft import irfftn, next_fast_len, rfftn

from askance.baselines.atlas.grid import to_array

_FLAT = 1e-3  # standard deviation below which a place is flat and correlates with nothing


@dataclass(frozen=True, eq=False)
class Match:
    """Where an atlas (by its number) fits best: the target's point for the atlas's zero, and the correlation there."""

    atlas: int
    centre_mm: NDArray[np.float64]
    correlation: float


@dataclass(frozen=True, eq=False)
class Place:
    """The heart's centre in the target, the share of the vote that agrees on it, and the correlation of those who do."""

    centre_mm: NDArray[np.float64]
    agreement: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Whereabouts:
    """Where hearts lay in the atlases' volumes: mean and deviation of their centres off the volumes', mm."""

    mean_mm: NDArray[np.float64]
    sd_mm: NDArray[np.float64]

    def penalty(self, target: sitk.Image) -> NDArray[np.float64]:
        """Squared distance from the mean in standard deviations, halved, at each voxel of ``target``."""
        spacing, size = np.array(target.GetSpacing()), np.array(target.GetSize())
        axes = [
            (((np.arange(n) - (n - 1) / 2) * step - mean) / sd) ** 2 / 2
            for n, step, mean, sd in zip(size.tolist(), spacing, self.mean_mm, self.sd_mm, strict=True)
        ]
        x, y, z = axes
        result: NDArray[np.float64] = x[:, None, None] + y[:, None] + z
        return result

    def usual(self, target: sitk.Image) -> NDArray[np.float64]:
        """Where a heart of ``target`` lies if it lies as they did, mm."""
        spacing, size = np.array(target.GetSpacing()), np.array(target.GetSize())
        point: NDArray[np.float64] = np.array(target.GetOrigin()) + (size - 1) * spacing / 2 + self.mean_mm
        return point


class Search:
    """One target prepared for many templates of at most ``largest`` voxels: its transform and its running sums."""

    def __init__(self, target: NDArray[np.float32], largest: tuple[int, ...]) -> None:
        self._shape = target.shape
        self._before = tuple(size // 2 for size in largest)
        padding = [(size // 2, size - 1 - size // 2) for size in largest]
        padded = np.pad(target.astype(np.float64), padding, mode="edge")
        self._fast = [next_fast_len(int(size), real=True) for size in padded.shape]
        self._spectrum = rfftn(padded.astype(np.float32), self._fast)
        self._sums, self._squares = _running_sums(padded), _running_sums(padded**2)

    def correlations(self, template: NDArray[np.float32]) -> NDArray[np.float64]:
        """Normalised cross-correlation in [-1, 1] with ``template``'s middle (size // 2) at each voxel of the target.

        Beyond its edges the target goes on as its outermost voxels; a flat place or template correlates 0.
        """
        centred = template - template.mean()
        products = irfftn(self._spectrum * np.conj(rfftn(centred.astype(np.float32), self._fast)), self._fast)
        first = [before - size // 2 for before, size in zip(self._before, template.shape, strict=True)]
        inner = tuple(slice(a, a + n) for a, n in zip(first, self._shape, strict=True))
        sums, squares = (self._window(total, first, template.shape) for total in (self._sums, self._squares))
        deviation = np.sqrt(np.maximum(squares - sums**2 / template.size, 0.0))
        norm, flat = float(np.linalg.norm(centred)), _FLAT * np.sqrt(template.size)
        known = (deviation > flat) & (norm > flat)
        result: NDArray[np.float64] = np.divide(products[inner], deviation * norm, out=np.zeros(self._shape), where=known)
        return result

    def _window(self, total: NDArray[np.float64], first: list[int], size: tuple[int, ...]) -> NDArray[np.float64]:
        """Sums over the window of ``size`` around each voxel of the target."""
        for axis, (start, length, count) in enumerate(zip(first, size, self._shape, strict=True)):
            upper = np.take(total, range(start + length, start + length + count), axis)
            total = upper - np.take(total, range(start, start + count), axis)
        return total


def match(target: sitk.Image, templates: Sequence[sitk.Image], penalty: NDArray[np.float64] | None = None) -> list[Match]:
    """The best place of each template in ``target``, in the templates' order.

    All are on grids of one spacing; a template's zero is its heart's centre. ``penalty`` is taken from the correlations
    when the best is looked for.
    """
    largest = np.max([template.GetSize() for template in templates], axis=0)
    search = Search(to_array(target), tuple(largest.tolist()))
    return [_best(search, target, template, number, penalty) for number, template in enumerate(templates)]


def _best(
    search: Search, target: sitk.Image, template: sitk.Image, number: int, penalty: NDArray[np.float64] | None
) -> Match:
    small = to_array(template)
    scores = search.correlations(small)
    best = np.unravel_index(int((scores if penalty is None else scores - penalty).argmax()), scores.shape)
    spacing = np.array(target.GetSpacing())
    middle = np.array(template.GetOrigin()) + (np.array(small.shape) // 2) * spacing
    centre = np.array(target.GetOrigin()) + np.array(best) * spacing - middle
    return Match(number, centre, float(scores[best]))


def agree(matches: Sequence[Match], voters: int, radius_mm: float) -> Place:
    """The place on which most of the ``voters`` best matches agree, each counting by its correlation.

    The centre is the weighted mean of the matches within ``radius_mm`` of the one that has most of them around it.
    """
    best = sorted(matches, key=lambda one: (-one.correlation, one.atlas))[:voters]
    centres = np.array([one.centre_mm for one in best])
    weights = np.maximum([one.correlation for one in best], 1e-6)
    near = np.linalg.norm(centres[:, None] - centres[None], axis=2) <= radius_mm
    winner = near[int((near @ weights).argmax())]
    centre = np.average(centres[winner], axis=0, weights=weights[winner])
    return Place(centre, float(weights[winner].sum() / weights.sum()), float(weights[winner].mean()))


def _running_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over all that lies before each voxel along every axis; one more voxel a side, the first being 0."""
    for axis in range(values.ndim):
        values = np.cumsum(values, axis=axis)
    return np.pad(values, [(1, 0)] * values.ndim)
