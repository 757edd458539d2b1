"""A heart's label volume set into a chest: what confuses a segmenter stands around the heart.

Takes any label volume of the HVSMR 2016 kind (a phantom's, a real one) and lays the chest out around what is labelled.
Inside the blood pool stand thin strands of muscle (chordae, leaflets, fine trabeculae) that the labels count as blood
pool, as HVSMR's do. Knows nothing of how the heart was made, nor of how tissues look in MR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from askance.volumes.phantom.anatomy import BLOOD_POOL, MYOCARDIUM, Labels
from askance.volumes.phantom.grid import Field, Grid, smooth_displacement, smooth_noise
from askance.volumes.phantom.tissues import Tissue

Tissues = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Chest:
    """Where the chest stands, in world mm, and how thick its layers are.

    The trunk is an ellipse about ``centre_xy`` with ``half_xy``; ``floor_z`` is the height of the heart's lower face.
    """

    centre_xy: tuple[float, float]
    half_xy: tuple[float, float]
    spine_xy: tuple[float, float]
    floor_z: float
    top_z: float
    size: float
    fat_mm: float
    wall_mm: float
    heart_fat_mm: float
    rib_phase: float


def embed(labels: Labels, grid: Grid, rng: np.random.Generator) -> Tissues:
    """A tissue map (values of ``Tissue``), uint8 of the labels' shape; MYOCARDIUM and BLOOD only where labelled.

    ``labels`` hold 0 background, 1 myocardium, 2 blood pool, both of them somewhere; the affine of their ``grid`` says
    what is left, front and down.
    """
    points = grid.points()
    chest = _lay_out(labels, points, rng)
    outside_mm = ndimage.distance_transform_edt(labels == 0, sampling=grid.spacing_mm).astype(np.float32)
    bent = points + smooth_displacement(grid, 35.0, 3.0, rng)
    tissues = np.full(grid.shape, Tissue.LUNG, dtype=np.uint8)
    _grow_lung_vessels(tissues, grid, rng)
    _fill_mediastinum(tissues, chest, bent, outside_mm, grid, rng)
    _lay_abdomen(tissues, chest, bent, grid, rng)
    _raise_walls(tissues, chest, bent)
    _raise_spine(tissues, chest, bent)
    _wrap_heart(tissues, chest, outside_mm, labels, grid, rng)
    _string_strands(tissues, labels, grid, rng)
    return tissues


def _lay_out(labels: Labels, points: Field, rng: np.random.Generator) -> _Chest:
    """A chest that holds the labelled heart, its layers drawn at random."""
    x, y, z = (axis[labels > 0] for axis in points)
    muscle_z = points[2][labels == MYOCARDIUM]
    back, front = float(np.quantile(y, 0.002)), float(np.quantile(y, 0.998))
    volume = float((labels > 0).sum() * abs(np.linalg.det(_steps(points))))
    size = max(volume ** (1 / 3) / 75, 0.4)  # 1: an adult's heart; below a newborn's the chest stops shrinking
    fat, wall = float(rng.uniform(4, 16)) * size, float(rng.uniform(8, 15)) * size
    heart_fat = float(rng.uniform(1, 7)) * size
    deep = (front - back + 38 * size + fat + wall + heart_fat) / 2
    middle = float(x.mean()) + float(rng.uniform(2, 14)) * size
    return _Chest(
        centre_xy=(middle, front + heart_fat + fat + wall - deep),
        half_xy=(float(rng.uniform(1.3, 1.6)) * deep, deep),
        spine_xy=(middle + 4 * size, back - float(rng.uniform(0, 8)) * size),
        floor_z=float(np.quantile(muscle_z, 0.02)),
        top_z=float(np.quantile(z, 0.9)),
        size=size,
        fat_mm=fat,
        wall_mm=wall,
        heart_fat_mm=heart_fat,
        rib_phase=float(rng.uniform(0, 1)),
    )


def _steps(points: Field) -> NDArray[np.float64]:
    """One voxel's steps along the three axes, as columns, in mm."""
    origin = points[:, 0, 0, 0]
    return np.stack([points[:, 1, 0, 0] - origin, points[:, 0, 1, 0] - origin, points[:, 0, 0, 1] - origin], axis=1)


def _grow_lung_vessels(tissues: Tissues, grid: Grid, rng: np.random.Generator) -> None:
    """Bright branching threads: where two smooth fields are both near zero."""
    for scale_mm, width in ((30.0, 0.2), (16.0, 0.2)):
        first, second = smooth_noise(grid, scale_mm, rng), smooth_noise(grid, scale_mm, rng)
        tissues[first * first + second * second < width * width] = Tissue.VESSEL


def _fill_mediastinum(
    tissues: Tissues, chest: _Chest, points: Field, outside_mm: Field, grid: Grid, rng: np.random.Generator
) -> None:
    """Fat between spine and breastbone; in it gland and nodes, windpipe and gullet, an unlabelled vein."""
    s = chest.size
    x, y, z = points
    middle = chest.centre_xy[0]
    waist = 24 + 14 * ((y - chest.centre_xy[1]) / chest.half_xy[1]) ** 2
    column = (np.abs(x - middle) < waist * s) & (z > chest.floor_z)
    near = outside_mm < chest.heart_fat_mm + 9 * s
    fat = (column & (outside_mm < 24 * s)) | near
    tissues[fat] = Tissue.FAT
    mottle = smooth_noise(grid, 14.0 * s, rng)
    front = y > chest.centre_xy[1] + 0.25 * chest.half_xy[1]
    tissues[fat & front & (mottle > 0.3) & (z > 0.5 * (chest.floor_z + chest.top_z))] = Tissue.GLAND
    tissues[fat & ~front & (mottle > 1.1)] = Tissue.MUSCLE
    spine_x, spine_y = chest.spine_xy
    _pipe(tissues, points, (spine_x - 12 * s, spine_y + 14 * s), 6 * s, Tissue.MUSCLE)
    _pipe(tissues, points, (spine_x + 14 * s, spine_y + 8 * s), 3 * s, Tissue.VESSEL)
    _pipe(tissues, points, (spine_x, spine_y + 30 * s), 8 * s, Tissue.AIR, above=chest.top_z - 25 * s)


def _pipe(
    tissues: Tissues, points: Field, xy: tuple[float, float], radius_mm: float, tissue: Tissue, above: float = -np.inf
) -> None:
    x, y, z = points
    tissues[((x - xy[0]) ** 2 + (y - xy[1]) ** 2 < radius_mm**2) & (z > above)] = tissue


def _lay_abdomen(tissues: Tissues, chest: _Chest, points: Field, grid: Grid, rng: np.random.Generator) -> None:
    """Under a domed diaphragm: liver with veins to the right, stomach and spleen to the left."""
    s = chest.size
    x, y, z = points
    across, along = (x - chest.centre_xy[0]) / chest.half_xy[0], (y - chest.centre_xy[1]) / chest.half_xy[1]
    dome = chest.floor_z + s * (8 + 34 * np.clip(across, -0.1, 0.5) - 30 * (across - 0.3) ** 2 - 22 * along**2)
    below = dome - z
    tissues[below > -3 * s] = Tissue.MUSCLE
    tissues[below > 0] = Tissue.LIVER
    first, second = smooth_noise(grid, 22.0 * s, rng), smooth_noise(grid, 22.0 * s, rng)
    tissues[(below > 3 * s) & (first**2 + second**2 < 0.05)] = Tissue.VESSEL
    left = (below > 4 * s) & (x < chest.centre_xy[0] - (20 + 6 * first) * s)
    tissues[left] = Tissue.FAT
    tissues[left & (second > -0.2)] = Tissue.SPLEEN
    tissues[left & (second > -0.2) & (along > 0.0)] = Tissue.MUSCLE
    tissues[left & (second > 0.5) & (along > 0.0)] = Tissue.FLUID


def _raise_walls(tissues: Tissues, chest: _Chest, points: Field) -> None:
    """Ribs and muscle between them, breastbone, fat under the skin, and air around."""
    x, y, z = points
    across, along = (x - chest.centre_xy[0]) / chest.half_xy[0], (y - chest.centre_xy[1]) / chest.half_xy[1]
    inward = (1 - np.sqrt(across**2 + along**2)) * min(chest.half_xy)
    depth = inward - chest.fat_mm
    s = chest.size
    wall = depth < chest.wall_mm
    tissues[wall] = Tissue.MUSCLE
    tissues[wall & (np.abs(depth - 0.45 * chest.wall_mm) < 0.9 * s)] = Tissue.FAT
    tilt = z / (26 * s) + chest.rib_phase - 0.9 * along
    rib = wall & (np.abs(tilt - np.round(tilt)) < 0.2) & (depth > 0.5 * chest.wall_mm) & (depth < 0.92 * chest.wall_mm)
    breastbone = wall & (np.abs(x - chest.centre_xy[0]) < 15 * s) & (along > 0) & (depth > 0.25 * chest.wall_mm)
    for bone, core in ((rib, 0.12 * chest.wall_mm), (breastbone, 0.22 * chest.wall_mm)):
        tissues[bone] = Tissue.BONE
        tissues[bone & (np.abs(depth - 0.68 * chest.wall_mm) < core)] = Tissue.MARROW
    tissues[depth < 0] = Tissue.FAT
    tissues[inward < 2 * s] = Tissue.MUSCLE
    tissues[inward < 0] = Tissue.AIR


def _raise_spine(tissues: Tissues, chest: _Chest, points: Field) -> None:
    """Vertebral bodies with discs, the canal with its fluid and cord, and the muscles beside them."""
    s = chest.size
    x, y, z = points
    dx, dy = (x - chest.spine_xy[0]) / s, (y - chest.spine_xy[1]) / s + 14
    inside = tissues != Tissue.AIR
    tissues[inside & (((np.abs(dx) - 22) / 19) ** 2 + ((dy + 24) / 15) ** 2 < 1)] = Tissue.MUSCLE
    level = z / (24 * s) + chest.rib_phase
    disc = np.abs(level - np.round(level)) < 0.11
    body = (dx / 17) ** 2 + (dy / 14) ** 2
    tissues[body < 1] = Tissue.BONE
    tissues[body < 0.8] = Tissue.MARROW
    tissues[(body < 0.95) & disc] = Tissue.SPLEEN
    canal = dx**2 + (dy + 22) ** 2
    tissues[canal < 11**2] = Tissue.BONE
    tissues[canal < 8**2] = Tissue.FLUID
    tissues[canal < 4.5**2] = Tissue.GLAND


def _wrap_heart(
    tissues: Tissues, chest: _Chest, outside_mm: Field, labels: Labels, grid: Grid, rng: np.random.Generator
) -> None:
    """The heart itself, thin vessel and atrial walls, and fat of varying depth with the pericardium about it."""
    s = chest.size
    fat_mm = chest.heart_fat_mm * np.clip(1 + 0.6 * smooth_noise(grid, 25.0 * s, rng), 0.1, None)
    to_muscle = ndimage.distance_transform_edt(labels != MYOCARDIUM, sampling=grid.spacing_mm)
    tissues[(outside_mm < fat_mm + 1.4 * s) & (to_muscle < fat_mm + 12 * s)] = Tissue.MUSCLE
    tissues[outside_mm < fat_mm] = Tissue.FAT
    to_blood = ndimage.distance_transform_edt(labels != BLOOD_POOL, sampling=grid.spacing_mm)
    wall_mm = s * np.clip(1.0 + 0.8 * smooth_noise(grid, 18.0 * s, rng), 0.0, None)
    tissues[to_blood < wall_mm] = Tissue.MUSCLE
    tissues[labels == MYOCARDIUM] = Tissue.MYOCARDIUM
    tissues[labels == BLOOD_POOL] = Tissue.BLOOD


def _string_strands(tissues: Tissues, labels: Labels, grid: Grid, rng: np.random.Generator) -> None:
    """Thin strands of muscle in the blood pool within 14 mm of the myocardium, denser close to it."""
    to_muscle = ndimage.distance_transform_edt(labels != MYOCARDIUM, sampling=grid.spacing_mm).astype(np.float32)
    first, second = smooth_noise(grid, 7.0, rng), smooth_noise(grid, 7.0, rng)
    width = 0.45 * np.clip(1 - to_muscle / 14, 0, None)
    strand: Mask = (labels == BLOOD_POOL) & (first * first + second * second < width * width)
    tissues[strand] = Tissue.MYOCARDIUM
