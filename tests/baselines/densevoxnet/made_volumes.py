"""Volumes with a bright ball in a dim body, written as files, and the cases that name them."""

from pathlib import Path

import nibabel as nib
import numpy as np

from askance.records import Case
from askance.volumes.files import hash_file, read_labels

CUBE = ((24, 24, 24), (1.0, 1.0, 1.0))
THICK = ((40, 36, 6), (1.5, 1.5, 9.0))


def make_case(folder: Path, name: str, geometry=CUBE, seed=0, channels=1) -> Case:
    """A case of one ball (class 1) with a core (class 2) somewhere in it, beside air (0)."""
    shape, spacing = geometry
    rng = np.random.default_rng(seed)
    extent = np.multiply(shape, spacing)
    places = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing)], indexing="ij"))
    centre = extent * rng.uniform(0.4, 0.6, 3)
    radius = extent.min() / 3.5
    distance = np.sqrt(((places - centre[:, None, None, None]) ** 2).sum(0))
    labels = ((distance < radius).astype(np.uint8) + (distance < radius / 2)).astype(np.uint8)
    body = 40 + 60 * labels + rng.normal(0, 5, shape)
    body[distance > extent.max() * 0.55] = 0  # air
    affine = np.diag([*spacing, 1.0])
    images = []
    for channel in range(channels):
        path = folder / f"{name}_{channel:04d}.nii.gz"
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image((body * (channel + 1)).astype(np.float32), affine), path)
        images.append(hash_file(path))
    nib.save(nib.Nifti1Image(labels, affine), folder / f"{name}.nii.gz")
    rows = tuple(tuple(float(value) for value in row) for row in affine)
    return Case(name, name, "learn", tuple(images), hash_file(folder / f"{name}.nii.gz"), shape, spacing, rows)


def truth_of(case: Case) -> np.ndarray:
    """The label file's class ids."""
    return read_labels(case.label.path, 3, None).array


def header_case(shape, spacing, affine=None) -> Case:
    """A case without files, for rules that read headers alone."""
    rows = affine if affine is not None else np.diag([*spacing, 1.0])
    return Case("c", "c", "learn", (), None, shape, spacing, tuple(tuple(map(float, row)) for row in rows))
