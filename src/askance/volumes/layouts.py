"""Which files of a folder belong together: one small function a layout, tried in the order of ``LAYOUTS``.

Known are nnU-Net v2 data sets, the names of HVSMR 2016 and HVSMR-2.0, and two folders images/ and labels/. Knows names;
only where nobody names the classes are labels read, to count them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from askance.config import MOST_CLASSES
from askance.errors import AskanceError, DataError, FormatError, LabelError, SplitError, UsageError
from askance.records import Split
from askance.volumes.files import SUFFIXES, read_labels, stem_of
from askance.volumes.found import Found, FoundCase, Problem, pair_up, some, volume_files
from askance.volumes.nnunet import find_nnunet
from askance.volumes.tables import has_patient_columns, read_patients, read_splits

__all__ = ["LAYOUTS", "Found", "FoundCase", "Problem", "find_dataset"]

_HVSMR_2016 = re.compile(
    r"(?P<case>(?:training|testing)_(?:axial|sa)_(?:crop|full)_(?P<patient>pat\d+))(?P<label>[-_]label(?:_A)?)?"
)
_HVSMR_2 = re.compile(r"(?P<case>(?P<patient>pat\d+)_cropped)(?P<label>_seg)?")


def find_dataset(
    folder: Path,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    classes: Sequence[str] | None = None,
    fold: int | None = None,
) -> Found:
    """The data set in ``folder``, or of the explicit pair ``images`` and ``labels``.

    ``classes`` names them where the layout does not, background first; a last one called ``ignore`` marks what nobody
    labelled. The folder's cases.csv and splits.json are read too; where ``fold`` is given or there is no splits.json,
    that fold (0) of nnU-Net's splits_final.json.

    Raises:
        DataError: no known layout, one that cannot be understood, or more than 255 classes. What is wrong with single files
            is not raised but found by ``check_dataset``.
        UsageError: ``classes`` for a layout that names its own, ``labels`` without ``images``, or an unknown fold.
    """
    if not os.path.isdir(folder) or not os.access(folder, os.R_OK | os.X_OK):
        raise DataError(f"{folder}: is not a folder that you may read; wanted the data set's")
    folder = folder.absolute()
    if labels is not None and images is None:
        raise UsageError(f"labels are given ({labels}) without images; wanted the folder of the images too")
    found = (
        _pair(folder, images.absolute(), labels and labels.absolute(), classes)
        if images is not None
        else _first_known(folder, classes)
    )
    if not found.cases and not found.problems:
        raise DataError(f"{folder}: holds no volume; wanted files that end in {', '.join(SUFFIXES)}")
    if len(found.classes) > MOST_CLASSES:
        raise LabelError(
            f"{folder}: has {len(found.classes)} classes; wanted at most {MOST_CLASSES}, background among them; join or "
            f"drop some in its labels"
        )
    return _with_tables(found, folder, fold)


def _first_known(folder: Path, classes: Sequence[str] | None) -> Found:
    for layout in LAYOUTS.values():
        found = layout(folder, classes)
        if found is None:
            continue
        if classes is not None and tuple(classes) not in (found.classes, (*found.classes, "ignore")):
            raise UsageError(f"{folder}: names its classes itself ({some(found.classes)}); leave the class names out")
        return found
    entries = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    raise DataError(
        f"{folder}: is of no known layout; it holds {some(entries, 6) or 'nothing'}. Wanted one of: "
        f"{'; '.join(LAYOUTS)}. Or name the folders of the images and the labels (--images, --labels)"
    )


def _nnunet(folder: Path, _classes: Sequence[str] | None) -> Found | None:
    return find_nnunet(folder)


def _hvsmr_2016(folder: Path, _classes: Sequence[str] | None) -> Found | None:
    return _by_name(folder, _HVSMR_2016, ("background", "myocardium", "blood pool"))


def _hvsmr_2(folder: Path, _classes: Sequence[str] | None) -> Found | None:
    return _by_name(folder, _HVSMR_2, ("background", "LV", "RV", "LA", "RA", "AO", "PA", "SVC", "IVC"))


def _two_folders(folder: Path, classes: Sequence[str] | None) -> Found | None:
    images, labels = folder / "images", folder / "labels"
    return _pair(folder, images, labels if labels.is_dir() else None, classes) if images.is_dir() else None


#: What a user calls it -> the function that finds it, or None where the folder is of another layout.
LAYOUTS: dict[str, Callable[[Path, Sequence[str] | None], Found | None]] = {
    "nnU-Net v2 (dataset.json, imagesTr, labelsTr)": _nnunet,
    "HVSMR 2016 (training_axial_crop_patN.nii.gz with ...-label.nii.gz)": _hvsmr_2016,
    "HVSMR-2.0 (patN_cropped.nii.gz with patN_cropped_seg.nii.gz)": _hvsmr_2,
    "two folders (images/NAME.nii.gz with labels/NAME.nii.gz)": _two_folders,
}


def _by_name(folder: Path, pattern: re.Pattern[str], classes: tuple[str, ...]) -> Found | None:
    """The data set whose files are named by ``pattern``, with its groups case, patient and label."""
    named = [(match, path) for path in volume_files(folder) if (match := pattern.fullmatch(stem_of(path)))]
    if not named:
        return None
    images = [(match["case"], (path,)) for match, path in named if not match["label"]]
    if not images:
        raise DataError(
            f"{folder}: holds {len(named)} label files ({named[0][1].name}, ...) and no images; wanted both. Put the "
            "images beside them, or render some from the labels (askance phantom OUT --render FOLDER) and use those"
        )
    return Found(
        name=folder.resolve().name,
        classes=classes,
        channels=("MRI",),
        ignore=None,
        cases=tuple(pair_up(images, [(match["case"], path) for match, path in named if match["label"]])),
        patients={match["case"]: match["patient"] for match, _ in named},
    )


def _pair(folder: Path, images: Path, labels: Path | None, classes: Sequence[str] | None) -> Found:
    label_files = volume_files(labels) if labels is not None else []
    names = tuple(classes) if classes is not None else _counted_classes(label_files, labels or images)
    ignore = len(names) - 1 if names[-1:] == ("ignore",) else None
    known = names[:ignore]
    if len(known) < 2 or not all(names) or len(set(names)) < len(names):
        raise UsageError(f"the classes are {list(names)}; wanted background and at least one more, each named once")
    return Found(
        name=folder.resolve().name,
        classes=known,
        channels=("image",),
        ignore=ignore,
        cases=tuple(
            pair_up(
                [(stem_of(path), (path,)) for path in volume_files(images)],
                [(stem_of(path), path) for path in label_files],
            )
        ),
    )


def _counted_classes(label_files: Sequence[Path], where: Path) -> tuple[str, ...]:
    """background, class 1, class 2, ... as many as the readable labels hold; what cannot be read is check's to tell."""
    values: set[int] = set().union(*map(_values, label_files))
    way_out = "name the classes, background first (--classes background NAME ...)"
    if not values - {0}:
        raise LabelError(f"{where}: no label there shows which classes there are; {way_out}")
    if values | {0} != set(range(max(values) + 1)):
        raise LabelError(
            f"{where}: the labels hold the values {some(sorted(values))}, with gaps; number them 0, 1, 2, ... or {way_out}"
        )
    return ("background", *(f"class {value}" for value in range(1, max(values) + 1)))


def _values(label_file: Path) -> set[int]:
    try:
        return set(np.unique(read_labels(label_file, classes=256, ignore=None).array).tolist())
    except AskanceError:
        return set()


def _with_tables(found: Found, folder: Path, fold: int | None) -> Found:
    """``found`` with the splits and patients that tables in ``folder`` give; they win over what the layout says."""
    ours, theirs, patients = (folder / name for name in ("splits.json", "splits_final.json", "cases.csv"))
    path = ours if ours.is_file() and fold is None else theirs
    problems = list(found.problems)
    if path.is_file() or fold is not None:
        splits, faults = _split_by(path, fold or 0)
        problems += [Problem(None, path, "split", fault) for fault in faults]
        test_folder = {name: side for name, side in (found.splits or {}).items() if side == "test"}
        found = replace(found, splits={**test_folder, **splits} if splits else {})
    if patients.is_file():
        try:
            found = replace(found, patients=read_patients(patients)) if has_patient_columns(patients) else found
        except SplitError as error:
            problems.append(Problem(None, patients, "split", str(error)))
    return replace(found, problems=tuple(problems))


def _split_by(path: Path, fold: int) -> tuple[dict[str, Split], list[str]]:
    """The splits in ``path`` and what is wrong with them; none where they cannot be read."""
    try:
        splits, faults = read_splits(path, fold)
    except (FormatError, SplitError) as error:
        if not path.is_file():
            raise  # a fold was asked for that no file has
        return {}, [str(error)]
    return splits, [f"{path}: {fault}" for fault in faults]
