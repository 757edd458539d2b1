"""What a model said of slices before the expert answered them, beside the Dice that the answers show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from askance.active.calibration import FEATURES
from askance.active.study import Study, by_case
from askance.metrics.dice import slices_dice
from askance.records import Prediction, Query, slice_id

Seen = Mapping[str, float]


def answered_pairs(study: Study, cycle: int) -> tuple[list[Seen], list[float]]:
    """Measures and Dice, on the working grid, of the slices asked up to ``cycle``, as predicted by the model that asked."""
    asked = [query for query in study.store.queries() if query.cycle <= cycle]
    pairs = [(said.measures, dice) for query in asked for said, dice in answers_of(study, query)]
    usable = [(seen, dice) for seen, dice in pairs if seen.keys() >= FEATURES.keys()]
    return [seen for seen, _ in usable], [dice for _, dice in usable]


def answers_of(study: Study, query: Query) -> Iterator[tuple[Prediction, float]]:
    """What the model that asked ``query`` had said of each slice answered since, and its Dice on the working grid.

    The Dice is not a number where both are empty. Nothing comes from a query that no model asked.
    """
    model, asked = query.model, set(query.slice_ids)
    if model is None:
        return
    said = {one.slice_id: one for one in study.store.predictions.of(model) if one.slice_id in asked}
    answers = {one.slice_id: one for one in study.answers() if one.slice_id in said}
    cases = study.cases_by_id()
    for case, indices in by_case(list(answers)).items():
        predicted = study.store.predictions.labels(model, case)
        for index in indices:
            name = slice_id(case, study.config.grid.axis, index)
            truth = study.annotation_on_grid(answers[name], cases[case])
            dice = slices_dice(predicted[index][None], truth[None], len(study.config.classes))
            yield said[name], float(dice[0])
