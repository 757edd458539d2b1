"""What a look into a data set's folder brings back: cases, classes, splits and what is already wrong.

Knows names and paths; no voxel has been read yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from askance.errors import DataError
from askance.records import Split
from askance.volumes.files import SUFFIXES

#: What is wrong: a file's content, the geometry, a label, the splits, one id twice, one image under two ids, a volume
#: stored in another orientation than most, a file that is absent, a name.
Kind = Literal["format", "geometry", "label", "split", "duplicate", "same_image", "orientation", "missing", "name"]

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set. ``message`` says it in full, with paths and counts only."""

    case: str | None
    path: Path | None
    kind: Kind
    message: str

    @property
    def is_warning(self) -> bool:
        """Whether the data set can be used all the same.

        One image under two ids flatters, but published sets hold such; a network learns volumes that are turned, but worse.
        """
        return self.kind in ("same_image", "orientation")


@dataclass(frozen=True)
class FoundCase:
    """One volume as it lies in its folder: a file a channel, and its label's file (None: nobody labelled it).

    ``images`` is empty where a label has no image, and shorter than the channels where one is missing.
    """

    id: str
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class Found:
    """A data set. ``classes[id]`` is a class's name; ``ignore`` the label files' value for "nobody labelled this".

    ``splits`` maps a case or a patient to its side, ``patients`` a case to its patient; None where the folder says
    nothing of it; no splits where it says what cannot be read. ``problems`` are those that the names and tables alone
    show; an id may stand twice, and is then one of those that ``check_dataset`` reports.
    """

    name: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    ignore: int | None
    cases: tuple[FoundCase, ...]
    splits: Mapping[str, Split] | None = None
    patients: Mapping[str, str] | None = None
    problems: tuple[Problem, ...] = ()


def volume_files(folder: Path) -> list[Path]:
    """The files of a known format directly in ``folder``, by name; hidden ones are left out.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        return sorted(p for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES) and not p.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); wanted a folder that you may read") from None


def pair_up(images: Iterable[tuple[str, tuple[Path, ...]]], labels: Iterable[tuple[str, Path]]) -> list[FoundCase]:
    """Cases by id, each image with the label of its id. A label without an image is a case without images.

    A second label of an id (CASE.nii beside CASE.nii.gz) becomes a second case of that id, so that it is noticed.
    """
    waiting: dict[str, list[Path]] = {}
    for case_id, path in labels:
        waiting.setdefault(case_id, []).append(path)
    cases = [FoundCase(case_id, files, next(iter(waiting.get(case_id, ())), None)) for case_id, files in images]
    with_image = {case.id for case in cases}
    for case_id, paths in waiting.items():
        left = paths[1:] if case_id in with_image else paths
        cases += [FoundCase(case_id, (), path) for path in left]
    return sorted(cases, key=lambda case: (case.id, not case.images))


def is_safe_id(case_id: str) -> bool:
    """Whether a case's id can be a file's name everywhere: letters, digits, ``.``, ``_``, ``-``; no sign in front."""
    return _SAFE_ID.fullmatch(case_id) is not None


def some(names: Iterable[object], limit: int = 10) -> str:
    """Up to ``limit`` names for a message, and how many more there are."""
    everything = [str(name) for name in names]
    more = f" and {len(everything) - limit} more" if len(everything) > limit else ""
    return ", ".join(everything[:limit]) + more
