"""The page: files that ``make web`` or the making of the wheel put beside this module; and the way in by a link."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from askance.server.access import TheStore, cookie_name

ASSETS = Path(__file__).parent / "assets"
_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>askance: the page is not built</title>
<h1>The page is not built</h1>
<p>This is a checkout whose page was not built: <code>make web</code> does it and needs Node.js with npm.
A wheel carries the page. Everything else works: the API, 3D Slicer, the command line.</p></html>"""

router = APIRouter(include_in_schema=False)


@router.get("/")
def index() -> Response:
    """The page, or what is missing for it."""
    return FileResponse(ASSETS / "index.html", media_type="text/html") if is_built() else HTMLResponse(_MISSING, 503)


@router.get("/enter")
def enter(request: Request, store: TheStore, token: str = "") -> Response:
    """A person's link: keeps the token in a cookie that no script reads, and goes to the page."""
    user = store.desk.user_of(token[:200])
    store.desk.note(user.name, "signed in")
    answer = RedirectResponse("/", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(store), token, max_age=90 * 86400, httponly=True, samesite="lax", secure=secure)
    return answer


def is_built() -> bool:
    """Whether the page is there."""
    return (ASSETS / "index.html").exists()


def mount_page(app: FastAPI) -> None:
    """Add the page to ``app``."""
    app.include_router(router)
    if ASSETS.is_dir():
        app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
