"""Small data sets made on the fly, for the tests of layouts, checks and cases."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (9, 8, 4)
AFFINE = np.diag([1.5, 1.5, 5.0, 1.0])


def write_image(path: Path, seed: int = 0, shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> Path:
    """A float32 NIfTI of noise, other for every seed."""
    return write_nifti(path, np.random.default_rng(seed).normal(size=shape).astype(np.float32), affine)


def write_label(path: Path, values: tuple[int, ...] = (0, 1, 2), shape: tuple[int, ...] = SHAPE) -> Path:
    """A uint8 NIfTI that repeats ``values`` in every slice."""
    return write_nifti(path, np.resize(np.array(values, np.uint8), shape))


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def write_dataset_json(folder: Path, **changes: object) -> Path:
    """dataset.json of one channel and two classes; ``changes`` replace keys, None takes one out."""
    content = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "muscle": 1, "blood": 2},
        "numTraining": 3,
        "file_ending": ".nii.gz",
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.json"
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return path


def make_nnunet(folder: Path, ids: tuple[str, ...] = ("a", "b", "c"), **changes: object) -> Path:
    """A sound nnU-Net data set: one channel, every case labelled."""
    write_dataset_json(folder, **changes)
    for seed, case in enumerate(ids):
        write_image(folder / "imagesTr" / f"{case}_0000.nii.gz", seed)
        write_label(folder / "labelsTr" / f"{case}.nii.gz")
    return folder


def write_splits(folder: Path, content: object, name: str = "splits.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path
