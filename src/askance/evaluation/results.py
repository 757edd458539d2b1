"""The file of lines that an experiment appends to: what stands there is done and is not run again."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from askance.errors import FormatError, StudyBusy, StudyError, UsageError

_log = logging.getLogger(__name__)


class Results:
    """The lines in ``path``, and the way to add one. ``tag`` tells experiments with other settings apart.

    Raises:
        UsageError: ``path`` is a folder, or lies in none that can be made. FormatError: it holds what is no line.
    """

    def __init__(self, path: Path, tag: str | None = None) -> None:
        self._path, self._tag = path, tag
        _require_place(path)
        self.lines = _whole_lines(path)

    def holds(self, dataset: str, trial: str, settings: str) -> bool:
        """Whether the trial's line is there.

        Raises:
            UsageError: it is there with other settings, so that the two would be taken for one.
        """
        found = {line.get("settings") for line in self.mine(dataset) if line.get("trial") == trial}
        if found and settings not in found:
            raise UsageError(
                f"{self._path}: holds {trial} on {dataset} with other settings, folds or data (tag {self._tag!r}); "
                f"name another tag or another file"
            )
        return bool(found)

    def require_same(self, dataset: str, data: str, settings: Mapping[str, str]) -> None:
        """Nothing, if the lines there are of the same ``data`` and, of methods in ``settings``, of the same settings.

        ``data``: digest of cases, folds and grid; ``settings``: by method. Lines are paired by fold, so they have to agree.

        Raises:
            UsageError: a line that does not.
        """
        for line in self.mine(dataset):
            method, of = line.get("method", ""), line.get("settings")
            if line.get("data") != data or settings.get(method, of) != of:
                what = "folds, grid or cases" if line.get("data") != data else f"settings of {method}"
                raise UsageError(
                    f"{self._path}: holds {line.get('trial')} on {dataset} with other {what} (tag {self._tag!r}); "
                    f"name another tag or another file"
                )

    def mine(self, dataset: str) -> list[dict[str, Any]]:
        """The lines of ``dataset`` with this tag."""
        return [line for line in self.lines if (line.get("dataset"), line.get("tag")) == (dataset, self._tag)]

    def append(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Write a line to the disk, and give it back as it stands there.

        Raises:
            StudyError: it cannot be written.
        """
        tagged = {**line, "tag": self._tag}
        data = json.dumps(tagged, allow_nan=False).encode() + b"\n"
        try:
            with self._path.open("ab", buffering=0) as file:  # one write, so that lines of two processes don't mix
                before = file.seek(0, os.SEEK_END)
                if file.write(data) != len(data):  # the disk is full: what got there would spoil the next line
                    os.truncate(self._path, before)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
        except OSError as error:
            raise StudyError(f"{self._path}: cannot be written ({error.strerror}); make room and run again") from None
        self.lines.append(tagged)
        return tagged


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep ``folder`` to this process.

    Raises:
        StudyBusy: another process runs an experiment there. UsageError: it cannot be made.
    """
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be made ({error.strerror}); name a folder of yours as --work") from None
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise StudyBusy(f"{folder}: another process runs this experiment; wait for it, or name another --work") from None


def _require_place(path: Path) -> None:
    """Tell now, not after hours of training, that no line can be written.

    Raises:
        UsageError: ``path`` is a folder, or lies in none that can be made.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; wanted a file for the lines, such as {path / 'lines.jsonl'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot be made ({error.strerror}); name a file in a folder of yours") from None


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines there are; what a kill left of a last one is cut off.

    Raises:
        FormatError: a line that is no JSON object; the file stays as it is.
    """
    if not path.exists():
        return []
    *texts, rest = path.read_bytes().split(b"\n")
    lines = [_parsed(text, f"{path}:{number}") for number, text in enumerate(texts, start=1)]
    if rest:
        lines += _mended(path, rest, f"{path}:{len(lines) + 1}")
    return lines


def _mended(path: Path, rest: bytes, where: str) -> list[dict[str, Any]]:
    """What stands after the last end of a line: a line that only lacks its end, or one that a kill cut short."""
    try:
        lines = [_parsed(rest, where)]
    except FormatError:
        if not rest.startswith(b'{"'):  # no beginning of ours: it is somebody's file
            raise
        _log.warning("%s: its last line is not whole, as after a power cut; it is dropped and its trial run again", path)
        os.truncate(path, path.stat().st_size - len(rest))
        return []
    with path.open("ab") as file:
        file.write(b"\n")
    return lines


def _parsed(text: bytes, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise FormatError(f"{where}: not a line of JSON ({error}); mend or remove it") from None
    if not isinstance(line, dict):
        raise FormatError(f"{where}: found {type(line).__name__}; wanted one JSON object a line")
    return line
