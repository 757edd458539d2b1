"""Runs that differ in one thing, seed by seed: two acquisitions, with D and without, warm and from scratch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.metrics.bootstrap import crossed_bootstrap
from askance.metrics.budget import area_over_common, aubc
from askance.metrics.paired import paired
from askance.report.tables import Row
from askance.report.wording import NOTHING, decimal, percent

#: The tag of lines whose networks were trained without the adversarial term.
WITHOUT_D = "noadv"
#: The beginning of the tag of lines that differ in the objective alone.
OBJECTIVE = "objective-"
#: The beginning of the tag of lines that differ in how the first slices were chosen alone.
START = "start-"
#: The end of the tag of lines whose cycles each began from scratch.
COLD = "cold"

_CORRECTED = "voxels corrected"
_EFFORTS = {_CORRECTED: "changed_voxels", "voxels asked": "area_voxels"}

Curves = dict[str, dict[int, list[tuple[float, float]]]]  # by run and seed: budgets and Dice, rising
_Ways = dict[bool, dict[int, Mapping[str, Any]]]  # whether warm, then by seed


def against(lines: Iterable[Mapping[str, Any]], other: str) -> list[Row]:
    """A row an acquisition that shares seeds with ``other``, from lines of one data set and tag; differences in Dice points.

    Curves are compared where both have the same budgets; a run that was stopped half way is no pair. Where the lines know
    the Dice of every volume, a second interval of the AUBC is over seeds and patients (crossed bootstrap). Beside the
    budget stands what the expert did: the same area over the voxels corrected from the proposals, and over the voxels
    labelled on all slices asked, each over the stretch that both cover, and the corrections as a share of the other's.
    """
    asked = [line for line in lines if line["acquisition"] is not None and line["method"] == "askance"]
    curves = _curves(asked)
    base = curves.pop(other, {})
    efforts = {title: _efforts(asked, key) for title, key in _EFFORTS.items()}
    rows = []
    for run, mine in sorted(curves.items()):
        seeds = [seed for seed in mine if seed in base and _budgets(mine[seed]) == _budgets(base[seed])]
        if seeds:
            row = {f"Against {other}": run, "Seeds": str(len(seeds))}
            row["AUBC"] = _difference(*({seed: aubc(*zip(*of[seed])) for seed in seeds} for of in (mine, base)))
            row["AUBC, over seeds and patients"] = _over_patients(asked, run, other, seeds)
            row["Final Dice"] = _difference(*({seed: of[seed][-1][1] for seed in seeds} for of in (mine, base)))
            rows.append(row | _by_effort(efforts, run, other, seeds))
    return rows


def _over_patients(lines: Sequence[Mapping[str, Any]], run: str, other: str, seeds: Sequence[int]) -> str:
    """The difference of the AUBC with its interval over seeds and patients; nothing from less than two seeds."""
    areas: dict[str, dict[str, NDArray[np.float64]]] = {}
    for seed in seeds:
        mine, base = (_areas_by_patient(lines, name, seed) for name in (run, other))
        if mine and mine.keys() == base.keys():
            gained = {patient: mine[patient] - base[patient] for patient in mine}
            areas[str(seed)] = {patient: gain[np.isfinite(gain)] for patient, gain in gained.items()}
    areas = {seed: of for seed, of in areas.items() if any(map(len, of.values()))}
    if len(areas) < 2:
        return NOTHING
    whole = np.mean([np.mean(np.concatenate(list(of.values()))) for of in areas.values()])
    low, high = crossed_bootstrap(areas, lambda drawn: float(drawn.mean()), np.random.default_rng(0))
    return _interval(float(whole), low, high)


def _areas_by_patient(lines: Iterable[Mapping[str, Any]], run: str, seed: int) -> dict[str, NDArray[np.float64]]:
    """By patient, (V,) the AUBC of each of their test volumes, NaN of one without a Dice at some budget.

    Empty where a line does not know them, or not the same ones.
    """
    curve = sorted((one for one in lines if (one["run"], one["seed"]) == (run, seed)), key=lambda one: one["budget"])
    if not all(one.get("dice_by_patient") for one in curve):
        return {}
    budgets, dice = [one["budget"] for one in curve], [one["dice_by_patient"] for one in curve]
    if len({tuple((patient, len(of)) for patient, of in sorted(one.items())) for one in dice}) > 1:
        return {}
    return {
        patient: np.array([aubc(budgets, np.array(of, np.float64)) for of in zip(*(one[patient] for one in dice))])
        for patient in sorted(dice[0])
    }


def _by_effort(efforts: Mapping[str, Curves], run: str, other: str, seeds: Sequence[int]) -> Row:
    """The cells about effort, of seeds whose lines know it."""
    row = {}
    for title, curves in efforts.items():
        mine, base = curves.get(run, {}), curves.get(other, {})
        pairs = {seed: area_over_common(mine[seed], base[seed]) for seed in seeds if seed in mine and seed in base}
        known = {seed: pair for seed, pair in pairs.items() if np.isfinite(pair).all()}
        ours, theirs = ({seed: pair[place] for seed, pair in known.items()} for place in (0, 1))
        row[f"AUBC over {title}"] = _difference(ours, theirs) if known else NOTHING
        if title == _CORRECTED and pairs:
            shares = [mine[seed][-1][0] / base[seed][-1][0] for seed in pairs if base[seed][-1][0]]
            row["Corrected, of the other's"] = percent(sum(shares) / len(shares) if shares else None)
    return row


def _efforts(lines: Iterable[Mapping[str, Any]], key: str) -> Curves:
    """By run and seed: voxels of effort so far after the base, and Dice, rising; of lines that know both."""
    found: Curves = defaultdict(lambda: defaultdict(list))
    for line in sorted(lines, key=lambda line: line["budget"]):
        if line.get("effort"):
            curve = found[line["run"]][line["seed"]]
            spent = curve[-1][0] + line["effort"][key] if curve else 0.0  # the base is the same for all
            curve.append((spent, line["dice"]))
    return {
        run: {seed: curve for seed, curve in of.items() if all(a < b for (a, _), (b, _) in pairwise(curve))}
        for run, of in found.items()
    }


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


def share_of_full(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row an acquisition and budget of one data set and tag: its mean Dice over seeds as a share of full supervision's."""
    full = [line["dice"] for line in lines if line["run"] == "full"]
    found: dict[tuple[str, float], list[float]] = defaultdict(list)
    for line in lines:
        if line["acquisition"] and line["method"] == "askance":
            found[line["run"], round(line["budget"], 3)].append(line["dice"])
    return [
        {
            "Asked by": run,
            "Labelled": percent(budget),
            "Seeds": str(len(dice)),
            "Dice": decimal(sum(dice) / len(dice)),
            "Of full supervision": percent(sum(dice) / len(dice) / (sum(full) / len(full))),
        }
        for (run, budget), dice in sorted(found.items())
        if full
    ]


def by_objective(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row an objective that the same bases were learnt by, from lines of one data set tagged ``OBJECTIVE`` and its name.

    ``plain`` is supervision without an adversary; differences are to it, paired by seed.
    """
    return _by_tag(lines, "Objective", OBJECTIVE, "plain")


def by_start(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row a way to choose the first slices, from lines of one data set tagged ``START`` and its name, against random."""
    return _by_tag(lines, "First slices", START, "random")


def _by_tag(lines: Sequence[Mapping[str, Any]], what: str, prefix: str, other: str) -> list[Row]:
    """A row a way that the lines' tags name after ``prefix``: its Dice, and the difference to ``other``, paired by seed."""
    found: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for line in lines:
        if (line["tag"] or "").startswith(prefix):
            found[line["tag"].removeprefix(prefix)][line["seed"]] = line
    reference, rows = found.get(other, {}), []
    for name, mine in sorted(found.items()):
        values = [line["dice"] for line in mine.values()]
        spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        (labelled,) = {percent(line["budget"]) for line in mine.values()}
        row = {what: name, "Labelled": labelled, "Seeds": str(len(mine)), "Dice": f"{np.mean(values):.3f}{spread}"}
        seeds = sorted(mine.keys() & reference.keys()) if name != other else []
        for title, key in ((f"Dice - {other}", "dice"), (f"Slice Dice - {other}", "slice_dice")):
            pair = ({seed: of[seed][key] for seed in seeds} for of in (mine, reference))
            row[title] = _difference(*pair) if seeds else NOTHING
        rows.append(row)
    return rows


def warm_and_from_scratch(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row an acquisition, tag and budget at which a cycle was trained both ways from the same base: Dice, and its time.

    Lines of one data set. Runs of a tag begin every cycle from scratch in those of that tag with ``COLD``.
    """
    found: dict[tuple[str, str, float], _Ways] = defaultdict(lambda: {True: {}, False: {}})
    for line in lines:
        tag = line["tag"] or ""
        cold = tag == COLD or tag.endswith(f"-{COLD}")
        if line["acquisition"] and line["cycle"]:
            key = (tag.removesuffix(COLD).removesuffix("-"), line["run"], round(line["budget"], 3))
            found[key][not cold][line["seed"]] = line
    rows = []
    for (tag, run, budget), ways in sorted(found.items()):
        seeds = sorted(ways[True].keys() & ways[False].keys())
        if seeds:
            row = {"Settings": tag or "default", "Asked by": run, "Labelled": percent(budget), "Seeds": str(len(seeds))}
            for title, figure in (("Dice, warm - from scratch", "dice"), ("Slice Dice", "slice_dice")):
                row[title] = _difference(*({seed: ways[way][seed][figure] for seed in seeds} for way in (True, False)))
            times = [[ways[way][seed]["seconds_by_step"]["train"] for seed in seeds] for way in (True, False)]
            rows.append(row | {"Time of the training": percent(sum(times[0]) / sum(times[1]))})
    return rows


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
    return _interval(found.mean, found.low, found.high)


def _interval(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.2f}" + (f" ({100 * low:+.2f} to {100 * high:+.2f})" if np.isfinite(low) else "")
