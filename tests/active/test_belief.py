"""Pseudo-labels are learnt from only where the answers bear the model out."""

from dataclasses import replace

import numpy as np
import pytest

from askance import api
from askance.active import belief
from askance.active.belief import Belief, belief_in
from askance.active.experts import expert_of
from askance.active.label_sets import label_entries
from askance.active.loop import Turn, Unwatched
from askance.records import Prediction
from askance.report.tables import budget_table
from made_studies import TINY, make_study, write_dataset


@pytest.fixture
def study(tmp_path):
    """A study with an answered base and query; triage trusts every slice."""
    settings = {**TINY, "pseudo": {"by": "last", "threshold": 0.6, "share": 0.5}}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated", **settings) as made:
        turn, expert = Turn(made, Unwatched()), expert_of(made)
        turn.answer(turn.ask_base(), expert)
        query = turn.ask(1, turn.train(0))
        turn.answer(query, expert)
        said = made.store.predictions.of("cycle-000")
        made.store.predictions.save_triage([replace(one, triage="pseudo", weight=1.0) for one in said])
        yield made


def _said(study, monkeypatch, *pairs):
    """Let the answers to the query show ``pairs`` of score and Dice."""
    answers = [(Prediction(f"p1/2/{place}", "cycle-000", score), dice) for place, (score, dice) in enumerate(pairs)]
    monkeypatch.setattr(belief, "answers_of", lambda *_: answers)


def _taught(study):
    return [entry.kind for entry in label_entries(study, 1)].count("pseudo")


def test_answers_that_bear_the_model_out_let_its_pseudo_labels_in(study, monkeypatch):
    _said(study, monkeypatch, (0.9, 0.8), (0.8, 0.5), (0.7, 0.8), (0.1, 0.0))
    found = belief_in(study, 1)
    assert (found.slices, found.holds) == (3, True)
    assert found.dice == pytest.approx(0.7)
    assert _taught(study) > 0


def test_a_model_that_is_sure_and_wrong_teaches_nothing(study, monkeypatch):
    _said(study, monkeypatch, (0.9, 0.2), (0.8, 0.3), (0.7, 0.4))
    assert belief_in(study, 1) == Belief(3, pytest.approx(0.3), holds=False)
    assert _taught(study) == 0
    assert all(entry.kind == "annotation" for entry in label_entries(study, 1))


def test_a_few_answers_that_scatter_are_no_proof(study, monkeypatch):
    _said(study, monkeypatch, (0.9, 0.3), (0.8, 0.5), (0.7, 0.8))
    assert belief_in(study, 1) == Belief(3, pytest.approx(0.5333, abs=1e-4), holds=True)


def test_slices_without_a_dice_say_nothing(study, monkeypatch):
    _said(study, monkeypatch, (0.9, np.nan), (0.8, np.nan), (0.9, 0.2), (0.8, 0.3), (0.7, 0.4))
    assert belief_in(study, 1) == Belief(3, pytest.approx(0.3), holds=False)


def test_too_few_answers_decide_nothing(study, monkeypatch):
    _said(study, monkeypatch, (0.9, 0.0), (0.8, 0.0), (0.5, 0.0))
    assert belief_in(study, 1) == Belief(2, None, holds=True)
    assert _taught(study) > 0


def test_the_base_was_asked_by_no_model(study):
    assert belief_in(study, 0) == Belief()


def test_the_answers_themselves_are_compared_with_what_was_said_of_them(study):
    settings = study.config.model_copy(update={"pseudo": study.config.pseudo.model_copy(update={"threshold": 0.0})})
    study.store.save_config(settings)
    asked = study.store.query(1).slice_ids
    assert belief_in(study, 1).slices == len(asked) > 0


def test_the_table_says_why_nothing_was_pseudo_labelled(study, monkeypatch):
    _said(study, monkeypatch, (0.9, 0.2), (0.8, 0.3), (0.7, 0.4))
    Turn(study, Unwatched()).train(1)
    records = api.records(study)
    assert records[1]["triage"]["pseudo"] == 0 < records[1]["triage"]["hold"]
    assert records[1]["belief"] == {"slices": 3, "dice": pytest.approx(0.3), "holds": False}
    assert budget_table(records)[1]["Pseudo-labelled"] == "none: Dice 0.30 on 3 asked that it trusted"


@pytest.mark.parametrize("state", ["skipped", "unreadable"])
def test_what_was_set_aside_after_an_answer_is_learnt_from_no_more(study, monkeypatch, state):
    asked, before = study.store.query(1).slice_ids[0], study.store.budget()["labelled"]
    monkeypatch.setattr("askance.store.leases.ever_held", lambda *_: True)  # the simulated expert holds nothing
    study.store.desk.add_user("anna", "expert", 1, "test")
    study.store.desk.reopen(asked, "anna", "tab")
    study.store.desk.set_aside(asked, state, "blurred", "anna", "tab")
    assert "annotation" not in {entry.kind for entry in label_entries(study, 1) if entry.slice_id == asked}
    assert study.store.budget()["labelled"] == before - 1
    study.store.save_label_set(label_entries(study, 1))


def test_ranking_again_leaves_what_was_triaged(study):
    before = study.store.predictions.of("cycle-000")
    settings = study.config.model_copy(update={"acquisition": "errors"})
    study.store.save_config(settings)
    api.rank(study)
    assert study.store.predictions.of("cycle-000") == before
