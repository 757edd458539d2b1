"""An experiment's pictures: Dice over the share of labels with bands, and Dice against the score at three levels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from askance.colours import class_colour, ink
from askance.metrics.correlation import correlate
from askance.report.experiment import (
    ENDS,
    Line,
    Variant,
    budget_pairs,
    curve,
    slice_pairs,
    spread,
    supervised,
    variants,
    volume_pairs,
)
from askance.report.plots import ACCENT, FAINT, INK, MARKERS, STYLE, as_svg
from askance.report.published import AUTHORS, PROPOSED

#: What a method's D says is its score in the paper; askance's score is the expected Dice.
_SCORE_OF = {"paper": "d_raw", "askance": "score"}
_MOST_DOTS = 4000  # more make no picture clearer, and the file large


def budget_curves(lines: Sequence[Line], dataset: str) -> bytes:
    """A curve with a band of one standard deviation over folds for each variant; full supervision as lines across."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.6), layout="constrained")
        axes = figure.add_subplot()
        published = PROPOSED["average"]
        axes.plot(
            [100 * share for share in published],
            list(published.values()),
            color=FAINT,
            linestyle=":",
            label="published (HVSMR 2016)",
        )
        for place, one in enumerate(variants(lines)):
            points = [(share, spread(found)) for share, found in curve(lines, one).items()]
            known = [(100 * share, found) for share, found in points if found is not None]
            x, mean = [share for share, _ in known], [found.mean for _, found in known]
            reach = [found.folds or 0.0 for _, found in known]
            colour = ink(class_colour(place + 1))
            axes.plot(x, mean, color=colour, marker=MARKERS[place % len(MARKERS)], markersize=4, label=one.title)
            low, high = ([m + sign * r for m, r in zip(mean, reach)] for sign in (-1, 1))
            axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        for place, method in enumerate(sorted({line["method"] for line in lines if line["base"] is None})):
            found = spread(supervised(lines, method))
            if found:
                label = f"{method} ({AUTHORS[method]})" if method in AUTHORS else method
                axes.axhline(
                    found.mean,
                    color=INK,
                    linestyle=("--", "-.", (0, (1, 1)), (0, (5, 1)))[place % 4],
                    linewidth=1,
                    label=label,
                )
        axes.set(
            xlabel="slices asked for after the base (%)", ylabel="Dice, mean over classes", title=dataset, xlim=(-2, 102)
        )
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        return as_svg(figure)


def clouded(lines: Sequence[Line]) -> list[str]:
    """The methods of which a score is held against the Dice."""
    return [method for method in ENDS if any(line["method"] == method for line in lines)]


def trust_clouds(lines: Sequence[Line], dataset: str) -> bytes:
    """Dice against the score, a row a method: per slice and per volume of its base models, and per budget of one curve."""
    methods = clouded(lines)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.1 * max(1, len(methods))), layout="constrained")
        figure.suptitle(dataset, fontsize=10)
        for row, method in enumerate(methods):
            of = _SCORE_OF[method]
            bases = [line for line in lines if (line["method"], line["share"]) == (method, 0)]
            shown = _shown(lines, method)
            by_share = curve(lines, shown).values() if shown else ()
            clouds = [
                (f"{method}, base", "slice", slice_pairs(bases, of)),
                (f"{method}, base", "volume", volume_pairs(bases, of)),
                (shown.title if shown else method, "share", budget_pairs(by_share, of)),
            ]
            for column, (title, dot, pairs) in enumerate(clouds):
                axes = figure.add_subplot(len(methods), 3, 3 * row + column + 1)
                dots = pairs[:: -(-len(pairs) // _MOST_DOTS) or 1]
                x, y = [score for score, _ in dots], [value for _, value in dots]
                size, alpha = (9, 0.3) if column == 0 else (22, 0.8)
                axes.scatter(x, y, s=size, color=ACCENT, alpha=alpha, linewidths=0, rasterized=True)
                axes.set_title(f"{title}\na dot a {dot}: {_r(pairs)}", fontsize=8, loc="left")
                axes.locator_params(axis="x", nbins=4)
                axes.locator_params(axis="y", nbins=5)
                axes.set(xlabel=of, ylabel="Dice" if column == 0 else "")
        return as_svg(figure)


def _shown(lines: Sequence[Line], method: str) -> Variant | None:
    """The curve whose budgets are shown: asked by the method's own score, with pseudo-labels, where there is one."""
    own = [one for one in variants(lines) if one.method == method]
    return max(own, key=lambda one: (one.acquisition == _SCORE_OF[method], one.pseudo, -one.cycles), default=None)


def _r(pairs: Sequence[tuple[float, float]]) -> str:
    found = correlate([score for score, _ in pairs], [value for _, value in pairs])
    return f"r {'not defined' if math.isnan(found.pearson) else f'= {found.pearson:.2f}'} over {found.n}"
