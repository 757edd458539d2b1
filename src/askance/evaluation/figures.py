"""What a trial is worth: every figure of its test volumes at original resolution, and their means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.measuring import measure
from askance.active.study import Study
from askance.metrics.correlation import correlate
from askance.metrics.dice import dice_per_class, slices_dice, slices_dice_per_class
from askance.metrics.distances import distances_per_class
from askance.records import Case, Prediction

Floats = NDArray[np.float64]

#: Figures of a class in a volume, as they are called in the lines.
PER_VOLUME = ("dice", "abd_mm", "hd_mm", "hd95_mm")
_DIGITS = 5  # what volumes and slices are rounded to; means are not


class Tally:
    """Sees test volumes one after another and sums them up; nothing of a volume is kept but figures."""

    def __init__(self, classes: Sequence[str], axis: int) -> None:
        self._names, self._axis = list(classes[1:]), axis
        self._volumes: dict[str, dict[str, Floats]] = {}
        self._slices: dict[str, dict[str, Floats]] = {}
        self._slices_per_class: list[Floats] = []

    def see(
        self, case: Case, labels: NDArray[np.uint8], truth: NDArray[np.uint8], predictions: Sequence[Prediction] = ()
    ) -> None:
        """One volume: labels and truth (D, h, w) as in the file, D along the axis; its slices' predictions, if there are."""
        classes, spacing = len(self._names) + 1, list(case.spacing_mm)
        distances = distances_per_class(labels, truth, classes, (spacing.pop(self._axis), *spacing))
        self._volumes[case.id] = {
            "dice": dice_per_class(labels, truth, classes),
            "abd_mm": np.array([one.average_mm for one in distances]),
            "hd_mm": np.array([one.hausdorff_mm for one in distances]),
            "hd95_mm": np.array([one.hausdorff95_mm for one in distances]),
        }
        self._slices_per_class.append(slices_dice_per_class(labels, truth, classes))
        self._slices[case.id] = {"dice": slices_dice(labels, truth, classes)}
        if predictions:
            self._slices[case.id]["score"] = np.array([one.score for one in predictions])
            if all(one.d_raw is not None for one in predictions):
                self._slices[case.id]["d_raw"] = np.array([one.d_raw for one in predictions], np.float64)

    def record(self) -> dict[str, Any]:
        """Means and, by case, what they are means of; None where there is no number.

        A mean over the data set is the mean over volumes of the mean over the classes that a volume shows. A distance to
        a class that only one side shows is infinite: it is left out of means, and ``missed`` counts such classes.
        """
        return {
            **{key: value for name in PER_VOLUME for key, value in self._means(name).items()},
            "slice_dice": _mean(np.concatenate([slices["dice"] for slices in self._slices.values()])),
            "slice_dice_per_class": self._by_class(np.concatenate(self._slices_per_class)),
            "missed": sum(int(np.isinf(figures["abd_mm"]).sum()) for figures in self._volumes.values()),
            "correlation": {name: self._trust(name) for name in ("score", "d_raw")},
            "volumes": _plain(self._volumes),
            "slices": _plain(self._slices),
        }

    def _means(self, name: str) -> dict[str, Any]:
        rows = np.stack([figures[name] for figures in self._volumes.values()])
        return {name: _mean(np.array([_nan_mean(row) for row in rows])), f"{name}_per_class": self._by_class(rows)}

    def _by_class(self, rows: Floats) -> dict[str, float | None]:
        return {name: _mean(rows[:, place]) for place, name in enumerate(self._names)}

    def _trust(self, name: str) -> dict[str, Any] | None:
        """Correlation with Dice per slice, and per volume of the slices' mean with the volume's Dice."""
        if not all(name in slices for slices in self._slices.values()):
            return None
        by_slice = correlate(*(np.concatenate([one[key] for one in self._slices.values()]) for key in (name, "dice")))
        means = [float(slices[name].mean()) for slices in self._slices.values()]
        by_volume = correlate(means, [_nan_mean(figures["dice"]) for figures in self._volumes.values()])
        found = {"slice": asdict(by_slice), "volume": asdict(by_volume)}
        return {what: {key: _finite(value) for key, value in one.items()} for what, one in found.items()}


def measure_fully(study: Study, model: str, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """A cycle's record with all that an experiment wants to know of its test volumes."""
    tally = Tally(study.config.classes, study.config.grid.axis)
    record = measure(study, model, progress, tally.see)
    return {**record, "experiment": tally.record()}


def _nan_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _mean(values: Floats) -> float | None:
    return _finite(_nan_mean(values))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(figures: dict[str, dict[str, Floats]]) -> dict[str, Any]:
    """As JSON, which knows neither NaN nor infinity: None for both."""
    return {
        case: {name: [_finite(round(float(value), _DIGITS)) for value in values] for name, values in one.items()}
        for case, one in figures.items()
    }
