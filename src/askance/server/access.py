"""Who asks: a token in the page's cookie, in a bearer header, or in a MONAI Label client's path."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from askance.errors import AccessError
from askance.store.store import Store
from askance.store.users import Role, User


def store_of(request: Request) -> Store:
    """The study that is served."""
    store: Store = request.app.state.store
    return store


def study_key(store: Store) -> str:
    """What a browser tells studies apart by, which may have one name."""
    return hashlib.sha256(f"{store.config.name} {store.folder}".encode()).hexdigest()[:8]


def cookie_name(store: Store) -> str:
    """The cookie's name: another for each study, since browsers don't tell ports apart."""
    return f"askance-{study_key(store)}"


def user_of(request: Request) -> User:
    """Who asks.

    Raises:
        AccessError: nobody whom the study knows.
    """
    store = store_of(request)
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if kind.lower() == "bearer" else request.cookies.get(cookie_name(store), "")
    if not token:
        raise AccessError("nobody is signed in here; open the link that you were given")
    return store.desk.user_of(token)


def at_least(role: Role) -> Callable[[User], User]:
    """A dependency that lets only those pass who may do what ``role`` may."""

    def check(user: Annotated[User, Depends(user_of)]) -> User:
        if not user.may(role):
            raise HTTPException(403, f"{user.name} is {user.role} in this study; this needs {role}")
        return user

    return check


async def body_of(request: Request) -> bytes:
    """The request's body; ``guarding`` bounds it."""
    return await request.body()


TheStore = Annotated[Store, Depends(store_of)]
Anybody = Annotated[User, Depends(user_of)]
Reviewer = Annotated[User, Depends(at_least("reviewer"))]
Admin = Annotated[User, Depends(at_least("admin"))]
Body = Annotated[bytes, Depends(body_of)]
