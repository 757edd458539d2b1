"""Where the study stands, for everybody who works on it; and what only its admin does: jobs, people, the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from statistics import fmean, median
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from askance.colours import as_hex, class_colour
from askance.config import BudgetConfig
from askance.records import OPEN, UNSEEN
from askance.server.access import Admin, Anybody, TheStore, study_key
from askance.server.advice import Advisor, curve_of
from askance.server.jobs import Jobs, as_told
from askance.store.store import Store
from askance.store.users import Role

router = APIRouter(prefix="/api", tags=["study"])


class UserBody(BaseModel):
    """A person to add."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role
    days: Annotated[float, Field(gt=0, le=3650)] = 30


class NameBody(BaseModel):
    """A person."""

    name: Annotated[str, Field(min_length=1, max_length=64)]


def jobs_of(request: Request) -> Jobs:
    """The server's jobs."""
    jobs: Jobs = request.app.state.jobs
    return jobs


def advisor_of(request: Request) -> Advisor:
    """The server's advice."""
    advisor: Advisor = request.app.state.advisor
    return advisor


TheJobs = Annotated[Jobs, Depends(jobs_of)]
TheAdvisor = Annotated[Advisor, Depends(advisor_of)]
JobId = Annotated[int, Path(ge=1, le=2**31)]


@router.get("/me")
def me(store: TheStore, user: Anybody) -> dict[str, Any]:
    """Who is signed in, and what the study is about."""
    config, reading = store.config, store.config.reading
    classes = [{"id": k, "name": name, "colour": as_hex(class_colour(k))} for k, name in enumerate(config.classes) if k]
    study = {"name": config.name, "key": study_key(store), "classes": classes, "channels": config.channels,
             "instructions": reading.instructions, "review": reading.review,
             "second_reader": reading.second_reader, "expert": config.expert}  # fmt: skip
    return {"user": user.name, "role": user.role, "study": study}


@router.get("/progress")
def progress(
    store: TheStore,
    user: Anybody,
    jobs: TheJobs,
    advisor: TheAdvisor,
    idle: Annotated[Literal["work", "review"] | None, Query()] = None,
) -> dict[str, Any]:
    """What is left, how long a slice takes, the budget curve, what comes next and whether it is worth it.

    A page that is ``idle`` hears as well whether something to ``work`` on or to ``review`` has come up for its person.
    """
    store.desk.lapse()
    counts, budget = store.desk.counts(), store.budget()
    seconds = store.desk.seconds_per_slice(user.name)
    cycles, left = store.cycles(), _left_to_ask(store, budget)
    curve, trained = curve_of([cycle.record for cycle in cycles]), max((cycle.number for cycle in cycles), default=-1)
    more = _next_size(store, left, counts, trained)
    newest = jobs.newest()
    return {
        "counts": counts,
        "left": sum(counts.get(state, 0) for state in OPEN),
        "open": sum(counts.get(state, 0) for state in (*OPEN, *UNSEEN)),
        "asked": sum(counts.values()),
        "mine": len(store.desk.done_by(user.name, last=1000)),
        "seconds_per_slice": median(seconds) if seconds else None,
        "budget": budget,
        "agreement": _agreement(store),
        "curve": [{key: getattr(point, key) for key in ("cycle", "labelled", "budget", "dice")} for point in curve],
        "advice": advisor.advice(curve, left, more),
        "job": as_told(newest) if newest else None,
        "waits": idle is not None and store.desk.waits(user.name, review=idle == "review"),
    }


@router.get("/jobs")
def list_jobs(jobs: TheJobs, user: Admin) -> list[dict[str, Any]]:
    """The newest jobs, newest first."""
    del user
    return [as_told(job) for job in jobs.listed()]


@router.post("/jobs")
def start_job(jobs: TheJobs, user: Admin) -> dict[str, Any]:
    """Start the next cycle in a process of its own."""
    return as_told(jobs.start(user.name))


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: JobId, jobs: TheJobs, user: Admin) -> dict[str, Any]:
    """End a job; what it finished is kept."""
    return as_told(jobs.cancel(job_id, user.name))


@router.get("/jobs/{job_id}/log", response_class=PlainTextResponse)
def job_log(job_id: JobId, jobs: TheJobs, user: Admin) -> str:
    """The last lines that the job said."""
    del user
    return jobs.log(job_id)


@router.get("/users")
def list_users(store: TheStore, user: Admin) -> list[dict[str, Any]]:
    """Everybody who may work on the study."""
    del user
    return [asdict(one) for one in store.desk.users()]


@router.post("/users")
def add_user(body: UserBody, store: TheStore, user: Admin) -> dict[str, Any]:
    """A link for a person; its token is shown this once."""
    token = store.desk.add_user(body.name, body.role, body.days, user.name)
    return {"name": body.name, "role": body.role, "enter": f"/enter?token={token}"}


@router.post("/users/revoke")
def revoke_user(body: NameBody, store: TheStore, user: Admin) -> dict[str, Any]:
    """A person's links work no more."""
    return {"tokens": store.desk.revoke_user(body.name, user.name)}


@router.get("/audit")
def audit(
    store: TheStore,
    user: Admin,
    name: Annotated[str | None, Query(alias="slice", max_length=300)] = None,
    last: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> list[dict[str, Any]]:
    """The newest lines of the audit log, oldest first."""
    del user
    return [asdict(one) for one in store.desk.audit(name, last)]


def _agreement(store: Store) -> dict[str, Any]:
    """Mean Dice between two readers of a slice over ``n`` of them, and on how many nobody has settled their difference."""
    desk = store.desk
    dice = [one.dice for one in desk.read_twice() if one.dice is not None]
    return {"mean": fmean(dice) if dice else None, "n": len(dice), "open": len(desk.disagreements()) if dice else 0}


def _left_to_ask(store: Store, budget: dict[str, Any]) -> int:
    """Slices of the budget that nobody labelled yet: those of the open query, and those of queries to come."""
    config: BudgetConfig = store.config.budget
    left = max(0, config.count(config.total, budget["slices"]) - int(budget["labelled"]))
    return left if (store.desk.last_cycle_asked() or 0) < config.cycles else min(left, _undone(store.desk.counts()))


def _undone(counts: Mapping[str, int]) -> int:
    return sum(counts.get(state, 0) for state in OPEN)


def _next_size(store: Store, left: int, counts: Mapping[str, int], trained: int) -> int:
    """Slices that the next training has more than the last one: those of the query it waits for, or of the next one."""
    asked = store.desk.last_cycle_asked() or 0
    if asked > trained:
        return max(1, sum(counts.values()) - counts.get("skipped", 0) - counts.get("unreadable", 0))
    return max(1, left // max(1, store.config.budget.cycles - asked))
