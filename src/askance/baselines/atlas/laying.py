"""One target: the atlases laid on it, which is what costs, and the labels drawn from that, which is cheap.

Knows atlases and images; does not know folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from askance.baselines.atlas.fusion import fuse
from askance.baselines.atlas.grid import coarsened, cut, evened, finest, to_array, to_itk, window
from askance.baselines.atlas.levelset import labels_of, refine
from askance.baselines.atlas.library import Library
from askance.baselines.atlas.localisation import Match, Place, agree, match
from askance.baselines.atlas.preselection import Chosen, candidates, choose, heart_mask, moved_labels
from askance.baselines.atlas.registration import bspline, one_thread
from askance.baselines.atlas.settings import AtlasSettings
from askance.records import IGNORE


@dataclass(frozen=True, eq=False)
class Laid:
    """A target under its atlases.

    ``picture``: the window ``part`` of the target; ``votes``: the atlases' labels there, on ``grid``, which is the window's
    own or coarser; ``shape``: the whole target's. ``found``: whether the vote on ``place`` held together.
    """

    shape: tuple[int, ...]
    part: tuple[slice, slice, slice]
    picture: sitk.Image
    grid: sitk.Image
    votes: tuple[NDArray[np.uint8], ...]
    place: Place
    found: bool


def lay(picture: sitk.Image, library: Library, settings: AtlasSettings) -> Laid:
    """The atlases most like ``picture`` (a whole volume, normalised), bent onto its heart."""
    with one_thread():
        even = evened(picture, settings.reach_mm)
        place, found, matches = locate(even, library, settings)
        near = candidates(matches, place, 1.5 * settings.radius_mm, settings.candidates)
        half = np.median([library.atlases[one.atlas].half_mm for one in near], axis=0) + settings.window_margin_mm
        part = window(picture, place.centre_mm - half, place.centre_mm + half)
        votes, grid = _votes(cut(even, part), library, near, settings)
        return Laid(tuple(picture.GetSize()), part, cut(picture, part), grid, votes, place, found)


def draw(laid: Laid, classes: int, settings: AtlasSettings) -> NDArray[np.uint8]:
    """Class ids in the target's shape: the votes fused and refined."""
    with one_thread():
        probs = fuse(laid.votes, classes, settings.fusion)
        known = np.any([labels != IGNORE for labels in laid.votes], axis=0)
        levels = refine(coarsened(laid.picture, laid.grid.GetSpacing()), probs, settings.levelset, known)
        labels = np.zeros(laid.shape, np.uint8)
        labels[laid.part] = labels_of(_spread(levels, laid))
        return labels


def locate(even: sitk.Image, library: Library, settings: AtlasSettings) -> tuple[Place, bool, list[Match]]:
    """Where the heart is, whether the vote on it held together, and each atlas's match.

    Where it did not, the place is the one where the atlases' hearts lay in their volumes.
    """
    coarse_mm = library.coarse_mm(settings.coarse_mm)
    usual = library.whereabouts(coarse_mm)
    low = coarsened(even, coarse_mm)
    matches = match(
        low, library.templates(coarse_mm, settings.template_margin_mm), settings.prior_weight * usual.penalty(low)
    )
    place = agree(matches, settings.voters, settings.radius_mm)
    if place.agreement >= settings.least_agreement and place.correlation >= settings.least_correlation:
        return place, True, matches
    return Place(usual.usual(even), place.agreement, place.correlation), False, matches


def _votes(
    even: sitk.Image, library: Library, near: Sequence[Match], settings: AtlasSettings
) -> tuple[tuple[NDArray[np.uint8], ...], sitk.Image]:
    """The chosen atlases' labels, bent onto the window ``even``, and the grid on which they are."""
    tried = settings.registration
    low, bending, grid = (
        coarsened(even, finest(even.GetSpacing(), (limit,) * 3))
        for limit in (tried.grid_mm, tried.bspline_grid_mm, settings.finest_mm)
    )
    looks = (settings.mask_share, settings.mask_margin_mm)
    mask = heart_mask(low, library.atlases, near, *looks)
    chosen = choose(low, mask, library.atlases, near, settings.atlases, tried)
    mask = heart_mask(bending, library.atlases, near, *looks)
    return tuple(moved_labels(one.atlas, _bent(bending, mask, one, settings), grid) for one in chosen), grid


def _bent(target: sitk.Image, mask: sitk.Image, chosen: Chosen, settings: AtlasSettings) -> sitk.Transform:
    tried = settings.registration
    if tried.bspline_steps == 0:
        return chosen.affinely
    moving = coarsened(chosen.atlas.image, finest(chosen.atlas.image.GetSpacing(), (tried.bspline_grid_mm,) * 3))
    return bspline(target, mask, moving, chosen.affinely, tried)


def _spread(levels: NDArray[np.float32], laid: Laid) -> NDArray[np.float32]:
    """Level sets on the window's own voxels."""
    if laid.grid.GetSize() == laid.picture.GetSize():
        return levels
    images = [to_itk(one, laid.grid.GetSpacing(), laid.grid.GetOrigin()) for one in levels]
    moved = [sitk.Resample(one, laid.picture, sitk.Transform(), sitk.sitkLinear, -1.0) for one in images]
    return np.stack([to_array(one) for one in moved])
