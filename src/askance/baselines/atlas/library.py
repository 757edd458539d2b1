"""The atlases on disk: a heart and its surroundings, image and labels, one uncompressed npz each, whole or absent.

Knows files and geometry; does not know how a target is matched or segmented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from askance.baselines.atlas.grid import Triple, coarsened, cut, evened, finest, to_array, to_itk, window
from askance.baselines.atlas.localisation import Whereabouts
from askance.errors import StudyError
from askance.records import IGNORE, Case
from askance.volumes.files import open_voxels
from askance.volumes.normalisation import normalisation_of
from askance.volumes.writing import replacing

_LENGTHS = ("spacing", "origin", "half", "offset")


@dataclass(frozen=True, eq=False)
class Atlas:
    """A labelled heart. The frame's zero is the centre of its labelled foreground.

    ``image`` (float, evened) and ``labels`` (class ids, IGNORE where nobody labelled) share a
    grid; ``half_mm``: half the size of the foreground's box; ``offset_mm``: its centre off the volume's.
    """

    case: str
    image: sitk.Image
    labels: sitk.Image
    half_mm: Triple
    offset_mm: Triple


class Library:
    """All atlases of a fit, in memory, with what localisation needs of them; in the order of their cases."""

    def __init__(self, atlases: Sequence[Atlas]) -> None:
        self.atlases = tuple(atlases)
        self._templates: dict[tuple[Triple, float], list[sitk.Image]] = {}

    def coarse_mm(self, finest_mm: float) -> Triple:
        """The grid on which templates are matched: of the atlases' median spacing, but no finer than ``finest_mm``."""
        x, y, z = np.maximum(np.median([atlas.image.GetSpacing() for atlas in self.atlases], axis=0), finest_mm).tolist()
        return x, y, z

    def whereabouts(self, grid_mm: Triple) -> Whereabouts:
        """Where the atlases' hearts lay in their volumes, spread at least as much as rounding to ``grid_mm`` spreads."""
        offsets = np.array([atlas.offset_mm for atlas in self.atlases])
        return Whereabouts(offsets.mean(axis=0), np.maximum(offsets.std(axis=0), np.array(grid_mm) / np.sqrt(12)))

    def templates(self, spacing_mm: Triple, margin_mm: float) -> list[sitk.Image]:
        """Each atlas's foreground box, with a margin along the axes that are not thick, on a grid of ``spacing_mm``."""
        key = (spacing_mm, margin_mm)
        if key not in self._templates:
            self._templates[key] = [_template(atlas, *key) for atlas in self.atlases]
        return self._templates[key]


def read_picture(case: Case) -> sitk.Image:
    """The first channel of ``case``, float, normalised as slices are, zero of the frame at its first voxel.

    Raises:
        FormatError, GeometryError: as ``files.open_voxels``, or the volume is constant.
    """
    path = case.images[0].path
    stored = open_voxels(path)
    planes = normalisation_of(stored, 2, path).apply(stored.block(2, 0, stored.header.shape[2]))
    return to_itk(np.moveaxis(planes, 0, 2), case.spacing_mm)


def make_atlas(case: Case, labels: NDArray[np.uint8], finest_mm: float, margin_mm: float, reach_mm: float) -> Atlas | None:
    """The atlas of ``case``, given its ``labels`` in the file's shape; None where they show no foreground.

    The grid is the file's where that is coarser than ``finest_mm``; ``margin_mm`` is kept around the
    foreground; ``reach_mm``: of ``grid.evened``.
    """
    foreground = np.argwhere((labels > 0) & (labels != IGNORE))
    if not len(foreground):
        return None
    spacing = np.array(case.spacing_mm)
    low, high = (foreground.min(axis=0) - 0.5) * spacing, (foreground.max(axis=0) + 0.5) * spacing
    picture = evened(read_picture(case), reach_mm)
    part = window(picture, low - margin_mm, high + margin_mm)
    x, y, z = ((np.array([side.start for side in part]) * spacing) - (low + high) / 2).tolist()
    label_image = to_itk(labels[part], case.spacing_mm, (x, y, z))
    own = to_itk(to_array(picture)[part], case.spacing_mm, (x, y, z))
    image = coarsened(own, finest(case.spacing_mm, (finest_mm,) * 3))
    half_x, half_y, half_z = ((high - low) / 2).tolist()
    off_x, off_y, off_z = ((low + high) / 2 - (np.array(case.shape) - 1) / 2 * spacing).tolist()
    return Atlas(case.id, image, _onto(label_image, image), (half_x, half_y, half_z), (off_x, off_y, off_z))


def save_atlas(path: Path, atlas: Atlas) -> None:
    """Writes ``atlas``, whole or not at all.

    Raises:
        StudyError: it cannot be written.
    """
    with replacing(path) as temporary:
        np.savez(
            temporary,
            image=to_array(atlas.image),
            labels=to_array(atlas.labels),
            spacing_mm=np.array(atlas.image.GetSpacing()),
            origin_mm=np.array(atlas.image.GetOrigin()),
            half_mm=np.array(atlas.half_mm),
            offset_mm=np.array(atlas.offset_mm),
        )


def load_atlas(path: Path) -> Atlas:
    """The atlas at ``path``; its case is the file's name.

    Raises:
        StudyError: it is gone or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            spacing, origin, half, offset = (tuple(arrays[f"{name}_mm"].tolist()) for name in _LENGTHS)
            image, labels = (to_itk(arrays[name], spacing, origin) for name in ("image", "labels"))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise StudyError(f"{path}: is no atlas that can be read ({error}); wanted what fit wrote; fit again") from None
    return Atlas(path.stem, image, labels, half, offset)


def write_json(path: Path, content: Any) -> None:
    """Writes ``content`` as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def read_json(path: Path) -> Any:
    """What is at ``path``, None where nothing is."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _template(atlas: Atlas, spacing_mm: Triple, margin_mm: float) -> sitk.Image:
    image = coarsened(atlas.image, spacing_mm)
    half = np.array(atlas.half_mm) + np.where(np.array(spacing_mm) > margin_mm, 0.0, margin_mm)
    return cut(image, window(image, -half, half))


def _onto(labels: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """``labels`` on another grid over the same extent: the class of largest weight, by linear interpolation."""
    if labels.GetSize() == grid.GetSize():
        return labels
    present = np.unique(sitk.GetArrayViewFromImage(labels)).tolist()
    weights = [
        to_array(sitk.Resample(sitk.Cast(labels == value, sitk.sitkFloat32), grid, sitk.Transform(), sitk.sitkLinear, 0.0))
        for value in present
    ]
    best = np.array(present, np.uint8)[np.argmax(weights, axis=0)]
    return to_itk(best, grid.GetSpacing(), grid.GetOrigin())
