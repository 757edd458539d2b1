"""The file of lines that an experiment appends to: what stands there is done and is not run again."""

from __future__ import annotations

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
    """The lines in ``path``, and the way to add one. ``tag`` tells experiments with other settings apart."""

    def __init__(self, path: Path, tag: str | None = None) -> None:
        self._path, self._tag = path, tag
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

    def mine(self, dataset: str) -> list[dict[str, Any]]:
        """The lines of ``dataset`` with this tag."""
        return [line for line in self.lines if (line.get("dataset"), line.get("tag")) == (dataset, self._tag)]

    def append(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Write a line to the disk, and give it back as it stands there.

        Raises:
            StudyError: it cannot be written.
        """
        tagged = {**line, "tag": self._tag}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(tagged, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StudyError(f"{self._path}: cannot be written ({error.strerror}); make room and run again") from None
        self.lines.append(tagged)
        return tagged


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep ``folder`` to this process.

    Raises:
        StudyBusy: another process runs an experiment there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise StudyBusy(f"{folder}: another process runs this experiment; wait for it, or name another --work") from None


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines there are; what a kill left of a last one is cut off.

    Raises:
        FormatError: a line that is no JSON object.
    """
    if not path.exists():
        return []
    text = path.read_bytes()
    if text and not text.endswith(b"\n"):
        _log.warning("%s: its last line is not whole, as after a power cut; it is dropped and its trial run again", path)
        text = text[: text.rfind(b"\n") + 1]
        with path.open("r+b") as file:
            file.truncate(len(text))
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            raise FormatError(f"{path}:{number}: not a line of JSON ({error}); mend or remove it") from None
        if not isinstance(lines[-1], dict):
            raise FormatError(f"{path}:{number}: found {type(lines[-1]).__name__}; wanted one JSON object a line")
    return lines
