"""nnU-Net v2 data sets: ``dataset.json``, imagesTr, labelsTr, and imagesTs with labelsTs as the test set.

Source: nnU-Net's documentation/dataset_format.md. Knows names and dataset.json; no voxel is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from askance.errors import DataError, FormatError, LabelError
from askance.records import Split
from askance.volumes.files import SUFFIXES, stem_of
from askance.volumes.found import Found, FoundCase, Problem, pair_up, some, volume_files
from askance.volumes.tables import read_json_object

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


def find_nnunet(folder: Path) -> Found | None:
    """The data set in ``folder``, or None where it holds no dataset.json.

    Cases of imagesTs are taken where labelsTs labels them, and are the test set; unlabelled ones serve nothing here.

    Raises:
        DataError: dataset.json is not of version 2, asks for what is not supported, or there is no imagesTr.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        return None
    header = read_json_object(path)
    channels = _channels(header, path)
    classes, ignore = _classes(header, path)
    _require_known_ending(header, path)
    if not (folder / "imagesTr").is_dir():
        raise DataError(f"{folder}: holds dataset.json but no folder imagesTr; wanted the images there")
    problems: list[Problem] = []
    training = _cases(folder, "Tr", len(channels), problems)
    testing = [case for case in _cases(folder, "Ts", len(channels), problems) if case.label is not None]
    splits: dict[str, Split] = dict.fromkeys((case.id for case in training), "learn")
    splits.update(dict.fromkeys((case.id for case in testing), "test"))
    return Found(
        name=folder.resolve().name,
        classes=classes,
        channels=channels,
        ignore=ignore,
        cases=tuple(training + testing),
        splits=splits if testing else None,
        problems=tuple(problems),
    )


def _channels(header: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    if "modality" in header and "channel_names" not in header:
        raise FormatError(f"{path}: is of nnU-Net version 1; convert it with nnUNetv2_convert_old_nnUNet_dataset")
    names = header.get("channel_names")
    if not isinstance(names, dict) or sorted(names) != sorted(str(number) for number in range(len(names))) or not names:
        raise FormatError(f'{path}: channel_names is {_short(names)}; wanted {{"0": "name", "1": ...}} without a gap')
    return tuple(str(names[str(number)]) for number in range(len(names)))


def _classes(header: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], int | None]:
    labels = header.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise LabelError(f'{path}: labels is {_short(labels)}; wanted {{"background": 0, "name": 1, ...}}')
    regions = [name for name, value in labels.items() if isinstance(value, list)]
    if regions:
        raise LabelError(
            f"{path}: {some(regions)} are regions (lists of labels), which are not supported; "
            "wanted one number a label: give every structure its own and join them afterwards"
        )
    if any(type(value) is not int for value in labels.values()):
        raise LabelError(f"{path}: labels holds {_short(labels)}; wanted a whole number for every name")
    ordered = sorted(labels, key=lambda name: (labels[name], name))
    values = [labels[name] for name in ordered]
    if values != list(range(len(values))):
        raise LabelError(f"{path}: labels are numbered {some(values)}; wanted 0, 1, 2, ... without a gap")
    if "ignore" in ordered[:-1]:
        raise LabelError(f"{path}: the label ignore is {labels['ignore']}; wanted the highest number, {values[-1]}")
    classes = tuple(name for name in ordered if name != "ignore")
    if len(classes) < 2:
        raise LabelError(f"{path}: labels names {some(classes) or 'nothing'}; wanted background and at least one more")
    return classes, labels.get("ignore")


def _require_known_ending(header: Mapping[str, Any], path: Path) -> None:
    ending = header.get("file_ending")
    if ending not in SUFFIXES:
        raise FormatError(f"{path}: file_ending is {_short(ending)}; wanted one of {', '.join(SUFFIXES)}")


def _cases(folder: Path, part: str, channels: int, problems: list[Problem]) -> list[FoundCase]:
    images, labels = folder / f"images{part}", folder / f"labels{part}"
    grouped = _group_channels(volume_files(images) if images.is_dir() else [], channels, problems)
    try:
        found = [(stem_of(path), path) for path in volume_files(labels)] if labels.is_dir() else []
    except DataError as error:  # the images are looked at all the same
        found = []
        problems.append(Problem(None, labels, "format", str(error)))
    return pair_up([(case_id, files) for (case_id, _), files in grouped.items()], found)


def _group_channels(files: list[Path], channels: int, problems: list[Problem]) -> dict[tuple[str, str], tuple[Path, ...]]:
    """Files by (case, suffix), in the order of their channels: one case in two formats is found twice."""
    grouped: dict[tuple[str, str], tuple[Path, ...]] = {}
    for path in files:
        stem = stem_of(path)
        match = _CHANNEL.fullmatch(stem)
        if match is None:
            wanted = f"{stem}_0000{path.name[len(stem) :]}"
            message = f"{path}: the name does not end in a channel's number; wanted {wanted} for the first channel"
            problems.append(Problem(stem, path, "name", message))
        elif int(match["channel"]) >= channels:
            message = f"{path}: is channel {int(match['channel'])}; dataset.json names {channels}, counted from 0"
            problems.append(Problem(match["case"], path, "name", message))
        else:
            key = (match["case"], path.name[len(stem) :])
            grouped[key] = (*grouped.get(key, ()), path)
    return grouped


def _short(value: object) -> str:
    return "missing" if value is None else f"{value!r:.80}"
