"""A study as one file, and back.

Works while the study is served and trained on: first the database as it is at one moment, then the files that it names,
which are never changed, only added. The cache is left out: it is made anew. Whatever the study's state is in, the archive
holds it as SQLite, and it comes back as either: so a backup also moves a study from one to the other.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath

import sqlalchemy as sa

from askance.errors import FormatError, StudyError, UsageError
from askance.store import creation
from askance.store.atomic import UNFINISHED, cannot_write
from askance.store.copying import copy_rows
from askance.store.database import Database
from askance.store.place import SQLITE
from askance.store.postgres import address
from askance.store.settings import NAME
from askance.store.store import Store

_FOLDERS = ("annotations", "predictions", "models", "queries", "log", "uploads")
_FILES = (NAME, SQLITE)


def backup(store: Store, target: Path) -> int:
    """Write the study to ``target``, a tar; how many files it holds.

    Raises:
        UsageError: there is such a file. StudyError: it cannot be written.
    """
    if target.exists():
        raise UsageError(f"{target}: is there already; name another file")
    unfinished = target.with_name(f".{target.name}{UNFINISHED}")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".askance-") as folder:
            snapshot = Path(folder) / SQLITE
            store.snapshot(snapshot)
            with tarfile.open(unfinished, "w") as archive:
                archive.add(snapshot, SQLITE)
                archive.add(store.folder / NAME, NAME)
                count = 2 + sum(_add(archive, path, store.folder) for path in _files(store.folder))
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise cannot_write(error, target) from None
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def restore(source: Path, folder: Path, database: str | None = None) -> int:
    """Make the study in ``folder``, which must be empty or absent; how many labels were read and found whole.

    Its state goes to SQLite in the folder, or to the empty PostgreSQL database at the URL ``database``.

    Raises:
        FormatError: no backup of a study, or damaged. UsageError: ``folder`` is in use, or no such URL.
        StudyError: it cannot be written.
    """
    url = None if database is None else address(database)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is not empty; wanted a folder that is empty or does not exist yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".askance-") as place:
        draft = Path(place) / "study"
        draft.mkdir()
        _extract(source, draft)
        for name in creation.FOLDERS:
            (draft / name).mkdir(exist_ok=True)
        checked = _check(draft, source)
        with _moved(draft, url) if url is not None else nullcontext():
            if folder.exists():
                folder.rmdir()
            draft.replace(folder)
    return checked


@contextmanager
def _moved(draft: Path, url: sa.URL) -> Iterator[None]:
    """The state of the study in ``draft`` moves from its study.db to the database at ``url``."""
    file = Database(draft / SQLITE)
    try:
        with file.reading() as source, creation.filled(draft, url, lambda connection: copy_rows(source, connection)):
            file.close()
            for path in draft.glob(f"{SQLITE}*"):  # the write-ahead log beside it as well
                path.unlink()
            yield
    finally:
        file.close()


def _files(folder: Path) -> Iterator[Path]:
    for name in _FOLDERS:
        yield from sorted(path for path in (folder / name).rglob("*") if path.is_file() and not path.is_symlink())


def _add(archive: tarfile.TarFile, path: Path, folder: Path) -> int:
    """1 where the file is in the archive now; 0 where it was unfinished, or went meanwhile (an old prediction)."""
    if path.name.endswith(UNFINISHED):
        return 0
    try:
        archive.add(path, path.relative_to(folder).as_posix())
    except FileNotFoundError:
        return 0
    return 1


def _extract(source: Path, draft: Path) -> None:
    try:
        with tarfile.open(source, "r") as archive:
            for member in archive:
                _require_plain(member, source)
                target = draft / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                data = archive.extractfile(member)
                assert data is not None
                with target.open("wb") as file:
                    while chunk := data.read(2**20):
                        file.write(chunk)
    except (tarfile.TarError, EOFError, FileNotFoundError, IsADirectoryError) as error:
        raise FormatError(f"{source}: is no backup that can be read ({error}); wanted what `askance backup` wrote") from None


def _require_plain(member: tarfile.TarInfo, source: Path) -> None:
    """Let a member pass that is a file of a study: no link, no device, nothing outside."""
    parts = PurePosixPath(member.name).parts
    inside = parts in {(name,) for name in _FILES} or (len(parts) > 1 and parts[0] in _FOLDERS)
    if not member.isfile() or not inside or ".." in parts or "\\" in member.name:
        raise FormatError(f"{source}: holds {member.name[:80]!r}, which belongs to no study; nothing was made")


def _check(draft: Path, source: Path) -> int:
    try:
        with Store.open(draft) as store:
            versions = store.annotations(latest=False)
            for one in versions:
                store.read_annotation(one)
            return len(versions)
    except StudyError as error:
        raise FormatError(f"{source}: is damaged: {error}; nothing was made") from None
