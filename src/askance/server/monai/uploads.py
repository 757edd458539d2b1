"""Files that a client sends: base name forgotten, NIfTI or NRRD, unpacked within bounds, gone when the request is."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from fastapi import UploadFile

from askance.errors import AnswerError, DataError, GeometryError
from askance.records import IGNORE, Case
from askance.volumes.files import read_header, read_labels, require_same_geometry
from askance.volumes.voxels import Header, Volume

_CHUNK = 2**20
_HEADER_BYTES = 65_536
_WIDEST = 8  # bytes of a voxel
MAX_IMAGE = 2**31
#: Endings of an upload's name -> that of the file it becomes. An NRRD stays packed: its reader minds what it unpacks to.
NIFTI = {".nii": ".nii", ".nii.gz": ".nii"}
NIFTI_OR_NRRD = {**NIFTI, ".nrrd": ".nrrd"}


@contextmanager
def unpacked(upload: UploadFile, limit: int, endings: Mapping[str, str] = NIFTI) -> Iterator[Path]:
    """The upload as a file of at most ``limit`` bytes, NIfTI uncompressed, in a folder that goes afterwards.

    Raises:
        AnswerError: not called as one of ``endings``, damaged, or larger unpacked.
    """
    name = (upload.filename or "").replace("\\", "/").rsplit("/", 1)[-1].lower()
    suffix = next((endings[one] for one in endings if name.endswith(one)), None)
    if suffix is None:
        raise AnswerError(f"the upload is no volume by its name; wanted {' or '.join(endings)}")
    with tempfile.TemporaryDirectory(prefix="askance-upload-") as folder:
        path = Path(folder) / f"upload{suffix}"
        with path.open("wb") as target:
            (_gunzip if name.endswith(".gz") else _copy)(upload.file, target, limit)
        yield path


def read_label(path: Path, case: Case, classes: int) -> Volume:
    """Labels in the geometry of ``case``.

    Raises:
        AnswerError: another geometry, a value that is no class, or no volume at all. Says nothing of the server's paths.
    """
    wanted = Header(case.shape, case.spacing_mm, np.array(case.affine), np.dtype(np.uint8))
    try:
        require_same_geometry(read_header(path), wanted, path, path)
        return read_labels(path, classes, ignore=IGNORE)
    except GeometryError:
        raise AnswerError(f"the label does not lie over image {case.id!r}: shape, spacing or place differ") from None
    except DataError:
        raise AnswerError(f"the label is damaged, or holds values other than 0 to {classes - 1}") from None


def label_limit(case: Case) -> int:
    """The most bytes that a label of ``case`` can have."""
    return int(np.prod(case.shape)) * _WIDEST + _HEADER_BYTES


def _copy(source: BinaryIO, target: BinaryIO, limit: int) -> None:
    size = 0
    while data := source.read(_CHUNK):
        size += len(data)
        if size > limit:
            raise AnswerError(f"the upload is larger than the {limit} bytes that it may have")
        target.write(data)


def _gunzip(source: BinaryIO, target: BinaryIO, limit: int) -> None:
    unpacker, size = zlib.decompressobj(wbits=31), 0
    while data := source.read(_CHUNK):
        while data:
            try:
                raw = unpacker.decompress(data, _CHUNK)
            except zlib.error:
                raise AnswerError("the upload is damaged: it is no gzip") from None
            size += len(raw)
            if size > limit:
                raise AnswerError(f"the upload unpacks to more than the {limit} bytes that it may have")
            target.write(raw)
            data = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise AnswerError("the upload is damaged: it ends too early")
