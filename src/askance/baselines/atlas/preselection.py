"""The few atlases of many that look most like the target, once they are laid on it.

First by the correlation of the localisation, then by that of the hearts after an affine registration at low resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from askance.baselines.atlas.grid import coarsened, finest, to_array, to_itk
from askance.baselines.atlas.library import Atlas
from askance.baselines.atlas.localisation import Match, Place
from askance.baselines.atlas.registration import RegistrationSettings, affine, similarity
from askance.records import IGNORE

_OUTSIDE = -1e3  # what stands where a moved atlas does not reach: no normalised image has it


@dataclass(frozen=True, eq=False)
class Chosen:
    """An atlas laid on the target: the affine map from the target's points to its own, and how alike they are then."""

    atlas: Atlas
    affinely: sitk.Transform
    similarity: float


def candidates(matches: Sequence[Match], place: Place, radius_mm: float, most: int) -> list[Match]:
    """At most ``most`` matches within ``radius_mm`` of the heart's place, the best correlated first.

    Where none lies there (a place that was not found but assumed), all are taken and moved to it.
    """
    ranked = sorted(matches, key=lambda one: (-one.correlation, one.atlas))
    near = [one for one in ranked if np.linalg.norm(one.centre_mm - place.centre_mm) <= radius_mm]
    return near[:most] or [Match(one.atlas, place.centre_mm, one.correlation) for one in ranked[:most]]


def heart_mask(
    target: sitk.Image, atlases: Sequence[Atlas], matches: Sequence[Match], share: float, margin_mm: float
) -> sitk.Image:
    """1 where at least ``share`` of the atlases, as matched, show foreground, and ``margin_mm`` around it; on its grid."""
    votes = np.zeros(target.GetSize(), np.float32)
    for one in matches:
        moved = moved_labels(atlases[one.atlas], sitk.TranslationTransform(3, (-one.centre_mm).tolist()), target)
        votes += (moved > 0) & (moved != IGNORE)
    mask = votes >= share * len(matches)
    mask = grown(mask if mask.any() else votes > 0, target, margin_mm)
    return to_itk((mask if mask.any() else np.ones_like(mask)).astype(np.uint8), target.GetSpacing(), target.GetOrigin())


def choose(
    target: sitk.Image,
    mask: sitk.Image,
    atlases: Sequence[Atlas],
    matches: Sequence[Match],
    most: int,
    settings: RegistrationSettings,
) -> list[Chosen]:
    """The ``most`` atlases most like the target within the mask after an affine registration, the likest first."""
    pixels, inside = to_array(target), to_array(mask) > 0
    chosen = []
    for one in matches:
        atlas = atlases[one.atlas]
        moving = coarsened(atlas.image, finest(atlas.image.GetSpacing(), (settings.grid_mm,) * 3))
        found = affine(target, mask, moving, one.centre_mm, settings)
        moved = to_array(sitk.Resample(moving, target, found, sitk.sitkLinear, _OUTSIDE))
        chosen.append(Chosen(atlas, found, similarity(pixels, moved, inside & (moved > _OUTSIDE / 2))))
    return sorted(chosen, key=lambda one: (-one.similarity, one.atlas.case))[:most]


def moved_labels(atlas: Atlas, transform: sitk.Transform, grid: sitk.Image) -> NDArray[np.uint8]:
    """The atlas's labels on ``grid``, by the nearest voxel; background beyond its margins, IGNORE where nobody labelled."""
    return to_array(sitk.Resample(atlas.labels, grid, transform, sitk.sitkNearestNeighbor, 0.0))


def grown(mask: NDArray[np.bool_], image: sitk.Image, margin_mm: float) -> NDArray[np.bool_]:
    """``mask`` and what lies within ``margin_mm`` of it along the axes in which that is a voxel or more."""
    sizes = [int(margin_mm / step) for step in image.GetSpacing()]
    if not any(sizes):
        return mask
    shifts = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in sizes), indexing="ij"))
    ball = sum((shift / max(n, 1)) ** 2 for shift, n in zip(shifts, sizes, strict=True)) <= 1
    result: NDArray[np.bool_] = binary_dilation(mask, ball)
    return result
