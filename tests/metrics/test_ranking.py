import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askance.metrics.budget import aubc
from askance.metrics.ranking import auroc, worst_found

pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40)


def test_the_true_order_finds_all_and_its_reverse_none():
    dice = np.linspace(0, 1, 50)
    assert worst_found(dice, dice) == 1
    assert worst_found(-dice, dice) == 0


def test_scores_that_all_tie_find_what_chance_finds():
    assert worst_found(np.full(50, 0.5), np.linspace(0, 1, 50), share=0.2) == pytest.approx(0.2)


def test_slices_that_tie_as_worst_all_count_as_worst():
    assert worst_found([0.1, 0.2, 0.3, 0.4], [0.9, 0.0, 0.0, 0.0], share=0.5) == 0.5
    assert worst_found([0.4, 0.1, 0.2, 0.3], [0.9, 0.0, 0.0, 0.0], share=0.5) == 1


@given(pairs, st.floats(0.01, 1), st.randoms())
def test_the_order_of_the_input_has_no_say(found, share, random):
    before = worst_found(*zip(*found, strict=True), share=share)
    random.shuffle(found)
    assert worst_found(*zip(*found, strict=True), share=share) == pytest.approx(before)
    assert 0 <= before <= 1 + 1e-12


def test_nothing_known_finds_nothing():
    assert math.isnan(worst_found([0.5], [math.nan]))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=str(share)):
        worst_found([0.5], [0.5], share=share)


def test_the_area_under_a_level_curve_is_its_dice():
    assert aubc([0.02, 0.05, 0.3], [0.8, 0.8, 0.8]) == pytest.approx(0.8)
    assert aubc([0.1], [0.7]) == 0.7


def test_the_area_weighs_each_stretch_by_its_width():
    assert aubc([0.0, 0.1, 0.4], [0.0, 1.0, 1.0]) == pytest.approx((0.05 + 0.3) / 0.4)


@pytest.mark.parametrize("budgets", [[0.1, 0.1], [0.2, 0.1]])
def test_budgets_that_do_not_rise_are_refused(budgets):
    with pytest.raises(ValueError, match="do not rise"):
        aubc(budgets, [0.5, 0.6])


def test_an_empty_curve_is_refused():
    with pytest.raises(ValueError, match="one length"):
        aubc([], [])


def test_auroc_is_one_for_a_perfect_score_and_half_for_one_that_ties():
    assert auroc([0.1, 0.2, 0.8, 0.9], [False, False, True, True]) == 1
    assert auroc([0.9, 0.8, 0.2, 0.1], [False, False, True, True]) == 0
    assert auroc([0.5] * 4, [False, True, True, False]) == 0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_counts_the_pairs_that_are_in_order(rows):
    pairs = [(a, b) for a, wanted in rows for b, other in rows if wanted and not other]
    found = auroc(*zip(*rows, strict=True))
    if not pairs:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.mean([(a > b) + (a == b) / 2 for a, b in pairs]))


def test_auroc_refuses_a_score_that_is_no_number():
    with pytest.raises(ValueError, match="finite"):
        auroc([0.1, math.nan], [True, False])
