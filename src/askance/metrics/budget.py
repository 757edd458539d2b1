"""One number for a whole budget curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def aubc(budgets: ArrayLike, dice: ArrayLike) -> float:
    """Area under the budget curve over its width (trapezoids), so that it reads as a mean Dice.

    ``budgets`` (N,) are shares of labelled slices in rising order, ``dice`` (N,) what was reached with them. The curve
    of one point is its Dice. Two curves compare only over the same budgets.

    Raises:
        ValueError: nothing given, lengths differ, or the budgets do not rise.
    """
    x, y = np.asarray(budgets, np.float64), np.asarray(dice, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not len(x):
        raise ValueError(f"budgets of shape {x.shape} and Dice of shape {y.shape}; wanted two lists of one length")
    if (np.diff(x) <= 0).any():
        raise ValueError(f"budgets {x.tolist()} do not rise; sort the curve's points and give each budget once")
    if len(x) == 1:
        return float(y[0])
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


def area_over_common(first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The two curves' ``aubc`` over the stretch that both cover, points of either joined by straight lines.

    Points are (cost, Dice) with costs that rise, as the voxels an expert has corrected by then. NaN where no stretch is
    common.
    """
    costs = [np.array([cost for cost, _ in curve]) for curve in (first, second)]
    low, high = max(one[0] for one in costs), min(one[-1] for one in costs)
    if not low < high:
        return float("nan"), float("nan")
    inner = [cost for one in costs for cost in one if low < cost < high]
    over = np.unique([low, *inner, high])
    areas = [aubc(over, np.interp(over, one, [dice for _, dice in curve])) for one, curve in zip(costs, (first, second))]
    return areas[0], areas[1]
