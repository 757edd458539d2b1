"""Runs that differ in one thing, seed by seed: acquisitions against random, full supervision with and without D."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from askance.metrics.budget import aubc
from askance.metrics.paired import paired
from askance.report.tables import Row

#: The tag of lines whose networks were trained without the adversarial term.
WITHOUT_D = "noadv"

Curves = dict[str, dict[int, list[tuple[float, float]]]]  # by run and seed: budgets and Dice, rising


def against_random(lines: Iterable[Mapping[str, Any]]) -> list[Row]:
    """A row an acquisition that shares seeds with random, from lines of one data set and tag; differences in Dice points.

    Curves are compared where both have the same budgets; a run that was stopped half way is no pair.
    """
    curves = _curves(line for line in lines if line["acquisition"] is not None and line["method"] == "askance")
    base = curves.pop("random", {})
    rows = []
    for run, mine in sorted(curves.items()):
        seeds = [seed for seed in mine if seed in base and _budgets(mine[seed]) == _budgets(base[seed])]
        if seeds:
            areas = _difference(*({seed: aubc(*zip(*of[seed])) for seed in seeds} for of in (mine, base)))
            final = _difference(*({seed: of[seed][-1][1] for seed in seeds} for of in (mine, base)))
            rows.append({"Against random": run, "Seeds": str(len(seeds)), "AUBC": areas, "Final Dice": final})
    return rows


def with_and_without_d(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One row where full supervision was run both ways on the same seeds of a data set, else none."""
    full = [line for line in lines if line["run"] == "full"]
    ways = [{line["seed"]: line for line in full if line["tag"] == tag} for tag in (None, WITHOUT_D)]
    seeds = sorted(ways[0].keys() & ways[1].keys())
    if not seeds:
        return []
    row = {"Full supervision": "with D - without", "Seeds": str(len(seeds))}
    for title, key in (("Dice", "dice"), ("Slice Dice", "slice_dice")):
        row[title] = _difference(*({seed: way[seed][key] for seed in seeds} for way in ways))
    return [row]


def _curves(lines: Iterable[Mapping[str, Any]]) -> Curves:
    found: Curves = defaultdict(lambda: defaultdict(list))
    for line in lines:
        found[line["run"]][line["seed"]].append((line["budget"], line["dice"]))
    return {run: {seed: sorted(points) for seed, points in of.items()} for run, of in found.items()}


def _budgets(points: Sequence[tuple[float, float]]) -> list[float]:
    return [round(budget, 3) for budget, _ in points]


def _difference(first: Mapping[int, float], second: Mapping[int, float]) -> str:
    """``+1.2 (0.3 to 2.1)`` in Dice points, with the interval of Student's t; without one from a single seed."""
    found = paired(first, second)
    mean, low, high = 100 * found.mean, 100 * found.low, 100 * found.high
    return f"{mean:+.2f}" + (f" ({low:+.2f} to {high:+.2f})" if np.isfinite(low) else "")
