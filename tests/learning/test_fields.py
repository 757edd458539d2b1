import numpy as np
import pytest
import torch

from askance.learning.fields import Box, field_of, field_within, reaches_out
from askance.records import IGNORE


def _label(rows, columns, size=(96, 128)):
    label = np.zeros(size, np.uint8)
    label[slice(*rows), slice(*columns)] = 1
    return label


def test_the_field_holds_all_foreground_that_labels_have_shown_with_a_margin():
    assert field_of([_label((40, 50), (60, 70)), _label((44, 58), (50, 62))]) == Box(24, 34, 74, 86)


def test_the_field_ends_where_the_grid_ends():
    assert field_of([_label((0, 96), (100, 128))]) == Box(0, 84, 96, 128)


def test_there_is_no_field_where_no_label_shows_foreground():
    unknown = np.full((32, 32), IGNORE, np.uint8)
    assert field_of([np.zeros((32, 32), np.uint8), unknown]) is None
    assert field_of([]) is None


@pytest.mark.parametrize(
    ("field", "outer", "expected"),
    [
        (Box(16, 26, 82, 94), Box(0, 0, 96, 128), Box(16, 26, 96, 106)),
        (Box(16, 26, 82, 94), Box(8, 16, 88, 112), Box(0, 10, 80, 90)),
        (Box(0, 0, 96, 128), Box(32, 32, 64, 96), Box(0, 0, 32, 64)),
        (Box(0, 0, 20, 20), Box(48, 64, 96, 128), Box(0, 0, 32, 32)),
    ],
)
def test_a_field_within_a_box_is_aligned_and_lies_inside(field, outer, expected):
    found = field_within(field, outer, 16)
    assert found == expected
    assert found.bottom <= outer.bottom - outer.top
    assert found.right <= outer.right - outer.left


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [((10, 20), (10, 20), False), ((0, 20), (10, 20), True), ((10, 20), (28, 32), True), ((10, 32), (10, 20), False)],
)
def test_foreground_reaches_out_at_the_edges_behind_which_the_slice_goes_on(rows, columns, expected):
    foreground = torch.from_numpy(_label(rows, columns, (32, 32)).astype(np.float32))[None]
    assert reaches_out(foreground, Box(8, 8, 40, 40), (40, 64)) is expected


def test_nothing_in_sight_in_the_field_is_a_reason_to_look_elsewhere():
    assert reaches_out(torch.zeros(2, 32, 32), Box(8, 8, 40, 40), (64, 64))


def test_boxes_are_joined_and_moved() -> None:
    assert Box(2, 3, 10, 12).around(Box(0, 5, 4, 20)) == Box(0, 3, 10, 20)
    assert Box(2, 3, 10, 12).around(None) == Box(2, 3, 10, 12)
    assert Box(2, 3, 10, 12).moved(1, -1) == Box(3, 2, 11, 11)
