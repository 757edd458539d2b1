"""Algorithm 1 as a trial: a base that judges the pool, and copies of it that each ask for a share of their own."""

from __future__ import annotations

import glob
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from askance.active.experts import expert_of
from askance.active.loop import Watcher, collaborate
from askance.active.measures import MEASURES, VECTOR_MEASURES
from askance.active.ranking import rank_pool
from askance.active.study import Study
from askance.evaluation.figures import measure_fully
from askance.evaluation.lines import line_of
from askance.evaluation.linking import link_files, linked
from askance.evaluation.material import Material
from askance.evaluation.plan import Trial
from askance.store.store import Store

_PATIENCE_S = 60.0  # a lost worker may take a moment to let its study go
_RANKED = "ranked"  # a file in a base's folder: its model is trained and has said what it thinks of the pool, in seconds
#: What is never changed once it is written: copies of a base share these files with it.
_LASTING = ("cache", "annotations", "models", "predictions")


def is_ranked(folder: Path) -> bool:
    """Whether the base in ``folder`` is trained and has judged the pool, so that shares can be asked by it."""
    return (folder / _RANKED).exists()


def run_base(material: Material, trial: Trial, watcher: Watcher) -> dict[str, Any]:
    """Train on one patient's slices, and let the model judge the whole pool: every share asks by what it said."""
    folder = material.folder_of(trial)
    if not (folder / "study.toml").exists():
        config = material.config(
            trial.method,
            trial.draw,
            budget={"start": "patients", "patients": [material.base_patient(trial)], "total": 10**9, "cycles": 0},
            pseudo={"share": 0.0},  # one patient's labels and nothing else: shares without pseudo-labels go on from it
        )
        Store.create(folder, config, material.cases_of(trial.fold)).close()
        link_files(material.folder / "cache", folder / "cache")
    with _held(folder) as study:
        model = collaborate(study, expert_of(study), watcher, measure_fully)
        if not is_ranked(folder):
            began = time.perf_counter()
            with watcher.stage(0, "rank"):
                rank_pool(study, model.id, (*MEASURES, *VECTOR_MEASURES), watcher.count)
            draft = folder / f"{_RANKED}.{os.getpid()}"
            draft.write_text(f"{time.perf_counter() - began:.3f}")
            draft.replace(folder / _RANKED)
        line = _study_line(material, trial, study)
    line["seconds_by_step"]["rank"] = float((folder / _RANKED).read_text())
    return {**line, "seconds": sum(line["seconds_by_step"].values())}


def run_share(material: Material, trial: Trial, watcher: Watcher) -> dict[str, Any]:
    """Algorithm 1 from the base on: its model asks, the answers are learnt."""
    folder = material.folder_of(trial)
    if not (folder / "study.toml").exists():
        _copy_base(material, trial, folder, watcher)
    with _held(folder) as study:
        collaborate(study, expert_of(study), watcher, measure_fully)
        return _study_line(material, trial, study)


def _copy_base(material: Material, trial: Trial, folder: Path, watcher: Watcher) -> None:
    """The base's study with this trial's settings, in ``folder`` whole or not at all."""
    base = material.folder_of(trial.its_base())
    if not is_ranked(base):
        run_base(material, trial.its_base(), watcher)
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    for begun in draft.parent.glob(f".{glob.escape(folder.name)}-*"):  # of a killed process: a trial has one at a time
        shutil.rmtree(begun, ignore_errors=True)
    shutil.copytree(base, draft, copy_function=_copied_from(base))
    with Study.open(draft) as study:
        slices, labelled = len(study.store.slices("learn")), int(study.store.budget()["labelled"])
        total = min(slices, labelled + max(1, round(trial.share * slices)))
        update: dict[str, Mapping[str, Any]] = {
            "budget": {"total": total, "cycles": trial.cycles},
            "training": {"warm_start": trial.cycles > 1},  # the paper trains anew after its one cycle
            "pseudo": {"share": material.config(trial.method, trial.draw).pseudo.share if trial.pseudo else 0.0},
        }
        sections = {name: getattr(study.config, name).model_copy(update=values) for name, values in update.items()}
        config = study.config.model_copy(update={**sections, "name": trial.name, "acquisition": trial.acquisition})
        study.store.save_config(config)
    draft.rename(folder)


def _study_line(material: Material, trial: Trial, study: Study) -> dict[str, Any]:
    """From the last cycle's record; seconds and path are of the cycles that are the trial's own."""
    records = [cycle.record for cycle in study.store.cycles()]
    own = records if trial.is_base else records[1:] or records  # where the base is all there is, nothing is asked
    last, steps = own[-1], list(dict.fromkeys(step for record in own for step in record["seconds"]))
    path = [{key: record[key] for key in ("cycle", "budget", "queried_share", "dice")} for record in own]
    done = {
        "labelled_slices": last["labelled_slices"],
        "pool_slices": last["learn_slices"],
        "budget": last["budget"],
        "queried_share": last["queried_share"],
        "triage": last["triage"],
        "path": path,
        "seconds": sum(sum(record["seconds"].values()) for record in own),
        "seconds_by_step": {step: sum(record["seconds"].get(step, 0.0) for record in own) for step in steps},
        "peak_mb": max(record["peak_mb"] for record in own),
        **last["experiment"],
    }
    return line_of(material, trial, done)


@contextmanager
def _held(folder: Path) -> Iterator[Study]:
    with Study.open(folder) as study, study.store.lock(_PATIENCE_S):
        yield study


def _copied_from(base: Path) -> Callable[[str, str], str]:
    """How copytree copies a file of ``base``: what lasts is linked, the rest is copied."""

    def copied(source: str, target: str) -> str:
        lasting = Path(source).relative_to(base).parts[0] in _LASTING
        return linked(source, target) if lasting else shutil.copy2(source, target)

    return copied
