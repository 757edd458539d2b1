"""The section of benchmarks.md about the score: what ``score_quality.py`` found, state by state."""

from __future__ import annotations

from typing import Any

from recipe_sections import figure

from askance.report.tables import markdown

_Groups = dict[tuple[str, str, str, str, str], list[dict[str, Any]]]

_SIDES = {"learn": "slices of learn without a label", "test": "test slices"}
_STATES = {
    "1patient": "one patient labelled",
    "3patients": "three patients labelled",
    "spread5": "5 % of the slices labelled",
}
_WHAT = (
    "Of slices that the model never learnt from: what is said of each without its truth, and the Dice that it has, on the "
    "working grid. "
    "Intervals of 95 % over seeds and patients; error: mean absolute, of what is in units of Dice, beside how far its mean "
    "is too high; all else is better where it is higher.\n"
)


def quality(lines: list[dict[str, Any]]) -> str:
    """The score and its rivals on the same predictions, state by state: over all seeds where there are several."""
    groups: _Groups = {}
    for line in lines:
        key = (line["dataset"], line["fold"] or "", line["tag"] or "", line["side"], line["state"])
        groups.setdefault(key, []).append(line)
    parts = [_WHAT, _best(groups)]
    for (dataset, fold, tag, side, state), mine in sorted(groups.items()):
        shown = _shown(mine)
        patches = _patch_aurocs(mine)
        rows = [
            {
                "Said by": line["measure"],
                "r": f"{line['score_r']:.3f} ({line['low']:.3f} to {line['high']:.3f})",
                "Spearman": figure(line["spearman"]),
                "r per volume": figure(line["volume_r"]),
                "Error": figure(line["mae"]),
                "Too high by": _signed(line.get("bias")),
                "Score's r - this one's": _gained(line),
                "Wrong patches (AUROC)": figure(patches.get(line["measure"])),
                "Missed or invented (AUROC)": figure(line["empty_auroc"]),
                "Worst tenth found": figure(line["worst_found"]),
            }
            for line in sorted(shown, key=lambda line: -line["score_r"])
        ]
        what = ", ".join(filter(None, [dataset, fold and f"fold {fold}", tag, _SIDES[side], _STATES.get(state, state)]))
        count = f"{shown[0]['n']} slices with a Dice, seeds {', '.join(map(str, shown[0].get('seeds', [shown[0]['seed']])))}"
        parts.append(f"<details><summary>{what}: {count}</summary>\n\n{markdown(rows)}\n\n</details>\n")
    return "\n".join(parts)


def _shown(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line a measure: over most seeds, where several were run to the end, else of the first."""
    together = [line for line in lines if line["seed"] is None]
    if together:
        seeds = max((line["seeds"] for line in together), key=len)
        return [line for line in together if line["seeds"] == seeds]
    return [line for line in lines if line["seed"] == lines[0]["seed"]]


def _best(groups: _Groups) -> str:
    """The score beside the best of what it is compared with, a row a state."""
    rows = []
    for (dataset, fold, tag, side, state), mine in sorted(groups.items()):
        shown = _shown(mine)
        score = next(line for line in shown if line["measure"] == "score")
        rival = max((line for line in shown if line["measure"] != "score"), key=lambda line: line["score_r"])
        views = next(line for line in shown if line["measure"] == "expected_dice")
        raw = next((line for line in shown if line["measure"] == "d_raw"), None)
        rows.append(
            {
                "Data set": dataset,
                "Settings": ", ".join(filter(None, [fold and f"fold {fold}", tag])) or "default",
                "Slices": side,
                "State": _STATES.get(state, state),
                "r of the score": f"{score['score_r']:.3f} ({score['low']:.3f} to {score['high']:.3f})",
                "Error": figure(score["mae"]),
                "Too high by": _signed(score.get("bias")),
                "r per volume": figure(score["volume_r"]),
                "Over expected Dice of views": _gained(views),
                "r of d_raw": figure(raw["score_r"]) if raw else "–",
                "Best rival": f"{rival['measure']} {rival['score_r']:.3f}",
            }
        )
    return f"{markdown(rows)}\n"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _gained(line: dict[str, Any]) -> str:
    if line["measure"] == "score":
        return "–"
    return f"{line['score_gain']:+.3f} ({line['gain_low']:+.3f} to {line['gain_high']:+.3f})"


def _patch_aurocs(lines: list[dict[str, Any]]) -> dict[str, float]:
    """By measure, the mean over the seeds whose patches were looked at."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if line["patch_auroc"] is not None:
            found.setdefault(line["measure"], []).append(line["patch_auroc"])
    return {measure: sum(values) / len(values) for measure, values in found.items()}
