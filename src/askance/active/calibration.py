"""The score: an estimate of a slice's Dice from what can be seen of its prediction, taught by answers that came in.

A slice that the expert answers was predicted before it was labelled, by a model that had not seen the expert's label
(though it may have learnt from a pseudo-label of it). Each cycle so brings pairs of (what was seen, Dice) for
nothing; a ridge regression that leans on the expected Dice of the views learns from them how far this study's predictions
may be believed. Without pairs the lean is the score.

The fewer patients a model has learnt from, the more it believes itself. So the lean takes off what such models were found to
be too sure by, and a pair knows how scarce labels were when its slice was predicted: what one patient's model got wrong is
put down to that first, and says less of the models after it.

Slices are asked where they are doubtful, and the model that learns from the answers is better than the one that was wrong.
So that the few that were missed altogether don't speak for all, errors beyond a tenth count by their size, not its square
(Huber 1964).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: What the score looks at, by its name among the measures: the middle of its range, and the spread that it is scaled by.
FEATURES: dict[str, tuple[float, float]] = {
    "continued_dice": (0.0, 0.2),
    "borne_out": (0.0, 0.2),
    "agreement": (0.9, 0.2),
    "first": (0.1, 0.3),
    "last": (0.1, 0.3),
    "soft_area": (8.0, 1.0),
    "steadiness": (0.9, 0.3),
    "overlap": (0.8, 0.2),
    "missing_classes": (0.1, 0.5),
    "bald": (0.03, 0.03),
    "entropy": (0.2, 0.1),
    "scarcity": (0.0, 0.2),
}
_LEAN = 60.0  # pairs that the lean on the expected Dice is worth (log.md)
#: What the score is without a pair: expected Dice, half of it as far as the G bears it out that had not learnt from its own
#: labels, less 0.17 where one patient is labelled, 0.03 where thirty are (log.md).
_LEAN_ON = {"continued_dice": 0.5, "borne_out": 0.5, "scarcity": -0.17}
_FAR = 0.1  # error from which a pair is an outlier (log.md)
_ROUNDS = 10


@dataclass(frozen=True)
class Calibration:
    """Weights of 1 and of the scaled FEATURES, and the ``pairs`` they were learnt from."""

    weights: tuple[float, ...]
    pairs: int = 0

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Calibration:
        """As a model's info holds it; the lean where it holds none, or one of other measures (an older model's)."""
        known = info.get("calibration")
        if not known or known.get("measures") != list(FEATURES):
            return LEAN
        return cls(tuple(known["weights"]), int(known["pairs"]))


LEAN = Calibration((0.0, *(_LEAN_ON.get(name, 0.0) * spread for name, (_, spread) in FEATURES.items())))


def fit(seen: Sequence[Mapping[str, float]], dice: Sequence[float]) -> Calibration:
    """The calibration that ``seen`` features of slices and their true ``dice`` teach; pairs without a Dice are left out."""
    known = [place for place, value in enumerate(dice) if np.isfinite(value)]
    if not known:
        return LEAN
    table, truth = _scaled([seen[place] for place in known]), np.array([dice[place] for place in known])
    learnt = lean = np.array(LEAN.weights)
    counts = np.ones(len(known))
    for _ in range(_ROUNDS):  # iteratively reweighted least squares
        weighted = table.T * counts
        learnt = lean + np.linalg.solve(weighted @ table + _LEAN * np.eye(len(lean)), weighted @ (truth - table @ lean))
        counts = np.minimum(1, _FAR / np.maximum(np.abs(truth - table @ learnt), _FAR))
    return Calibration(tuple(float(weight) for weight in learnt), len(known))


def estimate(calibration: Calibration, seen: Sequence[Mapping[str, float]]) -> Floats:
    """The score of each slice, (N,) in [0, 1]."""
    if not seen:
        return np.zeros(0)
    scores: Floats = np.clip(_scaled(seen) @ np.array(calibration.weights), 0, 1)
    return scores


def _scaled(seen: Sequence[Mapping[str, float]]) -> Floats:
    columns = [[(one[name] - middle) / spread for one in seen] for name, (middle, spread) in FEATURES.items()]
    return np.column_stack([np.ones(len(seen)), *columns])
