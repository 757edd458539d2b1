"""One application from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from askance import __version__
from askance.server import page, routes_review, routes_study, routes_work
from askance.server.advice import Advisor
from askance.server.answering import explain_errors
from askance.server.guarding import Guard
from askance.server.jobs import Jobs
from askance.server.monai import routes_datastore, routes_info, routes_model, routes_session, routes_tasks
from askance.server.monai import routes_work as monai_work
from askance.server.views import Views
from askance.store.store import Store


def create_app(store: Store) -> FastAPI:
    """The application that serves ``store``; who makes it closes the store."""
    app = FastAPI(title="askance", version=__version__, lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.store, app.state.views, app.state.jobs = store, Views(store), Jobs(store)
    app.state.advisor = Advisor(lambda: {case.id: case.patient for case in store.cases()}, store.config.seed)
    ours, monai = (
        (routes_work, routes_review, routes_study),
        (routes_info, routes_datastore, routes_model, routes_tasks, routes_session, monai_work),
    )
    for routes in (*ours, *monai):
        app.include_router(routes.router)
    page.mount_page(app)
    explain_errors(app)
    app.add_api_route("/api/health", _health, methods=["GET"], tags=["study"])
    app.add_middleware(Guard, store=store)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What is queued goes on when the server starts, and what clients' sessions left behind goes."""
    app.state.jobs.tend()
    routes_session.sweep_sessions(app.state.store)
    yield


def _health() -> dict[str, Any]:
    """That the server answers, for whoever watches it."""
    return {"askance": __version__}
