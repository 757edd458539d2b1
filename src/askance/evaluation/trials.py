"""One trial, from its description to its line: a base, a share asked by it, or a method under full supervision."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.environment import forget_peak, peak_mb
from askance.active.loop import Unwatched, Watcher
from askance.evaluation.collaborating import run_base, run_share
from askance.evaluation.figures import Tally
from askance.evaluation.lines import line_of
from askance.evaluation.material import Material
from askance.evaluation.method import Failing, Judging, Method, Truth
from askance.evaluation.plan import Trial
from askance.records import Case, Prediction
from askance.volumes.files import read_labels
from askance.volumes.geometry import split


def perform(material: Material, trial: Trial, watcher: Watcher | None = None) -> dict[str, Any]:
    """The line of ``trial``. Killed and called again it goes on where it was.

    Raises:
        AskanceError: what study, method or data say of their own accord.
    """
    forget_peak()
    run = run_base if trial.is_base else run_share if trial.base is not None else _full_supervision
    return run(material, trial, watcher or Unwatched())


def _full_supervision(material: Material, trial: Trial, watcher: Watcher) -> dict[str, Any]:
    """Learn from every slice, label the test volumes."""
    began, folder, method = time.perf_counter(), material.folder_of(trial), material.method(trial.method)
    cases, truth, axis = material.cases_of(trial.fold), _truth_of(material), material.grid.axis
    learn = [case for case in cases if case.split == "learn"]
    folder.mkdir(parents=True, exist_ok=True)
    with watcher.stage(0, f"learn {trial.name}"):
        method.fit(learn, truth, folder, trial.draw, lambda _, done, total: watcher.count(done, total))
    fitted, tally = time.perf_counter(), Tally(material.classes, axis)
    with watcher.stage(0, "measure"):
        tests = [case for case in cases if case.split == "test"]
        for place, case in enumerate(tests, start=1):
            labels, predictions = _labelled(method, case, folder)
            tally.see(case, split(labels, axis), split(truth(case), axis), predictions)
            watcher.count(place, len(tests))
    slices = sum(case.shape[axis] for case in learn)
    done = {
        "labelled_slices": slices,
        "pool_slices": slices,
        "budget": 1.0,
        "queried_share": None,
        "seconds": time.perf_counter() - began,
        "seconds_by_step": {"train": fitted - began, "measure": time.perf_counter() - fitted},
        "peak_mb": peak_mb(),
        **({"failures": method.failures(folder)} if isinstance(method, Failing) else {}),
        **tally.record(),
    }
    return line_of(material, trial, done)


def _labelled(method: Method, case: Case, folder: Path) -> tuple[NDArray[np.uint8], list[Prediction]]:
    """Class ids in the file's shape, and what the method thinks of its slices, if it says so."""
    return method.judged(case, folder) if isinstance(method, Judging) else (method.predict(case, folder), [])


def _truth_of(material: Material) -> Truth:
    def truth(case: Case) -> NDArray[np.uint8]:
        assert case.label is not None  # Material holds labelled cases alone
        return read_labels(case.label.path, len(material.classes), material.ignore).array

    return truth
