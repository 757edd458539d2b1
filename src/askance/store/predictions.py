"""What a model said of a case: one file of arrays, one row a slice. May be dropped and made again.

``Store.predictions`` is the door.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askance.errors import StudyError
from askance.records import Case, Prediction, parse_slice_id
from askance.store import arrays, atomic, models, schema
from askance.store import cases as stored_cases
from askance.store.cases import natural
from askance.store.database import Database

_LAYERS = {"labels": np.uint8, "score_maps": np.float16}


class Predictions:
    """The models' predictions."""

    def __init__(self, folder: Path, axis: int, database: Database) -> None:
        self._folder, self._axis, self._database = folder, axis, database

    def save(
        self,
        model_id: str,
        case_id: str,
        given: Sequence[Prediction],
        labels: NDArray[np.uint8],
        score_maps: NDArray[np.float16],
    ) -> None:
        """Store what the model said of a case, in the place of what it said before; the same again changes nothing.

        ``labels`` (D, H, W) and ``score_maps`` (D, ph, pw) are on the working grid, D along the study's axis.

        Raises:
            StudyError: unknown model or case, wrong type or depth, or a score that is not a number in [0, 1].
        """
        case = self._database.read(stored_cases.load_one, case_id)
        data = encode(case, self._axis, model_id, given, {"labels": labels, "score_maps": score_maps})
        self._database.read(models.load_one, model_id)
        if not self._database.read(is_stored, model_id, case_id, given, arrays.digest(data)):
            self._database.write(drop, model_id, case_id)
            self._database.write(save, self._folder, model_id, case_id, given, data)

    def of(self, model_id: str) -> list[Prediction]:
        """The model's predictions, by case and index."""
        return self._database.read(load, model_id)

    def cases(self, model_id: str) -> list[str]:
        """Ids of the cases whose prediction by the model is stored, in natural order."""
        return self._database.read(cases, model_id)

    def labels(self, model_id: str, case_id: str) -> NDArray[np.uint8]:
        """Predicted labels, uint8 (D, H, W) on the working grid; StudyError if there are none."""
        return self._array(model_id, case_id, "labels")

    def maps(self, model_id: str, case_id: str) -> NDArray[np.float16]:
        """Patch score maps, float16 (D, ph, pw), 1 = right; StudyError if there are none."""
        return self._array(model_id, case_id, "score_maps")

    def save_triage(self, given: Sequence[Prediction]) -> None:
        """Set triage and weight of predictions that are stored."""
        self._database.write(save_triage, given)

    def _array(self, model_id: str, case_id: str, name: str) -> NDArray[Any]:
        path, sha256 = self._database.read(file, model_id, case_id)
        return arrays.read(self._folder / path, sha256, name)


def load(connection: sa.Connection, model_id: str, case_id: str | None = None) -> list[Prediction]:
    """The model's predictions, of all cases or one, by case and index."""
    table = schema.predictions
    chosen = sa.select(table).where(table.c.model == model_id)
    if case_id is not None:
        chosen = chosen.where(table.c.case_id == case_id)
    by_case: dict[str, list[Prediction]] = defaultdict(list)
    for row in connection.execute(chosen):
        by_case[row.case_id].append(
            Prediction(row.slice_id, row.model, row.score, row.d_raw, row.measures, row.triage, row.weight)
        )
    for found in by_case.values():
        found.sort(key=lambda one: parse_slice_id(one.slice_id)[1:])
    return [one for case in sorted(by_case, key=natural) for one in by_case[case]]


def cases(connection: sa.Connection, model_id: str) -> list[str]:
    """Ids of the cases that the model's predictions are stored for, in natural order."""
    table = schema.prediction_files
    return sorted(connection.scalars(sa.select(table.c.case_id).where(table.c.model == model_id)), key=natural)


def file(connection: sa.Connection, model_id: str, case_id: str) -> tuple[str, str]:
    """Path (relative to the study) and sha256 of the arrays.

    Raises:
        StudyError: the model has not predicted the case.
    """
    found = _stored_file(connection, model_id, case_id)
    if found is None:
        raise StudyError(f"model {model_id!r} has no prediction of case {case_id!r}; predict it first")
    return found


def encode(
    case: Case, axis: int, model_id: str, predictions: Sequence[Prediction], layers: Mapping[str, NDArray[Any]]
) -> bytes:
    """The file of arrays, after a look at everything that will be stored with it.

    Raises:
        StudyError: arrays that do not have one layer a slice, a slice of another case, or a score that is no number.
    """
    depth = case.shape[axis]
    for name, dtype in _LAYERS.items():
        array = layers[name]
        if array.dtype != dtype or array.ndim != 3 or len(array) != depth:
            raise StudyError(
                f"prediction of case {case.id!r}: {name} is {array.dtype} of shape {array.shape}; wanted "
                f"{np.dtype(dtype)} with {depth} layers"
            )
    ids = {f"{case.id}/{axis}/{index}" for index in range(depth)}
    for one in predictions:
        if one.slice_id not in ids or one.model != model_id:
            raise StudyError(
                f"prediction of case {case.id!r} by {model_id!r}: found one of slice {one.slice_id!r} by {one.model!r}, "
                f"or that slice twice; wanted at most one a slice"
            )
        ids.remove(one.slice_id)
        _check_figures(one)
    return arrays.encode(**layers)


def is_stored(
    connection: sa.Connection, model_id: str, case_id: str, predictions: Sequence[Prediction], sha256: str
) -> bool:
    """Whether just this is stored already, whatever triage made of it since."""
    found = _stored_file(connection, model_id, case_id)
    if found is None or found[1] != sha256:
        return False
    wanted = sorted((_before_triage(one) for one in predictions), key=lambda one: parse_slice_id(one.slice_id))
    return [_before_triage(one) for one in load(connection, model_id, case_id)] == wanted


def save(
    connection: sa.Connection, folder: Path, model_id: str, case_id: str, predictions: Sequence[Prediction], data: bytes
) -> None:
    """Write the file and its rows. What was there of this model and case must have been dropped and committed."""
    path = f"predictions/{model_id}/{case_id}.npz"
    connection.execute(
        sa.insert(schema.prediction_files),
        {"model": model_id, "case_id": case_id, "path": path, "sha256": arrays.digest(data)},
    )
    if predictions:
        connection.execute(sa.insert(schema.predictions), [_row(one, case_id) for one in predictions])
    atomic.write(folder / path, data)


def save_triage(connection: sa.Connection, predictions: Sequence[Prediction]) -> None:
    """Set triage and weight of predictions that are stored.

    Raises:
        StudyError: one that is not stored, or a weight that is not a number >= 0.
    """
    table = schema.predictions
    for model_id in {one.model for one in predictions}:
        stored = set(connection.scalars(sa.select(table.c.slice_id).where(table.c.model == model_id)))
        missing = [one for one in predictions if one.model == model_id and one.slice_id not in stored]
        if missing:
            raise StudyError(f"triage: model {model_id!r} has no prediction of slice {missing[0].slice_id!r}")
    rows = []
    for one in predictions:
        _check_figures(one)
        rows.append({"m": one.model, "s": one.slice_id, "t": one.triage, "w": float(one.weight)})
    if rows:
        connection.execute(
            sa.update(table)
            .where(table.c.model == sa.bindparam("m"), table.c.slice_id == sa.bindparam("s"))
            .values(triage=sa.bindparam("t"), weight=sa.bindparam("w")),
            rows,
        )


def drop(connection: sa.Connection, model_id: str, case_id: str) -> None:
    """Remove the model's rows of the case. The file stays, as an orphan."""
    for table in (schema.predictions, schema.prediction_files):
        connection.execute(sa.delete(table).where(table.c.model == model_id, table.c.case_id == case_id))


def _stored_file(connection: sa.Connection, model_id: str, case_id: str) -> tuple[str, str] | None:
    table = schema.prediction_files
    wanted = sa.select(table.c.path, table.c.sha256).where(table.c.model == model_id, table.c.case_id == case_id)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else (row.path, row.sha256)


def _check_figures(one: Prediction) -> None:
    figures = {"score": one.score, "d_raw": one.d_raw or 0.0, "weight": one.weight}
    figures |= {f"measures.{name}": value for name, value in one.measures.items()}
    for name, value in figures.items():
        top = 1.0 if name == "score" else math.inf
        low = 0.0 if name in ("score", "weight") else -math.inf
        if not math.isfinite(value) or not low <= value <= top:
            raise StudyError(
                f"prediction of slice {one.slice_id!r} by {one.model!r}: {name} is {value}; wanted a finite number, "
                f"a score in [0, 1], a weight >= 0"
            )
    if one.triage not in (None, "pseudo", "hold"):
        raise StudyError(f"prediction of slice {one.slice_id!r}: triage {one.triage!r}; wanted pseudo, hold or None")


def _before_triage(one: Prediction) -> Prediction:
    return replace(one, triage=None, weight=0.0)


def _row(one: Prediction, case_id: str) -> dict[str, Any]:
    return vars(one) | {
        "case_id": case_id,
        "score": float(one.score),
        "d_raw": None if one.d_raw is None else float(one.d_raw),
        "measures": {name: float(value) for name, value in one.measures.items()},
        "weight": float(one.weight),
    }
