"""A study opened for work: its store, its cached slices, and the way between the file's pixels and the working grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.folders import require_unchanged
from askance.config import StudyConfig, parse
from askance.errors import FormatError
from askance.learning.architecture import Shape
from askance.learning.checkpoints import load_weights
from askance.learning.prediction import Predictor, Seen, as_trained
from askance.learning.semi_supervised import MADE
from askance.records import SET_ASIDE, Annotation, Case, Slice, parse_slice_id
from askance.store.store import Store
from askance.volumes.cache import SliceCache
from askance.volumes.files import read_labels
from askance.volumes.geometry import Grid, split
from askance.volumes.normalisation import VERSION


class Study:
    """The store, the cache and the grid of one study; ``with Study.open(folder) as study`` closes the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.grid = Grid.from_config(store.config.grid)
        self.cache = SliceCache(store.folder / "cache", self.grid, len(store.config.channels), store.config.network.context)

    @classmethod
    def open(cls, folder: Path) -> Study:
        """The study in ``folder``.

        Raises:
            StudyError: no study, or one that cannot be read.
        """
        return cls(Store.open(folder))

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    @property
    def config(self) -> StudyConfig:
        """Its settings."""
        return self.store.config

    @property
    def shape(self) -> Shape:
        """What its networks are made for."""
        return Shape.of(self.config)

    def cases_by_id(self) -> dict[str, Case]:
        """Every case by its id: for work on many slices, since each question to the store is a transaction."""
        return {case.id: case for case in self.store.cases()}

    def prepare(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Cache every slice that is not cached yet."""
        self.cache.build(self.store.cases(), progress)

    def extent(self, case: Case) -> tuple[int, int]:
        """Rows and columns of the grid that the slices of ``case`` cover."""
        return self.grid.covered(case)

    def inplane(self, case: Case) -> tuple[tuple[int, int], tuple[float, float]]:
        """Shape in pixels and spacing in mm of the slices of ``case``, as in its file."""
        first, second = (axis for axis in range(3) if axis != self.config.grid.axis)
        return (case.shape[first], case.shape[second]), (case.spacing_mm[first], case.spacing_mm[second])

    def to_grid(self, labels: NDArray[np.uint8], case: Case) -> NDArray[np.uint8]:
        """Labels (..., h, w) of the file on the working grid (..., H, W)."""
        return self.grid.labels_to_grid(labels, self.inplane(case)[1])

    def from_grid(self, labels: NDArray[np.uint8], case: Case) -> NDArray[np.uint8]:
        """Labels (..., H, W) of the working grid at the file's resolution (..., h, w)."""
        shape, spacing = self.inplane(case)
        return self.grid.labels_from_grid(labels, len(self.config.classes), shape, spacing)

    def annotation_on_grid(self, annotation: Annotation, case: Case) -> NDArray[np.uint8]:
        """(H, W) uint8 on the working grid; ``case`` is the annotation's."""
        return self.to_grid(self.store.read_annotation(annotation), case)

    def truth(self, case: Case) -> NDArray[np.uint8]:
        """(D, h, w) uint8 of the case's label file. Reading it costs budget in learn; the callers see to that.

        Raises:
            SourceMissing, SourceChanged: the label file is not what it was when it came into the study.
        """
        assert case.label is not None
        require_unchanged(case.label)
        volume = read_labels(case.label.path, len(self.config.classes), self.config.ignore)
        return split(volume.array, self.config.grid.axis)

    def predictor(self, model_id: str) -> Predictor:
        """The networks of a model, ready to predict as they were trained, whatever study.toml says by now."""
        return load_predictor(self.store.model_folder(model_id))[0]

    def made_images(self, model_id: str) -> NDArray[np.float32] | None:
        """Images (N, C, H, W) that a model's imager made in training; None where it has none."""
        made = load_weights(self.store.model_folder(model_id))[0].get(MADE)
        return None if made is None else made["images"].numpy()

    def answers(self) -> list[Annotation]:
        """The latest annotation of every slice that was not set aside since."""
        states = self.store.states()
        return [one for one in self.store.annotations() if states.get(one.slice_id) not in SET_ASIDE]

    def learnt_from(self) -> list[Annotation]:
        """Of the answers those that trainings learn from, S_true: of learn's slices, but not of those to measure by."""
        unassisted, learn = self.validation_ids(), {case.id for case in self.store.cases("learn")}
        return [one for one in self.answers() if one.slice_id not in unassisted and parse_slice_id(one.slice_id)[0] in learn]

    def pool(self) -> list[Slice]:
        """The slices of learn that carry no expert label now and may be asked."""
        return self.store.slices("learn", {"pool"})

    def readable(self) -> list[Slice]:
        """The slices of learn, labelled or not, that nobody found unreadable: their images may be learnt from."""
        states = self.store.states()
        return [one for one in self.store.slices("learn") if states[one.id] != "unreadable"]

    def validation_ids(self) -> set[str]:
        """Slices drawn for the study's unassisted validation: answered, counted, never trained on."""
        return {asked.slice_id for query in self.store.queries() for asked in query.asked if asked.role == "validation"}


def load_predictor(folder: Path) -> tuple[Predictor, StudyConfig, dict[str, Any]]:
    """The networks in a model's ``folder``, ready to predict, the settings they were trained with, and what it says of them.

    Raises:
        FormatError: no model there, one without its settings, or one that learnt from slices normalised in another way.
    """
    states, info = load_weights(folder)
    where = folder / "model.json"
    if not isinstance(info.get("config"), dict):
        raise FormatError(f"{where}: holds no config; wanted a model that `askance train` wrote")
    if info.get("normalisation") != VERSION:
        raise FormatError(
            f"{where}: learnt from intensities normalised as of version {info.get('normalisation')}, wanted {VERSION}; "
            "use the askance that trained it, or train it anew"
        )
    config = parse(info["config"], where=str(where))
    training = as_trained(config.training, info.get("precision"))
    return Predictor(states, Shape.of(config), config.network, training, Seen.from_info(info)), config, info


def apart_in(grid: Grid, case: Case) -> float:
    """From a slice of ``case`` along the axis of ``grid`` to the next, in pixels of its files, the longer side of one."""
    return case.spacing_mm[grid.axis] / max(side for axis, side in enumerate(case.spacing_mm) if axis != grid.axis)


def by_case(slice_ids: Sequence[str]) -> dict[str, list[int]]:
    """Indices along the axis by case, in the order given."""
    cases: dict[str, list[int]] = {}
    for slice_id in slice_ids:
        case, _, index = parse_slice_id(slice_id)
        cases.setdefault(case, []).append(index)
    return cases


def model_name(cycle: int) -> str:
    """Id of the model trained after the answers of ``cycle``."""
    return f"cycle-{cycle:03d}"
