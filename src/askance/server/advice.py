"""What the next slices can be expected to gain, and when to stop; docs/server.md says how, and the page says it in short.

Dice is measured on the test volumes; where none are labelled, on the unassisted validation slices. Either way the same
ones after every training, so gains are paired. Records and words are here; the curve, its interval and what a gain is
worth are numbers, and stand in ``metrics.learning_curve``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from askance.metrics.learning_curve import ENOUGH_TRAININGS, Gain, Worth, expected_gain, worth

Told = Worth | Literal["early", "used up"]


@dataclass(frozen=True)
class Point:
    """One training: ``labelled`` slices it learnt from, its ``dice``, and that of each test volume or validation slice."""

    cycle: int
    labelled: int
    budget: float
    dice: float
    units: Mapping[str, float]
    measured_on: Literal["test volume", "validation slice"]


class Advisor:
    """Keeps the newest advice until what it rests on changes: it takes a tenth of a second, and every open page asks again.

    ``patients`` gives whose each case is.
    """

    def __init__(self, patients: Callable[[], Mapping[str, str]], seed: int) -> None:
        self._patients, self._seed = patients, seed
        self._kept: tuple[tuple[list[Point], bool, int], dict[str, Any]] | None = None

    def advice(self, curve: Sequence[Point], left: int, more: int) -> dict[str, Any]:
        """As of :func:`advice_of`."""
        asked, kept = (list(curve), left == 0, more), self._kept
        if kept is None or kept[0] != asked:
            self._kept = kept = (asked, advice_of(curve, left, more, self._seed, self._patients()))
        return kept[1]


def curve_of(records: Sequence[Mapping[str, Any]]) -> list[Point]:
    """The budget curve so far: every training of which Dice, or an estimate of it, is known."""
    return [point for record in records if (point := _point(record)) is not None]


def advice_of(
    curve: Sequence[Point], left: int, more: int, seed: int = 0, patients: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """``gain`` with ``low`` and ``high``, a ``verdict``, whether to ``stop``, one plain ``sentence``, and ``how``.

    ``more`` slices are asked now or next; ``left``: slices of the budget that are not labelled yet; ``patients``: whose each
    case is (None: each is another's).
    """
    curve = _rising(curve)
    if left == 0:
        return _told(None, "used up", "The budget is used up: no further slices will be asked.", "")
    if len(curve) < 2:
        return _told(None, "early", "It takes two trainings to tell what more labels are worth.", "")
    units = sorted(set.intersection(*(set(point.units) for point in curve)))
    dice = [[point.units[one] for one in units] or [point.dice] for point in curve]
    owners = [(patients or {}).get(one.partition("/")[0], one) for one in units] or None  # of CASE, or of CASE/AXIS/INDEX
    gain = expected_gain([point.labelled for point in curve], dice, more, np.random.default_rng(seed), owners)
    verdict = worth(gain, len(curve))
    return _told(gain, verdict, _sentence(gain, verdict, more, len(curve)), _how(curve, len(units)))


def _point(record: Mapping[str, Any]) -> Point | None:
    estimate = record.get("estimate") or {}
    if record.get("dice") is not None:
        volumes = {case: _mean(by_class) for case, by_class in (record.get("per_volume") or {}).items()}
        units = {case: dice for case, dice in volumes.items() if dice is not None}
        return Point(*_where(record), float(record["dice"]), units, "test volume")
    if estimate.get("dice") is not None:
        return Point(*_where(record), float(estimate["dice"]), estimate.get("slices") or {}, "validation slice")
    return None


def _where(record: Mapping[str, Any]) -> tuple[int, int, float]:
    taught = int(record["labelled_slices"]) - int(record.get("validation_slices", 0))  # an older record has none
    return int(record["cycle"]), taught, float(record["budget"])


def _mean(by_class: Mapping[str, float | None]) -> float | None:
    known = [value for value in by_class.values() if value is not None]
    return sum(known) / len(known) if known else None


def _rising(curve: Sequence[Point]) -> list[Point]:
    """The points that more slices stand behind than behind the one before, all measured on the same."""
    kept: list[Point] = []
    for point in curve:
        if kept and point.measured_on != kept[-1].measured_on:
            kept = []
        if not kept or point.labelled > kept[-1].labelled:
            kept.append(point)
    return kept


def _sentence(gain: Gain, verdict: Told, more: int, trainings: int) -> str:
    interval = "" if gain.low is None or gain.dice <= 0 else f" (95 % interval {gain.low:.3f} to {gain.high:.3f})"
    what = "nothing" if gain.dice <= 0 else f"{gain.dice:.3f} Dice"
    expected = f"{more} more labelled slice{' is' if more == 1 else 's are'} expected to add {what}{interval}"
    if verdict == "stop":
        return f"More labels are hardly worth it: {expected}, less than half a Dice point."
    if verdict == "go on":
        return f"Go on: {expected}."
    why = "two trainings are too few" if trainings < ENOUGH_TRAININGS else "that is less than its uncertainty"
    return f"Whether more labels help cannot be told yet: {expected}; {why}."


def _how(curve: Sequence[Point], units: int) -> str:
    last = curve[-1]
    number = f"{units} {last.measured_on}{'' if units == 1 else 's'}" if units else "one figure a training"
    return (
        f"Fit of error = a·n^(−b) to 1 − Dice after {len(curve)} trainings, n labelled slices, measured on {number}. "
        f"The interval comes from drawing their patients anew 2,000 times"
        f"{' and from the points’ distance to the curve' if len(curve) > 2 else ''}."
    )


def _told(gain: Gain | None, verdict: Told, sentence: str, how: str) -> dict[str, Any]:
    return {
        "gain": gain.dice if gain else None,
        "low": gain.low if gain else None,
        "high": gain.high if gain else None,
        "verdict": verdict,
        "stop": verdict in ("stop", "used up"),
        "sentence": sentence,
        "how": how,
    }
