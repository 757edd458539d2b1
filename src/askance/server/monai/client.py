"""Who asks, and where a case stands: what every route of this API begins with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, HTTPException, Path, Request

from askance.errors import StudyError
from askance.records import Case
from askance.server.access import store_of
from askance.server.jobs import Jobs
from askance.server.views import Views
from askance.store.store import Store
from askance.store.users import User

PREFIX = "/t/{token}"
#: What this door calls the tab of whoever works in Slicer.
TAB = "slicer"


class Client:
    """A signed-in client and the study it works on."""

    def __init__(self, request: Request, token: Annotated[str, Path(min_length=1, max_length=200)]) -> None:
        self.store: Store = store_of(request)
        self.user: User = self.store.desk.user_of(token)
        self.views: Views = request.app.state.views
        self.jobs: Jobs = request.app.state.jobs

    def case(self, case_id: str) -> Case:
        """The case of learn; 404 where there is none."""
        try:
            case = self.store.case(case_id)
        except (StudyError, ValueError):
            raise HTTPException(404, f"image {case_id[:80]!r} is not in the study") from None
        if case.split != "learn":
            raise HTTPException(404, f"image {case_id[:80]!r} is not one that is labelled in this study")
        return case

    def require(self, role: Any) -> None:
        """Let only those pass who may do what ``role`` may."""
        if not self.user.may(role):
            raise HTTPException(403, f"{self.user.name} is {self.user.role} in this study; this needs {role}")


TheClient = Annotated[Client, Depends(Client)]
