import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from askance.metrics.correlation import correlate, mean_absolute_error, pearson_interval

shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=30)


def test_correlations_are_scipys():
    rng = np.random.default_rng(0)
    dice = rng.random(50)
    score = dice + rng.normal(0, 0.2, 50)
    found = correlate(score, dice)
    assert found.pearson == pytest.approx(np.corrcoef(score, dice)[0, 1])
    assert found.spearman == pytest.approx(stats.spearmanr(score, dice).statistic)
    assert found.pearson_p < 1e-6 > found.spearman_p
    assert (found.n, found.left_out) == (50, 0)


def test_slices_without_a_dice_are_left_out_and_counted():
    found = correlate([0.1, 0.9, 0.5, 0.7], [0.2, math.nan, 0.6, 0.8])
    assert (found.n, found.left_out) == (3, 1)
    assert found.pearson == pytest.approx(1.0)
    assert mean_absolute_error([0.1, 0.9], [0.3, math.nan]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("score", "dice"),
    [
        ([0.5, 0.5, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4]),
        ([0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.0]),
        ([0.1 + 0.2, 0.3, 0.3, 0.3], [0.1, 0.2, 0.3, 0.4]),
        ([0.1, 0.2], [0.1, 0.2]),
        ([], []),
    ],
)
def test_what_has_no_correlation_is_nan_without_a_warning(score, dice):
    found = correlate(score, dice)
    assert math.isnan(found.pearson)
    assert math.isnan(found.spearman_p)


@given(shares)
def test_correlation_warns_never_and_is_symmetric(pairs):
    score, dice = zip(*pairs, strict=True)
    found, turned = correlate(score, dice), correlate(dice, score)
    if math.isnan(found.pearson):
        assert math.isnan(turned.pearson)
    else:
        assert -1 <= found.pearson <= 1
        assert found.pearson == pytest.approx(turned.pearson, abs=1e-6)


def test_the_error_of_nothing_is_nan():
    assert math.isnan(mean_absolute_error([0.5], [math.nan]))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="1 of 2 scores are not finite"):
        correlate([0.5, math.nan], [0.5, 0.6])


def test_lists_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        mean_absolute_error([0.5, 0.6], [0.5, 0.6, 0.7])


def test_the_interval_over_patients_is_wider_than_that_of_independent_slices_and_holds_r():
    rng = np.random.default_rng(0)
    patients = {}
    for name in range(20):
        level, off = rng.uniform(0.4, 0.9), rng.normal(0, 0.1)
        dice = level + rng.normal(0, 0.03, 30)
        patients[str(name)] = np.stack([dice + off, dice], 1)
    pairs = np.concatenate(list(patients.values()))
    low, high = pearson_interval(patients)
    assert low < correlate(*pairs.T).pearson < high
    alone = pearson_interval({str(place): row[None] for place, row in enumerate(pairs)})
    assert high - low > 2 * (alone[1] - alone[0])


@pytest.mark.parametrize("count", [0, 4])
def test_too_few_patients_or_a_constant_score_have_no_interval(count):
    rows = np.random.default_rng(0).uniform(0, 1, (9, 2))
    without = np.column_stack([rows[:, 0], np.full(9, np.nan)])
    assert pearson_interval({**{str(n): rows for n in range(count)}, "no Dice": without}) is None
    constant = np.column_stack([np.ones(9), rows[:, 1]])
    assert pearson_interval({str(n): constant for n in range(8)}) is None
