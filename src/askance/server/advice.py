"""What the next cycle can be expected to gain, and when to stop; how it is computed is said in docs/server.md.

The gain of a cycle is the rise of Dice from the model before. Gains fall off, so the next one is taken to be the last one
times the ratio of the last two (between 0 and 1; one half where there is only one). Where there are no labelled test
volumes, the estimate on the unassisted validation slices stands in for Dice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

#: A cycle that is expected to gain less is not worth an expert's time.
WORTH_DICE = 0.005


def curve_of(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cycle, labelled slices, budget and Dice (or its estimate) of each finished cycle."""
    points = []
    for one in records:
        estimate = one.get("estimate") or {}
        dice = one.get("dice") if one.get("dice") is not None else estimate.get("dice")
        points.append({"cycle": one["cycle"], "labelled": one["labelled_slices"], "budget": one["budget"], "dice": dice})
    return points


def expected_gain(curve: Sequence[dict[str, Any]]) -> float | None:
    """Dice that the next cycle is expected to add; None before two cycles are measured."""
    dice: list[float] = [point["dice"] for point in curve if point["dice"] is not None]
    gains = [after - before for before, after in pairwise(dice)]
    if not gains:
        return None
    last = max(0.0, gains[-1])
    if len(gains) == 1 or gains[-2] <= 0:
        return last / 2
    return last * min(1.0, last / gains[-2])


def advice_of(curve: Sequence[dict[str, Any]], left: int) -> dict[str, Any]:
    """``gain``, whether to ``stop``, and one plain sentence. ``left``: slices of the budget not asked yet."""
    gain = expected_gain(curve)
    if left == 0:
        return {"gain": gain, "stop": True, "sentence": "The budget is used up: no further slices will be asked."}
    if gain is None:
        return {"gain": None, "stop": False, "sentence": "It takes two cycles to tell what more labels are worth."}
    if gain < WORTH_DICE:
        text = f"More labels are hardly worth it: the next cycle is expected to add {gain:.3f} Dice, below {WORTH_DICE}."
        return {"gain": gain, "stop": True, "sentence": text}
    return {"gain": gain, "stop": False, "sentence": f"The next cycle is expected to add about {gain:.3f} Dice."}
