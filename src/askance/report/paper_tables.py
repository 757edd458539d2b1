"""An experiment's tables, Table 1 of the paper first, with the paper's own figures beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from askance.report.experiment import (
    Comparison,
    Line,
    Spread,
    Trust,
    by_fold,
    dice_of,
    of_class,
    of_variant,
    reached,
    shares,
    spread,
    supervised,
    variants,
)
from askance.report.published import AUTHORS, PROPOSED, SUPERVISED
from askance.report.tables import Row
from askance.report.wording import NOTHING, decimal, duration, p_value

_WHO = "Dice"


def structures(lines: Sequence[Line]) -> list[str]:
    """The classes that lines give a Dice of, and the average of them."""
    return list(dict.fromkeys([*(name for line in lines for name in line["dice_per_class"]), "average"]))


def table1(lines: Sequence[Line], structure: str) -> list[Row]:
    """Dice of one structure (or ``average``) by share of labels: the paper's rows, then ours.

    A cell is the mean ± standard deviation over folds, in brackets the deviation over base patients within a fold.
    """
    columns = [0.0, *sorted({*shares(lines), *PROPOSED["average"]}), 1.0]
    name = structure.replace("_", " ")
    rows = _published(columns, name) if name in PROPOSED else []
    curves = [
        (f"{one.title}", {share: spread(of_variant(lines, one, share), dice_of(structure)) for share in columns})
        for one in variants(lines)
    ]
    others = sorted({line["method"] for line in lines if line["base"] is None})
    curves += [(one, {1.0: spread(supervised(lines, one), dice_of(structure))}) for one in others]
    return rows + [_row(who, columns, {share: _cell(found) for share, found in cells.items()}) for who, cells in curves]


def budget_row(lines: Sequence[Line]) -> list[Row]:
    """What was labelled in all, base included, where a share was asked for."""
    columns = [0.0, *shares(lines), 1.0]
    found = {
        share: [line["budget"] for line in lines if line["share"] == share and (line["base"] is None) == (share == 1.0)]
        for share in columns
    }
    cells = {share: f"{100 * sum(values) / len(values):.1f} %" for share, values in found.items() if values}
    return [{"Asked for after the base": "labelled in all", **{_share(one): cells.get(one, NOTHING) for one in columns}}]


def figures_table(lines: Sequence[Line]) -> list[Row]:
    """All figures of every curve and method, a row a share: means over folds; distances in mm."""
    groups = [(one.title, share, of_variant(lines, one, share)) for one in variants(lines) for share in shares(lines)]
    bases = sorted({line["method"] for line in lines if line["share"] == 0})
    groups += [
        (f"{one}, base", 0.0, [line for line in lines if (line["method"], line["share"]) == (one, 0)]) for one in bases
    ]
    groups += [
        (one, 1.0, supervised(lines, one)) for one in sorted({line["method"] for line in lines if line["base"] is None})
    ]
    return [_figures(who, share, found) for who, share, found in groups if found]


def _figures(who: str, share: float, lines: Sequence[Line]) -> Row:
    def mean(key: str, digits: int = 3) -> str:
        found = spread(lines, lambda line: line[key])
        return decimal(found.mean if found else None, digits)

    classes = list(dict.fromkeys(name for line in lines for name in line["dice_per_class"]))
    per_class = {}
    for name in classes:
        found = [by_fold(lines, of_class(figure, name)).values() for figure in ("dice", "slice_dice", "abd_mm")]
        per_class[f"{name}: Dice, slice Dice, ABD"] = ", ".join(map(_mean, found, (3, 3, 2)))
    return {
        "Method": who,
        "Share": _share(share),
        "Dice": mean("dice"),
        "Slice Dice": mean("slice_dice"),
        "ABD (mm)": mean("abd_mm", 2),
        "Hausdorff (mm)": mean("hd_mm", 1),
        "95 % (mm)": mean("hd95_mm", 1),
        "Missed": str(sum(line["missed"] for line in lines)),
        **per_class,
        "r of the score": mean("score_r", 2),
        "r of d_raw": mean("d_raw_r", 2),
        "Time": duration(sum(line["seconds"] for line in lines) / len(lines)),
        "Lines": str(len(lines)),
    }


def comparison_table(comparisons: Iterable[Comparison]) -> list[Row]:
    """Differences in Dice, paired by fold."""
    return [
        {
            "Who": one.first,
            "Against": one.second,
            "Share": _share(one.share),
            "Difference": f"{one.paired.mean:+.3f}",
            "95 % interval": _interval(one),
            "t test": p_value(one.paired.t_p),
            "Wilcoxon": p_value(one.paired.wilcoxon_p),
            "Folds": str(one.paired.n),
        }
        for one in comparisons
    ]


def reached_table(comparisons: Sequence[Comparison]) -> list[Row]:
    """By curve, the smallest share that comes within half a Dice point of full supervision."""
    found = reached(comparisons)
    rows = []
    for who, full in dict.fromkeys((one.first, one.second) for one in comparisons):
        first = found.get((who, full))
        rows.append(
            {
                "Who": who,
                "Full supervision": full,
                "Smallest share": _share(first.share) if first else "none of those tried",
                "Difference there": f"{first.paired.mean:+.3f}" if first else NOTHING,
                "95 % interval": _interval(first) if first else NOTHING,
            }
        )
    return rows


def trust_rows(trusts: Iterable[Trust]) -> list[Row]:
    """Correlations with Dice, each with what its pairs are."""
    return [
        {
            "Who": one.who,
            "Of": one.of,
            "A pair is a": one.level,
            "Pearson": f"{decimal(one.found.pearson, 2)} ({p_value(one.found.pearson_p)})",
            "Spearman": f"{decimal(one.found.spearman, 2)} ({p_value(one.found.spearman_p)})",
            "Pairs": str(one.found.n),
        }
        for one in trusts
    ]


def _published(columns: Sequence[float], name: str) -> list[Row]:
    rows = [_row("*published: proposed*", columns, {share: f"{value:.2f}" for share, value in PROPOSED[name].items()})]
    return rows + [
        _row(f"*published: {AUTHORS[one]}*", columns, {1.0: f"{figures[name]:.2f}"}) for one, figures in SUPERVISED.items()
    ]


def _row(who: str, columns: Sequence[float], cells: dict[float, str]) -> Row:
    return {_WHO: who, **{_share(share): cells.get(share, NOTHING) for share in columns}}


def _cell(found: Spread | None) -> str:
    if found is None:
        return NOTHING
    folds = "" if found.folds is None else f" ± {found.folds:.3f}"
    return f"{found.mean:.3f}{folds}" + ("" if found.bases is None else f" ({found.bases:.3f})")


def _mean(values: Iterable[float], digits: int) -> str:
    known = list(values)
    return decimal(sum(known) / len(known) if known else None, digits)


def _interval(one: Comparison) -> str:
    return NOTHING if one.paired.n < 2 else f"{one.paired.low:+.3f} to {one.paired.high:+.3f}"


def _share(share: float) -> str:
    return f"{100 * share:g} %"
