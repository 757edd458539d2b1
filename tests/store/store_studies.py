"""Small studies for the tests of the store: cases whose files nobody opens."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.config import StudyConfig, from_preset
from askance.records import Asked, Case, LabelEntry, Model, Prediction, Query, Source, Split
from askance.store.store import Store

AFFINE = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 8.0, 0.0), (0.0, 0.0, 0.0, 1.0))
SHAPE = (12, 10, 6)


def settings(axis: int = 2, **more: object) -> StudyConfig:
    grid = {"axis": axis, "spacing_mm": [1.0, 1.0], "size": [16, 16]}
    return from_preset("askance", {"name": "t", "classes": ["rest", "a", "b"], "channels": ["MR"], "grid": grid} | more)


def case(name: str, split: Split = "learn", patient: str | None = None, shape: tuple[int, int, int] = SHAPE) -> Case:
    return Case(
        id=name,
        patient=patient or f"patient-{name}",
        split=split,
        images=(Source(Path(f"data/{name}_0000.nii.gz"), "0" * 64, 1000),),
        label=Source(Path(f"data/{name}.nii.gz"), "1" * 64, 100),
        shape=shape,
        spacing_mm=(1.0, 1.0, 8.0),
        affine=AFFINE,
        labelled=tuple(range(shape[2])),
    )


def query(ids: list[str], cycle: int = 0) -> Query:
    asked = tuple(Asked(slice_id, float(-place), "spread") for place, slice_id in enumerate(ids))
    return Query(cycle, "spread", asked)


def labels(seed: int, shape: tuple[int, int] = SHAPE[:2]) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)


def save_model(store: Store, name: str = "m0", cycle: int = 0, info: dict[str, Any] | None = None) -> Model:
    entries = [LabelEntry(one.slice_id, "annotation", 1.0, one.version) for one in store.annotations()]
    model = Model(name, cycle, store.save_label_set(entries).id, "ab" * 32, "2026-01-01T00:00:00+00:00", info=info or {})
    store.save_model(model)
    return model


def predictions(case_id: str, model: str = "m0", score: float = 0.5) -> list[Prediction]:
    return [Prediction(f"{case_id}/2/{k}", model, score, -1.5, {"entropy": 0.25}) for k in range(SHAPE[2])]


def arrays(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, (SHAPE[2], 16, 16), dtype=np.uint8), rng.random((SHAPE[2], 4, 4)).astype(np.float16)
