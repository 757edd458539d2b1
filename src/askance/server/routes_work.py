"""The expert's API: the next slice, its view, drafts, answers, and going back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from askance.errors import AnswerError
from askance.metrics.effort import count_effort
from askance.records import OPEN, UNSEEN, Annotation
from askance.server.access import Anybody, Body, TheStore
from askance.server.answers_in import agreement_of_readers, answers_of, check_indices
from askance.server.views import Views, version_plane
from askance.server.wire import unpack_planes
from askance.store.answers import Answer, SetAsideState
from askance.store.giving_out import Given
from askance.store.handing_in import Handing
from askance.store.store import Store

router = APIRouter(prefix="/api", tags=["work"])

SliceName = Annotated[str, Field(min_length=5, max_length=300)]
Tab = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w-]+$")]


def views_of(request: Request) -> Views:
    """The server's views."""
    views: Views = request.app.state.views
    return views


TheViews = Annotated[Views, Depends(views_of)]

_WARMED = 2  # cases at the head of the queue that are made ready while an expert draws


class TabBody(BaseModel):
    """Which browser tab speaks."""

    tab: Tab


class NextBody(TabBody):
    """``ahead``: the slice after the one in hand, to have it ready."""

    ahead: bool = False


class SliceBody(TabBody):
    """A slice that the tab has in hand."""

    slice: SliceName


class AsideBody(SliceBody):
    """A slice set aside, and why."""

    state: SetAsideState
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class RenewBody(TabBody):
    """``slice``: what the tab has on its screen, to be told whether it is still in its hands."""

    slice: SliceName | None = None


SliceQuery = Annotated[SliceName, Query(alias="slice")]
TabQuery = Annotated[Tab, Query()]


@router.post("/next")
def next_slice(body: NextBody, store: TheStore, user: Anybody, views: TheViews, later: BackgroundTasks) -> dict[str, Any]:
    """What is to be done now: a slice, or why there is none. The head of the queue is made ready meanwhile."""
    given = store.desk.next(user.name, body.tab, body.ahead)
    for name in store.desk.head(_WARMED):
        later.add_task(views.warm, name)
    return handed(store, given) if given else _nothing(store)


@router.post("/adopt")
def adopt(body: TabBody, store: TheStore, user: Anybody) -> dict[str, Any]:
    """This tab takes over what another tab of the same person has open."""
    store.desk.adopt(user.name, body.tab)
    return {}


@router.post("/leave")
def leave(body: TabBody, store: TheStore, user: Anybody) -> dict[str, Any]:
    """The tab is being closed: what it has in hand may go on in another one, and lapses in the usual time."""
    store.desk.leave(user.name, body.tab)
    return {}


@router.post("/renew")
def renew(body: RenewBody, store: TheStore, user: Anybody, views: TheViews) -> dict[str, Any]:
    """A sign of life; ``hold`` says whether the slice is in the hands of this tab (here), of another one (tab), or gone."""
    store.desk.renew(user.name, body.tab)
    if body.slice is None:
        return {}
    place = views.place(body.slice)
    lease = store.desk.held(place.slice_id, user.name)
    if lease is not None:
        return {"hold": "here" if lease.tab == body.tab else "tab", "state": store.state(place.slice_id)}
    views.seen(place, user)  # else anybody could ask where any slice stands
    return {"hold": "gone", "state": store.state(place.slice_id)}


@router.post("/give_back")
def give_back(body: SliceBody, store: TheStore, user: Anybody) -> dict[str, Any]:
    """Put a slice back into the queue."""
    store.desk.give_back(body.slice, user.name, body.tab)
    return {}


@router.get("/view", response_class=Response)
def view(
    name: SliceQuery,
    user: Anybody,
    views: TheViews,
    reach: Annotated[int | None, Query(ge=0, le=1000)] = None,
    channel: Annotated[int, Query(ge=0, le=100)] = 0,
) -> Response:
    """A slice with its neighbours as binary."""
    place = views.place(name)
    data = views.view(place, views.seen(place, user), reach, channel)
    return Response(data, media_type="application/octet-stream")


@router.put("/draft")
def draft(
    name: SliceQuery, tab: Annotated[Tab, Query()], body: Body, store: TheStore, user: Anybody, views: TheViews
) -> dict[str, Any]:
    """Keep what is drawn so far."""
    place = views.place(name)
    _, planes = unpack_planes(body, place.shown_shape, place.depth)
    check_indices(place, planes)
    store.desk.save_draft(name, user.name, tab, {index: place.display.from_plane(one) for index, one in planes.items()})
    return {"saved": sorted(planes)}


@router.post("/submit")
def submit(
    name: SliceQuery, tab: Annotated[Tab, Query()], body: Body, store: TheStore, user: Anybody, views: TheViews
) -> dict[str, Any]:
    """Hand in the slice, with slices that were drawn on beside it."""
    place = views.place(name)
    seen = views.seen(place, user)
    _, planes = unpack_planes(body, place.shown_shape, place.depth)
    answer, others = answers_of(views, place, seen, planes)
    if seen.lease is None and (known := handed_in_before(store, answer, others)):
        return known
    return _submit(store, Handing(user.name, tab, answer, others, agreement_of_readers(store, answer)))


@router.post("/accept_proposal")
def accept_proposal(body: SliceBody, store: TheStore, user: Anybody, views: TheViews) -> dict[str, Any]:
    """The proposal is right as it is."""
    place = views.place(body.slice)
    seen = views.seen(place, user)
    proposal = views.proposal(place, seen.teacher)
    if proposal is None:
        raise AnswerError(f"slice {body.slice!r} was asked without a proposal; draw it")
    answer = Answer(body.slice, proposal, user.name, count_effort(proposal, proposal), seen.teacher)
    if seen.lease is None and (known := handed_in_before(store, answer, ())):
        return known
    return _submit(store, Handing(user.name, body.tab, answer, (), agreement_of_readers(store, answer)))


@router.post("/aside")
def aside(body: AsideBody, store: TheStore, user: Anybody) -> dict[str, Any]:
    """Skip the slice, or flag it as unreadable."""
    if store.desk.ended(body.slice, user.name) != body.state:  # else the browser lost the first word of it and asks again
        store.desk.set_aside(body.slice, body.state, body.reason, user.name, body.tab)
    return {}


@router.post("/reopen")
def reopen(body: SliceBody, store: TheStore, user: Anybody) -> dict[str, Any]:
    """Go back to an earlier answer."""
    lease = store.desk.reopen(body.slice, user.name, body.tab)
    return handed(store, Given(lease, elsewhere=False))


@router.get("/mine")
def mine(store: TheStore, user: Anybody) -> list[dict[str, Any]]:
    """What this person handed in, newest first."""
    return [asdict(one) for one in store.desk.done_by(user.name)]


@router.get("/versions")
def versions(name: SliceQuery, store: TheStore, user: Anybody, views: TheViews) -> list[dict[str, Any]]:
    """Every version of a slice's label, without the labels; of other people's only for reviewers who do not read it now."""
    place = views.place(name)
    seen = views.seen(place, user)
    keys = ("version", "author", "created_at", "proposal")
    found = [one for one in store.desk.versions(name) if seen.reads_all or one.author == user.name]
    return [{key: getattr(one, key) for key in keys} for one in found]


@router.get("/version", response_class=Response)
def version(
    name: SliceQuery, number: Annotated[int, Query(ge=1, le=10**6)], store: TheStore, user: Anybody, views: TheViews
) -> Response:
    """The labels of one version, as displayed."""
    place = views.place(name)
    seen = views.seen(place, user)
    one = store.annotation(name, number)
    if one is None or not (seen.reads_all or one.author == user.name):
        raise AnswerError(f"slice {name!r} has no version {number} that {user.name} may see")
    return Response(version_plane(store, place, one), media_type="application/octet-stream")


def handed(store: Store, given: Given) -> dict[str, Any]:
    """A slice given out, as the page wants to know it."""
    kind: Literal["elsewhere", "slice"] = "elsewhere" if given.elsewhere else "slice"
    lease = given.lease
    return {"kind": kind, "slice": lease.slice_id, "purpose": lease.purpose, "expires_at": lease.expires_at,
            "lease_s": store.desk.reading.lease_s}  # fmt: skip


def _nothing(store: Store) -> dict[str, Any]:
    counts = store.desk.counts()
    others = sum(counts.get(state, 0) for state in OPEN)
    reviewed = sum(counts.get(state, 0) for state in UNSEEN)
    kind = "empty" if not counts else "others" if others else "review" if reviewed else "finished"
    return {"kind": kind, "counts": counts}


def handed_in_before(store: Store, answer: Answer, others: tuple[Answer, ...]) -> dict[str, Any] | None:
    """What was said of the very same answer, where the browser lost the first word of it and asks again."""
    kept = [store.annotation(one.slice_id) for one in (answer, *others)]
    pairs = [(one, had) for one, had in zip((answer, *others), kept) if had is not None and had.author == one.author]
    if len(pairs) < len(kept) or not all(np.array_equal(store.read_annotation(had), one.labels) for one, had in pairs):
        return None
    return {"outcome": store.state(answer.slice_id), "versions": told([had for _, had in pairs]), "dice": None}


def told(saved: Iterable[Annotation]) -> list[dict[str, Any]]:
    """Stored versions, as the page hears of them."""
    return [{"slice": one.slice_id, "version": one.version, "sha256": one.sha256} for one in saved]


def _submit(store: Store, handing: Handing) -> dict[str, Any]:
    done = store.desk.submit(handing)
    return {"outcome": done.outcome, "versions": told(done.versions), "dice": handing.dice}
