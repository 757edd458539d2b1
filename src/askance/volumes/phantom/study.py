"""Data sets on disk: the phantom study, and the ten real hearts of HVSMR 2016 rendered as images.

Nothing half made is left behind: a data set is built in a folder beside its place and renamed into it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from askance.errors import DataError, FormatError, GeometryError, LabelError, UsageError
from askance.volumes.phantom.anatomy import Heart, Labels, draw_heart, heart_labels
from askance.volumes.phantom.embedding import embed
from askance.volumes.phantom.grid import Grid
from askance.volumes.phantom.rendering import Image, Protocol, Scan, draw_scan, render
from askance.volumes.writing import flush

LABELS = {"background": 0, "myocardium": 1, "blood_pool": 2}
SHAPE = (96, 96, 36)
SPACING_MM = (1.75, 1.75, 3.5)
#: Sub-slices that are rendered and averaged into one slice.
THICK = 3
#: Of every ten patients those scanned natively: three of the seven to learn from, one of the three to test on. The first
#: patient thus teaches the protocol of two test patients and knows nothing of the third's.
NATIVE = (1, 3, 5, 8)
#: What is kept around a real heart.
MARGIN_MM = 12.0


@dataclass(frozen=True)
class Patient:
    """One phantom: image int16 and labels uint8, both ``SHAPE``, on ``grid``; and what it was made of."""

    image: Image
    labels: Labels
    grid: Grid
    heart: Heart
    scan: Scan


def make_phantom(out: Path, seed: int, patients: int = 10) -> None:
    """Write a phantom study to ``out`` as an nnU-Net v2 data set with ``splits.json``: 7 of 10 patients to learn from.

    The same seed gives the same voxels, and patient n is the same however many patients there are.

    Raises:
        UsageError: ``out`` exists and is not an empty folder, a negative seed, or not 2 to 100 patients.
    """
    if not 2 <= patients <= 100:
        raise UsageError(f"{patients} patients asked for; wanted 2 to 100 (at least one to learn from and one to test)")
    made = make_patients(seed, patients)
    names = [f"phantom{number:02d}" for number in range(patients)]
    with _built_beside(out) as folder:
        (folder / "imagesTr").mkdir()
        (folder / "labelsTr").mkdir()
        for name, patient in zip(names, made, strict=True):
            _write(folder / "imagesTr" / f"{name}_0000.nii.gz", patient.image, patient.grid.affine)
            _write(folder / "labelsTr" / f"{name}.nii.gz", patient.labels, patient.grid.affine)
        learn = min(patients - 1, max(1, round(0.7 * patients)))
        _write_json(folder / "dataset.json", _dataset(patients))
        _write_json(folder / "splits.json", {"learn": names[:learn], "test": names[learn:]})


def make_patients(seed: int, patients: int) -> Iterator[Patient]:
    """The phantoms of a study, one after another, ``NATIVE`` of them scanned by the other protocol.

    Raises:
        UsageError: a negative seed.
    """
    seeds = _seeds(seed, patients)
    return (make_patient(_protocol(number), np.random.default_rng(own)) for number, own in enumerate(seeds))


def make_patient(protocol: Protocol, rng: np.random.Generator) -> Patient:
    """One phantom, made in memory."""
    heart, scan = draw_heart(rng), draw_scan(protocol, rng)
    fine = _fine_grid(heart, rng)
    labels = heart_labels(heart, fine, rng)
    tissues = embed(labels, fine, rng)
    image = render(tissues, fine, scan, slice_axis=2, thick=THICK, rng=rng)
    affine = fine.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (THICK - 1) / 2
    affine[:3, 2] *= THICK
    return Patient(image, majority(labels, THICK), Grid(SHAPE, affine), heart, scan)


def majority(labels: Labels, thick: int) -> Labels:
    """The commonest label of every ``thick`` voxels along the last axis; of equally common ones the lowest."""
    blocks = labels.reshape(*labels.shape[:2], -1, thick)
    counts = np.stack([(blocks == label).sum(axis=-1) for label in sorted(LABELS.values())])
    commonest: Labels = counts.argmax(axis=0).astype(np.uint8)
    return commonest


def render_hvsmr(labels_folder: Path, out: Path, seed: int) -> None:
    """Write images of real hearts to ``out``, cropped around each, under HVSMR 2016's names.

    Every ``training_axial_full_patN*label*.nii.gz`` of ``labels_folder`` becomes ``training_axial_crop_patN.nii.gz`` and
    ``training_axial_crop_patN-label.nii.gz``: voxels of the labels' own size and orientation, uint8 labels.

    Raises:
        DataError: no such label file in ``labels_folder``, or two for one patient.
        FormatError: a label file that cannot be read.
        GeometryError: a label file that is not a volume of three axes.
        LabelError: labels other than 0, 1, 2, or one of 1 and 2 missing.
        UsageError: ``out`` exists and is not an empty folder, or a negative seed.
    """
    sources = _hvsmr_sources(labels_folder)
    seeds = _seeds(seed, max(sources) + 1)
    with _built_beside(out) as folder:
        for number, path in sources.items():
            rng = np.random.default_rng(seeds[number])
            labels, affine = _cropped(path)
            grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), affine)
            axial = int(np.abs(affine[2, :3]).argmax())
            scan = draw_scan(_protocol(number), rng)
            image = render(embed(labels, grid, rng), grid, scan, slice_axis=axial, thick=1, rng=rng)
            _write(folder / f"training_axial_crop_pat{number}.nii.gz", image, affine)
            _write(folder / f"training_axial_crop_pat{number}-label.nii.gz", labels, affine)


def _seeds(seed: int, count: int) -> list[np.random.SeedSequence]:
    if seed < 0:
        raise UsageError(f"seed {seed} is negative; wanted a whole number of 0 or more")
    return np.random.SeedSequence(seed).spawn(count)


def _protocol(number: int) -> Protocol:
    return "native" if number % 10 in NATIVE else "enhanced"


def _fine_grid(heart: Heart, rng: np.random.Generator) -> Grid:
    """The grid that is rendered: thin slices, the heart near the middle of the field of view."""
    spacing = np.array(SPACING_MM) / (1, 1, THICK)
    shape = (SHAPE[0], SHAPE[1], SHAPE[2] * THICK)
    middle = heart.scale * np.array((18.0, -4.0, 14.0)) + rng.uniform(-8, 8, size=3)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = middle - spacing * (np.array(shape) - 1) / 2
    return Grid(shape, affine)


def _hvsmr_sources(folder: Path) -> dict[int, Path]:
    sources: dict[int, Path] = {}
    for path in sorted(folder.glob("training_axial_full_pat*label*.nii.gz")):
        found = re.match(r"training_axial_full_pat(\d+)", path.name)
        if found is None:
            continue
        number = int(found[1])
        if number in sources:
            raise DataError(f"{folder}: {sources[number].name} and {path.name} both label patient {number}; keep one")
        sources[number] = path
    if not sources:
        raise DataError(f"{folder}: no training_axial_full_patN*label*.nii.gz there; name HVSMR 2016's label folder")
    return sources


def _cropped(path: Path) -> tuple[Labels, NDArray[np.float64]]:
    """Labels and affine of ``path``, cropped to the heart and ``MARGIN_MM`` around it."""
    try:
        volume: Any = nib.load(path)
        values = np.asarray(volume.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise FormatError(f"{path}: cannot be read as NIfTI ({error}); fetch the file again") from None
    if values.ndim != 3:
        raise GeometryError(f"{path}: {values.ndim} axes found {values.shape}; wanted a volume of three")
    found = np.unique(values)
    if found.tolist() != sorted(LABELS.values()):
        raise LabelError(f"{path}: labels {found.tolist()[:10]} found; wanted 0 background, 1 myocardium, 2 blood pool")
    where = np.argwhere(values > 0)
    margin = np.ceil(MARGIN_MM / np.array(volume.header.get_zooms()[:3])).astype(int)
    low, high = np.maximum(where.min(axis=0) - margin, 0), where.max(axis=0) + margin + 1
    crop = volume.slicer[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    return np.asarray(crop.dataobj).astype(np.uint8), np.asarray(crop.affine, dtype=np.float64)


def _dataset(patients: int) -> dict[str, Any]:
    return {
        "name": "phantom",
        "channel_names": {"0": "MRI"},
        "labels": LABELS,
        "numTraining": patients,
        "file_ending": ".nii.gz",
    }


@contextmanager
def _built_beside(out: Path) -> Iterator[Path]:
    """A new folder beside ``out`` that takes its place once the block is done, and is gone if the block fails."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: exists already and is not an empty folder; name another or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)
        os.replace(folder, out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(path: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    image: Any = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    flush(path)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    flush(path)
