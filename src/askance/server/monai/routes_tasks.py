"""Trainings, batch inference and scoring as MONAI Label's tasks, over the study's durable jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException

from askance.errors import StudyBusy
from askance.server.monai.client import PREFIX, Client, TheClient
from askance.server.monai.routes_info import MODEL
from askance.store.jobs import Job

router = APIRouter(prefix=PREFIX, tags=["MONAI Label"])
_STATUS = {"queued": "SUBMITTED", "running": "RUNNING", "done": "DONE", "waiting": "DONE", "failed": "ERROR",
           "cancelled": "STOPPED"}  # fmt: skip
_LINES = 20


@router.post("/train/")
def train_all(client: TheClient) -> dict[str, Any]:
    """Start the next cycle, by the only trainer there is."""
    task = _start(client)
    return {MODEL: {"result": task, "detail": task}, **task}


@router.post("/train/{model}")
def train(model: str, client: TheClient) -> dict[str, Any]:
    """Start the next cycle."""
    _require_known(model)
    return _start(client)


@router.get("/train/")
def train_status(client: TheClient, check_if_running: bool = False) -> dict[str, Any]:
    """The newest training; 404 where there is none, or none runs and that was asked."""
    job = client.jobs.newest()
    if job is None or (check_if_running and job.state not in ("queued", "running")):
        raise HTTPException(404, "no training runs")
    return _task(client, job)


@router.delete("/train/")
def train_stop(client: TheClient) -> dict[str, Any] | None:
    """End the training that runs."""
    client.require("admin")
    job = client.jobs.newest()
    if job is None:
        return None
    return _task(client, client.jobs.cancel(job.id, client.user.name))


@router.post("/batch/infer/{model}")
def batch_infer(model: str, client: TheClient) -> dict[str, Any]:
    """Every cycle predicts its pool by itself: what is stored is told."""
    _require_known(model)
    return _done("proposals are made by each cycle for its whole pool and stored; nothing is left to infer")


@router.post("/scoring/")
@router.post("/scoring/{method}")
def scoring(client: TheClient, method: str = "stored") -> dict[str, Any]:
    """Scores are stored with every proposal."""
    del method, client
    return _done("scores are stored with every proposal")


@router.get("/batch/infer")
@router.get("/batch/infer/")
@router.get("/scoring/")
def nothing_runs(client: TheClient) -> dict[str, Any]:
    """Neither runs for longer than its request."""
    del client
    raise HTTPException(404, "nothing runs")


@router.delete("/batch/infer")
@router.delete("/batch/infer/")
@router.delete("/scoring/")
def nothing_to_stop(client: TheClient) -> None:
    """Neither runs for longer than its request."""
    del client


def _start(client: Client) -> dict[str, Any]:
    client.require("admin")
    try:
        return _task(client, client.jobs.start(client.user.name))
    except StudyBusy:
        raise HTTPException(429, "a training runs already") from None


def _task(client: Client, job: Job) -> dict[str, Any]:
    told = client.jobs.log(job.id).splitlines()[-_LINES:] if client.user.may("admin") else []
    progress = ", ".join(f"{key} {value}" for key, value in job.progress.items())
    details = [*told, progress or f"job {job.id} {job.state}", *([job.message] if job.message else [])]
    task = {"id": str(job.id), "status": _STATUS[job.state], "request": {"model": MODEL}, "details": details[-_LINES:],
            "start_ts": _clock(job.started_at or job.created_at)}  # fmt: skip
    return {**task, "end_ts": _clock(job.ended_at)} if job.ended_at else task


def _done(text: str) -> dict[str, Any]:
    now = _clock(datetime.now().astimezone().isoformat())
    return {"id": "stored", "status": "DONE", "request": {}, "start_ts": now, "end_ts": now, "details": [text]}


def _clock(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S")


def _require_known(model: str) -> None:
    if model != MODEL:
        raise HTTPException(404, f"there is no model {model[:80]!r}; wanted {MODEL}")
