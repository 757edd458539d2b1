"""Arrays as files: npz bytes that are the same for the same arrays, and read back only if their hash is right."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import StudyError


def encode(**arrays: NDArray[Any]) -> bytes:
    """The arrays as a compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """The sha256 of ``data`` (hex)."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path, sha256: str, name: str) -> NDArray[Any]:
    """The array ``name`` of the npz at ``path``.

    Raises:
        StudyError: the file is gone, or its bytes are not those that were stored.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); restore it from a backup") from None
    found = digest(data)
    if found != sha256:
        raise StudyError(f"{path}: sha256 {found}, wanted {sha256} as stored; restore it from a backup")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        array: NDArray[Any] = arrays[name]
    return array
