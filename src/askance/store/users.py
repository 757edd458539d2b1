"""People who work on a study, and the tokens by which they are known. A token is given out once and stored as its hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, get_args

import sqlalchemy as sa

from askance.errors import AccessError, UsageError
from askance.store import audit, schema
from askance.store.database import utc_now

Role = Literal["expert", "reviewer", "admin"]
_NAME = re.compile(r"[\w][\w .@+-]{0,63}")
_RESERVED = ("dataset", "simulated")
_LONGEST_DAYS = 3650
#: The admin whose link `askance serve` prints.
SERVER = "admin"


@dataclass(frozen=True)
class User:
    """Somebody who may work on the study. An admin may all, a reviewer what an expert may, and review."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this person may do what ``role`` may."""
        order = get_args(Role)
        return order.index(self.role) >= order.index(role)


@dataclass(frozen=True)
class Listed:
    """A user as listed: ``tokens`` that work now, and when the last of them ends."""

    name: str
    role: Role
    created_at: str
    tokens: int
    expires_at: str | None


def add(connection: sa.Connection, name: str, role: Role, days: float, by: str) -> str:
    """A new token for ``name``, who is made if not there yet.

    Raises:
        UsageError: a name that cannot be used, or that has another role already; not more than 0 and at most 3650 days.
    """
    if not 0 < days <= _LONGEST_DAYS:
        raise UsageError(f"a link for {days:g} days: wanted more than 0 and at most {_LONGEST_DAYS}")
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise UsageError(f"user {name!r:.80}: wanted 1 to 64 letters, digits, spaces or . @ + - _, and not {_RESERVED}")
    if name == SERVER and role != "admin":
        raise UsageError(f"user {name!r}: is the name under which `askance serve` signs in; choose another, or role admin")
    if role not in get_args(Role):
        raise UsageError(f"role {role!r:.80} is not known; wanted one of {', '.join(get_args(Role))}")
    table = schema.users
    stored = connection.scalar(sa.select(table.c.role).where(table.c.name == name))
    if stored is None:
        connection.execute(sa.insert(table), {"name": name, "role": role, "created_at": utc_now()})
    elif stored != role:
        raise UsageError(f"user {name!r} is there already as {stored}; choose another name")
    audit.note(connection, by, "user added", detail={"user": name, "role": role})
    return _give_token(connection, name, days)


def revoke(connection: sa.Connection, name: str, by: str) -> int:
    """End every token of ``name``; how many there were.

    Raises:
        UsageError: no such user, or the only admin whose link works.
    """
    table = schema.tokens
    if connection.scalar(sa.select(schema.users.c.name).where(schema.users.c.name == name)) is None:
        raise UsageError(f"user {name!r:.80} is not known; `askance users list` shows who is")
    if admins_at_work(listed(connection)) == [name]:
        raise UsageError(
            f"{name} is the only admin whose link works; without one nobody could start a cycle or add people on the page: "
            "add another admin first"
        )
    working = sa.update(table).where(table.c.user == name, table.c.revoked_at.is_(None))
    ended = connection.execute(working.values(revoked_at=utc_now())).rowcount
    audit.note(connection, by, "user revoked", detail={"user": name, "tokens": ended})
    return int(ended)


def listed(connection: sa.Connection) -> list[Listed]:
    """Everybody, by name."""
    token, now = schema.tokens.c, utc_now()
    works = (token.user == schema.users.c.name) & token.revoked_at.is_(None) & (token.expires_at > now)
    chosen = (
        sa.select(schema.users, sa.func.count(token.digest), sa.func.max(token.expires_at))
        .select_from(schema.users.outerjoin(schema.tokens, works))
        .group_by(schema.users.c.name, schema.users.c.role, schema.users.c.created_at)
        .order_by(schema.users.c.name)
    )
    return [Listed(*row) for row in connection.execute(chosen)]


def admins_at_work(everybody: Sequence[Listed]) -> list[str]:
    """Admins with a link that works, by name."""
    return [one.name for one in everybody if one.role == "admin" and one.tokens]


def known_by(connection: sa.Connection, token: str) -> User:
    """Whose token this is.

    Raises:
        AccessError: nobody's, expired or revoked; which of them is not said.
    """
    table = schema.tokens
    chosen = (
        sa.select(schema.users.c.name, schema.users.c.role)
        .join(table, table.c.user == schema.users.c.name)
        .where(table.c.digest == _digest(token), table.c.revoked_at.is_(None), table.c.expires_at > utc_now())
    )
    row = connection.execute(chosen).one_or_none()
    if row is None:
        raise AccessError("this link does not work, or not any more; ask who runs the study for a new one")
    return User(row.name, row.role)


def _give_token(connection: sa.Connection, name: str, days: float) -> str:
    token = secrets.token_urlsafe(32)
    ends = (datetime.now(timezone.utc) + timedelta(days=days)).isoformat(timespec="milliseconds")
    row = {"digest": _digest(token), "user": name, "created_at": utc_now(), "expires_at": ends, "revoked_at": None}
    connection.execute(sa.insert(schema.tokens), row)
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
