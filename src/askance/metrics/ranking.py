"""How well a score finds the slices that are worst: what an expert who looks at the lowest scores would meet."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from askance.metrics.correlation import known_pairs


def worst_found(score: ArrayLike, dice: ArrayLike, share: float = 0.1) -> float:
    """Share in [0, 1] of the lowest-scored slices that are truly among the worst by Dice.

    Both sets are the lowest ``share`` of the n slices with a known Dice, ceil(share n) of them. 1 is a perfect score,
    ``share`` is chance. A slice whose Dice ties with the best of the worst counts as worst; slices that tie in score at
    the border count in proportion, so that the order of the input has no say. NaN without a known Dice.

    Raises:
        ValueError: lengths differ, a score is not finite, or ``share`` not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; wanted more than 0 and at most 1")
    scores, dices, _ = known_pairs(score, dice)
    if not len(scores):
        return float("nan")
    count = math.ceil(share * len(scores))
    border = np.sort(scores)[count - 1]
    below, tied = scores < border, scores == border
    weights = below + tied * (count - below.sum()) / tied.sum()
    worst = dices <= np.sort(dices)[count - 1]
    return float(weights[worst].sum() / count)


def auroc(score: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive is scored higher than a negative, a tie counting half.

    ``score`` (N,) finite, ``positive`` (N,) bool. NaN where one kind is missing. It is Mann-Whitney's U divided by the
    number of pairs.

    Raises:
        ValueError: lengths differ or a score is not finite.
    """
    scores, positives, _ = known_pairs(score, np.asarray(positive, np.float64))
    wanted = positives > 0
    n, m = int(wanted.sum()), int((~wanted).sum())
    if not n or not m:
        return float("nan")
    return float((stats.rankdata(scores)[wanted].sum() - n * (n + 1) / 2) / (n * m))
