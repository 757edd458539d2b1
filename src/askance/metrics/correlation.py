"""How far a score tells the Dice it stands for: correlation and error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """Pearson's r and Spearman's rho with two-sided p values over ``n`` pairs; ``left_out`` had no Dice.

    All four are NaN where they have no meaning: fewer than three pairs, or one side constant.
    """

    pearson: float
    pearson_p: float
    spearman: float
    spearman_p: float
    n: int
    left_out: int


def correlate(score: ArrayLike, dice: ArrayLike) -> Correlation:
    """Correlation of scores (N,) with Dice (N,); pairs whose Dice is NaN (empty in both) are left out and counted.

    Raises:
        ValueError: the lengths differ, or a score is not finite.
    """
    scores, dices, left_out = known_pairs(score, dice)
    if len(scores) < 3 or _constant(scores) or _constant(dices):
        return Correlation(np.nan, np.nan, np.nan, np.nan, len(scores), left_out)
    pearson, spearman = stats.pearsonr(scores, dices), stats.spearmanr(scores, dices)
    return Correlation(
        pearson=float(pearson.statistic),
        pearson_p=float(pearson.pvalue),
        spearman=float(spearman.statistic),
        spearman_p=float(spearman.pvalue),
        n=len(scores),
        left_out=left_out,
    )


def mean_absolute_error(score: ArrayLike, dice: ArrayLike) -> float:
    """Mean of |score - Dice| over the pairs whose Dice is known; NaN if none is.

    Raises:
        ValueError: the lengths differ, or a score is not finite.
    """
    scores, dices, _ = known_pairs(score, dice)
    return float(np.abs(scores - dices).mean()) if len(scores) else float("nan")


def known_pairs(score: ArrayLike, dice: ArrayLike) -> tuple[Floats, Floats, int]:
    """Scores and Dice (n,) of the pairs whose Dice is not NaN, and how many were left out.

    Raises:
        ValueError: the lengths differ, or a score is not finite.
    """
    scores, dices = np.asarray(score, np.float64), np.asarray(dice, np.float64)
    if scores.shape != dices.shape or scores.ndim != 1:
        raise ValueError(f"scores of shape {scores.shape} and Dice of shape {dices.shape}; wanted two lists of one length")
    if not np.isfinite(scores).all():
        broken = int((~np.isfinite(scores)).sum())
        raise ValueError(f"{broken} of {len(scores)} scores are not finite; a score says nothing unless it is a number")
    known = ~np.isnan(dices)
    return scores[known], dices[known], int((~known).sum())


def _constant(values: Floats) -> bool:
    """Whether the values differ by no more than rounding, so that r would be noise."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())
