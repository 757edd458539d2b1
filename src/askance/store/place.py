"""Where a study's state is: in study.db in its folder, or in the PostgreSQL database that database.toml names there.

database.toml holds the URL without a password, and the id of the study whose database it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import sqlalchemy as sa
import tomli_w

from askance.errors import StudyError, UsageError
from askance.store import atomic
from askance.store.database import Database
from askance.store.postgres import address

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SQLITE = "study.db"
POSTGRES = "database.toml"


def is_placed(folder: Path) -> bool:
    """Whether ``folder`` says where its study's state is."""
    return (folder / SQLITE).is_file() or (folder / POSTGRES).is_file()


def open_database(folder: Path) -> Database:
    """The database of the study in ``folder``, at the newest migration.

    Raises:
        StudyError: damaged, made by a newer askance, out of reach, or another study's.
        UsageError: database.toml cannot be used.
    """
    if (folder / SQLITE).is_file():
        return _checked(Database(folder / SQLITE), None)
    url, study = _remembered(folder)
    return _checked(Database(url), study)


def remember(folder: Path, url: sa.URL, study: str) -> None:
    """Note in ``folder`` that the database at ``url`` is the one of its study, whose id is ``study``."""
    note = {"url": url.render_as_string(hide_password=True), "study": study}
    atomic.write(folder / POSTGRES, tomli_w.dumps(note).encode())


def readdress(folder: Path, text: str) -> None:
    """The study's database is now reached at the URL ``text``, and will be from now on.

    Raises:
        UsageError: no such URL, or the study's state is in study.db.
        StudyError: out of reach, or another study's.
    """
    url = address(text)
    if (folder / SQLITE).is_file():
        raise UsageError(
            f"{folder}: its state is in {SQLITE}; to move it, `askance backup` it and `askance restore` that with --database"
        )
    before, study = _remembered(folder)
    if url != before:
        _checked(Database(url), study).close()
        remember(folder, url, study)


def _checked(database: Database, study: str | None) -> Database:
    try:
        database.upgrade(study)
    except BaseException:
        database.close()
        raise
    return database


def _remembered(folder: Path) -> tuple[sa.URL, str]:
    path = folder / POSTGRES
    try:
        note = tomllib.loads(path.read_text(encoding="utf-8"))
        url, study = note["url"], note["study"]
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); change its permissions") from None
    except (ValueError, KeyError):
        raise StudyError(f"{path}: wanted a url and the study's id; put back what `askance init --database` wrote") from None
    try:
        return address(str(url)), str(study)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
