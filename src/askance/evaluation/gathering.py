"""From a data set as it lies on disk to the material of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from askance.config import GridConfig
from askance.errors import UsageError
from askance.evaluation.folds import draw_folds
from askance.evaluation.material import Material, Settings
from askance.evaluation.method import Registered
from askance.records import Case
from askance.volumes.dataset import study_cases
from askance.volumes.found import Found
from askance.volumes.geometry import default_grid
from askance.volumes.patients import WHAT_THE_DATA_SAYS, Division, require_patients_to_fold

_PIXELS = 128  # more take minutes a training on a CPU


@dataclass(frozen=True)
class Wanted:
    """What a user says of an experiment's material.

    ``spacing_mm`` and ``size`` of the working grid: None takes the data's, of at most 128 pixels a side. ``all_sides``: fold
    every patient; else those that the data set names to learn from, so that its test set stays unread.
    """

    folds: int
    work: Path
    axis: str | None = None
    division: Division = WHAT_THE_DATA_SAYS
    spacing_mm: tuple[float, float] | None = None
    size: tuple[int, int] | None = None
    all_sides: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    rivals: Mapping[str, Registered] = field(default_factory=dict)


def gather_material(found: Found, wanted: Wanted, progress: Callable[[int, int], None] | None = None) -> Material:
    """The labelled cases of ``found`` in ``wanted.folds`` folds; every file is read and checked.

    Raises:
        SplitError: it is not clear who the patients are. DataError: problems in the data set. UsageError: fewer patients
            than folds, or a grid that cannot be.
    """
    require_patients_to_fold(found, wanted.division)
    nobody_drawn = replace(wanted.division, test_share=0.0)  # folds are drawn here
    cases, axis = study_cases(found, axis=wanted.axis, division=nobody_drawn, progress=progress)
    used = tuple(case for case in cases if case.label is not None and (wanted.all_sides or case.split == "learn"))
    return Material(
        dataset=found.name,
        classes=found.classes,
        channels=found.channels,
        ignore=found.ignore,
        cases=used,
        grid=_grid(used, axis, wanted),
        folds=draw_folds([case.patient for case in used], wanted.folds),
        work=wanted.work.absolute(),
        training=wanted.training,
        settings=wanted.settings,
        rivals=wanted.rivals,
    )


def _grid(cases: Sequence[Case], axis: int, wanted: Wanted) -> GridConfig:
    if not cases:
        raise UsageError("no case is labelled and free to learn from; wanted some (--all-sides takes the test set, too)")
    grid = default_grid(cases, axis, limit_px=_PIXELS)
    said = {"spacing_mm": wanted.spacing_mm, "size": wanted.size}
    try:
        return GridConfig(**{**grid.model_dump(), **{key: value for key, value in said.items() if value is not None}})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "grid"
        raise UsageError(
            f"the working grid cannot be {said}: {where}: {first['msg']} (found {first['input']!r:.80}); "
            f"name another spacing or size, or leave both to the data"
        ) from None
