"""The next sample, and inference: stored proposals for the study's cases, a worker's for files that a client brings."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Form, HTTPException, Query, Response, UploadFile
from numpy.typing import NDArray

from askance.errors import AnswerError
from askance.records import parse_slice_id
from askance.server.jobs import NICENESS
from askance.server.monai.client import PREFIX, TAB, Client, TheClient
from askance.server.monai.routes_datastore import params_of
from askance.server.monai.routes_info import MODEL, strategies_of
from askance.server.monai.routes_session import session_file
from askance.server.monai.sending import label_file, multipart, suffix_of
from askance.server.monai.uploads import MAX_IMAGE, unpacked
from askance.server.monai.volumes import proposed
from askance.store.store import Store
from askance.volumes.files import read_labels

router = APIRouter(prefix=PREFIX, tags=["MONAI Label"])
_PREDICT_S = 600
_AGAIN_S = 60
#: One file is predicted at a time: each takes a process with a network, and a thread of the server that waits for it.
_predicting = threading.Lock()


@router.post("/activelearning/{strategy}")
def next_sample(strategy: str, client: TheClient) -> dict[str, Any]:
    """The next case, with its slices that are asked in this person's hands; {} where nothing is left."""
    if strategy not in strategies_of(client):
        raise HTTPException(404, f"there is no strategy {strategy[:80]!r}")
    case_id = _chosen(client, strategy)
    if case_id is None:
        return {}
    case = client.case(case_id)
    slices = client.store.desk.take_case(case.id, client.user.name, TAB) if strategy == "query" else []
    now = int(time.time())
    return {"id": case.id, "path": "", "name": f"{case.id}{suffix_of(case.images[0].path)}", "ts": now,
            "strategy": {strategy: {"ts": now, "client_id": client.user.name}}, "slices": slices}  # fmt: skip


def _chosen(client: Client, strategy: str) -> str | None:
    desk = client.store.desk
    if strategy == "query":
        given = desk.next(client.user.name, TAB)
        return parse_slice_id(given.lease.slice_id)[0] if given else None
    labelled = desk.cases_with_labels()
    unlabelled = [case.id for case in client.store.cases("learn") if case.id not in labelled]
    if not unlabelled or strategy == "first":
        return next(iter(unlabelled), None)
    if strategy == "random":
        return random.SystemRandom().choice(unlabelled)
    means = {case: mean for case, mean in desk.case_means(strategy).items() if case in unlabelled}
    ordered = sorted(means, key=lambda case: (means[case] if strategy == "score" else -means[case], case))
    return next(iter(ordered), unlabelled[0])


@router.post("/infer/{model}")
def infer(
    model: str,
    client: TheClient,
    image: Annotated[str, Query(max_length=300)] = "",
    session_id: Annotated[str, Query(max_length=64)] = "",
    params: Annotated[str, Form(max_length=100_000)] = "{}",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """A label volume with what it holds, always as multipart with an image."""
    params_of(params)
    if model != MODEL or client.store.latest_model() is None:
        raise HTTPException(404, "there is no such model, or nothing was trained yet")
    if session_id:
        return _predicted(client, session_file(client, session_id))
    if file is not None:
        with unpacked(file, MAX_IMAGE) as path:
            return _predicted(client, path)
    case = client.case(image)
    labels = proposed(client, case)
    told = {"label_names": _present(client, labels), "model": MODEL, "image": case.id}
    return multipart(told, *label_file(client.store, case, labels))


def _present(client: Client, labels: NDArray[np.uint8]) -> dict[str, int]:
    """The classes that ``labels`` hold: Slicer names segments by position, so one that is absent would shift the names."""
    return {name: k for k, name in enumerate(client.store.config.classes) if k and (labels == k).any()}


def _predicted(client: Client, path: Path) -> Response:
    """What a worker of its own says of a file; the server itself has no network in memory.

    Raises:
        AnswerError: the study or the file is not one for that.
        HTTPException: 503: another file is predicted now, or it took too long.
    """
    if len(client.store.config.channels) != 1:
        raise AnswerError("files can be inferred in studies of one channel only; use `askance predict`")
    with tempfile.TemporaryDirectory(prefix="askance-predict-") as folder:
        out = Path(folder) / "out"
        if not _predicting.acquire(blocking=False):
            raise HTTPException(503, "another file is inferred now; try again in a minute", {"Retry-After": str(_AGAIN_S)})
        try:
            made = _run_worker(client.store, path, out)
        finally:
            _predicting.release()
        if not made:
            raise AnswerError("the image cannot be predicted: it is damaged, or nothing that the model knows")
        labels = read_labels(made[0], len(client.store.config.classes), ignore=None).array
        return multipart(
            {"label_names": _present(client, labels), "model": MODEL},
            "label.nii.gz" if made[0].suffix == ".gz" else "label.nii",
            made[0].read_bytes(),
        )


def _run_worker(store: Store, path: Path, out: Path) -> list[Path]:
    """The files that a worker, as nice as a job's, makes in ``out``; none where it fails."""
    nice = [found, "-n", str(NICENESS)] if (found := shutil.which("nice")) else []
    command = [*nice, sys.executable, "-m", "askance", "predict", str(store.folder), str(path), "--out", str(out)]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=_PREDICT_S, check=False)
    except subprocess.TimeoutExpired:
        raise HTTPException(503, "the inference took too long") from None
    return list(out.glob("*.nii*")) if ran.returncode == 0 else []
