"""Boundary distances against a naive loop, MONAI and SimpleITK, and what they mean where a side is empty."""

import itertools
import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from askance.errors import GeometryError
from askance.metrics.distances import distances_per_class, mask_distances
from askance.records import IGNORE

SPACING = (1.5, 0.8, 4.0)


def blob(seed: int, shape=(9, 10, 5)) -> np.ndarray:
    """A box with some voxels knocked out, some of it on the volume's border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    low = [int(rng.integers(0, size - 2)) for size in shape]
    mask[tuple(slice(a, a + int(rng.integers(2, size))) for a, size in zip(low, shape, strict=True))] = True
    return mask & (rng.random(shape) < 0.9)


def boundary(mask: np.ndarray) -> list[tuple[int, ...]]:
    found = []
    for voxel in itertools.product(*map(range, mask.shape)):
        steps = np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
        around = [tuple(np.add(voxel, step)) for step in steps]
        outside = [not (all(0 <= a < b for a, b in zip(one, mask.shape, strict=True)) and mask[one]) for one in around]
        if mask[voxel] and any(outside):
            found.append(voxel)
    return found


def naive(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    def directed(a: np.ndarray, b: np.ndarray) -> list[float]:
        other = boundary(b)
        return [min(math.dist(np.multiply(p, SPACING), np.multiply(q, SPACING)) for q in other) for p in boundary(a)]

    there, back = directed(first, second), directed(second, first)
    return np.mean(there + back), max(there + back), max(np.percentile(there, 95), np.percentile(back, 95))


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_those_of_a_naive_loop(seed):
    first, second = blob(seed), blob(seed + 100)
    found = mask_distances(first, second, SPACING)
    assert (found.average_mm, found.hausdorff_mm, found.hausdorff95_mm) == pytest.approx(naive(first, second))


@pytest.mark.filterwarnings("ignore:monai:FutureWarning")  # of its own deprecated arguments
def test_hausdorff_distances_are_monais():
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    first, second = blob(3, (30, 28, 12)), blob(4, (30, 28, 12))
    one, two = (torch.from_numpy(mask)[None, None].float() for mask in (first, second))
    found = mask_distances(first, second, SPACING)
    for percentile, ours in ((None, found.hausdorff_mm), (95, found.hausdorff95_mm)):
        theirs = metrics.compute_hausdorff_distance(one, two, True, percentile=percentile, spacing=SPACING)
        assert ours == pytest.approx(float(theirs), abs=1e-4)


def test_hausdorff_distance_is_simpleitks_where_all_voxels_are_boundary():
    """Theirs measures from every voxel of a mask, which is the same for masks one voxel thick."""
    first, second = np.zeros((2, 12, 14, 6), bool)
    first[2:9, 3, 2], second[4, 2:11, 3] = True, True
    images = [SimpleITK.GetImageFromArray(mask.transpose().astype(np.uint8)) for mask in (first, second)]
    for image in images:
        image.SetSpacing(SPACING)
    measure = SimpleITK.HausdorffDistanceImageFilter()
    measure.Execute(*images)
    assert mask_distances(first, second, SPACING).hausdorff_mm == pytest.approx(measure.GetHausdorffDistance())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_distances_are_symmetric_and_in_order(one, two):
    first, second = blob(one), blob(two)
    found = mask_distances(first, second, SPACING)
    assert found == mask_distances(second, first, SPACING) or not (first.any() and second.any())
    if first.any() and second.any():
        assert found.average_mm <= found.hausdorff_mm
        assert found.hausdorff95_mm <= found.hausdorff_mm


def test_a_shift_by_one_slice_is_told_in_mm():
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:5, 2:5, 2:5] = 1
    (found,) = distances_per_class(np.roll(truth, 1, axis=2), truth, 2, SPACING)
    assert found.hausdorff_mm == 4.0
    assert 0 < found.average_mm < 4.0


def test_a_class_absent_on_one_side_is_infinitely_far_and_absent_on_both_has_no_distance():
    truth = np.zeros((4, 4, 4), np.uint8)
    truth[1, 1, 1] = 1
    one, two = distances_per_class(np.zeros_like(truth), truth, 3, SPACING)
    assert (one.average_mm, one.hausdorff_mm, one.hausdorff95_mm) == (math.inf,) * 3
    assert math.isnan(two.average_mm)
    assert math.isnan(two.hausdorff95_mm)


def test_what_nobody_labelled_is_background_on_both_sides():
    truth = np.zeros((6, 6, 6), np.uint8)
    truth[1:3, 1:3, 1:3] = 1
    prediction = truth.copy()
    prediction[5], truth[5] = 1, IGNORE
    (found,) = distances_per_class(prediction, truth, 2, SPACING)
    assert found.hausdorff_mm == 0


def test_other_shapes_and_spacings_are_refused():
    with pytest.raises(GeometryError, match="one grid"):
        distances_per_class(np.zeros((2, 2, 2), int), np.zeros((2, 2, 3), int), 2, SPACING)
    for spacing in ((1.0, 1.0), (1.0, 0.0, 1.0)):
        with pytest.raises(GeometryError, match="one above 0 mm"):
            distances_per_class(np.zeros((2, 2, 2), int), np.zeros((2, 2, 2), int), 2, spacing)
