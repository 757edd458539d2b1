"""Errors as statuses, in one place. What a user did wrong is a 4xx with a sentence.

Paths and addresses stay in the server's log.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from askance.errors import (
    AccessError,
    AnswerError,
    AskanceError,
    DataError,
    LeaseError,
    SourceChanged,
    SourceMissing,
    StudyBusy,
    StudyError,
    StudyUnreachable,
    UsageError,
)

_LOG = logging.getLogger("askance.server")
_PATH = re.compile(r"(^|[\s'\"(=])(/|[A-Za-z]:\\|[a-z+]+://)\S")
_UNSAID = "the study cannot give that now; the server's log says why"

#: The first that fits counts.
STATUSES: tuple[tuple[type[AskanceError], int], ...] = (
    (AccessError, 401),
    (LeaseError, 409),
    (AnswerError, 422),
    (UsageError, 422),
    (DataError, 422),
    (SourceMissing, 503),
    (SourceChanged, 503),
    (StudyBusy, 409),
    (StudyUnreachable, 503),
    (StudyError, 409),
    (AskanceError, 500),
)


def explain_errors(app: FastAPI) -> None:
    """Make ``app`` answer every error of ours, and every malformed request, with a sentence."""
    app.add_exception_handler(AskanceError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _unforeseen)


def said(error: AskanceError) -> str:
    """The error's message, as it may leave the server."""
    message = str(error)
    if _PATH.search(message):
        _LOG.warning("%s", message)
        return _UNSAID
    return message


def status_of(error: AskanceError) -> int:
    """The HTTP status for the error."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AskanceError)
    content: dict[str, Any] = {"error": said(error)}
    if isinstance(error, LeaseError):
        content["kind"] = error.kind
    return JSONResponse(content, status_of(error))


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def _malformed(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    where = [".".join(str(part) for part in one["loc"])[:80] + ": " + str(one["msg"])[:200] for one in error.errors()[:5]]
    return JSONResponse({"error": "; ".join(where) or "malformed"}, 422)


async def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s", type(error).__name__)
    return JSONResponse({"error": "something went wrong in the server; its log says what"}, 500)
