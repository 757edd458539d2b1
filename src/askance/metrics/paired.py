"""Whether one way is better than another where both were tried on the same folds: differences pair by pair."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Paired:
    """Differences, first minus second, over ``n`` pairs: mean, 95 % interval of Student's t, and two-sided p values.

    NaN where a figure has no meaning: the interval and both p with fewer than two pairs, p where no pair differs.
    Wilcoxon's signed-rank test cannot go below 2 / 2**n: with five pairs never below 0.06.
    """

    n: int
    mean: float
    low: float
    high: float
    t_p: float
    wilcoxon_p: float


def paired(first: Mapping[Key, float], second: Mapping[Key, float], test_to_train: float = 0.0) -> Paired:
    """``first`` against ``second`` over the keys that both have a number for (folds, or seeds).

    Folds of one cross-validation learn from much the same cases, so that their differences go together and vary less than
    those of new data would. ``test_to_train`` is what is tested on by what is learnt from, 1 / (folds - 1) however many
    folds were run: the variance of the mean is then taken as that of a difference times 1 / n + ``test_to_train`` (Nadeau
    and Bengio 2003, "Inference for the generalization error", sec. 3; for ten folds an interval 1.45 times as wide). 0 is
    Student's t of independent pairs. Wilcoxon's test knows of no such correction and stays optimistic over folds.

    Raises:
        ValueError: they share no key.
    """
    keys = [key for key in first if key in second and np.isfinite([first[key], second[key]]).all()]
    if not keys:
        raise ValueError(f"nothing to pair: {len(first)} and {len(second)} values share no key")
    differences = np.array([first[key] - second[key] for key in keys])
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return Paired(n, mean, np.nan, np.nan, np.nan, np.nan)
    error = float(differences.std(ddof=1) * np.sqrt(1 / n + test_to_train))
    reach = float(stats.t.ppf(0.975, n - 1)) * error
    if np.ptp(differences) <= 1e-12:  # t divides by no spread; Wilcoxon has nothing to rank where all are 0
        wilcoxon = np.nan if abs(mean) <= 1e-12 else 2.0 / 2**n
        return Paired(n, mean, mean, mean, np.nan, wilcoxon)
    t_p, wilcoxon_p = 2 * stats.t.sf(abs(mean) / error, n - 1), stats.wilcoxon(differences).pvalue
    return Paired(n, mean, mean - reach, mean + reach, float(t_p), float(wilcoxon_p))
