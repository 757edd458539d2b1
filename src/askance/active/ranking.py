"""Algorithm 1, lines 6 and 8: G and D say what they think of the pool, or of as much of it as a query is chosen among."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askance.active.calibration import FEATURES, LEAN, Calibration
from askance.active.measures import MEASURES, PLACE, VECTOR_MEASURES, given, measures_of
from askance.active.querying import query_size
from askance.active.scores import d_raw, score_maps, slice_scores
from askance.active.study import Study, apart_in, by_case
from askance.learning.outcome import Outcome
from askance.learning.prediction import Predictor
from askance.records import Case, Prediction, parse_slice_id, slice_id

#: Ranking always says where it sees foreground and what is new to it, for the reasons in words, and what the score looked
#: at: answers teach it.
_ALWAYS = ("foreground", "novelty", *FEATURES)
_FEWEST = 200  # slices that are looked at whatever the query: a few seconds
_RANKING_STREAM = 11  # keeps this file's random numbers apart from those of queries and training with the same seed


def slices_to_rank(study: Study, cycle: int) -> list[str]:
    """Ids of what the query of ``cycle`` is chosen among, in whole cases: the least labelled patients' first, else by lot.

    Together they hold ``budget.ranked`` times as many pool slices as are asked, and at least 200; 0: all there are. What is
    asked already is among them, and skipped slices, which are not asked again but may be pseudo-labelled.
    """
    query = study.store.query(cycle)
    asked = frozenset(query.slice_ids) if query else frozenset[str]()
    learn = study.store.slices("learn")
    pool = {one.id for one in study.pool()} | asked
    usable = {one.id for one in study.store.slices("learn", {"pool", "skipped"})} | asked
    wanted = max(study.config.budget.ranked * (len(asked) or query_size(study, cycle)), _FEWEST)
    if study.config.budget.ranked == 0 or len(pool) <= wanted:
        return [one.id for one in learn if one.id in usable]
    drawn = _least_labelled(study, cycle, Counter(one.case for one in learn if one.id in pool), wanted)
    return [one.id for one in learn if one.id in asked or (one.id in usable and one.case in drawn)]


def _least_labelled(study: Study, cycle: int, depths: Mapping[str, int], wanted: int) -> set[str]:
    """Of the cases that hold so many pool slices each, as many as hold ``wanted`` together."""
    patients = {case.id: case.patient for case in study.store.cases("learn")}
    unassisted = study.validation_ids()  # never learnt from
    answered = by_case([one.slice_id for one in study.answers() if one.slice_id not in unassisted])
    labels = Counter(patients[case] for case, indices in answered.items() if case in patients for _ in indices)
    rng = np.random.default_rng((study.config.seed, _RANKING_STREAM, cycle))
    lots = dict(zip(sorted(depths), rng.permutation(len(depths))))
    ordered = sorted(depths, key=lambda case: (labels[patients[case]], lots[case]))
    before = np.cumsum([0] + [depths[case] for case in ordered])
    return {case for case, held in zip(ordered, before) if held < wanted}


def rank_pool(
    study: Study,
    model: str,
    needs: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
    slices: Collection[str] | None = None,
) -> list[Prediction]:
    """Predictions of ``slices`` (None: all of the pool and all skipped ones) by ``model``, and those it has made before.

    They are stored case by case, and what is stored is not made again. Where an acquisition wants to know what lies near
    what, the slices of learn that are labelled are predicted, too.
    """
    wanted = [name for name in (*MEASURES, *VECTOR_MEASURES) if name in {*_ALWAYS, *needs}]
    unlabelled = {one.id for one in study.store.slices("learn", {"pool", "skipped"})} if slices is None else set(slices)
    labelled = {one.slice_id for one in study.answers()} if PLACE in wanted else set()
    ids = [one.id for one in study.store.slices("learn") if one.id in unlabelled | labelled]
    pool, done = by_case(ids), _ranked_cases(study, model, set(ids), wanted)
    predictor = None
    for place, (case_id, indices) in enumerate(pool.items()):
        if case_id not in done:
            predictor = predictor or study.predictor(model)
            _rank_case(study, predictor, model, study.store.case(case_id), indices, wanted)
        if progress:
            progress(place + 1, len(pool))
    return study.store.predictions.of(model)


def _ranked_cases(study: Study, model: str, ids: set[str], wanted: list[str]) -> set[str]:
    """Cases whose slices among ``ids`` have every measure that is wanted."""
    known = study.store.predictions.of(model)
    measured = {one.slice_id for one in known if all(given(one.measures, name) for name in wanted)}
    lacking = {parse_slice_id(one)[0] for one in ids - measured}
    return set(study.store.predictions.cases(model)) - lacking


@dataclass(frozen=True)
class Judge:
    """The model whose predictions are judged, its preset, and what it learnt of its own Dice."""

    model: str
    preset: str
    calibration: Calibration = LEAN


def judge_of(study: Study, model: str) -> Judge:
    """Who judges the predictions of ``model``."""
    return Judge(model, study.config.preset, Calibration.from_info(study.store.model(model).info))


def describe(
    outcome: Outcome, judge: Judge, ids: list[str], indices: list[int], wanted: Iterable[str] = ()
) -> list[Prediction]:
    """Predictions of the slices at ``indices`` of one case, which are called ``ids``."""
    raw, measures = d_raw(outcome), measures_of(outcome, wanted)
    known = measures if measures.keys() >= FEATURES.keys() else None
    score = slice_scores(outcome, judge.preset, judge.calibration, known)
    return [
        Prediction(
            one,
            judge.model,
            float(score[index]),
            None if raw is None else float(raw[index]),
            {name: float(values[index]) for name, values in measures.items()},
        )
        for one, index in zip(ids, indices)
    ]


def _rank_case(study: Study, predictor: Predictor, model: str, case: Case, indices: list[int], wanted: list[str]) -> None:
    outcome = predict_case(study, predictor, case)
    ids = [slice_id(case.id, study.config.grid.axis, index) for index in indices]
    predictions = describe(outcome, judge_of(study, model), ids, indices, wanted)
    maps = score_maps(outcome, study.config.preset)
    study.store.predictions.save(model, case.id, predictions, predicted_labels(outcome), maps)


def predict_case(study: Study, predictor: Predictor, case: Case) -> Outcome:
    """What ``predictor`` says of all slices of ``case``."""
    return predictor(study.cache.images_of(case.id), study.extent(case), apart_in(study.grid, case))


def predicted_labels(outcome: Outcome) -> NDArray[np.uint8]:
    """(D, H, W) class ids on the working grid."""
    return outcome.labels()
