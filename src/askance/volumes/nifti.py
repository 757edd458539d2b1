"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz) through nibabel.

Messages never quote the header's texts or nibabel's: both may hold a patient's name. Files written carry the geometry
of another and nothing else of it: no description, no extensions.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from askance.errors import FormatError
from askance.volumes.voxels import Header, Stored, header_from

_MM_PER_UNIT = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}  # by the low three bits of xyzt_units: unknown, m, mm, micron
_MOST_DEFLATED = 1040  # bytes that one byte of gzip can stand for, rounded up
_MAX_OFFSET = 2**40  # bytes before the first voxel; a header beyond is damaged
_GEOMETRY_FIELDS = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
_CHUNK_BYTES = 2**24


def read_header(path: Path) -> Header:
    """The geometry, without touching the voxels.

    Raises:
        FormatError: not NIfTI, damaged, not three-dimensional, or (uncompressed) shorter than its header says.
        GeometryError: an affine that maps no volume.
    """
    return _header(path, _load(path))


def open_voxels(path: Path) -> Stored:
    """The voxels as stored: a memory map where the file is uncompressed, else decompressed once, in the stored dtype.

    Raises:
        FormatError: as ``read_header``, or the compressed stream is truncated or fails its checksum.
        GeometryError: an affine that maps no volume.
    """
    image = _load(path)
    header = _header(path, image)
    proxy = image.dataobj
    raw = _decompress(path, proxy) if path.name.lower().endswith(".gz") else proxy.get_unscaled()
    return Stored(header, raw, float(proxy.slope), float(proxy.inter))


def write_like(path: Path, array: NDArray[Any], like: Path) -> None:
    """Writes ``array`` (X, Y, Z) with the shape, spacing, sform, qform, codes and units of ``like``, unscaled."""
    _write(path, array, _load(like), (1.0, 0.0))


def copy_bare(source: Path, target: Path) -> None:
    """Writes the voxels of ``source`` as they are stored, with their scale and geometry, to ``target``: no text goes along.

    Raises:
        FormatError, GeometryError: as ``open_voxels``.
    """
    stored = open_voxels(source)
    _write(target, np.asarray(stored.raw), _load(source), (stored.slope, stored.inter))


def _write(path: Path, array: NDArray[Any], original: Any, scale: tuple[float, float]) -> None:
    header = type(original.header)()
    header.set_data_shape(array.shape)
    header.set_data_dtype(array.dtype)
    for field in _GEOMETRY_FIELDS:
        header[field] = original.header[field]
    image = type(original)(array, None, header)
    image.header.set_slope_inter(*scale)  # once it is given, nibabel stores the array as it is
    nib.save(image, path)


def _load(path: Path) -> Any:
    try:
        image = nib.load(path)
        if isinstance(image, nib.Nifti1Image | nib.Nifti2Image):
            image.header.get_slope_inter()
            return image
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, OverflowError, zlib.error):
        pass
    raise FormatError(
        f"{path}: found no readable NIfTI header, wanted what the name says; "
        "the file is damaged or of another format: copy or export it again"
    )


def _header(path: Path, image: Any) -> Header:
    shape, dtype = tuple(int(n) for n in image.shape), image.get_data_dtype()
    if len(shape) != 3:
        raise FormatError(f"{path}: found {len(shape)} axes {shape}, wanted 3; split it into one file a volume or channel")
    if min(shape) < 1:
        raise FormatError(f"{path}: found axes of {shape} voxels, wanted 1 or more; the file is damaged: export it again")
    if dtype.kind not in "iuf":
        raise FormatError(f"{path}: found voxels of type {dtype}, wanted plain numbers; export it as a scalar volume")
    _require_whole(path, image.dataobj)
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= _mm_per_unit(path, image)
    return header_from(path, shape, affine, dtype)


def _mm_per_unit(path: Path, image: Any) -> float:
    """By the space bits alone: nibabel's own reading fails on a unit of time that it does not know."""
    unit = int(image.header["xyzt_units"]) & 7
    if unit not in _MM_PER_UNIT:
        raise FormatError(f"{path}: found {unit} as unit of length, wanted 0 to 3 (unknown, m, mm, micron); export it again")
    return _MM_PER_UNIT[unit]


def _require_whole(path: Path, proxy: Any) -> None:
    if not 0 <= proxy.offset <= _MAX_OFFSET:
        raise FormatError(f"{path}: its voxels begin at byte {proxy.offset}; the header is damaged: export the file again")
    wanted = proxy.offset + math.prod(map(int, proxy.shape)) * proxy.dtype.itemsize
    found = path.stat().st_size
    if path.name.lower().endswith(".gz"):
        if wanted > found * _MOST_DEFLATED:
            shape = " x ".join(map(str, proxy.shape))
            raise FormatError(
                f"{path}: its header says {shape} voxels, {wanted} bytes, which {found} compressed ones cannot hold; "
                "the header is damaged: export the file again"
            )
    elif found < wanted:
        raise FormatError(f"{path}: truncated: found {found} bytes, wanted {wanted}; copy it again")


def _decompress(path: Path, proxy: Any) -> NDArray[Any]:
    # By hand rather than through nibabel: reading on to the end of the stream is what checks gzip's checksum.
    voxels: NDArray[Any] = np.empty(proxy.shape, proxy.dtype, order="F")
    view = voxels.reshape(-1, order="F").view(np.uint8)
    filled = 0
    try:
        with gzip.open(path) as stream:
            stream.seek(proxy.offset)
            while chunk := stream.read(_CHUNK_BYTES):
                taken = chunk[: len(view) - filled]
                view[filled : filled + len(taken)] = np.frombuffer(taken, np.uint8)
                filled += len(taken)
    except (OSError, EOFError, zlib.error):
        raise FormatError(f"{path}: truncated or corrupt: its compressed stream breaks off; copy it again") from None
    if filled < len(view):
        raise FormatError(f"{path}: truncated: found {filled} bytes of voxels, wanted {len(view)}; copy it again")
    return voxels
