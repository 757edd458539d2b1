"""The section that an experiment has in docs/benchmarks.md, data set by data set, from its lines alone."""

from __future__ import annotations

from collections.abc import Sequence

from askance.report.experiment import Line, against_full, against_random, among_full, trusts
from askance.report.paper_tables import (
    budget_row,
    comparison_table,
    figures_table,
    reached_table,
    structures,
    table1,
    trust_rows,
)
from askance.report.tables import Row, markdown

_CELLS = (
    "Mean ± standard deviation over folds (a cell over fewer of them than the others says how many); in brackets the "
    "deviation over base patients and seeds within a fold. Shares are what is asked for after the base (the paper's k); "
    "0 % is the base alone, 100 % full supervision. On every data set the published rows are HVSMR 2016."
)
_TRUST = (
    "What the score tells of the Dice (of a curve: slices and volumes at all its shares together, over the folds that all "
    "of them have; p takes pairs for independent, which slices of one heart, or one heart after several bases, are not)"
)


def groups(lines: Sequence[Line]) -> dict[tuple[str, str], list[Line]]:
    """Lines by data set and tag, in order; those of other benches are left out."""
    mine = [line for line in lines if line.get("bench") == "paper"]
    keys = sorted({(line["dataset"], line.get("tag") or "") for line in mine})
    return {key: [line for line in mine if (line["dataset"], line.get("tag") or "") == key] for key in keys}


def name_of(dataset: str, tag: str) -> str:
    """Data set and tag as a part of a file's name."""
    return f"{dataset}{'-' + tag if tag else ''}"


def sections(lines: Sequence[Line]) -> list[tuple[tuple[str, str], str]]:
    """By data set and tag, its part of the page in Markdown."""
    return [(key, _section(key, found)) for key, found in groups(lines).items()]


def _section(key: tuple[str, str], lines: Sequence[Line]) -> str:
    dataset, tag = key
    folds, of = len({line["fold"] for line in lines}), max(line["folds"] for line in lines)
    pooled = max(line["pool_slices"] for line in lines)
    parts = [
        f"### {dataset}{f' ({tag})' if tag else ''}\n",
        f"{folds} of {of} folds, up to {pooled} slices to learn from. {_CELLS}\n",
    ]
    parts += [f"Table 1, {name.replace('_', ' ')}:\n\n{markdown(table1(lines, name))}" for name in _average_first(lines)]
    parts += [f"{markdown(budget_row(lines))}"]
    parts += [
        _titled(
            "How many labels reach full supervision (within half a Dice point, paired by fold)",
            reached_table(against_full(lines)),
        ),
        _titled("Against random, paired by fold", comparison_table(against_random(lines))),
        _titled("Against full supervision, paired by fold", comparison_table(against_full(lines))),
        _titled("Fully supervised methods, paired by fold", comparison_table(among_full(lines))),
        _titled(_TRUST, trust_rows(found) if (found := trusts(lines)) else []),
        _titled(
            "All figures, ± over folds (ABD: average boundary distance; missed: classes on one side only, which have no "
            "distance; not found: hearts whose localisation failed)",
            figures_table(lines),
        ),
    ]
    return "\n".join(part for part in parts if part)


def _average_first(lines: Sequence[Line]) -> list[str]:
    return sorted(structures(lines), key=lambda name: name != "average")


def _titled(title: str, rows: Sequence[Row]) -> str:
    return f"<details><summary>{title}</summary>\n\n{markdown(rows)}\n</details>\n" if rows else ""
