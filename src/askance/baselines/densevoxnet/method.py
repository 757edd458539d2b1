"""Yu 2017, DenseVoxNet, as a method: learns from patches of volumes, predicts by patches that overlap.

After the publication and the authors' code (github.com/yulequan/HeartSeg); what was open there or had to be adapted is in
docs/baselines.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.baselines.densevoxnet.batches import PatchBatches
from askance.baselines.densevoxnet.cleaning import clean
from askance.baselines.densevoxnet.plan import PatchPlan, file_lattice, plan_patches
from askance.baselines.densevoxnet.prepared import Report, Truth, prepare_images, prepared
from askance.baselines.densevoxnet.training import NETWORK, DenseVoxNetSettings, training_task
from askance.baselines.densevoxnet.windows import predict_windows
from askance.errors import TrainingError, UsageError
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.descent import descend
from askance.learning.task import Step, Trained
from askance.networks.densevoxnet import DenseVoxNet
from askance.records import Case
from askance.volumes.lattice import likeliest

_MODEL, _PROGRESS, _PREPARED = "model", "progress", "prepared"  # in a fit's folder


@dataclass(frozen=True)
class _Fit:
    """What ``fit`` was asked for."""

    cases: Sequence[Case]
    truth: Truth
    folder: Path
    seed: int
    report: Report


class DenseVoxNetMethod:
    """Fits the network to labelled cases and predicts cases with it; a fit's folder holds all that predicting needs."""

    def __init__(self, classes: int, channels: int, settings: DenseVoxNetSettings | None = None) -> None:
        self._classes, self._channels = classes, channels
        self._settings = settings or DenseVoxNetSettings()

    def fit(self, cases: Sequence[Case], truth: Truth, folder: Path, seed: int, report: Report | None = None) -> None:
        """Learn from ``cases``; ``truth`` gives labels in the file's shape, IGNORE where nobody labelled.

        A killed fit goes on where it stopped and ends with the same weights; a finished one is not made again.
        ``report`` hears of the stages ``prepare``, in cases, and ``train``, in steps.

        Raises:
            TrainingError: nothing is labelled, or a loss is not a number.
            LabelError, FormatError: a truth or an image that cannot be used.
        """
        job = _Fit(cases, truth, folder, seed, report or _tell_nobody)
        fingerprint = self._fingerprint(job)
        if not _is_of(folder / _MODEL, fingerprint):
            plan = plan_patches(cases, self._settings.patch, self._settings.voxels)
            self._save(folder / _MODEL, self._train(job, plan, fingerprint), plan, fingerprint)
        (folder / _PROGRESS).unlink(missing_ok=True)

    def predict(self, case: Case, folder: Path) -> NDArray[np.uint8]:
        """Class ids in the file's shape, by the model that a fit left in ``folder``.

        Raises:
            FormatError: no model, or an image that cannot be read.
            UsageError: the model is for other classes or channels.
        """
        states, info = load_weights(folder / _MODEL)
        if (info["classes"], info["channels"]) != (self._classes, self._channels):
            raise UsageError(
                f"{folder / _MODEL}: found a model of {info['classes']} classes and {info['channels']} channels, "
                f"wanted {self._classes} and {self._channels}; fit it again"
            )
        plan = _plan_of(info)
        network = self._network(plan)
        network.load_state_dict(states[NETWORK])
        images, settings = prepare_images(case, plan), self._settings
        probs = predict_windows(network, images, plan.patch, settings.overlap, settings.precision)
        return clean(likeliest(probs, plan.lattice(case), file_lattice(case)), self._classes, settings.smallest)

    def _network(self, plan: PatchPlan) -> DenseVoxNet:
        return DenseVoxNet(self._channels, self._classes, plan.strides)

    def _train(self, job: _Fit, plan: PatchPlan, fingerprint: str) -> Trained:
        settings = self._settings
        with prepared(job.cases, job.truth, plan, job.folder / _PREPARED, job.report) as volumes:
            if not volumes:
                raise TrainingError(f"{len(job.cases)} cases to learn from, no voxel of them labelled; label a slice first")
            batches = PatchBatches(volumes, plan, settings.batch, settings.near, job.seed)
            task = training_task(settings, partial(self._network, plan), batches.__getitem__, job.seed)
            progress, report = job.folder / _PROGRESS, partial(_pass_on, job.report)
            return descend(replace(task, progress_file=progress, fingerprint=fingerprint, report=report))

    def _fingerprint(self, job: _Fit) -> str:
        """Of all that a fit's weights follow from."""
        settings = {**asdict(self._settings), "save_every_s": None}
        about = [settings, self._classes, self._channels, job.seed]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for case in job.cases:
            digest.update(f"{case.id} {case.spacing_mm} {[source.sha256 for source in case.images]}".encode())
            digest.update(hashlib.sha256(job.truth(case).tobytes()).digest())
        return digest.hexdigest()

    def _save(self, folder: Path, trained: Trained, plan: PatchPlan, fingerprint: str) -> None:
        info = {
            "format": 1,
            "classes": self._classes,
            "channels": self._channels,
            "settings": asdict(self._settings),
            "plan": asdict(plan),
            "steps": trained.steps,
            "flat_at": trained.flat_at,
            "means": trained.means,
            "losses": dict(trained.losses),
            "seconds": trained.seconds,
            "fingerprint": fingerprint,
        }
        save_weights(folder, trained.states, info)


def _is_of(folder: Path, fingerprint: str) -> bool:
    """Whether ``folder`` holds the model of just this fit."""
    about = folder / "model.json"
    return about.exists() and bool(load_weights(folder)[1].get("fingerprint") == fingerprint)


def _plan_of(info: Mapping[str, Any]) -> PatchPlan:
    plan = info["plan"]
    first, second = plan["strides"]
    return PatchPlan(
        spacing_mm=tuple(plan["spacing_mm"]),
        kept=tuple(plan["kept"]),
        strides=(tuple(first), tuple(second)),
        patch=tuple(plan["patch"]),
        plane=tuple(plan["plane"]),
    )


def _pass_on(report: Report, step: Step) -> None:
    report("train", step.number, step.steps)


def _tell_nobody(stage: str, done: int, total: int) -> None:
    pass
