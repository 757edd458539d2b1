"""NRRD and MHA files through SimpleITK: LPS is turned into RAS+ here and nowhere else.

SimpleITK's arrays are (z, y, x); ours are in file order (x, y, z). Messages never quote ITK's: they may hold header text.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from askance.errors import FormatError
from askance.volumes.voxels import Header, Stored, header_from

_IMAGE_IO = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DTYPES = {
    sitk.sitkUInt8: np.uint8,
    sitk.sitkInt8: np.int8,
    sitk.sitkUInt16: np.uint16,
    sitk.sitkInt16: np.int16,
    sitk.sitkUInt32: np.uint32,
    sitk.sitkInt32: np.int32,
    sitk.sitkUInt64: np.uint64,
    sitk.sitkInt64: np.int64,
    sitk.sitkFloat32: np.float32,
    sitk.sitkFloat64: np.float64,
}
_CHUNK_BYTES = 2**24
_HEADER_BYTES = 2**20


def read_header(path: Path) -> Header:
    """The geometry, without reading the voxels.

    Raises:
        FormatError: not what the name says, damaged, not three-dimensional, or several values a voxel.
        GeometryError: an affine that maps no volume.
    """
    return _header(path, _information(path))


def open_voxels(path: Path) -> Stored:
    """The voxels as stored, read into memory once.

    Raises:
        FormatError: as ``read_header``, or the voxels are truncated or fail their checksum.
        GeometryError: an affine that maps no volume.
    """
    reader = _information(path)
    header = _header(path, reader)
    try:
        _check_stream(path, header.dtype.itemsize * int(np.prod(header.shape)))
        return Stored(header, sitk.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0))
    except (RuntimeError, zlib.error, EOFError):
        raise FormatError(f"{path}: truncated or corrupt: its voxels cannot be read; copy it again") from None


def write_like(path: Path, array: NDArray[Any], like: Path) -> None:
    """Writes ``array`` (X, Y, Z), compressed, with the origin, spacing and directions of ``like``.

    Raises:
        OSError: SimpleITK could not write.
    """
    original = _information(like)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0)))
    image.SetOrigin(original.GetOrigin())
    image.SetSpacing(original.GetSpacing())
    image.SetDirection(original.GetDirection())
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError:
        raise OSError("SimpleITK could not write") from None


def copy_bare(source: Path, target: Path) -> None:
    """Writes the voxels of ``source`` with their geometry to ``target``: no text of the header goes along.

    Raises:
        FormatError, GeometryError: as ``open_voxels``.
        OSError: SimpleITK could not write.
    """
    write_like(target, open_voxels(source).raw, source)


def _information(path: Path) -> Any:
    _require_whole(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_IMAGE_IO[path.suffix.lower()])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise FormatError(
            f"{path}: found no readable {path.suffix[1:].upper()} header, wanted what the name says; "
            "the file is damaged or of another format: copy or export it again"
        ) from None
    return reader


def _header(path: Path, reader: Any) -> Header:
    shape = tuple(reader.GetSize())
    if len(shape) != 3 or reader.GetNumberOfComponents() != 1:
        raise FormatError(
            f"{path}: found {len(shape)} axes {shape} with {reader.GetNumberOfComponents()} values a voxel, "
            "wanted 3 axes and one value; split it into one file a volume or channel"
        )
    if reader.GetPixelID() not in _DTYPES:
        raise FormatError(f"{path}: found voxels that are not plain numbers; export it as a scalar volume")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    affine[:3, 3] = reader.GetOrigin()
    return header_from(path, shape, _LPS_TO_RAS @ affine, np.dtype(_DTYPES[reader.GetPixelID()]))


def _require_whole(path: Path) -> None:
    """Let a file pass that holds its own voxels: those of another would be read whatever that is, and no hash covers them.

    Raises:
        FormatError: its header ends nowhere, or names another file.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    if path.suffix.lower() == ".nrrd":
        ends = [place for mark in (b"\n\n", b"\n\r\n") if (place := start.find(mark)) >= 0]
        detached = not ends or any(line.startswith(b"datafile:") for line in _plain_lines(start[: min(ends)]))
    else:
        named = [line for line in _plain_lines(start) if line.startswith(b"elementdatafile=")]
        detached = named[:1] != [b"elementdatafile=local"]
    if detached:
        raise FormatError(
            f"{path}: found no readable {path.suffix[1:].upper()} header with the voxels after it, wanted both in one file; "
            "the file is damaged, or its voxels lie in another: export it again as one file"
        )


def _plain_lines(header: bytes) -> list[bytes]:
    """Its lines in lower case, without spaces, however they end."""
    return [b"".join(line.split()).lower() for line in header.replace(b"\r", b"\n").split(b"\n")]


def _check_stream(path: Path, wanted: int) -> None:
    # ITK inflates a damaged stream without a word; zlib's and gzip's own checksums know. One of more than the ``wanted``
    # bytes is no volume but a bomb.
    with path.open("rb") as file:
        if not _is_compressed(file):
            return
        inflater, size = zlib.decompressobj(wbits=47), 0  # zlib or gzip, whichever stands there
        while not inflater.eof:
            chunk = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
            size += len(inflater.decompress(chunk, _CHUNK_BYTES))
            if not chunk or size > wanted:
                raise EOFError


def _is_compressed(file: Any) -> bool:
    """Whether the header says so; leaves ``file`` at the first byte after it."""
    compressed = False
    for line in file:
        text = line.strip().lower().replace(b" ", b"")
        compressed |= text in (b"encoding:gzip", b"encoding:gz", b"compresseddata=true")
        if text in (b"", b"elementdatafile=local"):
            return compressed
    return False
