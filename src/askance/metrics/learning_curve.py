"""What further labels can be expected to gain: the error's power law fitted to the trainings so far, with its interval.

The error falls with the number of labelled slices about as a power law, ``1 - Dice = a n^-b`` (Cortes et al. 1994, "Learning
curves: asymptotic values and rate of convergence"; Hestness et al. 2017 for networks). The same test volumes are measured
after every training, so they are drawn in common: a volume that is hard every time is not taken for a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Worth = Literal["go on", "unclear", "stop"]

#: Half a Dice point: slices that are expected to gain less are not worth an expert's time.
WORTH_DICE = 0.005
#: From so many trainings on the advice may be to stop: two points fit every curve.
ENOUGH_TRAININGS = 3

_DRAWS = 2000
_LEAST_ERROR = 1e-3  # a perfect Dice has no logarithm


@dataclass(frozen=True)
class Gain:
    """Dice that ``more`` slices are expected to add, with its 95 % interval; ends are None where nothing tells them."""

    dice: float
    low: float | None
    high: float | None


def expected_gain(
    labelled: ArrayLike, dice: ArrayLike, more: int, rng: np.random.Generator, patients: Sequence[str] | None = None
) -> Gain:
    """The gain from labelling ``more`` slices after the last training.

    ``labelled`` (k,): slices behind each of k >= 2 trainings, rising; ``dice`` (k, m): Dice of m volumes (or slices) after
    each; ``patients`` (m,): whose they are (None: each is another's). The interval comes from drawing the patients with
    replacement, and from noise as large as the points' residuals where three or more trainings leave some; it cannot know
    what a fit through two points leaves out.

    Raises:
        ValueError: shapes that do not fit, or fewer than two different numbers of slices.
    """
    slices, values = np.asarray(labelled, np.float64), np.asarray(dice, np.float64)
    if values.ndim != 2 or len(values) != len(slices) or not values.size:
        raise ValueError(f"dice has shape {values.shape}; wanted a row of one or more for each of {len(slices)} trainings")
    if len(slices) < 2 or (np.diff(slices) <= 0).any() or slices[0] <= 0:
        raise ValueError(f"labelled is {slices.tolist()}; wanted two or more rising numbers of slices")
    x, at = np.log(slices), np.log([slices[-1], slices[-1] + more])
    errors = _log_error(values.mean(1)[:, None])
    best = float(_gains(x, errors, at)[0])
    _, owners = np.unique(patients, return_inverse=True) if patients else (None, np.arange(values.shape[1]))
    drawn = _draws(x, values, owners, errors, rng)
    if drawn is None:
        return Gain(best, None, None)
    low, high = np.quantile(_gains(x, drawn, at), [0.025, 0.975])
    return Gain(best, float(low), float(high))


def worth(gain: Gain, trainings: int) -> Worth:
    """Whether labelling on is worth it, after so many ``trainings``; unclear where the interval reaches zero."""
    if gain.dice < WORTH_DICE:
        return "stop" if trainings >= ENOUGH_TRAININGS else "unclear"
    return "unclear" if gain.low is not None and gain.low <= 0 else "go on"


def _draws(x: Floats, values: Floats, owners: NDArray[np.intp], errors: Floats, rng: np.random.Generator) -> Floats | None:
    """(k, draws): log errors as they might have come out; None where there is nothing to draw from."""
    trainings, patients = len(values), int(owners.max()) + 1
    if patients == 1 and trainings == 2:
        return None
    counts = np.bincount(owners)
    sums = np.stack([np.bincount(owners, row) for row in values])
    chosen = rng.integers(patients, size=(_DRAWS, patients))
    drawn = _log_error(sums[:, chosen].sum(2) / counts[chosen].sum(1))
    if trainings > 2:
        slope, intercept = _fit(x, errors)
        left = errors[:, 0] - (intercept[0] + slope[0] * x)
        drawn = drawn + rng.normal(0, np.sqrt((left**2).sum() / (trainings - 2)), drawn.shape)
    return drawn


def _log_error(dice: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(1 - dice, _LEAST_ERROR)))


def _fit(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept (draws,) of each column of ``y`` (k, draws) by least squares."""
    centred = x - x.mean()
    slope = centred @ (y - y.mean(0)) / (centred**2).sum()
    return slope, y.mean(0) - slope * x.mean()


def _gains(x: Floats, y: Floats, at: Floats) -> Floats:
    """(draws,): what the fitted error falls by from ``at[0]`` to ``at[1]``."""
    slope, intercept = _fit(x, y)
    before, after = (np.minimum(np.exp(intercept + slope * one), 1.0) for one in at)
    return np.asarray(before - after)
