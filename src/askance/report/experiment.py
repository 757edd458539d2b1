"""An experiment's lines put together: what belongs to one curve, its means by fold, and what is paired with what.

Lines are those of ``askance bench paper``. Base patients and seeds of a fold are averaged first, so that a fold is one
number, and every spread and test is over folds. Compared is what both sides have: base by base, seed by seed. Folds share
most of what they learn from, which tests of differences allow for (``metrics.paired``).
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from askance.metrics.correlation import Correlation, correlate
from askance.metrics.paired import Paired, paired

Line = dict[str, Any]
Figure = Callable[[Line], float | None]

#: What a collaborating method is called where every slice is labelled.
ENDS = {"paper": "isola", "askance": "full"}
#: How far below full supervision still counts as reaching it: half a Dice point.
NEAR = 0.005
#: What is compared beside the mean Dice per volume.
BESIDE_DICE = ("slice_dice", "abd_mm", "hd95_mm")


@dataclass(frozen=True, order=True)
class Variant:
    """One curve over the shares."""

    method: str
    acquisition: str
    pseudo: bool
    cycles: int

    @property
    def title(self) -> str:
        """In words, what is usual left out."""
        cycles = "" if self.cycles == 1 else f", {self.cycles} cycles"
        return f"{self.method}, {self.acquisition}{', pseudo-labels' if self.pseudo else ''}{cycles}"


@dataclass(frozen=True)
class Spread:
    """Over folds: mean and sample deviation; ``bases``: mean over folds of the deviation over base patients and seeds."""

    mean: float
    folds: float | None
    bases: float | None
    n: int


@dataclass(frozen=True)
class Comparison:
    """Two ways at one share, paired by fold: ``first`` minus ``second``, in Dice and in other figures by their key."""

    first: str
    second: str
    share: float
    paired: Paired
    others: Mapping[str, Paired]


@dataclass(frozen=True)
class Trust:
    """A correlation with Dice, and over what: ``level`` slice, volume or budget; ``of`` score or d_raw."""

    who: str
    of: str
    level: str
    found: Correlation


def dice(line: Line) -> float | None:
    """The line's mean Dice."""
    value: float | None = line["dice"]
    return value


def dice_of(name: str) -> Figure:
    """The Dice of one class; ``average`` is the mean."""
    return dice if name == "average" else of_class("dice", name)


def of_class(figure: str, name: str) -> Figure:
    """``dice``, ``slice_dice`` or a distance of one class."""
    return lambda line: line[f"{figure}_per_class"].get(name)


def variants(lines: Iterable[Line]) -> list[Variant]:
    """The curves there are, in order."""
    asked = [line for line in lines if line["acquisition"] is not None]
    return sorted({Variant(one["method"], one["acquisition"], bool(one["pseudo"]), one["cycles"]) for one in asked})


def shares(lines: Iterable[Line]) -> list[float]:
    """The shares that were asked for, rising, without both ends."""
    return sorted({line["share"] for line in lines if line["acquisition"] is not None})


def of_variant(lines: Iterable[Line], variant: Variant, share: float) -> list[Line]:
    """The lines of one curve at ``share``; 0 is its bases, 1 its end under full supervision."""
    if share in (0.0, 1.0):
        method = variant.method if share == 0 else ENDS[variant.method]
        return [line for line in lines if (line["method"], line["acquisition"], line["share"]) == (method, None, share)]
    wanted = (variant.method, variant.acquisition, variant.pseudo, variant.cycles, share)
    return [
        line
        for line in lines
        if tuple(line[key] for key in ("method", "acquisition", "pseudo", "cycles", "share")) == wanted
    ]


def curve(lines: Sequence[Line], variant: Variant) -> dict[float, list[Line]]:
    """Share, rising from end to end -> lines, all over the same folds, bases and seeds.

    A run that was stopped, or that had shares added later, has more of these at some shares than at others. Those of the
    share that has most are taken; a share or end that lacks any of them is left out.
    """
    asked = {share: of_variant(lines, variant, share) for share in shares(lines)}
    units = max(({_unit(line) for line in found} for found in asked.values()), key=len, default=set())
    folds = {fold for fold, _, _ in units}
    found = {0.0: of_variant(lines, variant, 0.0)} | asked
    points = {share: [line for line in at if _unit(line) in units] for share, at in found.items()}
    points = {share: at for share, at in points.items() if {_unit(line) for line in at} >= units}
    end = [line for line in of_variant(lines, variant, 1.0) if line["fold"] in folds]
    return points | ({1.0: end} if end and {line["fold"] for line in end} >= folds else {})


def _unit(line: Line) -> tuple[int, int, int | None]:
    """What a curve has one line of at each share."""
    return line["fold"], line["seed"], line["base"]


def supervised(lines: Iterable[Line], method: str) -> list[Line]:
    """The lines of a method that learnt from every slice."""
    return [line for line in lines if line["method"] == method and line["base"] is None]


def by_fold(lines: Iterable[Line], figure: Figure) -> dict[int, float]:
    """Fold -> mean over its base patients and seeds; folds without a figure are left out."""
    values: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        value = figure(line)
        if value is not None:
            values[line["fold"]].append(value)
    return {fold: statistics.fmean(found) for fold, found in sorted(values.items())}


def spread(lines: Sequence[Line], figure: Figure = dice) -> Spread | None:
    """Mean and spreads of a figure; None where no line has it."""
    means = list(by_fold(lines, figure).values())
    if not means:
        return None
    within: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        value = figure(line)
        if value is not None:
            within[line["fold"]].append(value)
    bases = [statistics.stdev(values) for values in within.values() if len(values) > 1]
    return Spread(
        statistics.fmean(means),
        statistics.stdev(means) if len(means) > 1 else None,
        statistics.fmean(bases) if bases else None,
        len(means),
    )


def against_random(lines: Sequence[Line]) -> list[Comparison]:
    """Every acquisition against random, all else the same, share by share."""
    found = []
    for one in variants(lines):
        other = Variant(one.method, "random", one.pseudo, one.cycles)
        for share in shares(lines):
            if one != other:
                found += _compared(
                    of_variant(lines, one, share), of_variant(lines, other, share), one.title, "random", share
                )
    return found


def against_full(lines: Sequence[Line]) -> list[Comparison]:
    """Every curve against its own method under full supervision and against the fully supervised cGAN, share by share."""
    found = []
    for one in variants(lines):
        for method in dict.fromkeys((ENDS[one.method], "isola")):
            for share in shares(lines):
                found += _compared(of_variant(lines, one, share), supervised(lines, method), one.title, method, share)
    return found


def among_full(lines: Sequence[Line]) -> list[Comparison]:
    """The fully supervised methods, each against those after it."""
    methods = sorted({line["method"] for line in lines if line["base"] is None})
    pairs = [(first, second) for place, first in enumerate(methods) for second in methods[place + 1 :]]
    return [
        one
        for first, second in pairs
        for one in _compared(supervised(lines, first), supervised(lines, second), first, second, 1.0)
    ]


def reached(comparisons: Iterable[Comparison]) -> dict[tuple[str, str], Comparison]:
    """By curve and what it is compared with, the smallest share at which it is less than ``NEAR`` below; absent: at none."""
    found: dict[tuple[str, str], Comparison] = {}
    for one in sorted(comparisons, key=lambda one: one.share):
        if one.paired.mean > -NEAR:
            found.setdefault((one.first, one.second), one)
    return found


def _compared(first: list[Line], second: list[Line], name: str, other: str, share: float) -> list[Comparison]:
    """One comparison, each figure over the trials that both have it of; none where they have no Dice in common."""
    folds = max((line.get("folds") or 0 for line in first), default=0)
    overlap = 1 / (folds - 1) if folds > 1 else 0.0
    found = {}
    for figure in ("dice", *BESIDE_DICE):
        having = ([line for line in lines if line[figure] is not None] for lines in (first, second))
        ours, theirs = (by_fold(lines, itemgetter(figure)) for lines in _in_common(*having))
        if ours:
            found[figure] = paired(ours, theirs, overlap)
    return [Comparison(name, other, share, found.pop("dice"), found)] if "dice" in found else []


def _in_common(first: list[Line], second: list[Line]) -> tuple[list[Line], list[Line]]:
    """The lines whose fold and seed, and base where both have bases, the others have too: a run may have been stopped."""
    with_base = all(line["base"] is not None for line in [*first, *second])

    def unit(line: Line) -> tuple[Any, ...]:
        return line["fold"], line["seed"], line["base"] if with_base else None

    both = set(map(unit, first)) & set(map(unit, second))
    return [line for line in first if unit(line) in both], [line for line in second if unit(line) in both]


def trusts(lines: Sequence[Line]) -> list[Trust]:
    """Every way in which a score can go with Dice, each called what it is.

    Per slice and per volume: of the base models, of full supervision, and of each curve over all its shares together. Per
    budget: each curve's mean score and mean Dice at each of its shares and both ends, one pair a share.
    """
    groups = [
        (f"{method}, base", [one for one in lines if one["method"] == method and one["share"] == 0]) for method in ENDS
    ]
    groups += [(end, supervised(lines, end)) for end in ENDS.values()]
    curves = [(one, curve(lines, one)) for one in variants(lines)]
    groups += [(one.title, [line for share, at in found.items() if 0 < share < 1 for line in at]) for one, found in curves]
    trusted = []
    for of in ("score", "d_raw"):
        for who, found in groups:
            for level, pairs in (("slice", slice_pairs), ("volume", volume_pairs)):
                trusted += _trust(who, of, level, pairs(found, of))
        for one, by_share in curves:
            trusted += _trust(one.title, of, "budget", budget_pairs(by_share.values(), of))
    return trusted


def slice_pairs(lines: Iterable[Line], of: str) -> list[tuple[float, float]]:
    """(score, Dice) of every test slice that has a Dice."""
    return [
        (score, value)
        for line in lines
        for case in line["slices"].values()
        for score, value in zip(case.get(of) or [], case["dice"])
        if value is not None
    ]


def volume_pairs(lines: Iterable[Line], of: str) -> list[tuple[float, float]]:
    """(mean score of its slices, Dice) of every test volume."""
    pairs = []
    for line in lines:
        for case, slices in line["slices"].items():
            known = [value for value in line["volumes"][case]["dice"] if value is not None]
            if slices.get(of) and known:
                pairs.append((statistics.fmean(slices[of]), statistics.fmean(known)))
    return pairs


def budget_pairs(by_share: Iterable[Sequence[Line]], of: str) -> list[tuple[float, float]]:
    """(mean score, mean Dice) over all test volumes at each share: one pair a share."""
    pairs = []
    for found in by_share:
        volumes = volume_pairs(found, of)
        if volumes:
            scores, values = zip(*volumes)
            pairs.append((statistics.fmean(scores), statistics.fmean(values)))
    return pairs


def _trust(who: str, of: str, level: str, pairs: list[tuple[float, float]]) -> list[Trust]:
    if not pairs:
        return []
    found = correlate([score for score, _ in pairs], [value for _, value in pairs])
    return [] if math.isnan(found.pearson) else [Trust(who, of, level, found)]
