"""Removing what a kill left behind: files without a row, and unfinished ones."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from askance.store import schema
from askance.store.atomic import UNFINISHED

_OWNED = ("annotations", "predictions")


def remove_orphans(connection: sa.Connection, folder: Path) -> list[Path]:
    """The files removed.

    Inside a write transaction nobody else is between a file and its row; study.toml and .lock.json are written outside
    of one, so that somebody else's unfinished file may be among those at the folder's top.
    """
    known = {
        folder / path
        for table in (schema.annotations, schema.prediction_files)
        for path in connection.scalars(sa.select(table.c.path))
    }
    files = (path for name in _OWNED for path in (folder / name).rglob("*") if path.is_file())
    orphans = [path for path in files if path not in known]
    for place in (folder, folder / "log"):
        orphans += place.glob(f".*{UNFINISHED}")
    for path in orphans:
        path.unlink()
    return sorted(orphans)
