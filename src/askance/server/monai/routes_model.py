"""The newest model as one file. Models come from trainings alone: none is sent or deleted through this door."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from askance.records import Model
from askance.server.monai.client import PREFIX, Client, TheClient
from askance.server.monai.routes_info import MODEL, train_stats
from askance.volumes.files import hash_file
from askance.volumes.writing import replacing

router = APIRouter(prefix=PREFIX + "/model", tags=["MONAI Label"])
_KEPT = "models come from trainings, whose labels are known; start the next cycle for a new one"


@router.get("/info/{name}")
def model_info(name: str, client: TheClient) -> dict[str, Any]:
    """The checksum of what a download gives, and when the model was made."""
    model = _newest(client, name)
    checksum = f"SHA256:{hash_file(_packed(client, model)).sha256}"
    told = {"checksum": checksum, "modified_time": model.created_at, "train_stats": train_stats(client)}
    return {**told, "model": model.id, "weights_sha256": model.weights_sha256}


@router.get("/{name}")
def download(name: str, client: TheClient) -> FileResponse:
    """The newest model, for an admin: a zip of its folder, which `askance predict` reads once it is unpacked."""
    client.require("admin")
    model = _newest(client, name)
    path = _packed(client, model)
    client.store.desk.note(client.user.name, "model downloaded", detail={"model": model.id})
    headers = {"content-disposition": f'attachment; filename="{MODEL}-{path.name}"'}
    return FileResponse(path, media_type="application/zip", headers=headers)


@router.put("/{name}")
@router.delete("/{name}")
def refuse(name: str, client: TheClient) -> None:
    """Refused."""
    del name, client
    raise HTTPException(403, _KEPT)


def _newest(client: Client, name: str) -> Model:
    model = client.store.latest_model()
    if name != MODEL or model is None:
        raise HTTPException(404, "there is no such model, or nothing was trained yet")
    return model


def _packed(client: Client, model: Model) -> Path:
    """A zip of the model's files, made once and the same bytes whenever it is made: its checksum names the model."""
    target = client.store.folder / "cache" / "models" / f"{model.id}-{model.weights_sha256[:12]}.zip"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = client.store.model_folder(model.id)
        with replacing(target) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink()):
                archive.writestr(zipfile.ZipInfo(f"{model.id}/{file.name}"), file.read_bytes())
    return target
