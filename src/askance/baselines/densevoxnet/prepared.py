"""Cases as DenseVoxNet works on them: resampled, intensities normalised, and where to draw training patches from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.baselines.densevoxnet.plan import PatchPlan, file_lattice
from askance.errors import FormatError, LabelError
from askance.records import IGNORE, Case
from askance.volumes.files import read_image
from askance.volumes.lattice import resample_images, resample_labels

_MARGIN = 10  # voxels around the foreground (the authors' Create_ROIs.m)

#: Labels of a case in the file's shape, IGNORE where nobody labelled.
Truth = Callable[[Case], NDArray[np.uint8]]
#: Told what is done now, how much of it and of how much.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Prepared:
    """A case to learn from: ``images`` (C, X, Y, Z) float32, ``labels`` (X, Y, Z), memory-mapped.

    ``around`` (2, 3): first and past last voxel of the foreground with a margin; None where there is none.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    around: NDArray[np.int64] | None


@contextmanager
def prepared(cases: Sequence[Case], truth: Truth, plan: PatchPlan, folder: Path, report: Report) -> Iterator[list[Prepared]]:
    """The cases of which something is labelled, in files under ``folder`` while they are needed.

    Raises:
        LabelError: a truth of another shape than its case's files.
        FormatError: an image that cannot be read, or has no contrast.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        ready = []
        for number, case in enumerate(cases):
            labels = resample_labels(_checked(truth(case), case), file_lattice(case), plan.lattice(case))
            if (labels != IGNORE).any():
                images = _mapped(folder / f"{number}-images.npy", prepare_images(case, plan))
                ready.append(Prepared(images, _mapped(folder / f"{number}-labels.npy", labels), _around(labels)))
            report("prepare", number + 1, len(cases))
        yield ready
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare_images(case: Case, plan: PatchPlan) -> NDArray[np.float32]:
    """The case's images (C, X, Y, Z) in its working voxels, each with mean 0 and variance 1 over what is not air.

    Air is what is not above 0, as in the authors' pre_process_isotropic.m. Air keeps its value, so that it is not 0.

    Raises:
        FormatError: an image cannot be read, or all that is not air has the same value.
    """
    images = (read_image(source.path).array for source in case.images)
    there = (resample_images(image, file_lattice(case), plan.lattice(case)) for image in images)
    return np.stack([_normalised(image, source.path) for image, source in zip(there, case.images)])


def _normalised(image: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    tissue = image[image > 0]
    tissue = tissue if len(tissue) else image
    mean, deviation = float(tissue.mean(dtype=np.float64)), float(tissue.std(dtype=np.float64))
    if deviation == 0:
        raise FormatError(f"{path}: empty: every voxel that is not air is {mean:g}, wanted an image; leave the case out")
    normalised: NDArray[np.float32] = (image - np.float32(mean)) / np.float32(deviation)
    return normalised


def _checked(labels: NDArray[np.uint8], case: Case) -> NDArray[np.uint8]:
    if labels.shape != case.shape:
        raise LabelError(f"{case.id}: found a truth of shape {labels.shape}, wanted {case.shape} as its files have")
    return labels


def _around(labels: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    places = np.argwhere((labels != 0) & (labels != IGNORE))
    if not len(places):
        return None
    low = np.maximum(places.min(axis=0) - _MARGIN, 0)
    high = np.minimum(places.max(axis=0) + 1 + _MARGIN, labels.shape)
    return np.stack([low, high])


def _mapped(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """``array`` from the disk, where many volumes fit that memory could not hold."""
    np.save(path, array)
    mapped: NDArray[Any] = np.load(path, mmap_mode="r")
    return mapped
