import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from askance.learning.pieces import come_in_one_piece, keep_largest, shown_throughout, shows_foreground
from askance.records import IGNORE


def _label(*boxes):
    label = np.zeros((12, 12), np.uint8)
    for number, (row, column, side) in enumerate(boxes, start=1):
        label[row : row + side, column : column + side] = number
    return label


def _probs(labels, sure=0.9):
    onehot = (labels[:, None] == np.arange(3)[None, :, None, None]).astype(np.float32)
    return onehot * sure + (1 - sure) / 3


def test_classes_that_touch_are_one_piece_and_empty_slices_say_nothing():
    touching, empty = _label((2, 2, 3), (5, 5, 3)), _label()
    assert come_in_one_piece([touching] * 5 + [empty] * 20)


@pytest.mark.parametrize(("apart", "together", "expected"), [(1, 30, True), (3, 30, False), (0, 4, False), (0, 5, True)])
def test_a_few_slips_are_forgiven_and_a_few_slices_prove_nothing(apart, together, expected):
    slices = [_label((0, 0, 2), (8, 8, 2))] * apart + [_label((3, 3, 4))] * together
    assert come_in_one_piece(slices) is expected


def test_pixels_that_nobody_labelled_are_no_foreground():
    label = _label((3, 3, 4))
    label[10:] = IGNORE
    assert come_in_one_piece([label] * 5)


def test_two_organs_one_behind_the_other_leave_a_gap_that_labels_show():
    along = np.linspace(0, 1, 41)
    one = (along > 0.2) & (along < 0.8)
    two = (np.abs(along - 0.25) < 0.1) | (np.abs(along - 0.75) < 0.1)
    assert shown_throughout(along, one)
    assert not shown_throughout(along, two)
    assert not shown_throughout(along, along < 0)


def test_lesions_here_and_there_are_not_shown_throughout():
    rng = np.random.default_rng(0)
    assert not shown_throughout(rng.random(100), rng.random(100) < 0.4)


def test_what_nobody_labelled_shows_nothing():
    assert shows_foreground(_label((3, 3, 2)))
    assert not shows_foreground(_label())
    assert not shows_foreground(np.full((4, 4), IGNORE, np.uint8))


def test_the_largest_piece_of_the_volume_stays_and_the_others_lose_the_vote():
    labels = np.stack([_label((0, 0, 4)), _label((1, 1, 4), (9, 9, 2)), _label((9, 9, 2))])
    probs = _probs(labels)
    kept = keep_largest(probs)
    wanted = labels.copy()
    wanted[1, 9:11, 9:11] = wanted[2, 9:11, 9:11] = 0
    np.testing.assert_array_equal(kept.argmax(1), wanted)
    np.testing.assert_array_equal(kept[0], probs[0])
    np.testing.assert_allclose(kept.sum(1), 1, atol=1e-6)
    assert kept[2, 1, 9, 9] == pytest.approx(0.3 * probs[2, 1, 9, 9])


def test_one_piece_or_none_comes_back_as_it_was():
    for labels in (np.stack([_label((2, 2, 5))]), np.stack([_label()])):
        probs = _probs(labels)
        assert keep_largest(probs) is probs


@settings(deadline=None, max_examples=40)
@given(arrays.arrays(np.uint8, (3, 6, 7), elements=st.integers(0, 2)))
def test_what_is_kept_is_what_was_predicted_in_one_piece(labels):
    kept = keep_largest(_probs(labels)).argmax(1)
    assert ((kept == labels) | (kept == 0)).all()
    np.testing.assert_array_equal(keep_largest(_probs(kept.astype(np.uint8))).argmax(1), kept)
