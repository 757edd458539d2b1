"""What a report is made from: plain data, gathered by whoever owns the study."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.cycle_record import CycleRecord
from askance.records import Split


@dataclass(frozen=True)
class Counts:
    """How much one split holds."""

    cases: int
    patients: int
    slices: int


@dataclass(frozen=True)
class StudyFacts:
    """What does not change from cycle to cycle.

    ``classes[id]`` is a class's name, 0 is background. ``grid`` is the working grid in words ("256 x 256 pixels of
    1.25 x 1.25 mm"). ``environment``: what the provenance footer lists (Python, libraries, processor).
    """

    name: str
    preset: str
    expert: str
    acquisition: str
    classes: tuple[str, ...]
    seed: int
    counts: dict[Split, Counts]
    grid: str
    version: str
    commit: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredSlice:
    """One test slice as a cycle's model scored it; ``dice`` None: unknown, or empty in truth and prediction."""

    slice_id: str
    cycle: int
    score: float
    dice: float | None
    d_raw: float | None = None


@dataclass(frozen=True)
class AskedSlice:
    """One slice put to the expert: why, the score it had, and the Dice its proposal turned out to have, if known."""

    cycle: int
    slice_id: str
    reason: str
    score: float | None
    dice: float | None = None


@dataclass(frozen=True)
class Panel:
    """One row of Figure 2; all arrays are (h, w), row 0 on top.

    ``image``: any range of floats; ``truth`` and ``prediction``: uint8 class ids (``records.IGNORE``: not labelled);
    ``score_map``: the patch score map in [0, 1], 1 = right, resampled to the image. ``aspect``: a pixel's height over
    its width in mm.
    """

    slice_id: str
    image: NDArray[np.floating[Any]]
    truth: NDArray[np.uint8] | None
    prediction: NDArray[np.uint8]
    score_map: NDArray[np.floating[Any]]
    score: float
    dice: float | None
    aspect: float = 1.0
    title: str = ""


@dataclass(frozen=True)
class ReportData:
    """All that one report shows. ``cycles`` in rising order; ``full_supervision``: the Dice with every slice labelled.

    ``made``: images (h, w) that the training's imager made, where it has one, with pixels of ``made_aspect``.
    """

    study: StudyFacts
    cycles: tuple[CycleRecord, ...]
    slices_scored: tuple[ScoredSlice, ...] = ()
    asked: tuple[AskedSlice, ...] = ()
    figure2: tuple[Panel, ...] = ()
    full_supervision: float | None = None
    made: tuple[NDArray[np.floating[Any]], ...] = ()
    made_aspect: float = 1.0
