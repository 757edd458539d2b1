"""How far a score tells the Dice it stands for: correlation and error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from askance.metrics.bootstrap import crossed_bootstrap

_FEWEST = 5  # patients, below which a bootstrap's interval is too narrow

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


def pearson_interval(patients: Mapping[str, ArrayLike], seed: int = 0) -> tuple[float, float] | None:
    """Interval of 95 % of Pearson's r over patients, whose slices are not independent: bootstrap, whole patients drawn.

    ``patients``: (m, 2) score and Dice of each one's slices; rows without a Dice are left out. None below five patients
    with a row, or where r has no meaning.

    Raises:
        ValueError: a score is not finite.
    """
    rows = {name: np.stack(known_pairs(*np.reshape(pairs, (-1, 2)).T)[:2], 1) for name, pairs in patients.items()}
    known = {name: pairs for name, pairs in rows.items() if len(pairs)}
    if len(known) < _FEWEST:
        return None
    low, high = crossed_bootstrap({"": known}, _pearson, np.random.default_rng(seed))
    return None if np.isnan(low) else (low, high)


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


def _pearson(pairs: Floats) -> float:
    """Of pairs (n, 2); NaN where it has no meaning."""
    if len(pairs) < 3 or any(map(_constant, pairs.T)):
        return float("nan")
    return float(stats.pearsonr(*pairs.T).statistic)


def _constant(values: Floats) -> bool:
    """Whether the values differ by no more than rounding, so that r would be noise."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())
