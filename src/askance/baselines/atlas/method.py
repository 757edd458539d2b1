"""Multi-atlas segmentation with level sets as a Method: ``fit`` keeps the atlases, ``predict`` lays them on a case.

In the folder: ``fit.json`` (whose atlases they are), ``atlases/CASE.npz``, ``library.json`` (written last: the fit is
whole) and ``failures/CASE.json``, one for each case whose heart was not found. One thread, no draw: the same folder and case
give the same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.baselines.atlas.fusion import FUSIONS
from askance.baselines.atlas.laying import Laid, draw, lay
from askance.baselines.atlas.library import (
    Library,
    load_atlas,
    make_atlas,
    read_json,
    read_picture,
    save_atlas,
    write_json,
)
from askance.baselines.atlas.settings import AtlasSettings
from askance.errors import LabelError, StudyError, UsageError
from askance.records import Case
from askance.volumes.writing import remove_partial

Truth = Callable[[Case], NDArray[np.uint8]]
Report = Callable[[str, int, int], None]


class MultiAtlas:
    """Multi-atlas and level sets (Shahzad 2016). Of several channels the first is looked at."""

    def __init__(self, classes: int, channels: int = 1, settings: AtlasSettings | None = None) -> None:
        """``classes`` counts the background.

        Raises:
            UsageError: fewer than two classes, no channel, or an unknown fusion.
        """
        self.classes, self.settings = classes, settings or AtlasSettings()
        if classes < 2 or channels < 1:
            raise UsageError(f"found {classes} classes and {channels} channels; wanted at least 2 and 1")
        if self.settings.fusion not in FUSIONS:
            raise UsageError(f"no fusion is named {self.settings.fusion!r}; wanted one of {', '.join(FUSIONS)}")

    def fit(self, cases: Sequence[Case], truth: Truth, folder: Path, seed: int, report: Report | None = None) -> None:
        """Makes an atlas of each case that shows foreground; those that a killed fit has made are kept.

        ``truth`` gives labels in the file's shape, IGNORE where nobody labelled. ``seed`` changes nothing: nothing is drawn.

        Raises:
            LabelError: no case has a labelled voxel of foreground.
            UsageError: the folder holds atlases made with other settings or of other cases.
            FormatError, GeometryError: an image cannot be read.
        """
        del seed
        (folder / "atlases").mkdir(parents=True, exist_ok=True)
        remove_partial(folder / "atlases")
        self._claim(folder, cases)
        made: list[str] = []
        for number, case in enumerate(sorted(cases, key=lambda one: one.id), start=1):
            if self._make(_atlas_path(folder, case.id), case, truth):
                made.append(case.id)
            if report is not None:
                report("atlases", number, len(cases))
        if not made:
            raise LabelError(f"none of the {len(cases)} cases has a labelled voxel of foreground; wanted at least one atlas")
        write_json(folder / "library.json", made)

    def predict(self, case: Case, folder: Path) -> NDArray[np.uint8]:
        """Class ids in the file's shape. A heart that is not found is taken to lie where the atlases' hearts lay.

        Raises:
            StudyError: the folder holds no whole fit, or a damaged one.
            FormatError, GeometryError: the image cannot be read.
        """
        return self.draw(self.lay(case, folder))

    def lay(self, case: Case, folder: Path) -> Laid:
        """The atlases laid on ``case``, from which ``draw`` makes labels; notes whether its heart was found.

        Raises:
            StudyError, FormatError, GeometryError: as ``predict``.
        """
        laid = lay(read_picture(case), _library(folder, _stamp(folder)), self.settings)
        path = folder / "failures" / f"{case.id}.json"
        if laid.found:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(exist_ok=True)
            figures = {"agreement": laid.place.agreement, "correlation": laid.place.correlation}
            write_json(path, {"case": case.id, **figures})
        return laid

    def draw(self, laid: Laid) -> NDArray[np.uint8]:
        """The labels that these settings make of ``laid``."""
        return draw(laid, self.classes, self.settings)

    def failures(self, folder: Path) -> list[dict[str, Any]]:
        """Every case predicted from ``folder`` whose heart was not found: case, agreement, correlation; by case."""
        return [read_json(path) for path in sorted((folder / "failures").glob("*.json"))]

    def _claim(self, folder: Path, cases: Sequence[Case]) -> None:
        """Notes whose the folder's atlases are, and refuses those of another fit."""
        mine = {"cases": sorted(case.id for case in cases), "classes": self.classes, "lengths_mm": list(self._lengths)}
        there = read_json(folder / "fit.json")
        if there is not None and there != mine:
            raise UsageError(f"{folder}: holds atlases of other cases or settings; wanted an empty folder for this fit")
        write_json(folder / "fit.json", mine)

    @property
    def _lengths(self) -> tuple[float, float, float]:
        """What an atlas's file depends on beside its case, mm."""
        return self.settings.finest_mm, self.settings.margin_mm, self.settings.reach_mm

    def _make(self, path: Path, case: Case, truth: Truth) -> bool:
        """Whether there is an atlas of ``case`` at ``path`` now; it is made unless it was there."""
        if path.exists():
            return True
        atlas = make_atlas(case, truth(case), *self._lengths)
        if atlas is not None:
            save_atlas(path, atlas)
        return atlas is not None


def _atlas_path(folder: Path, case_id: str) -> Path:
    return folder / "atlases" / f"{case_id}.npz"


def _stamp(folder: Path) -> int:
    """Changes with every fit into ``folder``.

    Raises:
        StudyError: there is no whole fit.
    """
    try:
        return (folder / "library.json").stat().st_mtime_ns
    except OSError:
        raise StudyError(
            f"{folder}: holds no whole multi-atlas fit (no library.json); fit first, or let fit finish"
        ) from None


@lru_cache(maxsize=1)
def _library(folder: Path, _stamp: int) -> Library:
    """The folder's atlases, kept in memory for the next case."""
    return Library([load_atlas(_atlas_path(folder, case_id)) for case_id in read_json(folder / "library.json")])
