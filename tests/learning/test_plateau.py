import pytest

from askance.learning.plateau import Curve, Plateau


@pytest.mark.parametrize(
    ("means", "flat"),
    [
        ([1.0, 0.8, 0.6, 0.5], False),  # falls
        ([1.0, 0.8, 0.799, 0.798], True),  # by less than a hundredth
        ([1.0, 0.8, 0.9, 0.7], False),  # one bad stretch is not the end
        ([1.0, 0.8, 0.9, 0.85], True),  # rises
        ([1.0, 1.0], False),  # too few to tell
        ([], False),
    ],
)
def test_a_loss_is_flat_where_its_last_stretches_are_hardly_below_the_best_before(means, flat):
    assert Plateau(stretch=10).reached(means) is flat


def test_a_loss_is_not_called_flat_before_the_earliest_step():
    means = [1.0, 1.0, 1.0, 1.0]
    assert not Plateau(stretch=10, earliest=41).reached(means)
    assert Plateau(stretch=10, earliest=40).reached(means)


def test_the_curve_holds_the_mean_of_each_whole_stretch():
    curve = Curve()
    for step, loss in enumerate([1.0, 3.0, 5.0, 7.0, 9.0], start=1):
        curve.add(loss, step, stretch=2)
    assert (curve.means, curve.total) == ([2.0, 6.0], 9.0)
