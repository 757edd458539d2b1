"""What somebody draws and has not handed in yet, plane by plane; small, so it lives in the database."""

from __future__ import annotations

import zlib

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askance.store import schema
from askance.store.database import utc_now


def save(connection: sa.Connection, slice_id: str, user: str, planes: dict[int, NDArray[np.uint8]]) -> None:
    """Put each plane (h, w) in the place of what the draft held of it before."""
    table = schema.drafts
    for number, labels in planes.items():
        mine = (table.c.slice_id == slice_id) & (table.c.user == user) & (table.c.number == number)
        connection.execute(sa.delete(table).where(mine))
        height, width = labels.shape
        data = height.to_bytes(4, "little") + width.to_bytes(4, "little") + zlib.compress(labels.tobytes(), 1)
        row = {"slice_id": slice_id, "user": user, "number": number, "data": data, "updated_at": utc_now()}
        connection.execute(sa.insert(table), row)


def load(connection: sa.Connection, slice_id: str, user: str, since: str | None = None) -> dict[int, NDArray[np.uint8]]:
    """The planes of the draft, by number, those drawn ``since`` then (ISO UTC); empty where there is none."""
    table = schema.drafts
    chosen = sa.select(table.c.number, table.c.data).where(table.c.slice_id == slice_id, table.c.user == user)
    if since is not None:
        chosen = chosen.where(table.c.updated_at >= since)
    return {row.number: _plane(row.data) for row in connection.execute(chosen)}


def begun(connection: sa.Connection, user: str) -> set[str]:
    """Slices of which ``user`` has a draft."""
    table = schema.drafts
    return set(connection.scalars(sa.select(table.c.slice_id).where(table.c.user == user).distinct()))


def drop(connection: sa.Connection, slice_id: str, user: str) -> None:
    """Forget the draft."""
    table = schema.drafts
    connection.execute(sa.delete(table).where(table.c.slice_id == slice_id, table.c.user == user))


def _plane(data: bytes) -> NDArray[np.uint8]:
    shape = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    return np.frombuffer(zlib.decompress(data[8:]), np.uint8).reshape(shape)
