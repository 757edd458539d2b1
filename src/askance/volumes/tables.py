"""The small files beside the volumes: JSON, tables of patients, splits. Text in, names out."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from askance.errors import FormatError, SplitError, UsageError
from askance.records import Split
from askance.volumes.found import some


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        FormatError: cannot be read, is not JSON, or is no object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise FormatError(f"{path}: holds a JSON {type(content).__name__}; wanted an object {{...}}")
    return content


def read_json(path: Path) -> Any:
    """Whatever JSON ``path`` holds.

    Raises:
        FormatError: cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is not JSON ({error}); mend it or write it anew") from None


def read_patients(path: Path) -> dict[str, str]:
    """Case -> patient from a CSV with the columns case and patient; others are left alone.

    Raises:
        SplitError: cannot be read, a column or value is missing, or a case stands twice.
    """
    rows = _rows(path)
    if not {"case", "patient"} <= set(rows[0] if rows else ()):
        raise SplitError(f"{path}: its first line names {some(rows[0]) if rows else 'nothing'}; wanted case,patient")
    at_case, at_patient = rows[0].index("case"), rows[0].index("patient")
    pairs = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) <= max(at_case, at_patient) or not row[at_case] or not row[at_patient]:
            raise SplitError(f"{path}: line {number} lacks a case or a patient; wanted both")
        pairs.append((row[at_case], row[at_patient]))
    twice = [case for case, count in Counter(case for case, _ in pairs).items() if count > 1]
    if twice:
        raise SplitError(f"{path}: {len(twice)} cases stand there more than once: {some(twice)}; wanted a line a case")
    return dict(pairs)


def has_patient_columns(path: Path) -> bool:
    """Whether the first line of a CSV names the columns case and patient.

    Raises:
        SplitError: cannot be read.
    """
    rows = _rows(path)
    return bool(rows) and {"case", "patient"} <= set(rows[0])


def read_splits(path: Path, fold: int = 0) -> tuple[dict[str, Split], list[str]]:
    """Case or patient -> side, and what is wrong with the names, from our splits.json or nnU-Net's splits_final.json.

    Ours is ``{"learn": [...], "test": [...], "validation": [...]}``; nnU-Net's is a list of folds
    ``{"train": [...], "val": [...]}``, of which ``fold`` is taken: train is learn, val is test.

    Raises:
        FormatError: not JSON.
        SplitError: not of either form.
        UsageError: there is no such fold.
    """
    content = read_json(path)
    if isinstance(content, list):
        if not content:
            raise SplitError(f'{path}: holds no fold; wanted [{{"train": [...], "val": [...]}}, ...]')
        if not 0 <= fold < len(content):
            raise UsageError(f"{path}: has no fold {fold}; wanted one of 0 to {len(content) - 1}")
        sides = _sides(content[fold], {"train": "learn", "val": "test"}, path)
    else:
        sides = _sides(content, {side: side for side in get_args(Split)}, path)
    count = Counter(name for names in sides.values() for name in names)
    twice = [name for name, times in count.items() if times > 1]
    faults = [f"{len(twice)} names stand there more than once: {some(twice)}; wanted each once"] if twice else []
    return {name: side for side, names in sides.items() for name in names}, faults


def _sides(content: Any, names: Mapping[str, Split], path: Path) -> dict[Split, list[str]]:
    wanted = ", ".join(f'"{name}": [...]' for name in names)
    if not isinstance(content, dict) or not content or not set(content) <= set(names):
        found = some(content) if isinstance(content, dict) else f"a JSON {type(content).__name__}"
        raise SplitError(f"{path}: holds {found or 'nothing'}; wanted {{{wanted}}}")
    for name, listed in content.items():
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise SplitError(f"{path}: {name} is not a list of names; wanted the ids of cases or patients")
    return {names[name]: listed for name, listed in content.items()}


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [[cell.strip() for cell in row] for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"{path}: cannot be read as a table ({error}); wanted a CSV in UTF-8") from None
