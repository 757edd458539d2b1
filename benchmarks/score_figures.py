"""From rows of slices (what was said of each, and its Dice) to the figures of ``score_quality.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from askance.active.scores import pooled
from askance.metrics.bootstrap import crossed_bootstrap
from askance.metrics.correlation import correlate
from askance.metrics.ranking import auroc, worst_found

Floats = NDArray[np.float32]

NEAR = 10  # pixels from foreground, predicted or true, within which a patch counts
WRONG = 0.1  # share of a patch's pixels from which it is wrong


@dataclass
class Row:
    """A slice: its Dice (NaN: empty in both), whether prediction and truth are empty, and what was said of it by name."""

    seed: int
    patient: str
    case: str
    dice: float
    empty: tuple[bool, bool]
    said: dict[str, float]


@dataclass
class Patches:
    """Patches near foreground: which are wrong, and what each map says of them, higher where they should be right."""

    wrong: list[NDArray[np.bool_]] = field(default_factory=list)
    said: dict[str, list[Floats]] = field(default_factory=lambda: defaultdict(list))

    def add(self, labels: NDArray[np.uint8], truth: NDArray[np.uint8], maps: Mapping[str, Floats]) -> None:
        """Those of slices (D, H, W); ``maps`` are (D, h, w) a patch, or (D, H, W) a pixel."""
        differs = pooled((labels != truth).astype(np.float32))
        foreground = (labels > 0) | (truth > 0)
        for index in np.flatnonzero(foreground.any((1, 2))):
            distance = distance_transform_edt(~foreground[index])
            near = pooled(distance[None].astype(np.float32), np.min)[0] <= NEAR
            self.wrong.append(differs[index][near] > WRONG)
            for name, said in maps.items():
                self.said[name].append((said if said.shape == differs.shape else pooled(said))[index][near])

    def aurocs(self) -> dict[str, float]:
        """How well each map tells wrong patches from right ones."""
        wrong = np.concatenate(self.wrong)
        return {name: auroc(-np.concatenate(said), wrong) for name, said in self.said.items()}


def figures(rows: Sequence[Row], measure: str, in_units_of_dice: bool, rng: np.random.Generator) -> dict[str, Any]:
    """What ``measure`` is worth on ``rows``: of one seed or several; intervals are over seeds and patients."""
    known = [row for row in rows if np.isfinite(row.dice)]
    said, dice = np.array([row.said[measure] for row in known]), np.array([row.dice for row in known])
    by_slice = correlate(said, dice)
    low, high = crossed_bootstrap(_grouped(known, measure), _pearson, rng)
    one_side = [row for row in rows if any(row.empty)]
    return {
        "score_r": by_slice.pearson,
        "low": low,
        "high": high,
        "spearman": by_slice.spearman,
        "volume_r": _pearson(_volumes(known, measure)),
        "mae": float(np.abs(said - dice).mean()) if in_units_of_dice else None,
        "bias": float((said - dice).mean()) if in_units_of_dice else None,
        "empty_auroc": auroc([-row.said[measure] for row in one_side], [not all(row.empty) for row in one_side]),
        "worst_found": worst_found(said, dice),
        "n": len(known),
        "left_out": len(rows) - len(known),
    }


def gain(rows: Sequence[Row], better: str, than: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Difference of the two measures' r per slice on the same slices, and its 95 % interval over seeds and patients."""
    known = [row for row in rows if np.isfinite(row.dice)]
    table: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for row in known:
        table[str(row.seed)][row.patient].append([row.said[better], row.said[than], row.dice])

    def difference(drawn: NDArray[np.float64]) -> float:
        return _pearson(drawn[:, [0, 2]]) - _pearson(drawn[:, [1, 2]])

    whole = np.array([[row.said[better], row.said[than], row.dice] for row in known])
    return (difference(whole), *crossed_bootstrap(table, difference, rng))


def _grouped(rows: Iterable[Row], measure: str) -> dict[str, dict[str, list[list[float]]]]:
    table: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        table[str(row.seed)][row.patient].append([row.said[measure], row.dice])
    return table


def _volumes(rows: Iterable[Row], measure: str) -> NDArray[np.float64]:
    """(V, 2) mean of the measure and of the Dice over each volume's slices."""
    volumes: dict[tuple[int, str], list[list[float]]] = defaultdict(list)
    for row in rows:
        volumes[row.seed, row.case].append([row.said[measure], row.dice])
    return np.array([np.mean(pairs, axis=0) for pairs in volumes.values()])


def _pearson(pairs: NDArray[np.float64]) -> float:
    """As ``correlate`` has it, without the ranks and p values, which a thousand resamples don't need."""
    centred = pairs - pairs.mean(0)
    scale = np.sqrt((centred**2).sum(0))
    return float((centred[:, 0] * centred[:, 1]).sum() / scale.prod()) if (scale > 1e-12).all() else float("nan")
