from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from askance.config import GridConfig
from askance.errors import UsageError
from askance.records import IGNORE
from askance.volumes.geometry import (
    Grid,
    axis_named,
    coarsest_axis,
    default_context,
    default_grid,
    inplane,
    inplane_spacing,
    is_stored_like,
    most_stored_like,
    orientation_code,
    split,
    stitch,
)

SPACINGS = st.floats(0.3, 4.0)
SIDES = st.integers(1, 40)


@dataclass(frozen=True)
class Shaped:
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


def probabilities(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.random(shape).astype(np.float32)
    return values / values.sum(axis=-3, keepdims=True)


@given(sides=st.tuples(SIDES, SIDES), spacing=st.tuples(SPACINGS, SPACINGS), size=st.tuples(SIDES, SIDES), mm=SPACINGS)
def test_what_a_case_covers_of_the_grid_is_what_shows_it_and_lies_in_its_middle(
    sides: tuple[int, int], spacing: tuple[float, float], size: tuple[int, int], mm: float
) -> None:
    grid, case = Grid(2, (mm, mm), size), Shaped((*sides, 3), (*spacing, 1.0))
    shown = grid.images_to_grid(np.ones((1, *sides), np.float32), spacing)[0]
    rows, columns = grid.covered(case)
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    assert shown[top : top + rows, left : left + columns].all()
    assert np.count_nonzero(shown) == rows * columns


@pytest.mark.parametrize("mm", [0.3, 0.6, 1.1, 1.2, 0.9765625])
def test_a_header_a_hair_beyond_the_grids_spacing_adds_no_row(mm: float) -> None:
    grid, stored = Grid(2, (round(mm, 4), round(mm, 4)), (256, 256)), float(np.float32(mm))
    assert grid.covered(Shaped((224, 224, 3), (stored, stored, 8.0))) == (224, 224)


@given(shape=st.tuples(SIDES, SIDES, SIDES), axis=st.integers(0, 2))
def test_stitching_what_was_split_gives_the_volume(shape: tuple[int, int, int], axis: int) -> None:
    volume = np.arange(np.prod(shape)).reshape(shape)
    planes = split(volume, axis)
    assert planes.shape == (shape[axis], *(shape[k] for k in inplane(axis)))
    np.testing.assert_array_equal(stitch(planes, axis), volume)


def test_an_axis_is_named_by_number_or_through_the_affine() -> None:
    hvsmr = np.array([[0, 0, 0.65, -45], [-1.05, 0, 0, 110], [0, -1.05, 0, 140], [0, 0, 0, 1]])
    assert [axis_named(name, hvsmr) for name in ("sagittal", "coronal", "axial")] == [2, 0, 1]
    assert [axis_named(name, np.eye(4)) for name in ("sagittal", "coronal", "axial")] == [0, 1, 2]
    assert [axis_named(name, hvsmr) for name in "012"] == [0, 1, 2]
    for name in ("3", "-1", "Axial", "oblique", ""):
        with pytest.raises(UsageError, match="wanted 0, 1, 2"):
            axis_named(name, np.eye(4))


@given(seed=st.integers(0, 10**6))
def test_the_three_planes_name_three_axes_of_any_oblique_volume(seed: int) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0] * (0.5, 1, 5)
    assert {axis_named(name, affine) for name in ("sagittal", "coronal", "axial")} == {0, 1, 2}


def test_oblique_volumes_are_stored_alike_where_their_codes_differ_by_a_hair() -> None:
    def turned(degrees: float) -> np.ndarray:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return np.array([[cos, -sin, 0, 9], [sin, cos, 0, 8], [0, 0, 5, 7], [0, 0, 0, 1]])

    assert orientation_code(turned(44)) != orientation_code(turned(46))
    assert is_stored_like(turned(44), turned(46))
    for other in (np.diag([-1.0, 1, 1, 1]), np.eye(4)[[1, 0, 2, 3]], turned(90), turned(180)):
        assert not is_stored_like(other, np.eye(4))
    assert orientation_code(most_stored_like([np.eye(4), turned(180), np.diag([2.0, 2, 9, 1])])) == "RAS"


def test_the_coarsest_axis_is_the_last_of_equals() -> None:
    assert coarsest_axis((1, 1, 1)) == 2
    assert coarsest_axis((1.4, 1.4, 10)) == 2
    assert coarsest_axis((1.05469, 1.05469, 0.65)) == 1
    assert coarsest_axis((5, 1, 1)) == 0
    assert coarsest_axis((0.8900, 0.8854, 0.8899)) == 2


def test_in_plane_spacing_belongs_to_the_other_axes_in_order() -> None:
    assert [inplane_spacing((1, 2, 3), axis) for axis in range(3)] == [(2, 3), (1, 3), (1, 2)]


@given(h=SIDES, w=SIDES, more=st.tuples(SIDES, SIDES), spacing=st.tuples(SPACINGS, SPACINGS), seed=st.integers(0, 99))
def test_a_round_trip_at_native_spacing_is_exact(
    h: int, w: int, more: tuple[int, int], spacing: tuple[float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(2, spacing, (h + more[0], w + more[1]))
    images = rng.normal(size=(2, h, w)).astype(np.float32)
    np.testing.assert_array_equal(grid.map_from_grid(grid.images_to_grid(images, spacing), (h, w), spacing, 9), images)
    labels = rng.choice(np.array([0, 1, 2, 5, IGNORE], np.uint8), (2, h, w))
    there = grid.labels_to_grid(labels, spacing)
    assert np.isin(there, np.unique(np.append(labels, 0))).all()
    np.testing.assert_array_equal(grid.labels_from_grid(there, 6, (h, w), spacing), labels)


@settings(deadline=None)
@given(
    size=st.tuples(SIDES, SIDES),
    shape=st.tuples(SIDES, SIDES),
    grid_spacing=st.tuples(SPACINGS, SPACINGS),
    spacing=st.tuples(SPACINGS, SPACINGS),
    classes=st.integers(2, 5),
)
def test_probabilities_sum_to_one_wherever_the_grid_ends(
    size: tuple[int, int],
    shape: tuple[int, int],
    grid_spacing: tuple[float, float],
    spacing: tuple[float, float],
    classes: int,
) -> None:
    probs = probabilities(np.random.default_rng(0), 2, classes, *size)
    back = Grid(2, grid_spacing, size).probs_from_grid(probs, shape, spacing)
    assert back.shape == (2, classes, *shape)
    assert back.dtype == np.float32
    assert back.min() >= -1e-6
    np.testing.assert_allclose(back.sum(axis=1), 1, atol=1e-5)


def test_outside_the_grid_is_background_and_outside_the_slice_is_zero() -> None:
    grid = Grid(2, (1.0, 1.0), (8, 8))
    ones = np.ones((4, 12), np.float32)
    image = grid.images_to_grid(ones, (1.0, 1.0))
    np.testing.assert_array_equal(image[2:6], 1)
    np.testing.assert_array_equal(image[[0, 1, 6, 7]], 0)
    np.testing.assert_array_equal(grid.labels_to_grid(ones.astype(np.uint8), (1.0, 1.0)), image)
    probs = np.stack([np.zeros((8, 8)), np.ones((8, 8))]).astype(np.float32)
    back = grid.probs_from_grid(probs, (4, 12), (1.0, 1.0))
    np.testing.assert_array_equal(back[0, :, [0, 1, 10, 11]], 1)
    np.testing.assert_array_equal(back[1, :, 2:10], 1)
    np.testing.assert_array_equal(grid.map_from_grid(probs[1], (4, 12), (1.0, 1.0), 0.25)[:, 0], 0.25)
    np.testing.assert_array_equal(grid.labels_from_grid(np.full((8, 8), 3, np.uint8), 4, (4, 12), (1.0, 1.0))[:, 0], 0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.8, 1.3), (2.0, 3.1)])
def test_refining_agrees_with_scipy_inside_the_slice(spacing: tuple[float, float]) -> None:
    image = np.random.default_rng(0).normal(size=(30, 41)).astype(np.float32)
    grid = Grid(0, (0.7, 0.6), (24, 30))
    there = [
        (np.arange(n) - (n - 1) / 2) * g / s + (m - 1) / 2
        for n, m, g, s in zip(grid.size, image.shape, grid.spacing_mm, spacing, strict=True)
    ]
    wanted = map_coordinates(image, np.meshgrid(*there, indexing="ij"), order=1)
    np.testing.assert_allclose(grid.images_to_grid(image, spacing), wanted, atol=1e-5)


def test_coarsening_keeps_the_mean_and_does_not_alias() -> None:
    checkers = np.indices((64, 64)).sum(axis=0) % 2
    coarse = Grid(2, (4.0, 4.0), (16, 16)).images_to_grid(checkers, (1.0, 1.0))
    np.testing.assert_allclose(coarse[1:-1, 1:-1], 0.5, atol=0.01)


@given(shape=st.tuples(st.integers(8, 40), st.integers(8, 40)), spacing=st.tuples(SPACINGS, SPACINGS))
def test_a_linear_ramp_stays_where_it_is_in_the_patient(shape: tuple[int, int], spacing: tuple[float, float]) -> None:
    grid = Grid(2, (1.0, 1.0), (64, 64))
    ramp_mm = (np.arange(shape[0]) - (shape[0] - 1) / 2)[:, None] * spacing[0] * np.ones(shape)
    there = grid.images_to_grid(ramp_mm, spacing)[:, 32]
    places_mm = np.arange(64) - 31.5
    inside = np.abs(places_mm) < (shape[0] - 1) / 2 * spacing[0] - 1
    np.testing.assert_allclose(there[inside], places_mm[inside], atol=0.53 if abs(spacing[0] - 1) < 1e-3 else 0.1)


def test_labels_survive_a_finer_grid_and_come_back() -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 4, (6, 7)), np.ones((5, 5))).astype(np.uint8)
    grid = Grid(2, (0.5, 0.5), (80, 96))
    back = grid.labels_from_grid(grid.labels_to_grid(labels, (1.0, 1.0)), 4, labels.shape, (1.0, 1.0))
    np.testing.assert_array_equal(back, labels)


def test_unlabelled_pixels_stay_unlabelled_and_lend_nothing_to_their_neighbours() -> None:
    labels = np.full((20, 20), IGNORE, np.uint8)
    labels[:, :10] = 2
    there = Grid(2, (0.7, 0.7), (32, 32)).labels_to_grid(labels, (1.0, 1.0))
    inside = there[2:30, 2:30]
    assert set(np.unique(inside)) == {2, IGNORE}
    assert (inside[:, :13] == 2).all()
    assert (inside[:, 15:] == IGNORE).all()


def test_leading_axes_are_a_batch() -> None:
    images = np.random.default_rng(0).integers(0, 99, (2, 3, 20, 30)).astype(np.int16)
    grid = Grid(1, (1.5, 1.1), (16, 24))
    batch = grid.images_to_grid(images, (1.0, 0.9))
    assert batch.shape == (2, 3, 16, 24)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[1, 2], grid.images_to_grid(images[1, 2], (1.0, 0.9)), rtol=1e-5)


def test_a_grid_comes_from_its_settings() -> None:
    config = GridConfig(axis=1, spacing_mm=(1.5, 2), size=(32, 48))
    assert Grid.from_config(config) == Grid(1, (1.5, 2), (32, 48))


CASES = st.lists(
    st.builds(Shaped, st.tuples(*[st.integers(1, 600)] * 3), st.tuples(*[st.floats(0.2, 9)] * 3)), min_size=1, max_size=5
)


@given(cases=CASES, axis=st.integers(0, 2), limit_px=st.sampled_from([64, 256, 320]))
def test_the_default_grid_cuts_nothing_off_and_stays_within_its_limit(cases: list[Shaped], axis: int, limit_px: int) -> None:
    config = default_grid(cases, axis, limit_px)
    for case in cases:
        for k, spacing_mm, pixels in zip(inplane(axis), config.spacing_mm, config.size, strict=True):
            assert case.shape[k] * case.spacing_mm[k] <= pixels * spacing_mm * 1.001
    assert all(pixels % 16 == 0 and 16 <= pixels <= limit_px for pixels in config.size)
    assert config == default_grid(cases[::-1], axis, limit_px)


@pytest.mark.parametrize(
    ("spacings", "axis", "context"),
    [
        ([(1.0, 1.0, 1.0)], 2, 1),
        ([(1.4, 1.4, 10.0)], 2, 0),
        ([(1.4, 1.4, 10.0)], 0, 1),  # pixels of 1.4 x 10 mm, 1.4 mm apart
        ([(1.0, 1.0, 2.9)], 2, 1),
        ([(1.0, 1.0, 3.1)], 2, 0),
        ([(1.0, 1.0, 1.0), (1.0, 1.0, 5.0), (1.0, 1.0, 5.0)], 2, 0),
    ],
)
def test_slices_that_lie_close_are_seen_in_their_context(
    spacings: list[tuple[float, float, float]], axis: int, context: int
) -> None:
    assert default_context([Shaped((9, 9, 9), spacing) for spacing in spacings], axis) == context


def test_the_default_grid_keeps_small_and_uniform_cases_at_their_own_spacing() -> None:
    assert default_grid([Shaped((43, 59, 40), (1.0, 1.0, 1.0))], 2) == GridConfig(
        axis=2, spacing_mm=(1.0, 1.0), size=(48, 64)
    )
    uniform = [Shaped((200, 210, 9), (0.9375, 0.9375, 8))] * 3
    assert default_grid(uniform, 2) == GridConfig(axis=2, spacing_mm=(0.9375, 0.9375), size=(208, 224))


def test_the_default_grid_takes_the_median_in_two_digits_and_coarsens_what_is_too_large() -> None:
    mixed = [Shaped((256, 256, 9), (s, s, 10)) for s in (1.37, 1.4844, 1.56)]
    assert default_grid(mixed, 2) == GridConfig(axis=2, spacing_mm=(1.5, 1.5), size=(272, 272))
    assert default_grid(mixed, 2, limit_px=128) == GridConfig(axis=2, spacing_mm=(3.2, 3.2), size=(128, 128))
    tall = [Shaped((100, 100, 30), (1.0, 1.0, 5.0))]
    assert default_grid(tall, 0) == GridConfig(axis=0, spacing_mm=(1.0, 5.0), size=(112, 32))
