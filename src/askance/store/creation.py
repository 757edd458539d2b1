"""Making a study's folder: built under a temporary name beside its place, then renamed. Nothing half made."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from askance import config
from askance.errors import StudyError
from askance.records import Case
from askance.store import atomic, cases, place
from askance.store import settings as settings_file
from askance.store.database import Database
from askance.store.postgres import address
from askance.volumes.writing import flush, is_dead

#: The folders of a study beside its two files.
FOLDERS = ("cache", "annotations", "models", "predictions", "queries", "log")


def create(folder: Path, settings: config.StudyConfig, given: Sequence[Case], database: str | None = None) -> None:
    """Make the study's folder with its settings, its database (study.db, or PostgreSQL at a URL) and its cases.

    Raises:
        StudyError: the folder exists and is not empty, cannot be written, the disk is full, or a case cannot be taken.
        SplitError: a patient on two sides. UsageError: no such URL.
    """
    require_free(folder)
    url = None if database is None else address(database)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _under_construction(folder) as building:
            for name in FOLDERS:
                (building / name).mkdir()
            atomic.write(building / settings_file.NAME, config.dump(settings).encode())
            with filled(building, url, partial(cases.add, cases=given, axis=settings.grid.axis)):
                require_free(folder)
                building.replace(folder)
                flush(folder.parent)
    except OSError as error:
        raise atomic.cannot_write(error, folder) from None


def require_free(folder: Path) -> None:
    """Nothing, where a study may be made in ``folder``.

    Raises:
        StudyError: something else is there.
    """
    if folder.is_symlink() or folder.exists():
        if not folder.is_dir():
            raise StudyError(f"{folder}: is a file; wanted a folder that does not exist yet; choose another name")
        if (folder / settings_file.NAME).exists():
            raise StudyError(f"{folder}: is a study already; open it, or choose another folder")
        if any(folder.iterdir()):
            raise StudyError(f"{folder}: is not empty; wanted a folder that is empty or does not exist yet")


@contextmanager
def filled(folder: Path, url: sa.URL | None, fill: Callable[[sa.Connection], None]) -> Iterator[None]:
    """A new database for the study in ``folder``: study.db, or that at ``url``, emptied again where the ``with`` fails.

    Raises:
        StudyError: the database is not empty, or out of reach.
    """
    database = Database(folder / place.SQLITE if url is None else url)
    try:
        study = database.create(fill)
        try:
            if url is not None:
                place.remember(folder, url, study)
            else:
                database.close()  # before the file is moved
            yield
        except BaseException:
            if url is not None:
                database.drop()
            raise
    finally:
        database.close()


@contextmanager
def _under_construction(folder: Path) -> Iterator[Path]:
    _sweep(folder)
    building = folder.parent / f"{_prefix(folder)}{os.getpid()}-{secrets.token_hex(4)}"
    building.mkdir()
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what a killed process of this machine left of the same study."""
    prefix = _prefix(folder)
    for left in [path for path in folder.parent.iterdir() if path.name.startswith(prefix)]:
        pid = left.name[len(prefix) :].split("-")[0]
        if is_dead(pid):
            shutil.rmtree(left, ignore_errors=True)


def _prefix(folder: Path) -> str:
    return f".{folder.name}{atomic.UNFINISHED}-{socket.gethostname()}-"
