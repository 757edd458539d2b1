"""A preset under full supervision, behind the seam of methods: Isola's cGAN is preset paper, ``full`` preset askance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.loop import collaborate
from askance.active.outside import predict_outside
from askance.active.study import Study, by_case, model_name
from askance.config import GridConfig, StudyConfig, from_preset, overlay
from askance.evaluation.linking import link_files
from askance.evaluation.method import Report, Truth
from askance.learning.task import Step
from askance.records import IGNORE, Case, Prediction, Query, slice_id
from askance.store.answers import Answer
from askance.store.store import Store
from askance.volumes.geometry import coarsest_axis, default_grid, split

_PATIENCE_S = 60.0  # a lost worker may take a moment to let its study go


@dataclass(frozen=True)
class SupervisedSettings:
    """``grid``: None takes the training cases' own. ``study``: settings as in study.toml, over the preset's.

    ``cache``: a folder of slices on that grid that need not be made again.
    """

    preset: str = "paper"
    grid: GridConfig | None = None
    study: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None


class Supervised:
    """One training on all that is labelled, as the first training of a study in ``folder``."""

    def __init__(self, classes: int, channels: int, settings: SupervisedSettings | None = None) -> None:
        self._classes, self._channels = classes, channels
        self._settings = settings or SupervisedSettings()

    def fit(self, cases: Sequence[Case], truth: Truth, folder: Path, seed: int, report: Report | None = None) -> None:
        """Learn from every slice of ``cases`` of which ``truth`` labels something.

        Raises:
            UsageError: nothing is labelled. ConfigError: the settings. TrainingError: a loss that is not a number.
        """
        with self._study(cases, truth, folder, seed) as study, study.store.lock(_PATIENCE_S):
            collaborate(study, _Teacher(study, truth), _Watched(report))

    def predict(self, case: Case, folder: Path) -> NDArray[np.uint8]:
        """Class ids in the file's shape."""
        return self.judged(case, folder)[0]

    def judged(self, case: Case, folder: Path) -> tuple[NDArray[np.uint8], list[Prediction]]:
        """Class ids in the file's shape, and what the model says of each slice."""
        return predict_outside(folder / "models" / model_name(0), case)

    @contextmanager
    def _study(self, cases: Sequence[Case], truth: Truth, folder: Path, seed: int) -> Iterator[Study]:
        """The study in ``folder``, made where it is not there yet."""
        if not (folder / "study.toml").exists():
            config = self._config(cases, truth, seed)
            Store.create(folder, config, [replace(case, split="learn") for case in cases]).close()
            if self._settings.cache:
                link_files(self._settings.cache, folder / "cache")
        with Study.open(folder) as study:
            yield study

    def _config(self, cases: Sequence[Case], truth: Truth, seed: int) -> StudyConfig:
        grid = self._settings.grid or default_grid(cases, coarsest_axis(cases[0].spacing_mm))
        labelled = [
            slice_id(case.id, grid.axis, index)
            for case in cases
            for index, plane in enumerate(split(truth(case), grid.axis))
            if (plane != IGNORE).any()
        ]
        said = {
            "name": self._settings.preset,
            "expert": "simulated",
            "seed": seed,
            "classes": ["background", *(f"class {number}" for number in range(1, self._classes))],
            "channels": [f"channel {number}" for number in range(self._channels)],
            "grid": grid.model_dump(),
        }
        budget = {"start": "slices", "slices": labelled, "total": max(1, len(labelled)), "cycles": 0}
        wanted = {"budget": budget, "pseudo": {"share": 0.0}}  # nothing but the labels, even where some slices have none
        return from_preset(self._settings.preset, overlay(overlay(said, self._settings.study), wanted))


class _Teacher:
    """Answers with the truth that a method was given."""

    def __init__(self, study: Study, truth: Truth) -> None:
        self._study, self._truth = study, truth

    def answers(self, query: Query) -> Iterator[list[Answer]]:
        """All open slices of ``query``, a case at a time."""
        states, axis = self._study.store.states(), self._study.config.grid.axis
        for case_id, indices in by_case([one for one in query.slice_ids if states[one] == "queried"]).items():
            planes = split(self._truth(self._study.store.case(case_id)), axis)
            yield [Answer(slice_id(case_id, axis, i), np.ascontiguousarray(planes[i]), "truth") for i in indices]


class _Watched:
    """The loop's stages and steps as a method reports them."""

    def __init__(self, report: Report | None) -> None:
        self._report, self._stage = report or (lambda what, done, total: None), ""

    def stage(self, cycle: int, name: str) -> AbstractContextManager[None]:
        """Remember what is done now."""
        del cycle
        self._stage = name
        return nullcontext()

    def training(self, step: Step) -> None:
        """Steps done."""
        self._report(self._stage, step.number, step.steps)

    def count(self, done: int, total: int) -> None:
        """Cases done."""
        self._report(self._stage, done, total)
