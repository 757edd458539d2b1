"""Figure 2 of the paper in its arrangement: a row a slice, in red where the prediction is not to be relied on."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib import image as mpl_image
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from askance.colours import UNRELIABLE, as_hex, class_colour
from askance.report.data import Panel
from askance.report.panels import doubt_png, image_png, labels_png
from askance.report.wording import decimal

_SIDE_IN = 2.1  # of a panel
_DPI = 110

#: Headings as in the paper's caption, and what stands under each.
_COLUMNS: dict[str, Callable[[Panel], bytes | None]] = {
    r"$\mathcal{I}$  slice": image_png,
    r"$\mathcal{S}$  ground truth": lambda panel: None if panel.truth is None else labels_png(panel, panel.truth),
    r"$\tilde{\mathcal{S}}$  prediction": lambda panel: labels_png(panel, panel.prediction),
    r"$D(\mathcal{I}, \tilde{\mathcal{S}})$  score": doubt_png,
}


def figure2_png(panels: Sequence[Panel], classes: Sequence[str]) -> bytes:
    """The picture; ``classes[id]`` is a class's name, 0 is background."""
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(4 * _SIDE_IN, max(1, len(panels)) * _SIDE_IN + 0.6), layout="constrained")
        grid = figure.subplots(max(1, len(panels)), len(_COLUMNS), squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, heading in zip(grid[0], _COLUMNS):
            axes.set_title(heading, fontsize=9)
        for row, panel in zip(grid, panels):
            for axes, draw in zip(row, _COLUMNS.values()):
                _show(axes, draw(panel), panel.aspect)
            words = f"{panel.slice_id}\nscore {decimal(panel.score, 2)}, Dice {decimal(panel.dice, 2)}"
            row[0].text(-0.04, 0.5, words, transform=row[0].transAxes, rotation=90, ha="right", va="center", fontsize=7)
        figure.legend(handles=_legend(classes), loc="outside lower center", ncols=len(classes), frameon=False, fontsize=8)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def _show(axes: Any, png: bytes | None, aspect: float) -> None:
    if png is not None:
        pixels: NDArray[Any] = mpl_image.imread(io.BytesIO(png), format="png")
        axes.imshow(pixels, aspect=aspect, interpolation="none")


def _legend(classes: Sequence[str]) -> list[Patch]:
    known = [Patch(color=as_hex(class_colour(label)), label=name) for label, name in enumerate(classes) if label]
    return [*known, Patch(color=as_hex(UNRELIABLE), label="not to be relied on")]
