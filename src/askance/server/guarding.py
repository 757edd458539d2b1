"""Before any route: sizes, requests that another site made a browser send, and the headers of every answer.

Plain ASGI, so that no body is read which the route doesn't want: clients of MONAI Label send a GET with a content-length
and no body. What is read is counted here, as a route reads its body before it knows who asks; where a link's token stands in
the path, and volumes may come, it is asked for here already.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from askance.errors import AskanceError
from askance.server.answering import said, status_of
from askance.server.wire import MAX_BODY
from askance.store.store import Store

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Scripts and pictures from here alone. NiiVue makes pictures from blobs and sets styles by script.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; font-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
MAX_UPLOAD = 2**30


class Guard:
    """Wraps the application that serves ``store``."""

    def __init__(self, app: App, store: Store) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with headers added to the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _added(message.get("headers", []), scope["path"])
            await send(message)

        problem = _problem(scope["method"], scope["path"], headers)
        if problem is None and scope["method"] not in _SAFE and scope["path"].startswith("/t/"):
            problem = await run_in_threadpool(self._stranger, scope["path"].split("/")[2])
        if problem is None:
            await self._app(scope, _counted(receive, _limit(scope["path"])), send_with_headers)
        else:
            await _refuse(send_with_headers, *problem)

    def _stranger(self, token: str) -> tuple[int, str] | None:
        """Status and message for a token that is nobody's."""
        try:
            self._store.desk.user_of(token)
        except AskanceError as error:
            return status_of(error), said(error)
        return None


def _limit(path: str) -> int:
    """Bytes that a request to ``path`` may have: clients of MONAI Label send volumes, the page sends slices."""
    return MAX_UPLOAD if path.startswith("/t/") else MAX_BODY


def _counted(receive: Receive, limit: int) -> Receive:
    """``receive``, which raises 413 where the body, however it is sent, is longer than ``limit`` bytes."""
    size = 0

    async def receive_counted() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, f"the request is larger than {limit} bytes")
        return message

    return receive_counted


def _problem(method: str, path: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
    """Status and message for a request that goes no further."""
    if method in _SAFE:
        return None
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > _limit(path):
        return 413, f"the request is larger than {_limit(path)} bytes"
    if path.startswith("/t/") or headers.get(b"authorization", b"").lower().startswith(b"bearer "):
        return None  # a token that no browser adds by itself; beside any other header the cookie counts
    if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        return 403, "the request comes from another site"
    if b"x-askance" not in headers:
        return 403, "the header X-Askance is missing; a page of another site cannot set it"
    return None


def _added(present: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    wanted = dict(HEADERS)
    wanted["cache-control"] = "no-cache" if path.startswith("/assets/") else "no-store"  # asked again after an upgrade
    return [*present, *((key.encode(), value.encode()) for key, value in wanted.items() if key.encode() not in names)]


async def _refuse(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
