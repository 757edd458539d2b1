"""The report's curves and clouds as SVG.

Figures are made as objects, without pyplot, so that importing and drawing leave no state behind; the same data give
the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from askance.colours import class_colour, ink
from askance.cycle_record import CycleRecord
from askance.report.benchmarks import Summary

#: Colours, markers and style of every plot.
INK, FAINT, ACCENT = "#1f2933", "#9aa5b1", "#00587a"
MARKERS = "osD^vPX*hd"
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.5,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "askance",
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
}


def budget_curve(cycles: Sequence[CycleRecord], full_supervision: float | None = None) -> bytes:
    """Dice against the share of labelled slices; the estimate with its interval where no Dice is known."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(width=5.2)
        known = [(100 * cycle["budget"], cycle["dice"]) for cycle in cycles if cycle["dice"] is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=ACCENT, marker="o", label="test volumes")
        _estimates(axes, cycles)
        if full_supervision is not None:
            axes.axhline(full_supervision, color=FAINT, linestyle="--", linewidth=1.2)
            axes.annotate(
                f"every slice labelled: {full_supervision:.3f}",
                (1, full_supervision),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
            )
        axes.set(xlabel="slices labelled by the expert (%)", ylabel="mean Dice", xlim=(0, None))
        axes.margins(y=0.18)
        low, high = axes.get_ylim()
        axes.set_ylim(max(-0.02, low), min(1.02, high))  # there is no Dice outside 0 to 1
        return as_svg(figure)


def class_curves(cycles: Sequence[CycleRecord], classes: Sequence[str]) -> bytes:
    """Dice of each class against the share of labelled slices; ``classes[0]`` is background."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(width=5.2)
        for label, name in enumerate(classes[1:], start=1):
            known = [
                (100 * cycle["budget"], dice) for cycle in cycles if (dice := cycle["dice_per_class"].get(name)) is not None
            ]
            if known:
                marker = MARKERS[(label - 1) % len(MARKERS)]
                axes.plot(*zip(*known, strict=True), color=ink(class_colour(label)), marker=marker, label=name)
        axes.set(xlabel="slices labelled by the expert (%)", ylabel="Dice of each structure", xlim=(0, None))
        if axes.lines:
            axes.legend(loc="lower right")
        return as_svg(figure)


def score_cloud(scores: Sequence[float], dice: Sequence[float], caption: str, score_name: str = "score") -> bytes:
    """True Dice against the score, one dot a slice; the diagonal is where a score in [0, 1] tells the Dice exactly."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(width=4.2, height=3.9)
        axes.scatter(scores, dice, s=14, color=ACCENT, alpha=0.45, linewidths=0, rasterized=True)
        axes.set(xlabel=score_name, ylabel="true Dice of the slice", ylim=(-0.03, 1.03))
        if min(scores, default=0.0) >= 0 and max(scores, default=1.0) <= 1:
            axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1.2)
            axes.set(xlim=(-0.03, 1.03), aspect="equal")
        axes.set_title(caption, fontsize=9.5, loc="left")
        return as_svg(figure)


def benchmark_curves(summaries: Sequence[Summary], dataset: str) -> bytes:
    """Dice against the budget for every method and acquisition on one data set, mean and standard deviation."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(width=6.4, height=3.8)
        points = [one for one in summaries if one.dataset == dataset and one.budget is not None]
        curves = dict.fromkeys((one.method, one.acquisition) for one in points)
        for place, curve in enumerate(curves):
            mine = [one for one in points if (one.method, one.acquisition) == curve]
            axes.errorbar(
                [100 * (one.budget or 0.0) for one in mine],
                [one.mean for one in mine],
                yerr=[one.sd or 0.0 for one in mine],
                color=ink(class_colour(place + 1)),
                marker=MARKERS[place % len(MARKERS)],
                capsize=3,
                label=" / ".join(part for part in curve if part),
            )
        axes.set(xlabel="labelled slices (%)", ylabel="Dice", title=dataset)
        if curves:
            axes.legend(loc="lower right")
        return as_svg(figure)


def _axes(width: float, height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _estimates(axes: Axes, cycles: Sequence[CycleRecord]) -> None:
    found = [(100 * cycle["budget"], cycle["estimate"]) for cycle in cycles if cycle["estimate"] is not None]
    if not found:
        return
    middle = [one["dice"] for _, one in found]
    spread = [[one["dice"] - one["low"] for _, one in found], [one["high"] - one["dice"] for _, one in found]]
    axes.errorbar(
        [budget for budget, _ in found],
        middle,
        yerr=spread,
        color=INK,
        marker="s",
        linestyle=":",
        capsize=4,
        label="estimated slice Dice, 95 % interval",
    )
    axes.legend(loc="lower right")


def as_svg(figure: Figure) -> bytes:
    """The figure, the same bytes for the same data."""
    stream = io.BytesIO()
    nameless: dict[str, Any] = {"Date": None, "Creator": None}
    figure.savefig(stream, format="svg", dpi=160, metadata=nameless)
    return stream.getvalue()
