"""Fused labels refined by level sets that the image drives, one for each class, started from the labels.

A voxel's speed is the log odds of its class: what the atlases say there, times how often the class has the voxel's intensity
in this very volume. The curve's curvature keeps the outline smooth. Solver: ITK's sparse field (Whitaker 1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from askance.baselines.atlas.grid import stacked_along, to_array
from askance.baselines.ranges import require_ranges

Labels = NDArray[np.uint8]
Probs = NDArray[np.float32]

_BINS = 48
_BIN_BLUR = 1.5  # sigma of a histogram's smoothing, in bins
_FULL_SPEED = 3.0  # log odds from which the curve moves at full speed
_STILL = 0.01  # root mean square change of a step below which the curve has come to rest
_LEAST = 1e-6
_RANGES = (
    ("steps", 0, math.inf),
    ("curvature", 0, math.inf),
    ("rounds", 0, math.inf),
    ("blur_mm", 0, math.inf),
    ("floor", 0, 1),
)


@dataclass(frozen=True)
class LevelSetSettings:
    """How far image and smoothness may change what was fused.

    ``steps`` of the curve (0: the labels stay as fused), weight of its ``curvature``, ``rounds`` of learning the
    intensities, ``blur_mm`` of the atlases' probabilities, and the ``floor`` that they have where no atlas voted so.

    Raises:
        ConfigError: a setting out of its range.
    """

    steps: int = 200
    curvature: float = 0.05
    rounds: int = 6
    blur_mm: float = 2.0
    floor: float = 0.005

    def __post_init__(self) -> None:
        require_ranges(self, "the level set", _RANGES)


def refine(
    image: sitk.Image, probs: Probs, settings: LevelSetSettings, known: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """A level set for each class but the background, (classes - 1, X, Y, Z): above 0 inside, at most a few voxels deep.

    ``image``: float, ``probs`` (classes, X, Y, Z) the fused atlases'; ``known``: where any atlas voted (None: everywhere);
    elsewhere no intensities are learnt. A class with no voxel stays outside everywhere.
    """
    fused = probs.argmax(axis=0)
    classes = range(1, len(probs))
    if settings.steps == 0:
        return np.stack([np.where(fused == label, 1, -1) for label in classes]).astype(np.float32)
    posterior = intensity_posterior(to_array(image), _blurred(probs, image, settings), settings.rounds, known)
    return np.stack([_evolved(fused == label, posterior[label], image, settings) for label in classes])


def labels_of(levels: NDArray[np.float32]) -> Labels:
    """The class whose level set (classes - 1, X, Y, Z) is highest where one is above 0, else the background."""
    inside = levels.max(axis=0) > 0
    result: Labels = np.where(inside, levels.argmax(axis=0) + 1, 0).astype(np.uint8)
    return result


def intensity_posterior(
    image: NDArray[np.float32], prior: Probs, rounds: int, known: NDArray[np.bool_] | None = None
) -> Probs:
    """P(class | place, intensity), (classes, X, Y, Z): ``prior`` times each class's histogram of intensities.

    Histograms are learnt from the volume itself, where it is ``known`` (None: everywhere), weighted by the probabilities of
    the round before (expectation and maximisation); one that holds next to nothing says nothing.
    """
    low, high = np.percentile(image, (0.5, 99.5))
    bins = np.clip((image - low) / max(float(high - low), _LEAST) * _BINS, 0, _BINS - 1).astype(np.intp)
    posterior = prior
    for _ in range(rounds):
        weights = posterior if known is None else posterior * known
        likelihood = np.stack([_histogram(bins, one)[bins] for one in weights])
        joint = prior * likelihood
        posterior = (joint / np.maximum(joint.sum(axis=0), _LEAST)).astype(np.float32)
    return posterior


def _histogram(bins: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    counts = np.bincount(bins.ravel(), weights.ravel().astype(np.float64), _BINS)
    smooth: NDArray[np.float64] = gaussian_filter1d(counts, _BIN_BLUR, mode="nearest") + 1e-3 * counts.sum() / _BINS
    total = float(smooth.sum())
    return smooth / total if total > 1 else np.full(_BINS, 1 / _BINS)


def _blurred(probs: Probs, image: sitk.Image, settings: LevelSetSettings) -> Probs:
    sigma = (0.0, *(settings.blur_mm / step for step in image.GetSpacing()))
    floored = np.maximum(gaussian_filter(probs, sigma), settings.floor)
    result: Probs = floored / floored.sum(axis=0)
    return result


def _evolved(
    seed: NDArray[np.bool_], posterior: NDArray[np.float32], image: sitk.Image, settings: LevelSetSettings
) -> NDArray[np.float32]:
    """The class's level set; each plane for itself where planes are thick.

    A front that moves across thick planes eats, from both ends, what is only one or two planes thick.
    """
    odds = np.log(np.maximum(posterior, _LEAST)) - np.log(np.maximum(1 - posterior, _LEAST))
    speed = np.clip(odds / _FULL_SPEED, -1, 1).astype(np.float32)
    spacing = image.GetSpacing()
    across = stacked_along(spacing)
    if across is None:
        return _solved(seed, speed, spacing, settings)
    seeds, speeds = (np.moveaxis(one, across, 0) for one in (seed, speed))
    in_plane = [step for axis, step in enumerate(spacing) if axis != across]
    return np.stack([_solved(*plane, in_plane, settings) for plane in zip(seeds, speeds, strict=True)], axis=across)


def _solved(
    seed: NDArray[np.bool_], speed: NDArray[np.float32], spacing_mm: Sequence[float], settings: LevelSetSettings
) -> NDArray[np.float32]:
    """ITK's level set of a plane or a volume, from the outline of ``seed``."""
    if not seed.any() or seed.all():
        return np.where(seed, 1, -1).astype(np.float32)
    start, feature = (sitk.GetImageFromArray(np.ascontiguousarray(one.T)) for one in (seed.astype(np.uint8), speed))
    for one in (start, feature):
        one.SetSpacing(spacing_mm)
    curve = sitk.ThresholdSegmentationLevelSetImageFilter()
    curve.SetLowerThreshold(0.0)  # ITK's speed is then the feature itself: where it is above 0 the curve grows
    curve.SetUpperThreshold(1e6)
    curve.SetReverseExpansionDirection(True)
    curve.SetPropagationScaling(1.0)
    curve.SetCurvatureScaling(settings.curvature)
    curve.SetNumberOfIterations(settings.steps)
    curve.SetMaximumRMSError(_STILL)
    curve.SetNumberOfThreads(1)
    distance = sitk.SignedMaurerDistanceMap(start, insideIsPositive=True, useImageSpacing=True, squaredDistance=False)
    return to_array(curve.Execute(sitk.Cast(distance, sitk.sitkFloat32), feature))
