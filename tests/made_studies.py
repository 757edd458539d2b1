"""Tiny studies for the tests of the collaboration: a ring of muscle with blood in it, networks that learn in a second."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import sqlalchemy as sa

from askance.active.experts import expert_of
from askance.active.loop import collaborate
from askance.active.study import Study, by_case
from askance.api import init
from askance.errors import WaitingForExpert
from askance.store.store import Store
from askance.volumes.layouts import find_dataset

REAL = Path(os.environ.get("ASKANCE_DATA", Path(__file__).parents[2] / "shared" / "data"))
SHAPE = (24, 32, 6)
AFFINE = np.diag([1.5, 1.5, 6.0, 1.0])
LEARN, TEST = ("p1", "p2", "p3"), ("p4",)

#: Networks and trainings that take a second; everything else is as a user gets it.
TINY = {
    "network": {"width": 4, "discriminator_width": 4},
    "training": {
        "epochs": 1,
        "min_steps": 5,
        "max_steps": 5,
        "batch": 2,
        "crop": [24, 24],
        "views": 2,
        "precision": "32-true",
    },
    "budget": {"base": 3, "total": 7, "cycles": 2},
}


def truth_of(case: str) -> np.ndarray:
    """(24, 32, 6) uint8: a ring of class 1 around class 2, smaller towards the apex, none in the last slice."""
    seed = int(case[1:])
    x, y, z = np.indices(SHAPE)
    radius = 9.0 - 1.2 * z + 0.3 * seed
    distance = np.hypot(x - 11 - seed % 3, y - 15 + seed % 2)
    labels = np.where(distance < 0.6 * radius, 2, np.where(distance < radius, 1, 0)).astype(np.uint8)
    labels[:, :, -1] = 0
    return labels


def write_volume(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def read_volume(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def write_dataset(folder: Path, labelled: tuple[str, ...] = LEARN + TEST, channels: int = 1) -> Path:
    """An nnU-Net data set of four patients, three to learn from; of them those ``labelled`` have labels."""
    for case in LEARN + TEST:
        noise = np.random.default_rng(int(case[1:])).normal(0, 8, (channels, *SHAPE))
        for channel in range(channels):
            image = truth_of(case) * 60.0 + noise[channel] + 100 * channel
            write_volume(folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz", image.astype(np.int16))
        if case in labelled:
            write_volume(folder / "labelsTr" / f"{case}.nii.gz", truth_of(case))
    names = {str(channel): f"MR{channel}" for channel in range(channels)}
    labels = {"background": 0, "muscle": 1, "blood pool": 2}
    header = {"channel_names": names, "labels": labels, "numTraining": 4, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(header))
    (folder / "splits.json").write_text(json.dumps({"learn": LEARN, "test": TEST}))
    return folder


def make_study(folder: Path, dataset: Path, database: str | None = None, **settings: object) -> Study:
    """A study of ``dataset`` that learns within seconds; ``settings`` win over TINY."""
    merged = {**TINY, **settings}
    return init(folder, find_dataset(dataset), settings=merged, database=database)


def answer(study: Study, slice_ids: list[str], author: str = "anna") -> None:
    """Answers with the truth, as an expert would who knows it."""
    for case, indices in by_case(slice_ids).items():
        for index in indices:
            labels = np.ascontiguousarray(truth_of(case)[:, :, index])
            study.store.save_answer(f"{case}/2/{index}", labels, author)


def let_lapse(store: Store) -> None:
    """All leases are overdue, as if nobody had given a sign of life."""
    with store._database.writing() as connection:
        connection.execute(sa.text("UPDATE leases SET expires_at = '2000' WHERE ended IS NULL"))


def advance(study: Study) -> None:
    """As far as the loop goes without its expert."""
    try:
        collaborate(study, expert_of(study))
    except WaitingForExpert:
        return


def real(name: str) -> Path:
    """The real data set; absent it is a reason to skip, but not where it is known to lie beside the project."""
    if not (REAL / name).is_dir():
        if os.environ.get("CI") == "true" and REAL.parent.is_dir():
            pytest.fail(f"{REAL / name} is not there, though {REAL.parent} is")
        pytest.skip(f"{name} is not in {REAL} (ASKANCE_DATA)")
    return REAL / name
