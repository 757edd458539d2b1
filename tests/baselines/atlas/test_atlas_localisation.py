"""The heart is found wherever it lies, and a vote that does not hold together is seen."""

import numpy as np
import pytest

from askance.baselines.atlas.grid import cut, to_itk
from askance.baselines.atlas.localisation import Match, Search, Whereabouts, agree, match


def blob(shape: tuple[int, ...], centre: tuple[float, ...]) -> np.ndarray:
    grid = np.indices(shape).astype(np.float32)
    return np.exp(-sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) / 18).astype(np.float32)


def naive(target: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Normalised cross-correlation, window by window."""
    size = template.shape
    padded = np.pad(target, [(n // 2, n - 1 - n // 2) for n in size], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)
    a = windows - windows.mean(axis=(3, 4, 5), keepdims=True)
    b = template - template.mean()
    return (a * b).sum(axis=(3, 4, 5)) / np.sqrt((a**2).sum(axis=(3, 4, 5)) * (b**2).sum())


@pytest.mark.parametrize("size", [(5, 6, 3), (8, 7, 4)])
def test_correlations_are_what_a_loop_over_windows_finds(size: tuple[int, int, int]) -> None:
    draws = np.random.default_rng(0)
    target, template = draws.normal(size=(20, 17, 6)).astype(np.float32), draws.normal(size=size).astype(np.float32)
    ours = Search(target, (8, 7, 4)).correlations(template)
    np.testing.assert_allclose(ours, naive(target, template), atol=1e-5)


def test_a_flat_place_correlates_with_nothing() -> None:
    target = np.zeros((20, 20, 5), np.float32)
    target[12:] = np.random.default_rng(0).normal(size=(8, 20, 5))
    found = Search(target, (3, 3, 3)).correlations(target[14:17, 5:8, 1:4])
    assert np.isfinite(found).all()
    assert np.all(found[:10] == 0)
    assert found[15, 6, 2] == pytest.approx(1, abs=1e-4)


def test_a_shifted_heart_is_found_where_it_lies_in_mm() -> None:
    spacing = (4.0, 4.0, 8.0)
    whole = to_itk(blob((30, 30, 10), (15, 15, 5)), spacing)
    template = cut(whole, (slice(9, 22), slice(9, 22), slice(3, 8)))
    template.SetOrigin(tuple(-6 * 4.0 if axis < 2 else -2 * 8.0 for axis in range(3)))  # zero on the blob's centre
    target = to_itk(blob((34, 28, 9), (22, 8, 3)), spacing, (100.0, -50.0, 7.0))
    (found,) = match(target, [template])
    np.testing.assert_allclose(found.centre_mm, [100 + 22 * 4, -50 + 8 * 4, 7 + 3 * 8])
    assert found.correlation > 0.95


def test_of_two_equal_places_the_one_where_hearts_lie_is_taken() -> None:
    two = blob((40, 30, 8), (9, 15, 4)) + blob((40, 30, 8), (30, 15, 4))
    target = to_itk(two, (4.0, 4.0, 8.0))
    template = to_itk(blob((13, 13, 5), (6, 6, 2)), (4.0, 4.0, 8.0), (-24.0, -24.0, -16.0))
    for side, row in ((-40.0, 9), (40.0, 30)):
        usual = Whereabouts(np.array([side, 0.0, 0.0]), np.array([20.0, 20.0, 20.0]))
        (found,) = match(target, [template], 0.1 * usual.penalty(target))
        assert found.centre_mm[0] == pytest.approx(row * 4, abs=4)


def test_the_vote_is_not_moved_by_atlases_that_went_astray() -> None:
    here, astray = np.array([50.0, 60.0, 20.0]), np.array([150.0, 10.0, 20.0])
    votes = [Match(n, here + np.array([n, -n, 0]), 0.6) for n in range(6)] + [Match(6, astray, 0.9), Match(7, astray, 0.9)]
    place = agree(votes, voters=8, radius_mm=15)
    np.testing.assert_allclose(place.centre_mm, here + np.array([2.5, -2.5, 0]))
    assert place.agreement == pytest.approx(3.6 / 5.4)
    assert place.correlation == pytest.approx(0.6)


def test_votes_all_over_the_place_agree_little() -> None:
    votes = [Match(n, np.array([40.0 * n, 0.0, 0.0]), 0.5) for n in range(10)]
    assert agree(votes, voters=10, radius_mm=20).agreement == pytest.approx(0.1)
