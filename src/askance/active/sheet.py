"""query.csv: the slices asked, one a row, which the expert marks in any spreadsheet program.

Written as Excel's and LibreOffice's European settings open it at a double click: UTF-8 with a mark, semicolons, CRLF. Read
as those two save it: also with commas or tabs, in the system's code page, with columns and rows moved. A row is known by
its number, as spreadsheets turn ids such as ``01/2/5`` into dates.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from askance.errors import AnswerError

Status = Literal["done", "skip", "unreadable"]

COLUMNS = ("nr", "slice_id", "case", "plane", "itksnap", "slicer", "why", "score", "role", "status", "note")
_NEEDED = {"nr", "slice_id", "status"}
_READ_AS_DATE = re.compile(r"\d+/\d+/\d+")
_LISTED = 10


@dataclass(frozen=True)
class Mark:
    """What the expert says of a slice."""

    status: Status
    note: str


def write_sheet(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Writes ``rows``, each with a value for every one of COLUMNS but ``status`` and ``note``, which are left empty."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def read_sheet(path: Path, slice_ids: Sequence[str]) -> dict[str, Mark]:
    """The marks by slice id; row ``nr`` is of ``slice_ids[nr - 1]``. Rows without status are left out.

    Raises:
        AnswerError: not a table, a row that is not known or stands twice, or a status that is none; up to ten are listed.
    """
    marks: dict[str, Mark] = {}
    seen: set[str] = set()
    problems = []
    for line, row in _rows(path):
        try:
            slice_id = _slice_of(row, slice_ids)
            if slice_id in seen:
                raise ValueError(f"slice {slice_id} stands there twice; keep one row a slice")
            seen.add(slice_id)
            status = row["status"].lower()
            if status and status not in get_args(Status):
                raise ValueError(f"status {row['status']!r}; wanted done, skip, unreadable or nothing")
        except ValueError as error:
            problems.append(f"  line {line}: {error}")
            continue
        if status:
            marks[slice_id] = Mark(cast(Status, status), row.get("note", ""))
    if problems:
        more = f"\n  and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise AnswerError(f"{path}: cannot be taken, nothing was stored:\n" + "\n".join(problems[:_LISTED]) + more)
    return marks


def _slice_of(row: Mapping[str, str], slice_ids: Sequence[str]) -> str:
    try:
        expected = slice_ids[int(row["nr"]) - 1] if int(row["nr"]) > 0 else None
    except (ValueError, IndexError):
        expected = None
    if expected is None:
        raise ValueError(f"nr {row['nr']!r} of slice {row['slice_id']!r}; wanted a number from 1 to {len(slice_ids)}")
    if row["slice_id"] != expected and not _READ_AS_DATE.fullmatch(expected):
        raise ValueError(
            f"row {row['nr']} is of slice {row['slice_id']!r}; wanted {expected!r}, as written; sort whole rows, not columns"
        )
    return expected


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and values by column of each row that is not empty."""
    text = _text(path)
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(";,\t", key=header.count))
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise AnswerError(f"{path}: is not a table ({error}); save it as CSV again") from None
    columns = [name.lower() for name in lines[0][1]] if lines else []
    if not set(columns) >= _NEEDED:
        raise AnswerError(f"{path}: its first line is {header[:80]!r}; wanted the columns {', '.join(COLUMNS)} as written")
    padding = [""] * len(columns)
    return [(line, dict(zip(columns, row + padding))) for line, row in lines[1:] if any(row)]


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnswerError(f"{path}: cannot be read ({error.strerror}); wanted the table that was written there") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
