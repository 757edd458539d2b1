"""Halves of the base judge each other, so that the score has something to learn from before anything was asked."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from askance.active import crossing
from askance.active.calibration import LEAN, Calibration, fit
from askance.active.crossing import halves_of
from askance.active.experts import expert_of
from askance.active.loop import Unwatched, collaborate
from askance.learning.batches import TrainingData
from askance.records import parse_slice_id
from made_studies import TINY, make_study, write_dataset

CROSSING = TINY["training"] | {"crossing": 0.5}


@pytest.fixture
def study(tmp_path):
    """Three patients of six slices to learn from, nine of them in the base."""
    settings = {"expert": "simulated", "budget": {"base": 9, "total": 15, "cycles": 1}, "training": CROSSING}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), **settings) as made:
        yield made


def _patients(slice_ids):
    return {parse_slice_id(one)[0] for one in slice_ids}


def test_no_slice_is_judged_by_a_model_that_has_seen_its_patient(study, monkeypatch):
    learnt, judged, train, predict = [], [], crossing.train, crossing.predict_case
    monkeypatch.setattr(crossing, "train", lambda run: learnt.append(run) or train(run))

    def note(study, predictor, case):
        judged.append((len(learnt), case.id))
        return predict(study, predictor, case)

    monkeypatch.setattr(crossing, "predict_case", note)
    collaborate(study, expert_of(study))
    assert [run.steps for run in learnt] == [round(5 * study.config.training.crossing)] * 2
    assert sum(len(run.data.slice_ids) for run in learnt) == 9
    assert learnt[0].seed != learnt[1].seed
    for number, run in enumerate(learnt, start=1):
        assert not _patients(run.data.slice_ids) & {case for at, case in judged if at == number}
    assert len(judged) == 3


def test_later_models_learn_from_the_base_s_halves_and_from_the_answers(study):
    collaborate(study, expert_of(study))
    base, last = (study.store.model(name) for name in ("cycle-000", "cycle-001"))
    crossed = base.info["crossed"]
    assert 0 < len(crossed["dice"]) == len(crossed["seen"]) <= 9
    assert np.isfinite(crossed["dice"]).all()
    assert base.info["calibration"]["pairs"] == len(crossed["dice"])
    assert Calibration.from_info(base.info) == fit(base.info["crossed"]["seen"], base.info["crossed"]["dice"]) != LEAN
    assert last.info["crossed"] == base.info["crossed"]
    assert last.info["calibration"]["pairs"] > base.info["calibration"]["pairs"]


def test_what_the_halves_left_of_their_progress_goes_with_the_model(study):
    collaborate(study, expert_of(study))
    assert sorted(path.name for path in (study.store.folder / "models").iterdir()) == ["cycle-000", "cycle-001"]


def test_one_bar_shows_both_halves_the_whole_and_what_it_goes_on_with(study, monkeypatch):
    shown = []
    watcher = Unwatched()
    monkeypatch.setattr(watcher, "training", shown.append, raising=False)
    collaborate(study, expert_of(study), watcher)
    half, further = round(5 * study.config.training.crossing), round(5 * study.config.pseudo.more)
    bar = 2 * half + 5 + further
    base = [(step.number, step.steps) for step in shown if step.steps == bar]
    assert base == [(half, bar), (2 * half, bar), (2 * half + 5, bar), (bar, bar)]


@pytest.mark.parametrize(("base", "patients"), [(7, 3), (6, 1)])
def test_a_base_that_is_too_small_or_of_one_patient_is_not_halved(base, patients):
    data = _data([f"p{number % patients}/2/{number}" for number in range(base)])
    assert halves_of(_Cases(), data, seed=0) == []


@given(st.lists(st.integers(0, 5), min_size=8, max_size=60), st.integers(0, 9))
def test_halves_hold_every_annotated_slice_once_and_each_patient_on_one_side(owners, seed):
    assume(len(set(owners)) > 1)
    data = _data([f"p{owner}/2/{number}" for number, owner in enumerate(owners)], pseudo=3)
    first, second = halves_of(_Cases(), data, seed)
    assert sorted([*first, *second]) == list(range(len(owners)))
    sides = [{data.slice_ids[place].split("/")[0] for place in half} for half in (first, second)]
    assert all(sides)
    assert not sides[0] & sides[1]


class _Cases:
    """A study whose cases are called as their patients."""

    def cases_by_id(self):
        return {f"p{number}": SimpleNamespace(patient=f"p{number}") for number in range(6)}


def _data(annotated, pseudo=0):
    ids = (*annotated, *(f"q/2/{number}" for number in range(pseudo)))
    kinds = np.arange(len(ids)) >= len(annotated)
    count = len(ids)
    return TrainingData(ids, np.zeros((count, 8, 8), np.uint8), np.ones((count, 1, 1)), kinds, np.full((count, 2), 8))


@pytest.mark.parametrize("training", [TINY["training"], CROSSING])
def test_nothing_is_crossed_where_it_is_turned_off_or_nothing_is_left_to_rank(tmp_path, training):
    budget = {"base": 18 if training is CROSSING else 9, "total": 18, "cycles": 0}
    settings = {"expert": "simulated", "budget": budget, "training": training}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), **settings) as study:
        collaborate(study, expert_of(study))
        assert Calibration.from_info(study.store.model("cycle-000").info) == LEAN
