"""The reviewer's API: see, accept or correct what others answered; and the admin's: settle what two readers disagree on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from askance.server.access import Admin, Body, Reviewer, TheStore
from askance.server.answers_in import agreement, answers_of
from askance.server.routes_work import SliceBody, SliceQuery, TabBody, TabQuery, TheViews, handed, handed_in_before, told
from askance.server.wire import unpack_planes
from askance.store.handing_in import Handing

router = APIRouter(prefix="/api/review", tags=["review"])


class SettleBody(SliceBody):
    """Which version stands."""

    version: Annotated[int, Field(ge=1, le=10**6)]


@router.post("/next")
def next_review(body: TabBody, store: TheStore, user: Reviewer) -> dict[str, Any]:
    """The next answer to review, or that there is none."""
    given = store.desk.next_review(user.name, body.tab)
    return handed(store, given) if given else {"kind": "reviewed"}


@router.post("/accept")
def accept(body: SliceBody, store: TheStore, user: Reviewer) -> dict[str, Any]:
    """The answer is right."""
    if store.desk.ended(body.slice, user.name) != "accepted":  # else the browser lost the first word of it and asks again
        store.desk.accept(body.slice, user.name, body.tab)
    return {"outcome": "accepted"}


@router.post("/correct")
def correct(name: SliceQuery, tab: TabQuery, body: Body, store: TheStore, user: Reviewer, views: TheViews) -> dict[str, Any]:
    """The reviewer's own labels stand; slices drawn on beside are answers as any."""
    place = views.place(name)
    answer, others = answers_of(
        views, place, views.seen(place, user), unpack_planes(body, place.shown_shape, place.depth)[1]
    )
    if store.desk.ended(name, user.name) == "corrected" and (known := handed_in_before(store, answer, others)):
        return {**known, "outcome": "accepted", "version": known["versions"][0]["version"]}
    dice = agreement(store, answer.labels, store.annotation(name))
    saved = store.desk.correct(Handing(user.name, tab, answer, others, dice))
    return {"outcome": "accepted", "version": saved[0].version, "versions": told(saved), "dice": dice}


@router.get("/agreement")
def read_twice(store: TheStore, user: Reviewer) -> dict[str, Any]:
    """Dice between readers: of every slice that was read twice, and their mean."""
    del user
    twice = store.desk.read_twice()
    values = [one.dice for one in twice if one.dice is not None]
    mean = sum(values) / len(values) if values else None
    return {"mean": mean, "n": len(values), "slices": [asdict(one) for one in twice]}


@router.get("/disagreements")
def disagreements(store: TheStore, user: Reviewer) -> list[dict[str, Any]]:
    """Slices that two people read differently and nobody has settled."""
    del user
    return [asdict(one) for one in store.desk.disagreements()]


@router.post("/settle")
def settle(body: SettleBody, store: TheStore, user: Admin) -> dict[str, Any]:
    """One reader's version stands."""
    saved = store.desk.settle(body.slice, body.version, user.name)
    return {"outcome": "accepted", "version": saved.version}
