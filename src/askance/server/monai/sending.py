"""Volumes as files of the format and geometry of a case, without the texts of its header; never streamed."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Response
from fastapi.responses import FileResponse
from numpy.typing import NDArray

from askance.errors import SourceMissing
from askance.records import Case
from askance.store.store import Store
from askance.volumes.files import SUFFIXES, copy_bare, write_labels_like


def bare_image(store: Store, case: Case) -> Path:
    """The case's first channel with its voxels and geometry alone, made once; its name is the study's own."""
    source = case.images[0]
    if not source.path.is_file():
        raise SourceMissing(f"{source.path}: is not there any more")
    target = store.folder / "cache" / "bare" / f"{case.id}.{source.sha256[:12]}{suffix_of(source.path)}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_bare(source.path, target)
    return target


def suffix_of(path: Path) -> str:
    """The volume's suffix, ``.nii.gz`` being one."""
    return next(one for one in SUFFIXES if path.name.lower().endswith(one))


def label_file(store: Store, case: Case, labels: NDArray[np.uint8]) -> tuple[str, bytes]:
    """Name and bytes of a label in the geometry of the case."""
    like = bare_image(store, case)
    suffix = suffix_of(like)
    suffix = ".nii.gz" if suffix == ".nii" else suffix
    with tempfile.TemporaryDirectory(prefix="askance-label-") as folder:
        path = Path(folder) / f"label{suffix}"
        write_labels_like(path, labels, like)
        return f"{case.id}{suffix}", path.read_bytes()


def as_file(name: str, data: bytes) -> Response:
    """A file whose name the clients find."""
    return Response(data, media_type="application/octet-stream", headers=_named(name))


def image_response(store: Store, case: Case) -> FileResponse:
    """The image as a file."""
    path = bare_image(store, case)
    return FileResponse(path, media_type="application/octet-stream", headers=_named(f"{case.id}{suffix_of(path)}"))


def multipart(params: Mapping[str, Any], name: str, data: bytes) -> Response:
    """A reply of ``params`` and a file, whole: the clients misread chunked replies, and replies without a file."""
    edge = secrets.token_hex(16)
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(params)}\r\n--{edge}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="{_plain(name)}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + data + f"\r\n--{edge}--\r\n".encode()
    return Response(body, media_type=f"multipart/form-data; boundary={edge}")


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{_plain(name)}"'}


def _plain(name: str) -> str:
    return name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_")
