import math

import numpy as np
import pytest

from askance.metrics.bootstrap import crossed_bootstrap, hierarchical_bootstrap, mean_interval


def test_the_interval_holds_the_mean_and_is_the_same_for_the_same_generator():
    rng = np.random.default_rng(0)
    groups = {f"patient{number}": rng.normal(0.8, 0.05, 9) for number in range(20)}
    low, high = hierarchical_bootstrap(groups, np.mean, np.random.default_rng(1), n=200)
    assert low < np.mean(np.concatenate(list(groups.values()))) < high
    assert (low, high) == hierarchical_bootstrap(groups, np.mean, np.random.default_rng(1), n=200)


def test_slices_that_share_a_patient_widen_the_interval():
    rng = np.random.default_rng(0)
    groups = {f"patient{number}": np.full(10, 0.8 + rng.normal(0, 0.1)) for number in range(12)}
    low, high = hierarchical_bootstrap(groups, np.mean, np.random.default_rng(1), n=300)
    flat = {str(place): [value] for place, value in enumerate(np.concatenate(list(groups.values())))}
    flat_low, flat_high = hierarchical_bootstrap(flat, np.mean, np.random.default_rng(1), n=300)
    assert high - low > 2 * (flat_high - flat_low)


def test_seeds_hold_patients_and_rows_stay_together():
    rng = np.random.default_rng(0)
    pairs = {f"seed{s}": {f"patient{p}": rng.random((6, 1)) * [1.0, 2.0] for p in range(4)} for s in range(3)}
    low, high = hierarchical_bootstrap(pairs, lambda rows: float(np.corrcoef(rows.T)[0, 1]), np.random.default_rng(0), n=50)
    assert low == pytest.approx(1) == high


def test_one_value_makes_a_point():
    assert hierarchical_bootstrap({"a": [0.7]}, np.mean, np.random.default_rng(0), n=10) == pytest.approx((0.7, 0.7))


def test_resamples_without_a_value_are_left_out():
    low, high = hierarchical_bootstrap({"a": [0.7]}, lambda _: math.nan, np.random.default_rng(0), n=5)
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("groups", [{}, {"a": []}, {"seed": {}}])
def test_no_value_is_refused(groups):
    with pytest.raises(ValueError, match="at least one value"):
        hierarchical_bootstrap(groups, np.mean, np.random.default_rng(0))


def test_patients_whom_all_seeds_saw_are_drawn_in_common():
    """Patients differ and seeds do not: a hundred seeds say no more of two patients than one does."""
    groups = {str(seed): {"a": [8.0], "b": [-4.0]} for seed in range(100)}
    assert crossed_bootstrap(groups, np.mean, np.random.default_rng(0)) == (-4.0, 8.0)
    low, high = hierarchical_bootstrap(groups, np.mean, np.random.default_rng(0))
    assert -4 < low < 2 < high < 8


def test_a_patient_whom_a_seed_lacks_is_passed_over_there():
    groups = {"0": {"a": [1.0]}, "1": {"b": [3.0]}}
    assert crossed_bootstrap(groups, np.mean, np.random.default_rng(0)) == (1.0, 3.0)
    with pytest.raises(ValueError, match="without a value"):
        crossed_bootstrap({"0": {"a": []}}, np.mean, np.random.default_rng(0))


@pytest.mark.parametrize("patients", [2, 3, 4, 20])
def test_a_means_interval_holds_the_truth_as_often_as_it_says_with_few_patients_too(patients):
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        slices = rng.integers(3, 8, patients)
        groups = {str(k): 0.8 + rng.normal(0, 0.1) + rng.normal(0, 0.05, n) for k, n in enumerate(slices)}
        low, high = mean_interval(groups)
        held.append(low <= 0.8 <= high)
    assert 0.91 < np.mean(held) < 0.99


def test_one_patient_says_nothing_of_the_others():
    assert mean_interval({"a": [0.7, 0.8], "b": []}) == (-math.inf, math.inf)
    with pytest.raises(ValueError, match="without a value"):
        mean_interval({"a": []})
