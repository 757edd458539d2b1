"""Hearts made on the fly: a bright cavity in a dark ring, in a body with a spine and noise, as labelled volumes on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from askance.records import Case
from askance.volumes.files import hash_file

SHAPE = (56, 64, 6)
SPACING_MM = (3.0, 3.0, 9.0)
CLASSES = 3


def heart_labels(shift: tuple[float, float], stretch: float = 1.0, turn: float = 0.0) -> NDArray[np.uint8]:
    """(56, 64, 6): cavity 2 in a ring 1, an ellipse whose centre lies ``shift`` voxels off the volume's; ends are empty."""
    x, y, _ = np.indices(SHAPE).astype(float)
    x, y = x - (SHAPE[0] - 1) / 2 - shift[0], y - (SHAPE[1] - 1) / 2 - shift[1]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    radius = np.hypot(along / (1.25 * stretch), across / stretch)
    labels = np.where(radius < 5.5, 2, np.where(radius < 9, 1, 0)).astype(np.uint8)
    labels[:, :, [0, -1]] = 0
    return labels


def heart_image(labels: NDArray[np.uint8], shift: tuple[float, float], seed: int) -> NDArray[np.int16]:
    """Lung and body around the heart that move with it, brightness that falls off along x, and noise."""
    x, y, _ = np.indices(SHAPE).astype(float)
    x, y = x - (SHAPE[0] - 1) / 2 - shift[0], y - (SHAPE[1] - 1) / 2 - shift[1]
    body = np.where(np.hypot(x / 1.1, y) < 24, 90.0, 10.0)
    body[np.hypot(x - 12, y) < 11] = 30.0
    body[np.hypot(x + 8, y - 15) < 4] = 220.0
    body = np.where(labels == 1, 60.0, np.where(labels == 2, 200.0, body)) * (
        1.2 - 0.004 * np.arange(SHAPE[0])[:, None, None]
    )
    return (body + np.random.default_rng(seed).normal(0, 6, SHAPE)).astype(np.int16)


def write_case(folder: Path, name: str, image: NDArray[np.int16]) -> Case:
    """A case on disk whose affine says nothing of where the scanner was."""
    path = folder / f"{name}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*SPACING_MM, 1.0])
    nib.save(nib.Nifti1Image(image, affine), path)
    rows = tuple(tuple(float(value) for value in row) for row in affine)
    return Case(name, name, "learn", (hash_file(path),), None, image.shape, SPACING_MM, rows)


def make_hearts(folder: Path, count: int = 5) -> tuple[list[Case], dict[str, NDArray[np.uint8]]]:
    """``count`` cases, h0, h1, ..., each shifted, turned and stretched otherwise, and their labels by case."""
    draws = np.random.default_rng(7)
    cases, labels = [], {}
    for number in range(count):
        shift = (float(draws.uniform(-6, 6)), float(draws.uniform(-6, 6)))
        truth = heart_labels(shift, float(draws.uniform(0.9, 1.1)), float(draws.uniform(-0.3, 0.3)))
        name = f"h{number}"
        cases.append(write_case(folder, name, heart_image(truth, shift, number)))
        labels[name] = truth
    return cases, labels


def slices_of(case: Case, count: int, labels: NDArray[np.uint8], folder: Path) -> tuple[Case, NDArray[np.uint8]]:
    """``count`` slices of ``case`` that show the heart, and their labels, as another file."""
    image = np.asanyarray(nib.load(case.images[0].path).dataobj)
    return write_case(folder, case.id, image[:, :, 1 : 1 + count]), labels[:, :, 1 : 1 + count]


def looked_up(labels: dict[str, NDArray[np.uint8]], asked: list[str] | None = None) -> Callable[[Case], NDArray[np.uint8]]:
    """The labels by case, noting in ``asked`` which were asked for."""

    def truth(case: Case) -> NDArray[np.uint8]:
        if asked is not None:
            asked.append(case.id)
        return labels[case.id]

    return truth


def names(cases: Sequence[Case]) -> list[str]:
    return [case.id for case in cases]
