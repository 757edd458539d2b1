"""Each part of the phantom by itself: noise, shapes, heart, chest, signal."""

from dataclasses import replace

import numpy as np
import pytest

from askance.volumes.phantom.anatomy import BLOOD_POOL, MYOCARDIUM, draw_heart, heart_labels
from askance.volumes.phantom.embedding import embed
from askance.volumes.phantom.grid import Grid, smooth_noise
from askance.volumes.phantom.rendering import Protocol, bssfp_signal, draw_scan, render, thicken, tissue_signals
from askance.volumes.phantom.shapes import FAR_MM, ellipsoid, smooth_union, tube
from askance.volumes.phantom.tissues import RELAXATION, Tissue


def centred(shape=(56, 56, 56), spacing=3.0) -> Grid:
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2 + (18, -4, 14)
    return Grid(shape, affine)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return centred()


@pytest.fixture(scope="module")
def labels(grid: Grid) -> np.ndarray:
    rng = np.random.default_rng(3)
    return heart_labels(draw_heart(rng), grid, rng)


@pytest.fixture(scope="module")
def tissues(grid: Grid, labels: np.ndarray) -> np.ndarray:
    return embed(labels, grid, np.random.default_rng(4))


def test_points_are_what_the_affine_says() -> None:
    affine = np.array([[0, -2.0, 0, 5], [0, 0, 3.0, -7], [1.5, 0, 0, 1], [0, 0, 0, 1]])
    points = Grid((4, 5, 6), affine).points()
    assert points[:, 3, 1, 2] == pytest.approx((affine @ (3, 1, 2, 1))[:3])
    assert Grid((4, 5, 6), affine).spacing_mm == pytest.approx((1.5, 2, 3))


def test_noise_has_mean_zero_and_deviation_one_at_any_scale() -> None:
    for scale_mm in (6.0, 10.0):
        noise = smooth_noise(centred((80, 80, 80)), scale_mm, np.random.default_rng(0))
        assert abs(noise.mean()) < 0.1
        assert noise.std() == pytest.approx(1, abs=0.1)
        assert noise.dtype == np.float32


def test_noise_of_a_larger_scale_is_smoother(grid: Grid) -> None:
    rough, smooth = (np.abs(np.diff(smooth_noise(grid, mm, np.random.default_rng(0)))).mean() for mm in (6.0, 40.0))
    assert smooth < 0.3 * rough


def test_an_ellipsoid_with_equal_half_axes_is_a_sphere() -> None:
    points = np.random.default_rng(0).uniform(-20, 20, (3, 200)).astype(np.float32)
    expected = np.linalg.norm(points - np.array([[1], [2], [3]]), axis=0) - 8
    assert ellipsoid(points, (1, 2, 3), (8, 8, 8)) == pytest.approx(expected, abs=1e-3)


def test_a_straight_tube_is_a_capsule_and_far_points_are_far() -> None:
    points = np.array([[0, 5, 0, 60], [3, 0, 0, 0], [0, 0, 14, 0]], dtype=np.float32)
    distance = tube(points, np.array([(0, 0, -10.0), (0, 0, 0), (0, 0, 10.0)]), (2, 2, 2))
    assert distance == pytest.approx([1, 3, 2, FAR_MM], abs=1e-4)


def test_a_smooth_union_is_never_smaller_than_its_parts() -> None:
    a, b = np.random.default_rng(0).uniform(-5, 5, (2, 500)).astype(np.float32)
    assert (smooth_union(a, b, 4) <= np.minimum(a, b)).all()
    assert smooth_union(np.float32([9.0]), np.float32([1.0]), 4) == pytest.approx([1.0])


def test_every_heart_holds_both_classes_in_living_proportion(grid: Grid) -> None:
    millilitres = float(np.prod(grid.spacing_mm)) / 1000
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = np.bincount(heart_labels(draw_heart(rng), grid, rng).ravel(), minlength=3) * millilitres
        assert len(found) == 3
        assert 25 < found[MYOCARDIUM] < 250
        assert 80 < found[BLOOD_POOL] < 600


def test_without_its_pulmonary_artery_a_heart_has_less_blood(grid: Grid) -> None:
    heart = replace(draw_heart(np.random.default_rng(0)), great_arteries="normal", pulmonary_radius=12.0)
    whole = heart_labels(heart, grid, np.random.default_rng(1))
    without = heart_labels(replace(heart, great_arteries="atresia"), grid, np.random.default_rng(1))
    assert (without == BLOOD_POOL).sum() < 0.97 * (whole == BLOOD_POOL).sum()


def test_a_septal_defect_turns_myocardium_into_blood(grid: Grid) -> None:
    heart = replace(draw_heart(np.random.default_rng(0)), septal_defect_radius=0.0)
    closed = heart_labels(heart, grid, np.random.default_rng(1))
    open_ = heart_labels(replace(heart, septal_defect_radius=8.0), grid, np.random.default_rng(1))
    assert ((closed == MYOCARDIUM) & (open_ == BLOOD_POOL)).any()
    assert not ((closed == BLOOD_POOL) & (open_ == MYOCARDIUM)).any()


def test_the_chest_keeps_the_heart_and_calls_only_it_heart(labels: np.ndarray, tissues: np.ndarray) -> None:
    assert (tissues[labels == MYOCARDIUM] == Tissue.MYOCARDIUM).all()
    assert np.isin(tissues[labels == BLOOD_POOL], [Tissue.BLOOD, Tissue.MYOCARDIUM]).all()
    assert not np.isin(tissues[labels == 0], [Tissue.BLOOD, Tissue.MYOCARDIUM]).any()


def test_strands_of_muscle_cross_a_small_part_of_the_blood_pool(labels: np.ndarray, tissues: np.ndarray) -> None:
    share = (tissues[labels == BLOOD_POOL] == Tissue.MYOCARDIUM).mean()
    assert 0.002 < share < 0.1


def test_the_chest_holds_all_that_confuses(tissues: np.ndarray) -> None:
    assert set(np.unique(tissues)) == set(Tissue)


def test_the_chest_lies_as_the_affine_says(grid: Grid, labels: np.ndarray, tissues: np.ndarray) -> None:
    z = grid.points()[2]
    assert z[tissues == Tissue.LIVER].mean() < z[labels > 0].mean() - 20
    x, y, _ = grid.points()
    assert y[tissues == Tissue.MARROW].min() < y[labels > 0].min()
    assert x[tissues == Tissue.SPLEEN].min() < x[tissues == Tissue.LIVER].min() + 30


def test_a_heart_stored_in_another_orientation_gets_the_same_kind_of_chest(grid: Grid, labels: np.ndarray) -> None:
    turned = np.flip(labels.transpose(1, 2, 0), axis=(0, 1))
    n = np.array(turned.shape)
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2] = -3, -3, 3
    affine[:3, 3] = grid.affine[:3, 3] + (0, 3 * (n[0] - 1), 3 * (n[1] - 1))
    affine[3, 3] = 1
    other = Grid((int(n[0]), int(n[1]), int(n[2])), affine)
    z = other.points()[2]
    found = embed(np.ascontiguousarray(turned), other, np.random.default_rng(4))
    assert z[found == Tissue.LIVER].mean() < z[turned > 0].mean() - 20


def test_bssfp_signal_agrees_with_its_limit_for_a_short_tr() -> None:
    # For TR << T1, T2: M0 sin(a) / (1 + cos(a) + (1 - cos(a)) T1 / T2) (Scheffler and Lehnhardt 2003, eq. 2).
    for tissue in (Tissue.BLOOD, Tissue.MYOCARDIUM, Tissue.LIVER):
        t = RELAXATION[tissue]
        for flip in (30.0, 60.0, 90.0):
            a = np.deg2rad(flip)
            limit = t.density * np.sin(a) / (1 + np.cos(a) + (1 - np.cos(a)) * t.t1_ms / t.t2_ms)
            assert bssfp_signal(t, 0.01, flip) == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize("protocol", ["enhanced", "native"])
def test_blood_is_brighter_than_myocardium_in_every_scan(protocol: Protocol) -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        signals = tissue_signals(draw_scan(protocol, rng), rng)
        assert signals[Tissue.BLOOD] > 1.4 * signals[Tissue.MYOCARDIUM]
        assert signals[Tissue.AIR] == 0


def test_fat_is_darker_than_myocardium_in_one_protocol_and_brighter_in_the_other() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        enhanced = tissue_signals(draw_scan("enhanced", rng), rng)
        assert enhanced[Tissue.FAT] < enhanced[Tissue.MYOCARDIUM]
        native = tissue_signals(draw_scan("native", rng), rng)
        assert native[Tissue.MYOCARDIUM] < native[Tissue.FAT] < native[Tissue.BLOOD]


def test_thick_slices_are_means_of_thin_ones() -> None:
    volume = np.arange(2 * 3 * 6, dtype=np.float32).reshape(2, 3, 6)
    assert thicken(volume, 2, 3)[..., 1] == pytest.approx(volume[..., 3:].mean(axis=2))
    assert thicken(volume, 0, 2).shape == (1, 3, 6)


def test_air_holds_rician_noise_and_noise_grows_with_the_scan(tissues: np.ndarray, grid: Grid) -> None:
    scan = draw_scan("enhanced", np.random.default_rng(0))
    quiet, loud = (
        render(tissues, grid, replace(scan, noise=noise), 2, 1, np.random.default_rng(1)) for noise in (0.03, 0.12)
    )
    air = tissues == Tissue.AIR
    assert loud[air].std() > 2.5 * quiet[air].std()
    # The median of Rayleigh noise is sqrt(2 ln 2) of its deviation parameter.
    assert np.median(loud[air]) == pytest.approx(np.sqrt(2 * np.log(2)) * 0.12 * scan.gain, rel=0.15)


def test_blur_stays_in_plane() -> None:
    grid = Grid((24, 24, 12), np.diag([1.0, 1.0, 1.0, 1.0]))
    tissues = np.zeros(grid.shape, dtype=np.uint8)
    tissues[12, 12, 6] = Tissue.BLOOD
    scan = replace(draw_scan("enhanced", np.random.default_rng(0)), noise=1e-6, blur_mm=1.0, gain=10000.0)
    image = render(tissues, grid, scan, 2, 1, np.random.default_rng(1))
    assert image[11, 12, 6] > 100
    assert image[12, 12, 5] == 0
