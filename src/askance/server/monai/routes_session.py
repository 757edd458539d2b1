"""Sessions: an image that a client brings, kept for a while to infer on it."""

from __future__ import annotations

import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, HTTPException, Query, UploadFile

from askance.errors import AnswerError, DataError
from askance.server.monai.client import PREFIX, Client, TheClient
from askance.server.monai.uploads import MAX_IMAGE, unpacked
from askance.store.store import Store
from askance.volumes.files import copy_bare

router = APIRouter(prefix=PREFIX, tags=["MONAI Label"])
_EXPIRY_S = 3600


@router.put("/session/")
def create_session(
    client: TheClient, files: Annotated[list[UploadFile], File()], expiry: Annotated[int, Query(ge=0, le=7 * 86400)] = 0
) -> dict[str, Any]:
    """Keep an image for a while, without the texts of its header, to infer on it."""
    sweep_sessions(client.store)
    session_id = str(uuid.uuid4())
    folder = _sessions(client.store) / session_id
    with unpacked(files[0], MAX_IMAGE) as path:
        folder.mkdir(parents=True)
        (folder / "expires").write_text(str(time.time() + (expiry or _EXPIRY_S)))  # first: no image is kept without it
        try:
            copy_bare(path, folder / "image.nii")
        except DataError:
            shutil.rmtree(folder, ignore_errors=True)
            raise AnswerError("the image is damaged, or no volume") from None
    return {"session_id": session_id, "session_info": _session_info(client, session_id)}


@router.get("/session/{session_id}")
def get_session(session_id: str, client: TheClient) -> dict[str, Any]:
    """The session; 404 where it is none, or not any more."""
    return _session_info(client, session_id)


@router.delete("/session/{session_id}")
def remove_session(session_id: str, client: TheClient) -> dict[str, Any]:
    """Forget the session."""
    told = _session_info(client, session_id)
    shutil.rmtree(_sessions(client.store) / session_id, ignore_errors=True)
    return told


def sweep_sessions(store: Store) -> None:
    """Forget the sessions that are over."""
    for file in _sessions(store).glob("*/expires"):
        with suppress(ValueError, OSError):
            if float(file.read_text()) < time.time():
                shutil.rmtree(file.parent, ignore_errors=True)


def _sessions(store: Store) -> Path:
    return store.folder / "cache" / "sessions"


def session_file(client: Client, session_id: str) -> Path:
    """The session's image.

    Raises:
        HTTPException: 404: no such session. A name that is no UUID never becomes a path.
    """
    try:
        folder = _sessions(client.store) / str(uuid.UUID(session_id))
        expires = float((folder / "expires").read_text())
    except (ValueError, OSError):
        raise HTTPException(404, "there is no such session") from None
    if expires < time.time():
        shutil.rmtree(folder, ignore_errors=True)
        raise HTTPException(404, "the session is over")
    return folder / "image.nii"


def _session_info(client: Client, session_id: str) -> dict[str, Any]:
    path = session_file(client, session_id)
    created, expires = path.stat().st_mtime, float((path.parent / "expires").read_text())
    return {"name": session_id, "path": "", "image": "image.nii", "meta": {}, "create_ts": int(created),
            "last_access_ts": int(time.time()), "expiry": int(expires - created)}  # fmt: skip
