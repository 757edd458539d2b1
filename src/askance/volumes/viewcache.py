"""Every case as it is in its file, ready to be read a few slices at a time: what a viewer shows.

``CASE.npy`` holds (D, C, h, w): int16 where the file's values fit into that, else float32. Made when a case is first
looked at, by whichever thread looks first. May be deleted at any time, like the rest of a study's cache.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import StudyError
from askance.records import Case
from askance.volumes.cache import open_source
from askance.volumes.voxels import Stored
from askance.volumes.writing import replacing

_OPEN_MAPS = 16  # their pages count as the server's memory
_BLOCK_VOXELS = 2**20
_MADE_AT_ONCE = 2  # each holds its files unpacked; more threads would hold more and be no faster


class ViewCache:
    """The cases of a study as they are in their files, in ``folder``, along file ``axis``."""

    def __init__(self, folder: Path, axis: int) -> None:
        self._folder, self._axis = folder, axis
        self._maps: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._building: dict[str, threading.Lock] = {}
        self._making = threading.BoundedSemaphore(_MADE_AT_ONCE)

    def planes(self, case: Case) -> NDArray[Any]:
        """All slices of a case (D, C, h, w), memory-mapped and read-only.

        Raises:
            SourceMissing, SourceChanged, DataError: its files are not what they were. StudyError: the disk is full.
        """
        with self._lock:
            if case.id in self._maps:
                self._maps.move_to_end(case.id)
                return self._maps[case.id]
            building = self._building.setdefault(case.id, threading.Lock())
        with building:
            opened = self._open(case)
        with self._lock:
            self._maps[case.id] = opened
            self._building.pop(case.id, None)
            if len(self._maps) > _OPEN_MAPS:
                self._maps.popitem(last=False)
        return opened

    def _open(self, case: Case) -> NDArray[Any]:
        path, key = self._folder / f"{case.id}.npy", self._folder / f"{case.id}.json"
        made_from = [source.sha256 for source in case.images]
        try:
            fits = json.loads(key.read_text(encoding="utf-8")) == made_from
        except (OSError, ValueError):
            fits = False
        if not fits or not path.exists():
            with self._making:
                self._make(case, path)
            with replacing(key) as temporary:
                temporary.write_text(json.dumps(made_from), encoding="utf-8")
        opened: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return opened

    def _make(self, case: Case, path: Path) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"{self._folder}: cannot be made ({error.strerror}); check the study's permissions") from None
        stored = [open_source(source) for source in case.images]
        dtype = np.dtype("<i2") if all(_is_short(one) for one in stored) else np.dtype("<f4")
        depth, (height, width) = case.shape[self._axis], _inplane(case.shape, self._axis)
        step = max(1, _BLOCK_VOXELS // (height * width))
        header = {"descr": dtype.str, "fortran_order": False, "shape": (depth, len(stored), height, width)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, depth, step):
                blocks = [one.block(self._axis, start, min(depth, start + step)) for one in stored]
                file.write(np.nan_to_num(np.stack(blocks, 1), copy=False).astype(dtype).tobytes())


def _is_short(stored: Stored) -> bool:
    return stored.slope == 1.0 and stored.inter == 0.0 and np.can_cast(stored.raw.dtype, np.int16)


def _inplane(shape: tuple[int, int, int], axis: int) -> tuple[int, int]:
    height, width = (n for k, n in enumerate(shape) if k != axis)
    return height, width
