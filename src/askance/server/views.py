"""Everything the page needs of one slice: the image around it, what is known of its neighbours, the proposal, the score map.

All arrays leave in display order (``volumes.display``), so that the page draws on what it sees and has no orientation to
keep. What was asked without a proposal leaves without anything a model said, of its neighbours as well.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from askance.errors import AskanceError, StudyError, UsageError
from askance.records import Annotation, Asked, Case, parse_slice_id, slice_id
from askance.server.wire import pack
from askance.store.leases import Lease
from askance.store.store import Store
from askance.store.users import User
from askance.volumes.display import Display
from askance.volumes.geometry import Grid, inplane, inplane_spacing
from askance.volumes.viewcache import ViewCache

_KEPT_PREDICTIONS = 8  # cases whose predictions stay unpacked
_WHOLE_VOXELS = 64_000_000  # a volume beyond this is shown in part
_WINDOW = (1.0, 99.5)  # percentiles shown as black and white


@dataclass(frozen=True, eq=False)
class Place:
    """A slice with its case, as it is displayed."""

    slice_id: str
    index: int
    case: Case
    display: Display

    @property
    def shape(self) -> tuple[int, int]:
        """Of the slice in its file (h, w)."""
        first, second = inplane(self.display.file_axis)
        return self.case.shape[first], self.case.shape[second]

    @property
    def shown_shape(self) -> tuple[int, int]:
        """Of the slice as displayed: columns, rows."""
        columns, rows = self.display.to_plane(np.empty(self.shape, np.uint8)).shape
        return columns, rows

    @property
    def depth(self) -> int:
        """How many slices the case has."""
        return self.case.shape[self.display.file_axis]


@dataclass(frozen=True)
class Seen:
    """Why somebody sees a slice: who, the lease if it is in hand, and why it was asked."""

    user: User
    lease: Lease | None
    asked: Asked | None
    cycle: int | None
    model: str | None

    @property
    def teacher(self) -> str | None:
        """The model whose proposals may be shown; None for slices asked without one."""
        return None if self.asked is not None and self.asked.role == "validation" else self.model

    @property
    def reads_all(self) -> bool:
        """Whether everybody's labels may be seen: by a reviewer, while that one is no reader of the slice."""
        return self.user.may("reviewer") and (self.lease is None or self.lease.purpose == "review")


class Views:
    """Makes views of one study."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grid = Grid.from_config(store.config.grid)
        self._cache = ViewCache(store.folder / "cache" / "view", self._grid.axis)
        self._predictions: OrderedDict[tuple[str, str], tuple[NDArray[Any], NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def place(self, name: str) -> Place:
        """The slice's place.

        Raises:
            UsageError: no slice of learn is called so.
        """
        try:
            case_id, axis, index = parse_slice_id(name)
            self._store.state(name)
            case = self._store.case(case_id)
        except (ValueError, StudyError):
            raise UsageError(f"slice {name[:80]!r} is not one that can be asked in this study") from None
        return Place(name, index, case, Display.of(case.affine, case.shape, axis))

    def seen(self, place: Place, user: User) -> Seen:
        """On what grounds ``user`` sees the slice.

        Raises:
            UsageError: it was never given to this person, who is no reviewer.
        """
        desk = self._store.desk
        lease = desk.held(place.slice_id, user.name)
        if lease is None and not user.may("reviewer") and not desk.may_see(place.slice_id, user.name):
            raise UsageError(f"slice {place.slice_id!r} was not given to {user.name}; ask for the next one")
        asked, cycle, model = desk.asked(place.slice_id) or (None, None, None)
        return Seen(user, lease, asked, cycle, model)

    def proposal(self, place: Place, model: str | None) -> NDArray[np.uint8] | None:
        """``model``'s labels of the slice in its file's shape; None where there are none."""
        return None if model is None else self._labels(place, model, [place.index]).get(place.index)

    def warm(self, name: str) -> None:
        """Make the slice's case ready to be read, before somebody waits for it; what stands in the way is told then."""
        with suppress(AskanceError):
            self._cache.planes(self.place(name).case)

    def view(self, place: Place, seen: Seen, reach: int | None, channel: int) -> bytes:
        """The slice with ``reach`` slices to either side (None: all), as bytes for the page.

        Raises:
            UsageError: no such channel.
        """
        if not 0 <= channel < len(place.case.images):
            raise UsageError(f"channel {channel} is not there; wanted 0 to {len(place.case.images) - 1}")
        first, count = self._range(place, reach)
        known = self._known(place, seen, range(first, first + count))
        draft = {index: plane for index, plane in self._draft(place, seen).items() if _is_drawn(place, index, plane, known)}
        answer = known.get(place.index) if _reviews(seen) else None
        known |= {index: (plane, "draft") for index, plane in draft.items() if first <= index < first + count}
        image = place.display.to_volume(self._cache.planes(place.case)[first : first + count, channel])
        header = self._header(place, seen, first, count, known) | {"drafts": sorted(draft)}
        sections = {"image": _nifti(image, place.display.slab_affine(first, count))}
        labels = np.zeros((count, *place.shape), np.uint8)
        for index, (plane, _) in known.items():
            labels[index - first] = plane
        sections["labels"] = place.display.to_volume(labels).tobytes(order="F")
        if answer is not None:
            sections["answer"] = place.display.to_plane(answer[0]).tobytes(order="F")
        return pack(header, sections | self._opinion(place, seen))

    def _draft(self, place: Place, seen: Seen) -> dict[int, NDArray[np.uint8]]:
        """What this person has drawn, whether or not the lease lapsed; in a review, since the answer that is reviewed."""
        desk = self._store.desk
        answer = self._store.annotation(place.slice_id) if _reviews(seen) else None
        since = None
        if answer is not None:  # it may have been stated again since, word for word
            same = [
                one for one in desk.versions(place.slice_id) if (one.author, one.sha256) == (answer.author, answer.sha256)
            ]
            since = min(one.created_at for one in same)
        return desk.draft(place.slice_id, seen.user.name, since)

    def _range(self, place: Place, reach: int | None) -> tuple[int, int]:
        depth = place.depth
        most = max(1, _WHOLE_VOXELS // int(np.prod(place.shape)))
        wanted = depth if reach is None else 2 * reach + 1
        count = min(depth, most, wanted)
        return min(max(0, place.index - count // 2), depth - count), count

    def _header(
        self, place: Place, seen: Seen, first: int, count: int, known: Mapping[int, tuple[Any, str]]
    ) -> dict[str, Any]:
        display, standing = place.display, self._store.desk.standing(place.case.id)
        planes = [
            {"index": index, "place": display.place(index, first, count), "state": standing[index].state,
             "source": known[index][1] if index in known else "none"}
            for index in range(first, first + count)
        ]  # fmt: skip
        return {
            "slice": place.slice_id, "case": place.case.id, "index": place.index, "axis": display.axis,
            "place": display.place(place.index, first, count), "depth": place.depth,
            "spacing_mm": place.case.spacing_mm, "planes": planes, "state": standing[place.index].state,
            "version": standing[place.index].version, "cycle": seen.cycle, "channels": len(place.case.images),
            "purpose": seen.lease.purpose if seen.lease else None,
            "asked": asdict(seen.asked) if seen.asked else None, "assisted": seen.teacher is not None,
        }  # fmt: skip

    def _known(self, place: Place, seen: Seen, indices: range) -> dict[int, tuple[NDArray[np.uint8], str]]:
        """Labels by slice index with where they are from: answers, else the model's."""
        ids = {slice_id(place.case.id, place.display.file_axis, index): index for index in indices}
        desk = self._store.desk
        newest = desk.newest(list(ids)) if seen.reads_all else desk.visible(list(ids), seen.user.name)
        known = {index: (plane, "prediction") for index, plane in self._predicted(place, seen, indices).items()}
        return known | {ids[one.slice_id]: (self._store.read_annotation(one), "annotation") for one in newest}

    def _predicted(self, place: Place, seen: Seen, indices: range) -> dict[int, NDArray[np.uint8]]:
        return {} if seen.teacher is None else self._labels(place, seen.teacher, indices)

    def _opinion(self, place: Place, seen: Seen) -> dict[str, bytes]:
        """The proposal and the score map of the slice itself: what the model says, whatever was drawn since."""
        if seen.teacher is None or (found := self._prediction(seen.teacher, place.case.id)) is None:
            return {}
        proposal = self._labels(place, seen.teacher, [place.index])[place.index]
        coarse = found[1][place.index].astype(np.float32)
        rows, columns = (np.arange(size) * patches // size for size, patches in zip(self._grid.size, coarse.shape))
        spacing = inplane_spacing(place.case.spacing_mm, self._grid.axis)
        scores = self._grid.map_from_grid(coarse[np.ix_(rows, columns)], place.shape, spacing, outside=1.0)
        doubt = np.clip(np.rint((1 - scores) * 255), 0, 255).astype(np.uint8)
        turn = place.display.to_plane
        return {"proposal": turn(proposal).tobytes(order="F"), "doubt": turn(doubt).tobytes(order="F")}

    def _labels(self, place: Place, model: str, indices: range | list[int]) -> dict[int, NDArray[np.uint8]]:
        found = self._prediction(model, place.case.id)
        if found is None:
            return {}
        spacing, labels = inplane_spacing(place.case.spacing_mm, self._grid.axis), found[0][list(indices)]
        if (place.shape, spacing) != (self._grid.size, self._grid.spacing_mm):  # else the grid is the file's own
            labels = self._grid.labels_from_grid(labels, len(self._store.config.classes), place.shape, spacing)
        return dict(zip(indices, labels))

    def _prediction(self, model: str, case_id: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Labels and score maps of a case on the working grid; the last few cases stay in memory."""
        with self._lock:
            kept = self._predictions.get((model, case_id))
        if kept is not None:
            return kept
        if not self._store.desk.is_predicted(model, case_id):
            return None
        made = self._store.predictions.labels(model, case_id), self._store.predictions.maps(model, case_id)
        with self._lock:
            self._predictions[model, case_id] = made
            while len(self._predictions) > _KEPT_PREDICTIONS:
                self._predictions.popitem(last=False)
        return made


def _reviews(seen: Seen) -> bool:
    """Whether it is seen to be reviewed: it has an answer, and a view says which, whatever the reviewer drew on it."""
    return seen.lease is not None and seen.lease.purpose == "review"


def _is_drawn(
    place: Place, index: int, plane: NDArray[np.uint8], known: Mapping[int, tuple[NDArray[np.uint8], str]]
) -> bool:
    """Whether a draft's plane is a drawing still: one of a neighbour that was undone shows what is shown without it."""
    without = known[index][0] if index in known else np.zeros_like(plane)
    return index == place.index or not np.array_equal(plane, without)


def version_plane(store: Store, place: Place, one: Annotation) -> bytes:
    """A version's labels, as displayed."""
    return place.display.to_plane(store.read_annotation(one)).tobytes(order="F")


def _nifti(volume: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    image = nib.Nifti1Image(volume, affine)
    low, high = np.percentile(volume[:: max(1, volume.shape[0] // 128), :: max(1, volume.shape[1] // 128)], _WINDOW)
    image.header["cal_min"], image.header["cal_max"] = low, max(high, low + 1e-3)
    data: bytes = image.to_bytes()
    return data
