"""What the server is and can do, who may use it, and what it says of its trainings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from askance import __version__
from askance.server.monai.client import PREFIX, Client, TheClient

router = APIRouter(prefix=PREFIX, tags=["MONAI Label"])

MODEL = "askance"
#: Name of a strategy -> what it does. ``query`` is the study's own acquisition, whichever that is.
STRATEGIES = {
    "query": "the study's own query: what its acquisition chose, by priority",
    "score": "the case with the lowest mean score",
    "random": "a case at random",
    "first": "the first case that is not labelled",
}


@router.get("/")
def root(client: TheClient) -> dict[str, Any]:
    """That there is a server: what the Reviewer looks for."""
    return {"name": client.store.config.name}


@router.get("/info/")
def info(client: TheClient) -> dict[str, Any]:
    """Labels, models, strategies, trainers, and how much is labelled. No ``config``: Slicer would refuse the server."""
    config = client.store.config
    labels = {name: value for value, name in enumerate(config.classes) if value}
    model = {"type": "segmentation", "labels": labels, "dimension": 3, "config": {},
             "description": "stored proposals of the study's newest model"}  # fmt: skip
    strategies = {name: {"description": text} for name, text in strategies_of(client).items()}
    return {
        "name": config.name, "description": "askance: the slices the model looks at askance go to the expert",
        "version": __version__, "labels": list(labels), "models": {MODEL: model},
        "trainers": {MODEL: {"description": "the study's next cycle", "config": {}}}, "strategies": strategies,
        "scoring": {"stored": {"description": "scores are stored with every proposal"}},
        "train_stats": {MODEL: train_stats(client)}, "datastore": stats(client),
    }  # fmt: skip


def strategies_of(client: Client) -> dict[str, str]:
    """Every strategy, those of the figures that the newest model gave included."""
    measures = client.store.desk.measures()
    return {**STRATEGIES, **{name: f"the case with the highest mean {name}" for name in measures}}


def stats(client: Client) -> dict[str, Any]:
    """Cases, those that somebody labelled, and how many under each tag."""
    total, completed = client.store.desk.labelled_cases()
    return {"total": total, "completed": completed, "label_tags": {"final": completed}}


def train_stats(client: Client) -> dict[str, Any]:
    """The newest cycle in MONAI Label's words."""
    cycles = client.store.cycles()
    if not cycles:
        return {}
    best = [value for one in cycles if (value := one.record.get("dice")) is not None]
    return {"epoch": cycles[-1].number + 1, "total_epochs": client.store.config.budget.cycles + 1,
            "best_metric": max(best, default=None), "train": {}, "eval": {"key_metric_name": "dice"}}  # fmt: skip


@router.get("/auth/")
def auth(client: TheClient) -> dict[str, Any]:
    """No name and password are wanted: who asks stands in the path."""
    del client
    return {"enabled": False}


@router.get("/auth/token/valid")
def valid(client: TheClient) -> dict[str, Any]:
    """The token in the path works."""
    return {"user": client.user.name}


@router.post("/auth/token")
def no_token(client: TheClient) -> Response:
    """Nobody signs in with a password here."""
    del client
    raise HTTPException(404, "there are no passwords here; the link holds the token")


@router.get("/logs/", response_model=None)
def logs(
    client: TheClient, lines: Annotated[int, Query(ge=1, le=10_000)] = 300, html: bool = True, text: bool = False
) -> Response:
    """What the newest training said; for admins, as on the page: a log may name paths and what failed."""
    client.require("admin")
    newest = client.jobs.newest()
    told = client.jobs.log(newest.id).splitlines()[-lines:] if newest else []
    if text or not html:
        return PlainTextResponse("\n".join(told))
    escaped = "\n".join(told).replace("&", "&amp;").replace("<", "&lt;")
    return HTMLResponse(f"<!doctype html><title>log</title><pre>{escaped}</pre>")


@router.get("/logs/gpu")
def gpu(client: TheClient) -> Response:
    """The server has no use for a GPU."""
    del client
    return PlainTextResponse("no GPU is in use by the server")
