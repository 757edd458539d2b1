"""Models and the label sets they learnt from, in the database; their weights are files of the learning room's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from askance.errors import StudyError
from askance.records import LabelEntry, LabelSet, Model
from askance.store import arrays, schema
from askance.store.cases import check_name
from askance.store.plain import plain


def save_label_set(connection: sa.Connection, entries: Iterable[LabelEntry]) -> LabelSet:
    """The label set of ``entries``, sorted by slice id; the same entries make the same set, stored once.

    Raises:
        StudyError: a slice listed twice, or an entry that is neither a stored annotation nor a model's pseudo-label.
    """
    ordered = tuple(sorted(entries, key=lambda entry: entry.slice_id))
    twice = [slice_id for slice_id, count in Counter(entry.slice_id for entry in ordered).items() if count > 1]
    if twice:
        raise StudyError(f"label set: slice {twice[0]!r} is listed twice; one label stands for a slice")
    rows = [_entry_row(entry) for entry in ordered]
    canonical = json.dumps(rows, sort_keys=True, allow_nan=False, separators=(",", ":"))
    label_set = LabelSet(arrays.digest(canonical.encode())[:16], ordered)
    table = schema.label_sets
    if connection.scalar(sa.select(table.c.id).where(table.c.id == label_set.id)) is None:
        connection.execute(sa.insert(table), {"id": label_set.id})
        if rows:
            connection.execute(sa.insert(schema.label_entries), [row | {"label_set": label_set.id} for row in rows])
    return label_set


def load_label_set(connection: sa.Connection, label_set: str) -> LabelSet:
    """The label set.

    Raises:
        StudyError: no such label set.
    """
    table = schema.label_sets
    if connection.scalar(sa.select(table.c.id).where(table.c.id == label_set)) is None:
        raise StudyError(f"label set {label_set!r} is not in the study")
    lines = schema.label_entries
    rows = connection.execute(sa.select(lines).where(lines.c.label_set == label_set).order_by(lines.c.slice_id))
    entries = (LabelEntry(row.slice_id, row.kind, row.weight, row.version, row.model) for row in rows)
    return LabelSet(label_set, tuple(sorted(entries, key=lambda entry: entry.slice_id)))


def save(connection: sa.Connection, model: Model) -> None:
    """Store the row of a trained model; the same weights under the same id again change nothing.

    Raises:
        StudyError: the id stands for other weights already, cannot name a folder, or the label set is not stored.
    """
    check_name(model.id, "model")
    row = vars(model) | {"info": plain(model.info, f"model {model.id!r}: info")}
    for stored in load(connection, model.id):
        old, new = ((one.cycle, one.label_set, one.weights_sha256, one.parent) for one in (stored, model))
        if old != new:
            raise StudyError(f"model {model.id!r} is stored already with other weights; give this one another id")
        return
    connection.execute(sa.insert(schema.models), row)


def load(connection: sa.Connection, model_id: str | None = None) -> list[Model]:
    """All models, or the one named, by cycle and time of making."""
    table = schema.models
    chosen = sa.select(table).order_by(table.c.cycle, table.c.created_at, table.c.id)
    if model_id is not None:
        chosen = chosen.where(table.c.id == model_id)
    return [Model(**row) for row in connection.execute(chosen).mappings()]


def load_one(connection: sa.Connection, model_id: str) -> Model:
    """The model.

    Raises:
        StudyError: no such model.
    """
    found = load(connection, model_id)
    if not found:
        raise StudyError(f"model {model_id!r} is not in the study; store it before what refers to it")
    return found[0]


def _entry_row(entry: LabelEntry) -> dict[str, Any]:
    whole = entry.version if entry.kind == "annotation" else entry.model
    if whole is None or entry.kind not in ("annotation", "pseudo"):
        raise StudyError(
            f"label set: slice {entry.slice_id!r} is {entry.kind!r} with version {entry.version} and model "
            f"{entry.model}; wanted annotation with a version, or pseudo with a model"
        )
    return vars(entry) | {"weight": float(entry.weight)}
