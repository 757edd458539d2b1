import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import compute_dice

from askance.errors import GeometryError, LabelError
from askance.metrics.dice import dice_per_class, slice_dice, slices_dice, slices_dice_per_class, volume_dice
from askance.records import IGNORE

labels = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 3))


def naive(prediction, truth, label):
    known = truth != IGNORE
    p, t = (prediction == label) & known, (truth == label) & known
    return np.nan if not (p.any() or t.any()) else 2 * (p & t).sum() / (p.sum() + t.sum())


@given(labels, arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 3, IGNORE])))
def test_dice_is_that_of_a_naive_loop(prediction, truth):
    expected = [naive(prediction, truth, label) for label in (1, 2, 3)]
    np.testing.assert_allclose(dice_per_class(prediction, truth, 4), expected)


@given(labels, labels)
def test_dice_is_symmetric_and_in_the_unit_interval(one, other):
    found = dice_per_class(one, other, 4)
    np.testing.assert_array_equal(found, dice_per_class(other, one, 4))
    assert ((found >= 0) & (found <= 1))[~np.isnan(found)].all()


@given(labels)
def test_a_label_agrees_with_itself(one):
    found = dice_per_class(one, one, 4)
    assert np.array_equal(np.isnan(found), [label not in one for label in (1, 2, 3)])
    assert (found[~np.isnan(found)] == 1).all()


def test_dice_is_monais_where_the_truth_holds_the_class():
    rng = np.random.default_rng(0)
    prediction, truth = rng.integers(0, 4, (2, 12, 11, 7)).astype(np.uint8)
    onehot = [torch.from_numpy(np.eye(4)[one].transpose(3, 0, 1, 2)[np.newaxis]) for one in (prediction, truth)]
    expected = compute_dice(*onehot, include_background=False).numpy()[0]
    np.testing.assert_allclose(dice_per_class(prediction, truth, 4), expected, rtol=1e-6)


@given(labels, labels)
def test_slices_at_once_are_the_slices_one_by_one(prediction, truth):
    one_by_one = [slice_dice(p, t, 4) for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_array_equal(slices_dice(prediction, truth, 4), one_by_one)


def test_absent_in_both_is_nan_and_absent_in_one_is_zero():
    empty, full = np.zeros((2, 2), np.uint8), np.full((2, 2), 2, np.uint8)
    np.testing.assert_array_equal(dice_per_class(empty, full, 3), [np.nan, 0.0])
    assert np.isnan(slice_dice(empty, empty, 3))
    assert slice_dice(full, empty, 3) == 0 == slice_dice(empty, full, 3)


def test_a_volumes_mean_leaves_out_what_is_absent_from_both():
    truth = np.array([[[1, 1, 0, 0]]], np.uint8)
    prediction = np.array([[[1, 0, 0, 0]]], np.uint8)
    assert volume_dice(prediction, truth, 4) == pytest.approx(2 / 3)


def test_what_nobody_labelled_counts_for_nothing():
    truth = np.array([[1, 1, IGNORE, IGNORE]], np.uint8)
    assert slice_dice(np.array([[1, 1, 2, 1]], np.uint8), truth, 3) == 1
    assert np.isnan(slice_dice(truth * 0, np.full_like(truth, IGNORE), 3))


@pytest.mark.parametrize("block", [1, 30, 45])
def test_what_is_counted_block_by_block_is_what_is_counted_at_once(monkeypatch, block):
    rng = np.random.default_rng(0)
    prediction, truth = rng.integers(0, 4, (2, 5, 3, 10)).astype(np.uint8)
    truth[1, 2, 3:] = IGNORE
    expected = [dice(prediction, truth, 4) for dice in (dice_per_class, slices_dice_per_class)]
    monkeypatch.setattr("askance.metrics.dice._BLOCK", block)
    for dice, wanted in zip((dice_per_class, slices_dice_per_class), expected, strict=True):
        np.testing.assert_array_equal(dice(prediction, truth, 4), wanted)


def test_counting_a_volume_does_not_take_thirty_bytes_a_voxel():
    labels = np.zeros((80, 256, 256), np.uint8)
    for dice in (dice_per_class, slices_dice_per_class):
        tracemalloc.start()
        dice(labels, labels, 3)
        beyond = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert beyond < 10 * labels.nbytes


def test_no_slices_have_no_dice():
    assert slices_dice(np.zeros((0, 4, 4), np.uint8), np.zeros((0, 4, 4), np.uint8), 3).shape == (0,)


def test_arrays_on_two_grids_are_refused_with_both_shapes():
    with pytest.raises(GeometryError, match=r"\(3, 4\).*\(4, 3\)"):
        dice_per_class(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8), 3)
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\).*\(1, 6, 4\)"):
        slices_dice(np.zeros((2, 3, 4), np.uint8), np.zeros((1, 6, 4), np.uint8), 3)


@pytest.mark.parametrize(("dtype", "label"), [(np.uint8, 3), (np.int16, -1), (np.int32, 1000), (np.uint8, IGNORE)])
def test_a_prediction_of_no_class_is_refused(dtype, label):
    with pytest.raises(LabelError, match=f"prediction holds label {label};.*0 to 2"):
        dice_per_class(np.full((2, 2), label, dtype), np.zeros((2, 2), np.uint8), 3)


def test_probabilities_are_refused_as_labels():
    with pytest.raises(LabelError, match="float64"):
        dice_per_class(np.zeros((2, 2)), np.zeros((2, 2), np.uint8), 3)


def test_slice_dice_per_class_is_that_of_each_slice_alone():
    rng = np.random.default_rng(5)
    prediction, truth = rng.integers(0, 3, (2, 4, 6, 6))
    prediction[0], truth[0] = 0, 0
    found = slices_dice_per_class(prediction, truth, 3)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found, [dice_per_class(p, t, 3) for p, t in zip(prediction, truth, strict=True)])
