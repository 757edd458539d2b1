"""Votes on hand-made labels, of which the right outcome is known."""

import numpy as np
import pytest

from askance.baselines.atlas.fusion import FUSIONS, fuse, majority, staple
from askance.errors import UsageError
from askance.records import IGNORE


def votes(*rows: list[int]) -> list[np.ndarray]:
    return [np.array(row, np.uint8).reshape(-1, 1, 1) for row in rows]


def test_the_majority_is_the_share_of_those_who_vote() -> None:
    probs = majority(votes([1, 1, 0, IGNORE], [1, 2, 0, IGNORE], [1, IGNORE, 2, IGNORE]), 3)[..., 0, 0]
    np.testing.assert_allclose(probs[:, 0], [0, 1, 0])
    np.testing.assert_allclose(probs[:, 1], [0, 0.5, 0.5])
    np.testing.assert_allclose(probs[:, 2], [2 / 3, 0, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(probs[:, 3], [1, 0, 0])


@pytest.mark.parametrize("how", FUSIONS)
def test_probabilities_sum_to_one(how: str) -> None:
    said = [np.random.default_rng(n).integers(0, 3, (6, 5, 4)).astype(np.uint8) for n in range(5)]
    said[0][:2] = IGNORE
    probs = fuse(said, 3, how)
    assert probs.shape == (3, 6, 5, 4)
    assert probs.min() >= 0
    np.testing.assert_allclose(probs.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize("how", FUSIONS)
def test_where_all_agree_their_label_is_the_truth(how: str) -> None:
    said = votes([0, 1, 2, 1], [0, 1, 2, 1], [0, 1, 2, 1])
    np.testing.assert_array_equal(fuse(said, 3, how).argmax(axis=0).ravel(), [0, 1, 2, 1])


def test_staple_trusts_three_good_atlases_over_four_that_guess() -> None:
    draws = np.random.default_rng(0)
    truth = draws.integers(0, 2, (12, 12, 4)).astype(np.uint8)

    def noisy(share: float) -> np.ndarray:
        return np.where(draws.random(truth.shape) < share, 1 - truth, truth).astype(np.uint8)

    said = [noisy(0.03) for _ in range(3)] + [noisy(0.45) for _ in range(4)]
    wrong_majority, wrong_staple = (np.mean(one(said, 2).argmax(axis=0) != truth) for one in (majority, staple))
    assert wrong_staple < 0.02
    assert wrong_majority > 3 * wrong_staple


def test_staple_lets_an_atlas_that_says_nothing_change_nothing() -> None:
    said = votes([0, 1, 1, 2, 0], [0, 1, 2, 2, 1], [0, 1, 2, 1, 1])
    silent = votes([IGNORE] * 5)
    np.testing.assert_allclose(staple(said + silent, 3), staple(said, 3), atol=1e-6)


def test_an_unknown_fusion_and_no_vote_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="'mean'; wanted one of majority, staple"):
        fuse(votes([0]), 2, "mean")
    with pytest.raises(UsageError, match="no vote"):
        fuse([], 2, "majority")
