"""Paired tests are scipy's, over the keys that both sides have."""

import math

import numpy as np
import pytest
from scipy import stats

from askance.metrics.paired import paired


def test_the_tests_are_scipys_over_the_keys_both_have():
    rng = np.random.default_rng(0)
    first = dict(enumerate(rng.normal(0.8, 0.02, 10)))
    second = dict(enumerate(rng.normal(0.79, 0.02, 9))) | {99: 0.1}
    a, b = list(first.values())[:9], list(second.values())[:9]
    found = paired(first, second)
    assert (found.n, found.mean) == (9, pytest.approx(np.mean(np.subtract(a, b))))
    assert found.t_p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_folds_that_share_what_they_learn_from_have_a_wider_interval_and_a_larger_p():
    """Nadeau and Bengio 2003: for ten folds sqrt(1 + 10 / 9) times as wide."""
    draws = np.random.default_rng(0).normal(0.01, 0.02, 10)
    sides = dict(enumerate(draws)), dict.fromkeys(range(10), 0.0)
    plain, corrected = paired(*sides), paired(*sides, test_to_train=1 / 9)
    assert corrected.mean == plain.mean
    assert (corrected.high - corrected.mean) / (plain.high - plain.mean) == pytest.approx(1.453, abs=5e-4)
    statistic = draws.mean() / (draws.std(ddof=1) * np.sqrt(1 / 10 + 1 / 9))
    assert corrected.t_p == pytest.approx(2 * stats.t.sf(abs(statistic), 9))
    assert corrected.wilcoxon_p == plain.wilcoxon_p


def test_one_pair_has_a_mean_and_nothing_else():
    found = paired({0: 0.8, 1: math.nan}, {0: 0.7, 1: 0.7})
    assert (found.n, found.mean) == (1, pytest.approx(0.1))
    assert all(math.isnan(value) for value in (found.low, found.high, found.t_p, found.wilcoxon_p))


def test_equal_sides_have_no_p_and_a_constant_gap_has_wilcoxons():
    same = paired({0: 0.5, 1: 0.75}, {0: 0.5, 1: 0.75})
    assert same.mean == same.low == same.high == 0
    assert math.isnan(same.t_p)
    assert math.isnan(same.wilcoxon_p)
    gap = paired(dict.fromkeys(range(6), 0.75), dict.fromkeys(range(6), 0.5))
    assert gap.wilcoxon_p == pytest.approx(stats.wilcoxon([0.25] * 6).pvalue)


def test_sides_without_a_common_key_are_refused():
    with pytest.raises(ValueError, match="share no key"):
        paired({0: 0.1}, {1: 0.2})
