"""What a model said of slices before the expert answered them, beside the Dice that the answers show."""

from __future__ import annotations

from collections.abc import Mapping

from askance.active.calibration import FEATURES
from askance.active.study import Study, by_case
from askance.metrics.dice import slices_dice
from askance.records import Query, slice_id

Seen = Mapping[str, float]


def answered_pairs(study: Study, cycle: int) -> tuple[list[Seen], list[float]]:
    """Measures and Dice, on the working grid, of the slices asked up to ``cycle``, as predicted by the model that asked."""
    seen: list[Seen] = []
    dice: list[float] = []
    for query in study.store.queries():
        if query.model is not None and query.cycle <= cycle:
            for measures, value in _pairs_of(study, query, query.model):
                seen.append(measures)
                dice.append(value)
    return seen, dice


def _pairs_of(study: Study, query: Query, model: str) -> list[tuple[Seen, float]]:
    asked = set(query.slice_ids)
    said = {one.slice_id: one.measures for one in study.store.predictions.of(model) if one.slice_id in asked}
    answers = {one.slice_id: one for one in study.store.annotations() if one.slice_id in said}
    usable = [name for name in answers if said[name].keys() >= FEATURES.keys()]
    pairs: list[tuple[Seen, float]] = []
    for case, indices in by_case(usable).items():
        predicted = study.store.predictions.labels(model, case)
        for index in indices:
            name = slice_id(case, study.config.grid.axis, index)
            truth = study.annotation_on_grid(answers[name])
            value = slices_dice(predicted[index][None], truth[None], len(study.config.classes))
            pairs.append((said[name], float(value[0])))
    return pairs
