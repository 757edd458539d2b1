"""One number for a whole budget curve."""

from __future__ import annotations

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
