"""An experiment's tables, Table 1 of the paper first, with the paper's own figures beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from askance.metrics.paired import Paired
from askance.report.experiment import (
    Comparison,
    Figure,
    Line,
    Spread,
    Trust,
    dice_of,
    of_class,
    of_variant,
    reached,
    shares,
    spread,
    supervised,
    variants,
)
from askance.report.published import AUTHORS, CORRELATION, PROPOSED, SUPERVISED
from askance.report.tables import Row
from askance.report.wording import NOTHING, decimal, duration, p_value

_WHO = "Dice"
_BESIDE = {"Slice Dice": "slice_dice", "ABD (mm)": "abd_mm", "95 % (mm)": "hd95_mm"}
_OF_CLASS = {"Dice": ("dice", 3), "slice Dice": ("slice_dice", 3), "ABD": ("abd_mm", 2), "95 %": ("hd95_mm", 1)}


def structures(lines: Sequence[Line]) -> list[str]:
    """The classes that lines give a Dice of, and the average of them."""
    return list(dict.fromkeys([*(name for line in lines for name in line["dice_per_class"]), "average"]))


def table1(lines: Sequence[Line], structure: str) -> list[Row]:
    """Dice of one structure (or ``average``) by share of labels: the paper's rows, then ours.

    A cell is the mean ± standard deviation over folds, in brackets the deviation over base patients within a fold, and the
    number of folds where it is not that of the widest cell.
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
    most = max((found.n for _, cells in curves for found in cells.values() if found), default=0)
    return rows + [
        _row(who, columns, {share: _cell(found, most) for share, found in cells.items()}) for who, cells in curves
    ]


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
    """All figures of every curve and method, a row a share: means and deviations over folds; distances in mm."""
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
    def cell(figure: Figure, digits: int = 3) -> str:
        found = spread(lines, figure)
        return NOTHING if found is None else _with_deviation(found, digits)

    def of(key: str, digits: int = 3) -> str:
        return cell(lambda line: line[key], digits)

    classes = list(dict.fromkeys(name for line in lines for name in line["dice_per_class"]))
    per_class = {
        f"{name}: {title}": cell(of_class(key, name), digits)
        for name in classes
        for title, (key, digits) in _OF_CLASS.items()
    }
    failed = [one["case"] for line in lines for one in line.get("failures") or ()]
    return {
        "Method": who,
        "Share": _share(share),
        "Dice": of("dice"),
        "Slice Dice": of("slice_dice"),
        "ABD (mm)": of("abd_mm", 2),
        "Hausdorff (mm)": of("hd_mm", 1),
        "95 % (mm)": of("hd95_mm", 1),
        "Missed a trial": decimal(sum(line["missed"] for line in lines) / len(lines), 1),
        **per_class,
        "r of the score": of("score_r", 2),
        "r of d_raw": of("d_raw_r", 2),
        "Not found": ", ".join(sorted(set(failed))) or NOTHING,
        "Time": duration(sum(line["seconds"] for line in lines) / len(lines)),
        "Folds": str(len({line["fold"] for line in lines})),
        "Lines": str(len(lines)),
    }


def comparison_table(comparisons: Iterable[Comparison]) -> list[Row]:
    """Differences in Dice, paired by fold; in the other figures with the t test's p in brackets."""
    return [
        {
            "Who": one.first,
            "Against": one.second,
            "Share": _share(one.share),
            "Difference": f"{one.paired.mean:+.3f}",
            "95 % interval": _interval(one),
            "t test": p_value(one.paired.t_p),
            "Wilcoxon": p_value(one.paired.wilcoxon_p),
            **{title: _difference(one.others.get(key)) for title, key in _BESIDE.items()},
            "Folds": str(one.paired.n),
        }
        for one in comparisons
    ]


def _difference(found: Paired | None) -> str:
    return f"{found.mean:+.3f} ({p_value(found.t_p)})" if found else NOTHING


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
                "Folds": str(first.paired.n) if first else NOTHING,
            }
        )
    return rows


def trust_rows(trusts: Iterable[Trust]) -> list[Row]:
    """Correlations with Dice, each with what its pairs are; the paper's own first."""
    return [
        {
            "Who": "*published: proposed*",
            "Of": "d_raw",
            "A pair is a": "not said",
            "Pearson": f"{CORRELATION:.2f} (p < 0.001)",
            "Spearman": NOTHING,
            "Pairs": "not said",
        }
    ] + [
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


def _cell(found: Spread | None, most: int) -> str:
    if found is None:
        return NOTHING
    fewer = "" if found.n == most else f", {found.n} fold{'s' * (found.n > 1)}"
    return _with_deviation(found, 3) + ("" if found.bases is None else f" ({found.bases:.3f})") + fewer


def _with_deviation(found: Spread, digits: int) -> str:
    return decimal(found.mean, digits) + ("" if found.folds is None else f" ± {found.folds:.{digits}f}")


def _interval(one: Comparison) -> str:
    return NOTHING if one.paired.n < 2 else f"{one.paired.low:+.3f} to {one.paired.high:+.3f}"


def _share(share: float) -> str:
    return f"{100 * share:g} %"
