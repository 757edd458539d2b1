"""Folders that are there whole or not at all, and copies of the user's files in them.

Knows no query and no export: both are written this way.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from askance.errors import SourceChanged, SourceMissing, StudyError, UsageError
from askance.records import Source
from askance.volumes.files import copy_bare, hash_file, stem_of
from askance.volumes.writing import flush, is_dead


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """A draft beside ``folder``; on leaving it is flushed to disk and renamed to ``folder``.

    Where the body raises, the draft is removed and nothing is left.

    Raises:
        UsageError: ``folder`` is there and not empty, or is a file.
        StudyError: it cannot be written, or the disk is full.
    """
    _require_free(folder)
    place = folder.absolute()
    draft = place.with_name(f"{_prefix(place)}{os.getpid()}")
    try:
        _sweep(place)
        draft.mkdir(parents=True)
        yield draft
        for path in [*draft.rglob("*"), draft]:
            flush(path)
        _require_free(folder)
        if place.exists():
            place.rmdir()
        draft.replace(place)
        flush(place.parent)
    except OSError as error:
        raise StudyError(
            f"{folder}: cannot be written ({error.strerror or type(error).__name__}); "
            "wanted a place with room and write permission; nothing was made"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def copy_source(source: Source, target: Path) -> None:
    """Copies an image of the user's: voxels and geometry, not its header's texts, which may name a patient.

    Raises:
        SourceMissing, SourceChanged: as ``require_unchanged``.
    """
    require_unchanged(source)
    copy_bare(source.path, target)


def require_unchanged(source: Source) -> None:
    """Checks that a file of the user's has the bytes that the study knows.

    Raises:
        SourceMissing: it is not where it was.
        SourceChanged: it has other bytes.
    """
    if not source.path.is_file():
        raise SourceMissing(f"{source.path}: is not there any more; bring it back, or `askance relocate` the study's files")
    if hash_file(source.path).sha256 != source.sha256:
        raise SourceChanged(f"{source.path}: has other bytes than the study knows; bring back the file it was made from")


def suffix_of(path: Path) -> str:
    """The suffix of a volume's file, ``.nii.gz`` being one."""
    return path.name[len(stem_of(path)) :]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes ``content`` into a draft."""
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _require_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; wanted a folder that is empty or does not exist yet")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: is not empty; wanted a folder that is empty or does not exist yet; name another")


def _prefix(place: Path) -> str:
    return f".{place.name}.partial-"


def _sweep(place: Path) -> None:
    """Remove the drafts of ``place`` that killed processes left."""
    for left in place.parent.glob(f"{glob.escape(_prefix(place))}*"):
        pid = left.name.removeprefix(_prefix(place))
        if pid == str(os.getpid()) or is_dead(pid):
            shutil.rmtree(left, ignore_errors=True)
