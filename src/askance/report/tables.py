"""Tables as lists of rows, each a dict column -> text; the terminal, the page and Markdown print the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from askance.cycle_record import CycleRecord
from askance.report.data import ScoredSlice
from askance.report.wording import NOTHING, decimal, duration, percent, whole

Row = dict[str, str]


def budget_table(cycles: Sequence[CycleRecord]) -> list[Row]:
    """What was spent and reached, a row a cycle; a column without any figure is left out."""
    rows = []
    for cycle in cycles:
        correlation = cycle["correlation"]
        row = {
            "Cycle": str(cycle["cycle"]),
            "Labelled": whole(cycle["labelled_slices"]),
            "Budget": percent(cycle["budget"]),
            "Queried": percent(cycle["queried_share"]),
            "Dice": decimal(cycle["dice"]),
            "Slice Dice": decimal(cycle["slice_dice"]),
            "Estimated slice Dice": _estimate(cycle),
            "Score r": decimal(correlation["slice"]["pearson"] if correlation else None, 2),
            "Score error": decimal(cycle["mae"]),
            "Pseudo-labelled": _pseudo(cycle),
            "Time": duration(sum(cycle["seconds"].values())),
        }
        rows.append(row)
    return _without_empty_columns(rows)


def _pseudo(cycle: CycleRecord) -> str:
    """How many slices, or why none: the answers did not bear the model out."""
    belief = cycle.get("belief")
    if belief and not belief["holds"]:
        return f"none: Dice {decimal(belief['dice'], 2)} on {belief['slices']} asked that it trusted"
    return whole(cycle["triage"]["pseudo"])


def class_table(cycles: Sequence[CycleRecord]) -> list[Row]:
    """Dice of each class, a row a cycle."""
    return [
        {
            "Cycle": str(cycle["cycle"]),
            "Budget": percent(cycle["budget"]),
            **{name: decimal(dice) for name, dice in cycle["dice_per_class"].items()},
            "Mean": decimal(cycle["dice"]),
        }
        for cycle in cycles
    ]


def volume_table(cycle: CycleRecord) -> list[Row]:
    """Dice of each class in each test volume of one cycle, by name."""
    return [
        {"Volume": case, **{name: decimal(dice) for name, dice in classes.items()}}
        for case, classes in sorted(cycle["per_volume"].items())
    ]


def effort_table(cycles: Sequence[CycleRecord]) -> list[Row]:
    """What the expert did, a row a cycle."""
    rows = []
    for cycle in cycles:
        effort = cycle["effort"]
        changed = effort["changed_voxels"] / effort["area_voxels"] if effort["area_voxels"] else None
        rows.append(
            {
                "Cycle": str(cycle["cycle"]),
                "Slices answered": whole(effort["slices"]),
                "Voxels corrected": whole(effort["changed_voxels"]),
                "Voxels labelled": whole(effort["area_voxels"]),
                "Corrected / labelled": percent(changed),
            }
        )
    return rows


def time_table(cycles: Sequence[CycleRecord]) -> list[Row]:
    """What the machine did: time of each step, and peak memory, a row a cycle."""
    steps = list(dict.fromkeys(step for cycle in cycles for step in cycle["seconds"]))
    return [
        {
            "Cycle": str(cycle["cycle"]),
            **{
                step.capitalize(): duration(cycle["seconds"][step]) if step in cycle["seconds"] else NOTHING
                for step in steps
            },
            "Together": duration(sum(cycle["seconds"].values())),
            "Peak memory": f"{cycle['peak_mb']:,.0f} MB",
        }
        for cycle in cycles
    ]


#: Lower ends of the score bands that ``trust_table`` tells apart, in words.
_BANDS = ((0.8, "0.8 and above"), (0.5, "0.5 to 0.8"), (0.0, "below 0.5"))


def trust_table(scored: Sequence[ScoredSlice]) -> list[Row]:
    """What a score turned out to mean: true Dice by band of the score, over the slices whose Dice is known."""
    rows, upper = [], float("inf")
    for lower, words in _BANDS:
        dice = [one.dice for one in scored if one.dice is not None and lower <= one.score < upper]
        poor = sum(value < 0.7 for value in dice)
        rows.append(
            {
                "Score": words,
                "Slices": whole(len(dice)),
                "Mean true Dice": decimal(sum(dice) / len(dice) if dice else None),
                "Dice below 0.7": percent(poor / len(dice)) if dice else NOTHING,
            }
        )
        upper = lower
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, figures to the right; a column that a row lacks is a dash."""
    if not rows:
        return ""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    rule = ["---" if place == 0 else "---:" for place, _ in enumerate(columns)]
    body = [[row.get(column, NOTHING).replace("|", "\\|") for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, rule, *body]) + "\n"


def _without_empty_columns(rows: list[Row]) -> list[Row]:
    filled = {column for row in rows for column, text in row.items() if text != NOTHING}
    return [{column: text for column, text in row.items() if column in filled} for row in rows]


def _estimate(cycle: CycleRecord) -> str:
    found = cycle["estimate"]
    if found is None:
        return NOTHING
    return f"{decimal(found['dice'])} ({decimal(found['low'], 2)} to {decimal(found['high'], 2)})"
