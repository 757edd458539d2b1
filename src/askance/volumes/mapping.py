"""A data set with its classes numbered anew, as ACDC in the form of HVSMR: labels are written anew, images stay in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askance.errors import StudyError, UsageError
from askance.records import IGNORE
from askance.volumes.files import hash_file, read_labels, write_labels_like
from askance.volumes.found import Found, FoundCase


def parse_mapping(text: str) -> dict[int, int]:
    """Old class -> new class from ``2:1,1:2,3:2``; 0 stays 0 unless named.

    Raises:
        UsageError: not of that form, a class twice, or new classes with a gap.
    """
    try:
        pairs = [(int(old), int(new)) for old, new in (pair.split(":") for pair in text.split(","))]
    except ValueError:
        raise UsageError(f"the map {text!r} is not of the form OLD:NEW,OLD:NEW, as 2:1,1:2,3:2") from None
    mapping = {0: 0} | dict(pairs)
    if len({old for old, _ in pairs}) < len(pairs) or min(*mapping, *mapping.values()) < 0:
        raise UsageError(f"the map {text!r} names a class twice or below 0; wanted each old class once")
    new = set(mapping.values())
    if new != set(range(len(new))) or len(new) < 2:
        raise UsageError(f"the map {text!r} leads to the classes {sorted(new)}; wanted 0, 1, ... without a gap")
    return mapping


def mapped(
    found: Found,
    mapping: Mapping[int, int],
    folder: Path,
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Found:
    """``found`` with the labels of ``mapping``, written below ``folder`` once; ``progress`` is told (cases done, cases).

    ``names``: of the new classes, background first; by default the old names, joined by + where classes come together.

    Raises:
        UsageError: a class that the map does not speak of or the data set does not have, or not one name a class.
        LabelError, FormatError, GeometryError: a label file that cannot be read. StudyError: ``folder`` cannot be written.
    """
    _require_fitting(found, mapping)
    classes = tuple(names) if names is not None else _joined(found, mapping)
    if len(classes) != len(set(mapping.values())):
        raise UsageError(f"the map leads to {len(set(mapping.values()))} classes; {len(classes)} are named: {classes}")
    ignore = None if found.ignore is None else len(classes)
    place = folder / ("labels-" + "-".join(f"{old}.{new}" for old, new in sorted(mapping.items())))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{place}: cannot be made ({error.strerror}); wanted a folder for the labels") from None
    table = np.zeros(256, np.uint8)
    table[list(mapping)], table[IGNORE] = list(mapping.values()), len(classes)
    cases = []
    for done, case in enumerate(found.cases, start=1):
        cases.append(_mapped_case(case, found, table, place))
        if progress:
            progress(done, len(found.cases))
    return replace(found, classes=classes, ignore=ignore, cases=tuple(cases))


def _mapped_case(case: FoundCase, found: Found, table: NDArray[np.uint8], place: Path) -> FoundCase:
    if case.label is None:
        return case
    # Written whole or not at all, and below the digest of what it is made from: what is there is right.
    target = place / hash_file(case.label).sha256[:12] / case.label.name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        labels = read_labels(case.label, len(found.classes), found.ignore).array
        write_labels_like(target, table[labels], case.label)
    return replace(case, label=target)


def _require_fitting(found: Found, mapping: Mapping[int, int]) -> None:
    there = set(range(len(found.classes)))
    if missing := sorted(there - set(mapping)):
        raise UsageError(
            f"the map says nothing of class {missing[0]} ({found.classes[missing[0]]}); map it, to 0 to drop it"
        )
    if unknown := sorted(set(mapping) - there):
        raise UsageError(f"the map speaks of class {unknown[0]}; {found.name} has the classes 0 to {len(there) - 1}")


def _joined(found: Found, mapping: Mapping[int, int]) -> tuple[str, ...]:
    sources: dict[int, list[str]] = {}
    for old, new in sorted(mapping.items()):
        sources.setdefault(new, []).append(found.classes[old])
    return tuple("background" if new == 0 else "+".join(sources[new]) for new in sorted(sources))
