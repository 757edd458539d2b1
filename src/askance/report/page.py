"""One self-contained HTML page: no network, no script, every picture inside; for a screen, a printer or an archive."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from askance.colours import UNRELIABLE, as_hex, class_colour
from askance.errors import StudyError, UsageError
from askance.report import panels, plots, tables, wording
from askance.report.data import AskedSlice, Panel, ReportData, ScoredSlice


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with the words for who cannot see it."""

    uri: str
    alt: str


def write_report(path: Path, data: ReportData) -> None:
    """Write the report to ``path``, whole or not at all; an earlier report there is replaced.

    Raises:
        UsageError: the study has no finished cycle. StudyError: ``path`` cannot be written.
    """
    if not data.cycles:
        raise UsageError(
            f"study {data.study.name!r} has no finished cycle, so there is nothing to report at {path}; "
            f"`askance run` it until its base is trained"
        )
    _replace(path, render(data))


def render(data: ReportData) -> str:
    """The page as HTML; the same data give the same text. ``data`` holds at least one cycle."""
    environment = Environment(
        loader=PackageLoader("askance.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        decimal=wording.decimal, percent=wording.percent, whole=wording.whole, counted=wording.counted
    )
    return environment.get_template("report.html.j2").render(_context(data)) + "\n"


def _context(data: ReportData) -> dict[str, Any]:
    last = data.cycles[-1]
    scored = [one for one in data.slices_scored if one.cycle == last["cycle"]]
    return {
        "study": data.study,
        "last": last,
        "headline": wording.headline(data),
        "estimate": wording.estimate(last),
        "trust": wording.trust(last),
        "budget_curve": _budget_curve(data),
        "class_curves": _class_curves(data),
        "clouds": _clouds(data, scored),
        "tables": {
            "budget": tables.budget_table(data.cycles),
            "classes": tables.class_table(data.cycles),
            "volumes": tables.volume_table(last),
            "trust": tables.trust_table(scored),
            "effort": tables.effort_table(data.cycles),
            "time": tables.time_table(data.cycles),
        },
        "asked": _by_cycle(data.asked),
        "figure2": [_figure2_row(panel) for panel in data.figure2],
        "made": _made(data),
        "has_truth": any(panel.truth is not None for panel in data.figure2),
        "legend": [(name, as_hex(class_colour(label))) for label, name in enumerate(data.study.classes) if label],
        "unreliable": as_hex(UNRELIABLE),
    }


def _budget_curve(data: ReportData) -> Picture:
    points = "; ".join(
        f"{wording.estimate(cycle) if cycle['dice'] is None else wording.decimal(cycle['dice'])} "
        f"at {wording.percent(cycle['budget'])}"
        for cycle in data.cycles
    )
    alt = f"Curve of the mean Dice against the share of labelled slices: {points}."
    return _picture("svg+xml", plots.budget_curve(data.cycles, data.full_supervision), alt)


def _class_curves(data: ReportData) -> Picture | None:
    if not any(dice is not None for cycle in data.cycles for dice in cycle["dice_per_class"].values()):
        return None
    alt = "Curves of the Dice of each class against the share of labelled slices; the figures stand in the table."
    return _picture("svg+xml", plots.class_curves(data.cycles, data.study.classes), alt)


def _clouds(data: ReportData, scored: list[ScoredSlice]) -> list[Picture]:
    """The score against Dice, and D's raw output against Dice where there is one."""
    last, pictures = data.cycles[-1], []
    sides = (
        ("score", last["correlation"], [(one.score, one.dice) for one in scored]),
        ("raw discriminator output", last["correlation_d_raw"], [(one.d_raw, one.dice) for one in scored]),
    )
    for name, correlations, pairs in sides:
        known = [(score, dice) for score, dice in pairs if score is not None and dice is not None]
        if known:
            words = wording.correlation(correlations["slice"]) if correlations else ""
            caption = f"{words}\nn = {len(known)}" if words else f"n = {len(known)}"
            alt = (
                f"Each test slice as a dot: its true Dice against the {name}; {words or 'no correlation'}, n = {len(known)}."
            )
            scores, dice = zip(*known, strict=True)
            pictures.append(_picture("svg+xml", plots.score_cloud(scores, dice, caption, name), alt))
    return pictures


def _by_cycle(asked: tuple[AskedSlice, ...]) -> dict[int, list[AskedSlice]]:
    grouped: dict[int, list[AskedSlice]] = {}
    for one in asked:
        grouped.setdefault(one.cycle, []).append(one)
    return dict(sorted(grouped.items()))


def _figure2_row(panel: Panel) -> dict[str, Any]:
    height, width = panel.image.shape
    dice = "not known" if panel.dice is None else wording.decimal(panel.dice, 2)
    truth = None
    if panel.truth is not None:
        truth = _picture("png", panels.labels_png(panel, panel.truth), f"Truth of slice {panel.slice_id}")
    predicted = f"Prediction for slice {panel.slice_id}; its true Dice is {dice}"
    doubt = f"Slice {panel.slice_id} with red where its label is unreliable; the slice's score is {panel.score:.2f}"
    return {
        "panel": panel,
        "dice": dice,
        "ratio": f"{width} / {height * panel.aspect:.4g}",
        "image": _picture("png", panels.image_png(panel), f"Slice {panel.slice_id}"),
        "truth": truth,
        "prediction": _picture("png", panels.labels_png(panel, panel.prediction), predicted),
        "doubt": _picture("png", panels.doubt_png(panel), doubt),
    }


def _made(data: ReportData) -> dict[str, Any] | None:
    if not data.made:
        return None
    height, width = panels.sheet_shape(data.made)
    alt = f"{len(data.made)} images that the generator of images made from noise."
    ratio = f"{width} / {height * data.made_aspect:.4g}"
    return {"picture": _picture("png", panels.sheet_png(data.made), alt), "ratio": ratio}


def _picture(kind: str, content: bytes, alt: str) -> Picture:
    # Base64 holds nothing that HTML would escape.
    return Picture(Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"), alt)


def _replace(path: Path, text: str) -> None:
    """Written beside ``path``, flushed, renamed: a reader finds the old report or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise StudyError(
            f"{path}: the report cannot be written ({error.strerror or type(error).__name__}); "
            f"wanted a folder with room and write permission; nothing was changed"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
