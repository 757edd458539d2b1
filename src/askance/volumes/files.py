"""Medical volumes from files and back: NIfTI (.nii, .nii.gz), NRRD (.nrrd) and MHA (.mha).

Arrays are in the file's axis order, affines map voxels to RAS+ mm. Knows one file at a time; does not know data sets,
patients or what a label means. A faulty file raises; nothing is repaired.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from askance.errors import FormatError, GeometryError, LabelError, UsageError
from askance.records import IGNORE, Source
from askance.volumes import itk, nifti
from askance.volumes.voxels import Header, Stored, Volume, require_same_geometry
from askance.volumes.writing import replacing

__all__ = [
    "SUFFIXES",
    "Header",
    "Volume",
    "check_finite",
    "check_image",
    "hash_file",
    "open_voxels",
    "read_header",
    "read_image",
    "read_labels",
    "require_same_geometry",
    "stem_of",
    "write_image_like",
    "write_labels_like",
]


class _Format(Protocol):
    """What a module that reads and writes one family of files offers."""

    def read_header(self, path: Path) -> Header: ...
    def open_voxels(self, path: Path) -> Stored: ...
    def write_like(self, path: Path, array: NDArray[Any], like: Path) -> None: ...
    def copy_bare(self, source: Path, target: Path) -> None: ...


_FORMATS: dict[str, _Format] = {".nii.gz": nifti, ".nii": nifti, ".nrrd": itk, ".mha": itk}
#: File name endings that can be read and written.
SUFFIXES = tuple(_FORMATS)
#: How far a stored label may be from a whole number: nibabel saves float labels as uint8 with a slope, and 1 reads back
#: as 0.996. Interpolated labels also hold values in between, which are refused.
_LABEL_ROUNDING = 0.05


def stem_of(path: Path) -> str:
    """The file's name without its suffix, ``.nii.gz`` being one.

    Raises:
        FormatError: a suffix that is not in SUFFIXES.
    """
    return path.name[: -len(_suffix_of(path))]


def read_header(path: Path) -> Header:
    """Shape, spacing, affine and stored dtype, without reading voxels.

    Raises:
        FormatError: missing, unreadable, damaged, not three-dimensional, of an unknown suffix.
        GeometryError: an affine that maps no volume.
    """
    _require_readable(path)
    return _FORMATS[_suffix_of(path)].read_header(path)


def open_voxels(path: Path) -> Stored:
    """The voxels block by block, for volumes larger than memory: uncompressed NIfTI stays on disk, the rest is read once.

    Raises:
        FormatError, GeometryError: as ``read_header``, or the voxels are truncated or corrupt.
    """
    _require_readable(path)
    return _FORMATS[_suffix_of(path)].open_voxels(path)


def read_image(path: Path) -> Volume:
    """The whole volume: native integers where stored unscaled, else float32 with scl_slope applied.

    A constant volume is read; ``check_image`` is what refuses it.

    Raises:
        FormatError, GeometryError: as ``open_voxels``, or a voxel is not finite.
    """
    stored = open_voxels(path)
    planes = stored.block(2, 0, stored.header.shape[2])
    check_finite(planes, path, axis=2)
    return Volume(np.moveaxis(planes, 0, 2), stored.header.affine, stored.header.spacing_mm)


def check_image(path: Path) -> Header:
    """Reads every voxel once, in small memory, and hands back the header of an image that can be learnt from.

    Raises:
        FormatError, GeometryError: as ``read_image``, or every voxel has the same value.
    """
    stored = open_voxels(path)
    low, high = np.inf, -np.inf
    for start, block in stored.blocks(axis=2):
        check_finite(block, path, 2, start)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    if low == high:
        raise FormatError(f"{path}: empty: every voxel is {low:g}, wanted an image; leave the case out or export it again")
    return stored.header


def check_finite(planes: NDArray[Any], path: Path, axis: int, start: int = 0) -> None:
    """Checks that no voxel of ``planes`` (n, h, w), from index ``start`` on along file ``axis``, is NaN or infinite.

    Raises:
        FormatError: says how many are not, and where the first is.
    """
    if planes.dtype.kind == "f" and not (finite := np.isfinite(planes)).all():
        raise FormatError(
            f"{path}: found {np.count_nonzero(~finite)} voxels that are NaN or infinite, "
            f"first {_first_voxel(~finite, axis, start)}; wanted finite numbers; mend the volume or leave the case out"
        )


def read_labels(path: Path, classes: int, ignore: int | None) -> Volume:
    """Labels as uint8 class ids in 0 .. classes - 1; the file's ``ignore`` value becomes IGNORE (255).

    Raises:
        FormatError, GeometryError: as ``open_voxels``.
        LabelError: a value that is no whole number, or neither a class nor ``ignore``.
    """
    stored = open_voxels(path)
    labels = np.empty(stored.header.shape, np.uint8)
    for start, block in stored.blocks(axis=2):
        ids = _class_ids(block, classes, ignore, path, start)
        labels[:, :, start : start + len(block)] = np.moveaxis(ids, 0, 2)
    return Volume(labels, stored.header.affine, stored.header.spacing_mm)


def write_labels_like(path: Path, labels: NDArray[np.uint8], like: Path) -> None:
    """Writes ``labels`` (X, Y, Z) with the geometry and in the format family of ``like``, whole or not at all.

    Raises:
        UsageError: ``path`` is of another format family than ``like``.
        GeometryError: ``labels`` has another shape than ``like``.
        StudyError: it cannot be written.
    """
    _write_like(path, labels.astype(np.uint8, casting="safe", copy=False), like)


def write_image_like(path: Path, image: NDArray[Any], like: Path) -> None:
    """Writes ``image`` (X, Y, Z) as ``write_labels_like`` does: int16 where its dtype fits into that, else float32.

    Raises:
        UsageError, GeometryError, StudyError: as ``write_labels_like``.
    """
    dtype = np.int16 if np.can_cast(image.dtype, np.int16) else np.float32
    _write_like(path, image.astype(dtype, copy=False), like)


def copy_bare(source: Path, target: Path) -> None:
    """Copies a volume's voxels, as stored, and its geometry; the texts of its header stay behind: they may name a patient.

    Raises:
        FormatError, GeometryError: as ``open_voxels``.
        UsageError: ``target`` has another suffix than ``source``.
        StudyError: it cannot be written.
    """
    suffix = _suffix_of(source)
    if _suffix_of(target) != suffix:
        raise UsageError(f"{target}: found another suffix than {source}'s, wanted {suffix}; name it so")
    _require_readable(source)
    with replacing(target) as temporary:
        _FORMATS[suffix].copy_bare(source, temporary)


def hash_file(path: Path) -> Source:
    """The file known by its bytes: sha256, streamed, and size.

    Raises:
        FormatError: missing or unreadable.
    """
    _require_readable(path)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
            size += len(chunk)
    return Source(path, digest.hexdigest(), size)


def _suffix_of(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise FormatError(f"{path}: found suffix {path.suffix!r}, wanted one of {', '.join(SUFFIXES)}; convert the file")


def _require_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except FileNotFoundError:
        raise FormatError(f"{path}: found no such file, wanted a volume; check the path") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}); check what it is and its permissions") from None


def _first_voxel(mask: NDArray[np.bool_], axis: int, start: int) -> str:
    """Where the first True of planes (n, h, w) along file ``axis`` stands, in file order."""
    plane, row, column = (int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))
    index = [row, column]
    index.insert(axis, plane + start)
    return f"at index {tuple(index)}"


def _class_ids(planes: NDArray[Any], classes: int, ignore: int | None, path: Path, start: int) -> NDArray[np.uint8]:
    whole = np.rint(planes) if planes.dtype.kind == "f" else planes
    known = (whole >= 0) & (whole < classes)
    ignored = whole == ignore if ignore is not None else np.zeros_like(known)
    wrong = ~(known | ignored) | (np.abs(planes - whole) > _LABEL_ROUNDING)
    if wrong.any():
        values = np.unique(planes[wrong])
        found = ", ".join(f"{value:g}" for value in values[:5].tolist()) + (", ..." if len(values) > 5 else "")
        also = "" if ignore is None else f" or {ignore} (ignore)"
        raise LabelError(
            f"{path}: found label values {found}, first {_first_voxel(wrong, 2, start)}; wanted 0 to {classes - 1}{also}; "
            "correct the file or the list of classes"
        )
    return np.where(ignored, IGNORE, np.where(known, whole, 0)).astype(np.uint8)


def _write_like(path: Path, array: NDArray[Any], like: Path) -> None:
    suffix, wanted = _suffix_of(path), _suffix_of(like)
    if _FORMATS[suffix] is not _FORMATS[wanted] or (_FORMATS[suffix] is itk and suffix != wanted):
        raise UsageError(f"{path}: found suffix {suffix}, wanted {wanted} as {like} has; name it so")
    header = read_header(like)
    if array.shape != header.shape:
        raise GeometryError(f"{path}: found an array of shape {array.shape}, wanted {header.shape} as in {like}")
    with replacing(path) as temporary:
        _FORMATS[suffix].write_like(temporary, array, like)
