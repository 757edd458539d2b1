"""Published tables and curves from a benchmark's JSON lines; nothing is typed by hand."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askance.errors import FormatError
from askance.report.tables import Row

#: What tells one point of a curve from another. ``budget`` is compared to a thousandth.
KEYS = ("dataset", "method", "acquisition", "budget")
#: What every result holds.
_EVERY = (*KEYS, "seed", "dice")
#: What the tables of `askance bench paper` read of its lines beside that.
_OF_PAPER = (
    *("fold", "folds", "base", "share", "cycles", "pseudo", "pool_slices", "dice_per_class", "slice_dice"),
    *("slice_dice_per_class", "abd_mm", "abd_mm_per_class", "hd_mm", "hd95_mm", "hd95_mm_per_class", "missed"),
    *("score_r", "d_raw_r", "seconds", "volumes", "slices"),
)


@dataclass(frozen=True)
class Summary:
    """Dice over seeds: mean, sample standard deviation (None with one seed), and how many seeds and lines."""

    dataset: str
    method: str
    acquisition: str | None
    budget: float | None
    mean: float
    sd: float | None
    seeds: int
    lines: int


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The results in ``path``, a dict a line; empty lines are passed over.

    Raises:
        FormatError: not text, a line that is no JSON object, or one that lacks what every result of its kind has.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file ({error.reason}); wanted one JSON object a line") from None
    lines = enumerate(text.splitlines(), start=1)
    return [_parsed(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        result = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: not a line of JSON ({error}); run the recipe again or remove the line") from None
    if not isinstance(result, dict):
        raise FormatError(f"{where}: found {type(result).__name__}; wanted one JSON object a line")
    wanted = (*_EVERY, *_OF_PAPER) if result.get("bench") == "paper" else _EVERY
    if missing := [key for key in wanted if key not in result]:
        raise FormatError(f"{where}: lacks {', '.join(missing)}; run the recipe again or remove the line")
    return result


def summarise(results: Iterable[dict[str, Any]]) -> list[Summary]:
    """Mean and spread of ``dice`` over seeds for each point, sorted; the folds and runs of one seed are averaged first.

    Lines whose ``dice`` is null (a bench that measures something else) are left out.
    """
    points: dict[tuple[Any, ...], dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if result["dice"] is not None:
            budget = None if result["budget"] is None else round(result["budget"], 3)
            key = (result["dataset"], result["method"], result["acquisition"], budget)
            points[key][result["seed"]].append(float(result["dice"]))
    return [_summary(key, points[key]) for key in sorted(points, key=_order)]


def _summary(key: tuple[Any, ...], by_seed: dict[Any, list[float]]) -> Summary:
    dataset, method, acquisition, budget = key
    means = [statistics.fmean(values) for values in by_seed.values()]
    return Summary(
        dataset,
        method,
        acquisition,
        budget,
        mean=statistics.fmean(means),
        sd=statistics.stdev(means) if len(means) > 1 else None,
        seeds=len(means),
        lines=sum(len(values) for values in by_seed.values()),
    )


def _order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sorts with None first, whatever the type beside it."""
    return tuple((part is not None, part if part is not None else "") for part in key)


def benchmark_table(summaries: Sequence[Summary]) -> list[Row]:
    """A row for each data set, method and acquisition, a column for each budget: mean ± sd (seeds)."""
    budgets = sorted({one.budget for one in summaries if one.budget is not None})
    cells: dict[tuple[str, str, str], Row] = {}
    for one in summaries:
        cells.setdefault((one.dataset, one.method, one.acquisition or "–"), {})[_column(one.budget)] = _cell(one)
    columns = [_column(budget) for budget in ([None] if any(one.budget is None for one in summaries) else []) + budgets]
    return [
        {**dict(zip(("Data set", "Method", "Acquisition"), key)), **{column: row.get(column, "–") for column in columns}}
        for key, row in cells.items()
    ]


def _column(budget: float | None) -> str:
    return "No budget" if budget is None else f"{100 * budget:.3g} %"


def _cell(one: Summary) -> str:
    spread = "" if one.sd is None else f" ± {one.sd:.3f}"
    return f"{one.mean:.3f}{spread} ({one.seeds})"
