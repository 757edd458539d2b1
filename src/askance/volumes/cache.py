"""Every case on the working grid, normalised, in memory-mapped files: what training and ranking read.

``CASE.npy`` holds float16 (D, C, H, W); ``CASE.json`` beside it says what it was made from. Built slice block by slice
block, so that memory stays small however large the volume. Knows images; does not know labels or models.
"""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import DataError, SourceChanged, SourceMissing, StudyError
from askance.records import Case, Source, parse_slice_id
from askance.volumes.files import check_finite, hash_file, open_voxels
from askance.volumes.geometry import Grid, inplane, inplane_spacing
from askance.volumes.normalisation import VERSION, normalisation_of
from askance.volumes.voxels import Stored
from askance.volumes.writing import DISK_FULL, remove_partial, replacing

_DTYPE = np.dtype("<f2")
_OPEN_MAPS = 256
#: At most this many voxels of a channel are in memory as float32 (16 MB) while a case is built.
_BLOCK_VOXELS = 2**22


class SliceCache:
    """The cases of a study as float16 slices in ``folder``, for one grid and number of channels.

    ``context``: slices on either side that are read with each, as further channels.
    """

    def __init__(self, folder: Path, grid: Grid, channels: int, context: int = 0) -> None:
        self.folder = folder
        self.grid = grid
        self.channels = channels
        self.context = context
        self._maps: OrderedDict[str, NDArray[np.float16]] = OrderedDict()

    def build(self, cases: Sequence[Case], progress: Callable[[int, int], None] | None = None) -> None:
        """Makes what is missing or was made from other sources, another grid or an older normalisation.

        ``progress`` is called with (cases done, cases in all) after each.

        Raises:
            SourceMissing: an image is not where it was.
            SourceChanged: an image's bytes are not those that the study was started with.
            DataError: an image that cannot be normalised: damaged, not finite, constant, or of too few channels.
            StudyError: the disk is full or the folder cannot be written to; finished cases stay.
        """
        self._prepare()
        for done, case in enumerate(cases, start=1):
            if not self._fits(case):
                try:
                    self._make(case)
                except StudyError as error:
                    if isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FULL:
                        raise self._disk_full(cases[done - 1 :]) from error
                    raise
            if progress is not None:
                progress(done, len(cases))

    def case(self, case_id: str) -> NDArray[np.float16]:
        """All slices of a case, float16 (D, C, H, W), memory-mapped and read-only.

        Raises:
            StudyError: not in the cache, or made for another grid.
        """
        if case_id not in self._maps:
            self._maps[case_id] = self._open(case_id)
            if len(self._maps) > _OPEN_MAPS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(case_id)
        return self._maps[case_id]

    def images(self, slice_ids: Sequence[str]) -> NDArray[np.float32]:
        """The slices named in their context, float32 (N, C * (2 * context + 1), H, W), in their order.

        Raises:
            StudyError: a slice or its case is not in the cache.
        """
        images = np.empty((len(slice_ids), self.channels * (2 * self.context + 1), *self.grid.size), np.float32)
        for image, slice_id in zip(images, slice_ids, strict=True):
            case_id, axis, index = parse_slice_id(slice_id)
            planes = self.case(case_id)
            if axis != self.grid.axis or not 0 <= index < len(planes):
                raise StudyError(
                    f"slice {slice_id} is not in the cache {self.folder}; "
                    f"wanted {case_id}/{self.grid.axis}/0 to {case_id}/{self.grid.axis}/{len(planes) - 1}"
                )
            image[:] = in_context(planes, [index], self.context)[0]
        return images

    def images_of(self, case_id: str, indices: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Slices of a case in their context, all or those of ``indices``: float32 (N, C * (2 * context + 1), H, W).

        Raises:
            StudyError: the case is not in the cache.
        """
        planes = self.case(case_id)
        return in_context(planes, range(len(planes)) if indices is None else indices, self.context)

    def _prepare(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_partial(self.folder)
        except OSError as error:
            raise StudyError(
                f"{self.folder}: cannot be made or written to ({error.strerror}); wanted a folder for the slice cache; "
                "check the study's folder and its permissions"
            ) from None

    def _paths(self, case_id: str) -> tuple[Path, Path]:
        return self.folder / f"{case_id}.npy", self.folder / f"{case_id}.json"

    def _open(self, case_id: str) -> NDArray[np.float16]:
        path, key = self._paths(case_id)
        todo = f"delete the folder {self.folder} and run the command again: it is made anew"
        try:
            planes: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise StudyError(f"case {case_id} is not in the cache {self.folder}; {todo}") from None
        except (OSError, ValueError, EOFError):
            raise StudyError(f"{path}: found a damaged cache file; {todo}") from None
        if planes.shape[1:] != (self.channels, *self.grid.size) or not key.exists():
            wanted = (self.channels, *self.grid.size)
            raise StudyError(f"{path}: found slices of shape {planes.shape[1:]}, wanted {wanted}; {todo}")
        return planes

    def _key(self, case: Case) -> dict[str, Any]:
        made_from = {
            "sources": [source.sha256 for source in case.images],
            "spacing_mm": case.spacing_mm,
            "grid": asdict(self.grid),
            "normalisation": VERSION,
        }
        key: dict[str, Any] = json.loads(json.dumps(made_from))  # as it reads back: tuples are lists
        return key

    def _fits(self, case: Case) -> bool:
        path, key = self._paths(case.id)
        try:
            return path.exists() and bool(json.loads(key.read_text(encoding="utf-8")) == self._key(case))
        except (FileNotFoundError, ValueError):
            return False

    def _make(self, case: Case) -> None:
        if len(case.images) != self.channels:
            raise DataError(f"case {case.id}: found {len(case.images)} image files, wanted {self.channels} channels")
        stored = [open_source(source) for source in case.images]
        path, key = self._paths(case.id)
        shape = (case.shape[self.grid.axis], self.channels, *self.grid.size)
        self._maps.pop(case.id, None)
        key.unlink(missing_ok=True)  # first, so that a crash never leaves a key beside slices it doesn't describe
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": _DTYPE.str, "fortran_order": False, "shape": shape})
            for planes in self._planes(case, stored):
                file.write(planes.tobytes())  # written, not mapped: a full disk is then an error, not a signal
        with replacing(key) as temporary:
            temporary.write_text(json.dumps(self._key(case), indent=1), encoding="utf-8")

    def _planes(self, case: Case, stored: Sequence[Stored]) -> Iterator[NDArray[np.float16]]:
        """The case's slices on the grid, normalised: float16 (n, C, H, W), n at a time."""
        axis = self.grid.axis
        spacing_mm = inplane_spacing(case.spacing_mm, axis)
        rules = [normalisation_of(s, axis, source.path) for s, source in zip(stored, case.images, strict=True)]
        pixels = max(np.prod([case.shape[k] for k in inplane(axis)]), np.prod(self.grid.size))
        step = max(1, int(_BLOCK_VOXELS // pixels))
        for start in range(0, case.shape[axis], step):
            stop = min(case.shape[axis], start + step)
            block = np.empty((stop - start, self.channels, *self.grid.size), _DTYPE)
            for channel, (source, rule) in enumerate(zip(stored, rules, strict=True)):
                values = source.block(axis, start, stop)
                check_finite(values, case.images[channel].path, axis, start)
                block[:, channel] = self.grid.images_to_grid(rule.apply(values), spacing_mm)
            yield block

    def _disk_full(self, left: Sequence[Case]) -> StudyError:
        unfinished = [case for case in left if not self._fits(case)]
        slices = sum(case.shape[self.grid.axis] for case in unfinished)
        wanted_mb = slices * self.channels * int(np.prod(self.grid.size)) * _DTYPE.itemsize / 1e6
        free_mb = shutil.disk_usage(self.folder).free / 1e6
        return StudyError(
            f"{self.folder}: the disk is full: found {free_mb:.0f} MB free, wanted {wanted_mb:.1f} MB for the "
            f"{len(unfinished)} cases not yet cached; make room and run the command again: finished cases are kept"
        )


def in_context(planes: NDArray[np.floating[Any]], indices: Sequence[int], context: int) -> NDArray[np.float32]:
    """The slices ``indices`` of ``planes`` (D, C, H, W), float32, with ``context`` on either side of each as more channels.

    Its own C channels come first, then those of its neighbours, one before, one after, two before and so on; at either end
    the last slice stands for those that are missing.
    """
    steps = [0, *(sign * distance for distance in range(1, context + 1) for sign in (-1, 1))]
    places = np.clip(np.asarray(indices, dtype=int)[:, None] + steps, 0, len(planes) - 1)
    images: NDArray[np.float32] = planes[places.ravel()].astype(np.float32)
    return images.reshape(len(places), -1, *planes.shape[2:])


def open_source(source: Source) -> Stored:
    """The voxels of a file of the user's, once its bytes are known to be those that the study was started with.

    Raises:
        SourceMissing, SourceChanged: they are not.
    """
    if not source.path.exists():
        raise SourceMissing(
            f"{source.path}: found no such file, wanted the image that the study was started with; "
            "run `askance relocate` to say where it is now"
        )
    if source.path.stat().st_size != source.size or hash_file(source.path).sha256 != source.sha256:
        raise SourceChanged(
            f"{source.path}: found other bytes than when the study was started; put the original back "
            "(`askance relocate` finds it by its bytes), or start a new study"
        )
    return open_voxels(source.path)
