import pytest
import torch

from askance.learning.views import VIEWS


def _blob(height, width, row, column):
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 30.0)[None, None]


def _middle_of_mass(image):
    weights = image[0, 0] / image.sum()
    rows, columns = torch.meshgrid(torch.arange(image.shape[2]), torch.arange(image.shape[3]), indexing="ij")
    return float((weights * rows).sum()), float((weights * columns).sum())


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
@pytest.mark.parametrize("view", VIEWS)
def test_what_a_view_shows_is_put_back_where_it_was(view, size):
    image = _blob(*size, size[0] / 2 + 5, size[1] / 2 - 9)
    returned = view.back(view.of(image))
    assert _middle_of_mass(returned) == pytest.approx(_middle_of_mass(image), abs=0.3)
    assert float((returned - image).abs().max()) < 0.08


def test_a_turn_keeps_distances_on_a_slice_that_is_not_square():
    image = _blob(48, 80, 23.5, 39.5 + 15)
    row, column = _middle_of_mass(VIEWS[1].of(image))
    assert ((row - 23.5) ** 2 + (column - 39.5) ** 2) ** 0.5 == pytest.approx(15, abs=0.5)
    assert abs(row - 23.5) > 2


def test_magnifying_moves_away_from_the_middle():
    image = _blob(64, 64, 31.5, 31.5 + 12)
    assert _middle_of_mass(VIEWS[3].of(image))[1] - 31.5 == pytest.approx(12 * 1.1, abs=0.5)


@pytest.mark.parametrize("view", VIEWS)
def test_probabilities_still_sum_to_one(view):
    probs = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)).softmax(1)
    torch.testing.assert_close(view.back(view.of(probs)).sum(1), torch.ones(2, 32, 48), atol=1e-5, rtol=0)
    assert (view.back(probs) >= 0).all()
