"""Expected gains on hand-made curves whose answer is known."""

import numpy as np
import pytest

from askance.metrics.learning_curve import expected_gain

SLICES = [10, 20, 40, 80]


def power_law(slices: list[int], exponent: float = 0.5, spread: float = 0.0, volumes: int = 6) -> np.ndarray:
    """(k, volumes): 1 - Dice = n^-exponent, volumes apart by ``spread``."""
    errors = np.asarray(slices, float)[:, None] ** -exponent
    return 1 - errors * (1 + spread * np.linspace(-1, 1, volumes))


def gain_of(dice: np.ndarray, slices: list[int] = SLICES, more: int = 80, seed: int = 0):
    return expected_gain(slices, dice, more, np.random.default_rng(seed))


def test_an_exact_power_law_gains_what_it_says() -> None:
    gain = gain_of(power_law(SLICES))
    assert gain.dice == pytest.approx(80**-0.5 - 160**-0.5)
    assert (gain.low, gain.high) == pytest.approx((gain.dice, gain.dice))


def test_volumes_that_differ_widen_the_interval_and_leave_the_gain() -> None:
    sure, spread = gain_of(power_law(SLICES)), gain_of(power_law(SLICES, spread=0.5))
    assert spread.dice == pytest.approx(sure.dice)
    assert spread.low < sure.low
    assert spread.high > sure.high


def test_a_volume_that_is_hard_in_every_training_is_not_taken_for_a_loss() -> None:
    hard = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    paired = np.array([[0.50], [0.55], [0.60], [0.64]]) + hard
    rng = np.random.default_rng(1)
    unpaired = np.stack([rng.permutation(row) for row in paired])
    assert np.ptp([gain_of(paired).low, gain_of(paired).high]) < np.ptp([gain_of(unpaired).low, gain_of(unpaired).high])


def test_points_off_the_curve_widen_the_interval() -> None:
    bent = power_law(SLICES) + np.array([[0.0], [0.06], [-0.06], [0.0]])
    assert np.ptp([gain_of(bent).low, gain_of(bent).high]) > 0.02


def test_a_flat_curve_gains_nothing_and_a_falling_one_less() -> None:
    assert gain_of(np.full((4, 3), 0.8)).dice == pytest.approx(0)
    assert gain_of(power_law(SLICES)[::-1]).dice < 0


def test_more_slices_gain_more_and_none_nothing() -> None:
    curve = power_law(SLICES, spread=0.2)
    gains = [gain_of(curve, more=more).dice for more in (0, 10, 100)]
    assert gains[0] == 0
    assert gains == sorted(gains)


def test_the_order_of_volumes_and_a_second_run_change_nothing() -> None:
    curve = power_law(SLICES, spread=0.3)
    assert gain_of(curve) == gain_of(curve)
    assert gain_of(curve[:, ::-1]).dice == pytest.approx(gain_of(curve).dice)


def test_one_figure_from_two_trainings_has_no_interval_and_a_perfect_dice_no_trouble() -> None:
    assert gain_of(np.array([[0.5], [0.6]]), [10, 20]).low is None
    assert np.isfinite(gain_of(np.array([[0.9, 0.8], [1.0, 1.0]]), [10, 20]).dice)


@pytest.mark.parametrize(
    ("slices", "dice"),
    [([10], [[0.5]]), ([10, 10], [[0.5], [0.6]]), ([20, 10], [[0.5], [0.6]]), ([10, 20], [[0.5]]), ([10, 20], [0.5, 0.6])],
)
def test_what_is_no_curve_is_refused(slices: list[int], dice: list) -> None:
    with pytest.raises(ValueError, match="wanted"):
        expected_gain(slices, dice, 5, np.random.default_rng(0))
