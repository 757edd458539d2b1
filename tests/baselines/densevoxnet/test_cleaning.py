import numpy as np

from askance.baselines.densevoxnet.cleaning import clean


def _empty():
    return np.zeros((20, 10, 10), np.uint8)


def test_a_piece_below_a_fifth_of_its_class_goes_and_a_larger_one_stays():
    labels = _empty()
    labels[:4, :5, :5] = 1  # 100 voxels
    labels[8:10, :5, :5] = 1  # 50
    labels[15, 0, 0] = 1
    wanted = labels.copy()
    wanted[15, 0, 0] = 0
    np.testing.assert_array_equal(clean(labels, 2, 0.2), wanted)


def test_a_hole_of_background_is_filled_and_what_another_class_holds_is_not():
    labels = _empty()
    labels[2:9, 2:9, 2:9] = 1
    labels[4, 4, 4] = 0
    labels[6, 6, 6] = 2
    result = clean(labels, 3, 0.2)
    assert (result[4, 4, 4], result[6, 6, 6]) == (1, 2)


def test_each_class_is_judged_by_its_own_size():
    labels = _empty()
    labels[:10] = 1
    labels[15, 5, 5] = 2
    np.testing.assert_array_equal(clean(labels, 3, 0.2), labels)


def test_pieces_that_touch_at_a_corner_are_one():
    labels = _empty()
    labels[:5, :5, :5] = 1
    labels[5, 5, 5] = 1
    np.testing.assert_array_equal(clean(labels, 2, 0.2), labels)


def test_nothing_stays_nothing():
    assert not clean(_empty(), 4, 0.2).any()
