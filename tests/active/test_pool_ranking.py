"""How much of the pool a query is chosen among."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askance import api
from askance.active import querying, ranking
from askance.active.querying import ask
from askance.active.ranking import rank_pool, slices_to_rank
from askance.active.study import Study, by_case
from askance.errors import UsageError
from askance.records import Prediction, parse_slice_id
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division
from made_studies import TINY, answer, make_study

BUDGET: dict[str, Any] = {"base": 2, "total": 6, "cycles": 2, "ranked": 2}
START: dict[str, Any] = {"start": "slices", "slices": ["p1/2/1", "p2/2/2"]}


@pytest.fixture
def waiting(tmp_path: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """Two of three patients have a label each, and one case holds more than twice what is asked."""
    monkeypatch.setattr(ranking, "_FEWEST", 1)
    with make_study(tmp_path / "study", tiny_dataset, expert="simulated", budget={**BUDGET, **START, "cycles": 0}) as study:
        api.run(study)
        yield study


def change(study: Study, budget: dict[str, Any] | None = None, **settings: Any) -> None:
    settings["budget"] = study.config.budget.model_copy(update={**BUDGET, **(budget or {})})
    study.store.save_config(study.config.model_copy(update=settings))


def cases(slice_ids: list[str]) -> list[str]:
    return list(by_case(slice_ids))


def test_the_patient_without_a_label_is_looked_at_first_and_whole(waiting: Study) -> None:
    change(waiting)
    assert slices_to_rank(waiting, 1) == [f"p3/2/{index}" for index in range(6)]


def test_a_patients_labels_count_in_all_of_its_cases(
    tmp_path: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_FEWEST", 1)
    patients = {"p1": "twice", "p2": "twice", "p3": "once", "p4": "other"}
    asked = {"base": 4, "total": 8, "slices": ["p1/2/1", "p1/2/3", "p2/2/2", "p3/2/1", "p3/2/3"], "cycles": 0}
    settings = {**TINY, "expert": "simulated", "budget": {**BUDGET, **START, **asked}}
    division = Division(table=patients)
    with api.init(tmp_path / "study", find_dataset(tiny_dataset), division=division, settings=settings) as study:
        api.run(study)
        change(study, {"total": 6})
        assert cases(slices_to_rank(study, 1)) == ["p3"], "two labels, the other patient has three in two cases"


@pytest.mark.parametrize("measured", ["p1/2/1", "p2/2/2"])
def test_what_is_only_measured_by_is_no_label_of_a_patient(
    waiting: Study, monkeypatch: pytest.MonkeyPatch, measured: str
) -> None:
    change(waiting, {"ranked": 4})
    monkeypatch.setattr(Study, "validation_ids", lambda _: {measured})
    assert set(cases(slices_to_rank(waiting, 1))) == {"p3", parse_slice_id(measured)[0]}


def test_more_are_looked_at_where_more_are_asked_or_wanted(waiting: Study) -> None:
    change(waiting, {"ranked": 4})
    assert len(cases(slices_to_rank(waiting, 1))) == 2
    change(waiting, {"ranked": 0})
    assert len(slices_to_rank(waiting, 1)) == 16


def test_small_pools_are_looked_at_whole(waiting: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_FEWEST", 16)
    change(waiting)
    assert len(slices_to_rank(waiting, 1)) == 16


def test_the_query_is_chosen_among_what_was_looked_at_and_only_that_is_pseudo_labelled(waiting: Study) -> None:
    change(waiting, acquisition="foreground-random")
    api.run(waiting)
    first = waiting.store.query(1)
    assert first is not None
    assert cases(list(first.slice_ids)) == ["p3"]
    judged = [one for one in waiting.store.predictions.of("cycle-000") if one.triage is not None]
    assert {parse_slice_id(one.slice_id)[0] for one in judged} == {"p3"}
    assert {one.slice_id for one in judged}.isdisjoint(first.slice_ids)


@pytest.mark.parametrize("blind", ["random", "strided", "true-foreground-random"])
def test_what_is_asked_without_a_look_at_the_model_gets_its_proposal_all_the_same(waiting: Study, blind: str) -> None:
    change(waiting, {"total": 10}, acquisition=blind)
    api.run(waiting)
    query = waiting.store.query(1)
    assert query is not None
    assert len(cases(list(query.slice_ids))) > 1, "chosen from the whole pool"
    assert set(query.slice_ids) <= {one.slice_id for one in waiting.store.predictions.of("cycle-000")}


def test_the_same_is_looked_at_after_the_query_is_out_and_while_it_is_answered(waiting: Study) -> None:
    change(waiting, {"total": 12}, acquisition="cover")
    before = slices_to_rank(waiting, 1)
    api.query(waiting)
    assert slices_to_rank(waiting, 1) == before
    query = waiting.store.query(1)
    assert query is not None
    answer(waiting, [query.slice_ids[0]])
    assert set(query.slice_ids) <= set(slices_to_rank(waiting, 1))


def test_an_acquisition_that_was_told_nothing_says_what_it_needs(waiting: Study) -> None:
    change(waiting, acquisition="entropy")
    rank_pool(waiting, "cycle-000", (), slices=[])
    with pytest.raises(UsageError, match=r"needs \['entropy'\], which cycle-000 said of no pool slice; run `askance rank`"):
        ask(waiting, 1, "cycle-000")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ((0.2, 0.5, 0.9), "the lowest of 3 slices seen, no foreground predicted"),
        ((0.2, 0.2, 0.9), "among the 2 lowest of 3 slices seen"),
        ((0.2, 0.1, 0.9), "1 of 3 slices seen are lower"),
    ],
)
def test_the_reason_says_where_a_slice_stands_among_those_seen(scores: tuple[float, ...], said: str) -> None:
    known = {f"p1/2/{at}": Prediction(f"p1/2/{at}", "m", one, None, {"foreground": 0.0}) for at, one in enumerate(scores)}
    assert f"cover: expected Dice 0.20, {said}" in querying._why("cover", known["p1/2/0"], np.sort(scores))
