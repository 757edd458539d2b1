"""What trials are run on: the cases of a data set, their folds, one working grid, and every method's settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from askance.active.acquisition import require_answer_to
from askance.config import GridConfig, StudyConfig, from_preset, overlay
from askance.errors import DataError, UsageError
from askance.evaluation.folds import draw_base_patients
from askance.evaluation.method import Method, Registered
from askance.evaluation.plan import ENDS, PRESETS, Plan, Trial
from askance.evaluation.supervised import Supervised, SupervisedSettings
from askance.learning.architecture import Shape, crop_size, require_halvable
from askance.records import Case
from askance.volumes import normalisation
from askance.volumes.cache import SliceCache
from askance.volumes.geometry import Grid

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Material:
    """All that a trial needs beside its own description; travels to workers.

    ``cases`` are labelled in every slice, whatever their split says: ``folds[n]`` are the patients tested on in fold n.
    ``training``: settings of [training] for every network in two dimensions; ``settings``: by method, those of a study as
    in study.toml or those of a rival's own. ``rivals``: methods of other rooms by name. Everything is made in ``work``.
    """

    dataset: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    ignore: int | None
    cases: tuple[Case, ...]
    grid: GridConfig
    folds: tuple[tuple[str, ...], ...]
    work: Path
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    rivals: Mapping[str, Registered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bare = [case.id for case in self.cases if case.label is None or len(case.labelled) < case.shape[self.grid.axis]]
        if bare:
            raise DataError(
                f"{self.dataset}: {len(bare)} cases are not labelled in every slice, first {bare[0]}; leave them out"
            )

    def cases_of(self, fold: int) -> list[Case]:
        """Every case, on the side where it stands in ``fold``."""
        test = set(self.folds[fold])
        return [replace(case, split="test" if case.patient in test else "learn") for case in self.cases]

    def base_patient(self, trial: Trial) -> str:
        """The patient whose slices are the base of ``trial``."""
        assert trial.base is not None
        learn = [case.patient for case in self.cases_of(trial.fold) if case.split == "learn"]
        return draw_base_patients(learn, trial.base + 1, trial.fold, trial.seed)[-1]

    def config(self, method: str, seed: int, **sections: Mapping[str, Any]) -> StudyConfig:
        """A study's settings for ``method``: the preset's, under those for all, under its own, under ``sections``."""
        said = {
            "name": method,
            "expert": "simulated",
            "seed": seed,
            "classes": self.classes,
            "channels": self.channels,
            "grid": self.grid.model_dump(),
            **({} if self.ignore is None else {"ignore": self.ignore}),
        }
        return from_preset(PRESETS[method], overlay(overlay(said, self._of_study(method)), sections))

    def method(self, name: str) -> Method:
        """The fully supervised method called ``name``.

        Raises:
            UsageError: it is not known, not installed, or has no such setting.
        """
        if name in PRESETS:
            settings = SupervisedSettings(PRESETS[name], self.grid, self._of_study(name), self.folder / "cache")
            return Supervised(len(self.classes), len(self.channels), settings)
        if name not in self.rivals:
            raise UsageError(f"method {name!r} is not known; wanted one of {', '.join([*PRESETS, *self.rivals])}")
        return self.rivals[name].make(len(self.classes), len(self.channels), self.settings.get(name, {}))

    def require(self, plan: Plan) -> None:
        """Raise now what would otherwise be raised in the middle of the experiment.

        Raises:
            UsageError: an unknown method or setting, folds or base patients that there are not. ConfigError: a setting.
        """
        if unknown := sorted(set(self.settings) - {*PRESETS, *self.rivals}):
            raise UsageError(f"settings are given for {unknown[0]!r}; wanted one of {', '.join([*PRESETS, *self.rivals])}")
        for name in plan.methods:
            self.method(name)
            for one in (name, ENDS.get(name, name)):
                if one in PRESETS:
                    config = self.config(one, 0)
                    require_halvable(config.grid.size)
                    crop_size(Shape.of(config), config.network, config.training)
                if one == name and name in ENDS:
                    for asked in plan.acquisitions:
                        require_answer_to(self.config(name, 0), asked)
        for fold in plan.folds:
            if fold >= len(self.folds):
                raise UsageError(f"fold {fold} is asked for; there are {len(self.folds)}, counted from 0")
            learn = [case.patient for case in self.cases_of(fold) if case.split == "learn"]
            if set(plan.methods) & set(ENDS):
                draw_base_patients(learn, plan.base_patients, fold, 0)

    def digest(self, method: str) -> str:
        """Eight hex digits of data, folds, grid and all settings of the method, defaults too, which may be others tomorrow.

        Lines with others are of another experiment.
        """
        text = json.dumps([self._data, self._all_settings(method)], sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @cached_property
    def data_digest(self) -> str:
        """Eight hex digits of data, whose each case is, how it is read, folds and grid."""
        return hashlib.sha256(self._data.encode()).hexdigest()[:8]

    @cached_property
    def folder(self) -> Path:
        """Where everything of this data set, grid and folds is made."""
        return self.work / f"{self.dataset}-{self.data_digest}"

    def folder_of(self, trial: Trial) -> Path:
        """Where ``trial`` is run."""
        return self.folder / f"{trial.name}-{self.digest(trial.method)}"

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Bring every case to the working grid once, for all studies."""
        cache = SliceCache(self.folder / "cache", Grid.from_config(self.grid), len(self.channels))
        cache.build(self.cases, progress)

    @cached_property
    def _data(self) -> str:
        """All that figures depend on beside a method's settings; also the version of what makes intensities comparable."""
        sources = [
            (case.id, case.patient, [image.sha256 for image in case.images], case.label and case.label.sha256)
            for case in self.cases
        ]
        read = (self.classes, self.ignore, normalisation.VERSION)
        return json.dumps([self.dataset, read, self.grid.model_dump(mode="json"), self.folds, sources])

    def _all_settings(self, method: str) -> Any:
        if method in PRESETS:
            return self.config(method, 0).model_dump(mode="json", exclude={"name"})
        return asdict(self.rivals[method].settings_with(self.settings.get(method, {})))

    def _of_study(self, method: str) -> dict[str, Any]:
        """What the user said for a study of ``method``; a 100 % end learns as its collaborating method does."""
        said: dict[str, Any] = {"training": dict(self.training)} if self.training else {}
        for one in [name for name, end in ENDS.items() if end == method] + [method]:
            said = overlay(said, dict(self.settings.get(one, {})))
        return said
