"""A tiny experiment: six small patients, networks that learn in a second, and a rival that learns nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.evaluation.gathering import Wanted, gather_material
from askance.evaluation.material import Material
from askance.evaluation.method import Registered
from askance.evaluation.plan import Plan
from askance.records import Case
from askance.volumes.layouts import find_dataset
from made_studies import truth_of, write_volume

PATIENTS = ("p1", "p2", "p3", "p4")
TRAINING = {"min_steps": 3, "max_steps": 3, "batch": 2, "crop": [24, 24], "views": 1, "precision": "32-true"}
NETWORK = {"width": 4, "discriminator_width": 4}
SETTINGS = {"paper": {"network": NETWORK}, "askance": {"network": NETWORK}}


@dataclass(frozen=True)
class Inner:
    """Settings within settings."""

    depth: int = 1


@dataclass(frozen=True)
class ConstantSettings:
    """``label``: what every voxel is called."""

    label: int = 0
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)


class Constant:
    """Learns how many cases there were, and labels every voxel alike."""

    def __init__(self, classes: int, channels: int, settings: ConstantSettings) -> None:
        assert (classes, channels) == (3, 1)
        self.settings, self._label = settings, settings.label

    def fit(
        self,
        cases: Sequence[Case],
        truth: Callable[[Case], NDArray[np.uint8]],
        folder: Path,
        seed: int,
        report: Callable[[str, int, int], None] | None = None,
    ) -> None:
        assert all(truth(case).shape == case.shape for case in cases)
        with (folder / "fitted").open("a") as file:
            file.write(f"{len(cases)} {seed}\n")
        if report:
            report("learn", 1, 1)

    def predict(self, case: Case, folder: Path) -> NDArray[np.uint8]:
        assert (folder / "fitted").exists()
        return np.full(case.shape, self._label, np.uint8)


RIVALS = {
    "constant": Registered(__name__, "Constant", "ConstantSettings"),
    "absent": Registered("askance.baselines.nowhere", "Nothing", "NoSettings"),
}


def write_patients(folder: Path, patients: Sequence[str] = PATIENTS) -> Path:
    """An nnU-Net data set of small hearts, a patient each; no sides."""
    for case in patients:
        noise = np.random.default_rng(int(case[1:])).normal(0, 8, truth_of(case).shape)
        write_volume(folder / "imagesTr" / f"{case}_0000.nii.gz", (truth_of(case) * 60 + noise).astype(np.int16))
        write_volume(folder / "labelsTr" / f"{case}.nii.gz", truth_of(case))
    labels = {"background": 0, "myocardium": 1, "blood_pool": 2}
    header = {"channel_names": {"0": "MR"}, "labels": labels, "numTraining": len(patients), "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(header))
    return folder


def make_material(dataset: Path, work: Path, **more: object) -> Material:
    """Two folds of ``dataset``; ``more`` wins over the tiny settings."""
    wanted = {"folds": 2, "work": work, "training": TRAINING, "settings": SETTINGS, "rivals": RIVALS, **more}
    return gather_material(find_dataset(dataset), Wanted(**wanted))


def make_plan(**more: object) -> Plan:
    """One fold, one base, one share; ``more`` wins."""
    said = {"methods": ("askance",), "folds": (0,), "shares": (0.5,), "base_patients": 1, "pseudo": (True,), **more}
    return Plan(**said)
