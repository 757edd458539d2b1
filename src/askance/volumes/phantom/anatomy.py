"""A heart as a label volume: 0 background, 1 ventricular myocardium, 2 blood pool, as HVSMR 2016 labels it.

Atria and great vessels are blood pool; their thin walls are background. Papillary muscles and coarse trabeculae are
myocardium, as in the ten label volumes of HVSMR 2016. Knows nothing of the chest around it nor of how it looks in MR.

Hearts are of the congenital kind: dilated or hypertrophied chambers, ventricular septal defects, transposed great
arteries, pulmonary atresia, right aortic arches, left superior venae cavae, turned within the chest.

Coordinates: the heart's own frame is (u, v, w) in mm about the left ventricle's centre: u towards the apex, v towards
the right ventricle, w towards the diaphragm. The chest's frame is RAS+ mm about the same point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from askance.volumes.phantom.grid import Field, Grid, smooth_displacement, smooth_noise
from askance.volumes.phantom.shapes import ellipsoid, smooth_union, tube

BACKGROUND, MYOCARDIUM, BLOOD_POOL = 0, 1, 2
Labels = NDArray[np.uint8]
Rows = list[tuple[float, float, float]]

#: A normally turned heart: the rows are u, v, w in the chest's frame.
_LEVOCARDIA = np.array([(-0.62, 0.58, -0.53), (0.75, 0.65, -0.15), (0.26, -0.49, -0.84)])


@dataclass(frozen=True)
class Heart:
    """One patient's heart. Lengths in mm before ``scale`` is applied; ``turn_deg`` are rotations about R, A and S."""

    scale: float
    turn_deg: tuple[float, float, float]
    warp_mm: float
    lv_length: float
    lv_radius: float
    lv_wall: float
    rv_depth: float
    rv_wall: float
    la_size: float
    ra_size: float
    aorta_radius: float
    pulmonary_radius: float
    septal_defect_radius: float
    trabeculae_mm: float
    great_arteries: Literal["normal", "transposed", "atresia"]
    arch_side: Literal["left", "right"]
    left_cava: bool


def draw_heart(rng: np.random.Generator) -> Heart:
    """A heart at random; about three in four have a septal defect, two in five misplaced or missing vessels."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    turn = (between(-14, 14), between(-14, 14), between(-22, 22))
    return Heart(
        scale=between(0.8, 0.96),
        turn_deg=turn,
        warp_mm=between(1.5, 3.0),
        lv_length=between(38, 50),
        lv_radius=between(24, 34),
        lv_wall=between(7, 12),
        rv_depth=between(24, 38),
        rv_wall=between(3.5, 7.5),
        la_size=between(0.85, 1.25),
        ra_size=between(0.85, 1.3),
        aorta_radius=between(9, 14),
        pulmonary_radius=between(7, 14),
        septal_defect_radius=max(0.0, between(-2, 9)),
        trabeculae_mm=between(1.0, 2.5),
        great_arteries="transposed" if (fate := rng.random()) < 0.15 else "atresia" if fate < 0.3 else "normal",
        arch_side="right" if rng.random() < 0.15 else "left",
        left_cava=bool(rng.random() < 0.15),
    )


def heart_labels(heart: Heart, grid: Grid, rng: np.random.Generator) -> Labels:
    """The heart's label volume on ``grid``, its left ventricle's centre at the world's origin: uint8 (X, Y, Z)."""
    chest = grid.points() + smooth_displacement(grid, 28.0, heart.warp_mm, rng)
    chest /= np.float32(heart.scale)
    axes = _axes(heart)
    own = np.tensordot(axes.astype(np.float32), chest, axes=1)
    ridges = np.float32(heart.trabeculae_mm) * np.maximum(smooth_noise(grid, 5.0, rng), -0.5)
    muscle, cavity = _ventricles(heart, own, ridges)
    blood = np.minimum(cavity, _atria(heart, chest, axes))
    for vessel in _great_vessels(heart, axes):
        blood = np.minimum(blood, tube(chest, np.array(vessel.course), vessel.radius_mm))
    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[muscle < 0] = MYOCARDIUM
    labels[blood < 0] = BLOOD_POOL
    return _with_papillary_muscles(heart, own, cavity, labels)


def _axes(heart: Heart) -> NDArray[np.float64]:
    """u, v, w in the chest's frame, as rows, orthonormal."""
    turn = Rotation.from_euler("xyz", heart.turn_deg, degrees=True).as_matrix()
    unit, _ = np.linalg.qr(_LEVOCARDIA.T)
    unit *= np.sign((unit * _LEVOCARDIA.T).sum(axis=0))
    axes: NDArray[np.float64] = (turn @ unit).T
    return axes


def _ventricles(heart: Heart, own: Field, ridges: Field) -> tuple[Field, Field]:
    """Distances to the muscle's outside and to both cavities with the outflow tract and a septal defect."""
    length, radius, wall = heart.lv_length, heart.lv_radius, heart.lv_wall
    base = -(own[0] + np.float32(0.42 * length))
    outer = ellipsoid(own, (0, 0, 0), (length, radius, radius))
    left = ellipsoid(own, (-2, 0, 0), (length - 0.8 * wall, radius - wall, radius - wall)) + 0.6 * ridges
    middle, half = (-4, 0.62 * radius, -3), (0.9 * length, heart.rv_depth, 1.12 * radius)
    right_outer = ellipsoid(own, middle, half)
    right = np.maximum(right_outer + np.float32(heart.rv_wall) + ridges, -outer)
    outflow = tube(own, _outflow(heart), (0.9 * heart.rv_depth / 2, 13, heart.pulmonary_radius))
    right = smooth_union(right, np.maximum(outflow, -outer), 4)
    right_outer = np.minimum(right_outer, outflow - np.float32(heart.rv_wall))
    muscle = np.maximum(smooth_union(outer, right_outer, 5), base)
    cavity = np.maximum(np.minimum(left, right), base - 2)
    if heart.septal_defect_radius > 0:
        across = np.array([(-0.15 * length, 0.2 * radius, -4.0), (-0.2 * length, 1.25 * radius, -6.0)])
        cavity = np.minimum(cavity, tube(own, across, (heart.septal_defect_radius,) * 2, segments=2))
    return muscle, cavity


def _outflow(heart: Heart) -> NDArray[np.float64]:
    """The right ventricle's outflow tract, up to its valve, in the heart's frame."""
    r = heart.lv_radius
    return np.array([(0.0, 0.95 * r, -0.45 * r), (-7.0, 0.72 * r, -1.0 * r), (-14.0, 0.45 * r, -1.35 * r)])


def _atria(heart: Heart, chest: Field, axes: NDArray[np.float64]) -> Field:
    """Distance to both atria and the valves' openings, in the chest's frame."""
    la, ra = _atrial_centres(heart, axes)
    left = ellipsoid(chest, la, np.array((25, 18, 20)) * heart.la_size)
    right = ellipsoid(chest, ra, np.array((19, 23, 25)) * heart.ra_size)
    ear = ellipsoid(chest, ra + np.array((-12, 22, 12)), np.array((13, 14, 10)) * heart.ra_size)
    right = smooth_union(right, ear, 6)
    mitral = tube(chest, np.array([la, 0.5 * la, (0, 0, 0)]), (13, 11, 9))
    tricuspid = tube(chest, np.array([ra, 0.5 * (ra + axes[1] * 22), axes[1] * 24]), (14, 12, 9))
    return reduce(np.minimum, (left, right, mitral, tricuspid))


def _atrial_centres(heart: Heart, axes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reach = heart.lv_length / 44
    return np.array((-41 * reach, -5, 2)) @ axes, np.array((-30 * reach, 38, 1)) @ axes


@dataclass(frozen=True)
class _Vessel:
    course: Rows
    radius_mm: tuple[float, ...]


def _great_vessels(heart: Heart, axes: NDArray[np.float64]) -> list[_Vessel]:
    """Arteries and veins in the chest's frame: rooted in the turned heart, their far ends where the chest wants them."""
    la, ra = _atrial_centres(heart, axes)
    right_valve = _outflow(heart)[-1] @ axes
    left_valve = np.array((-0.45 * heart.lv_length, 9, -9)) @ axes
    swapped = heart.great_arteries == "transposed"
    aortic, pulmonary = (right_valve, left_valve) if swapped else (left_valve, right_valve)
    vessels = [*_aorta(heart, aortic), *_cavae(heart, ra), *_pulmonary_veins(la)]
    if heart.great_arteries != "atresia":
        vessels += _pulmonary_arteries(heart, pulmonary)
    return vessels


def _aorta(heart: Heart, valve: NDArray[np.float64]) -> list[_Vessel]:
    r = heart.aorta_radius
    far = 8.0 if heart.arch_side == "left" else 46.0
    top = 0.5 * (38 + far)
    start = (float(valve[0]), float(valve[1]), float(valve[2]))
    rise = (0.4 * valve[0] + 21, 0.4 * valve[1] + 2, 46.0)
    inside = (0.5 * valve[0], 0.5 * valve[1], 0.5 * valve[2])
    descent: Rows = [(far, -61, 40), (far + 2, -63, -10), (far + 6, -62, -60), (far + 8, -60, -110)]
    course: Rows = [inside, start, rise, (top, -20, 72), (far, -48, 66), *descent]
    head: Rows = [(top + 6, -14, 74), (top + 12, -8, 92), (top + 18, -6, 112)]
    neck: Rows = [(top - 6, -28, 74), (top - 14, -26, 92), (top - 18, -24, 112)]
    return [
        _Vessel(course, (0.8 * r, r, r, 0.95 * r, 0.85 * r, 0.75 * r, 0.7 * r, 0.68 * r, 0.65 * r)),
        _Vessel(head, (5.5, 5, 4.5)),
        _Vessel(neck, (4.5, 4, 3.5)),
    ]


def _cavae(heart: Heart, ra: NDArray[np.float64]) -> list[_Vessel]:
    x, y, z = (float(value) for value in ra)
    superior: Rows = [(x, y, z), (x + 3, y - 6, z + 26), (0.4 * x + 31, -8, 60), (48, -4, 110)]
    inferior: Rows = [(x, y, z), (x - 2, y - 12, z - 28), (42, -28, -50), (40, -32, -110)]
    vessels = [_Vessel(superior, (9, 9, 9, 8)), _Vessel(inferior, (11, 12, 12, 12))]
    if heart.left_cava:
        vessels.append(_Vessel([(x - 14, y - 18, z - 6), (-14, -34, 6), (-22, -20, 45), (-12, -6, 110)], (6, 6, 6, 6)))
    return vessels


def _pulmonary_arteries(heart: Heart, valve: NDArray[np.float64]) -> list[_Vessel]:
    r = heart.pulmonary_radius
    x, y, z = (float(value) for value in valve)
    fork = (0.3 * x, 0.2 * y - 6, 52.0)
    right: Rows = [fork, (30, -18, 50), (62, -28, 44), (88, -36, 32)]
    left: Rows = [fork, (-16, -28, 56), (-42, -44, 46), (-60, -52, 30)]
    return [
        _Vessel([(x, y, z), (0.8 * x, 0.7 * y, 0.6 * z + 18), fork], (r, r, 0.95 * r)),
        _Vessel(right, (0.7 * r, 0.7 * r, 0.5 * r, 0.35 * r)),
        _Vessel(left, (0.75 * r, 0.7 * r, 0.5 * r, 0.35 * r)),
    ]


def _pulmonary_veins(la: NDArray[np.float64]) -> list[_Vessel]:
    x, y, z = (float(value) for value in la)
    ends: Rows = [(x - 62, y - 16, z + 20), (x - 60, y - 26, z - 16), (x + 52, y - 14, z + 14), (x + 50, y - 22, z - 20)]
    radius = (7, 6, 3.5)
    return [_Vessel([(x, y, z), ((2 * x + ex) / 3, y - 8, (z + ez) / 2), (ex, ey, ez)], radius) for ex, ey, ez in ends]


def _with_papillary_muscles(heart: Heart, own: Field, cavity: Field, labels: Labels) -> Labels:
    """``labels`` with two papillary muscles of the left ventricle and the right one's moderator band as myocardium."""
    length, inner = heart.lv_length, heart.lv_radius - heart.lv_wall
    bars = [
        ([(0.5 * length, -0.55 * inner, 0.45 * inner), (-0.02 * length, -0.5 * inner, 0.4 * inner)], (5.5, 3.2)),
        ([(0.5 * length, -0.5 * inner, -0.5 * inner), (0.0, -0.45 * inner, -0.5 * inner)], (5.0, 3.0)),
        ([(0.3 * length, heart.lv_radius - 2, 0), (0.35 * length, heart.lv_radius + heart.rv_depth, 4)], (2.8, 2.8)),
    ]
    for course, radius in bars:
        labels[(tube(own, np.array(course), radius, segments=2) < 0) & (cavity < 0)] = MYOCARDIUM
    return labels
