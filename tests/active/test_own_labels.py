"""What a model goes on to learn of itself: labels of its own of what nobody labelled, in a training's last part."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from askance import api
from askance.active import own_labels, training
from askance.active.belief import Belief
from askance.active.loop import Unwatched
from askance.active.ranking import predict_case
from askance.active.study import Study
from askance.learning.prediction import FORMER, Predictor
from askance.learning.task import Step
from askance.learning.training import Run
from askance.records import parse_slice_id
from made_studies import TINY, make_study, write_dataset


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Run, dict[str, np.ndarray]]]:
    """Every training that is made, and a copy of the labels that it was given."""
    made: list[tuple[Run, dict[str, np.ndarray]]] = []

    def note(run: Run, train=training.train):
        layers = {name: getattr(run.data, name) for name in ("labels", "pseudo", "seconds", "doubts", "weights")}
        made.append((run, {name: np.array(layer) for name, layer in layers.items() if layer is not None}))
        return train(run)

    monkeypatch.setattr(training, "train", note)
    return made


def made(folder: Path, **settings: Any) -> Study:
    """A simulated study, its cycles from scratch."""
    changed = {"training": TINY["training"] | {"warm_start": False}, "expert": "simulated", **settings}
    return make_study(folder / "study", write_dataset(folder / "data"), **changed)


def ran(folder: Path, **settings: Any) -> Study:
    """One that ran to its end."""
    study = made(folder, **settings)
    api.run(study)
    return study


def test_each_training_goes_on_with_what_it_says_of_the_rest(tmp_path: Path, runs) -> None:
    with ran(tmp_path) as study:
        entries = [study.store.label_set(model.label_set).entries for model in study.store.models()]
        told = [model.info["own_labels"]["slices"] for model in study.store.models()]
        records = api.records(study)
    assert len(runs) == 2 * len(entries) == 6
    for (first, before), (second, given), known, count, record in zip(runs[::2], runs[1::2], entries, told, records):
        assert {entry.kind for entry in known} == {"annotation"}
        assert (first.pseudo_share > 0, first.steps, second.steps) == (True, 5, 2)
        assert not before["pseudo"].any()
        labelled = {entry.slice_id for entry in known}
        own = {name for name, is_own in zip(second.data.slice_ids, given["pseudo"]) if is_own}
        assert own
        assert not own & labelled
        assert labelled == set(second.data.slice_ids) - own
        assert len(own) == count == record["triage"]["pseudo"]
        assert given["doubts"][given["pseudo"]].any()
        assert not given["doubts"][~given["pseudo"]].any()
        np.testing.assert_array_equal(given["labels"][: len(labelled)], before["labels"])
        assert (given["weights"] == 1).all()
        assert second.seed != first.seed


def test_it_goes_on_from_its_own_weights_and_the_model_is_what_comes_of_it(tmp_path: Path, runs) -> None:
    with ran(tmp_path, budget={"base": 3, "total": 3, "cycles": 0}) as study:
        states = training.load_weights(study.store.model_folder("cycle-000"))[0]
    (first, _), (second, _) = runs
    assert first.start is None
    assert second.start is not None
    start, end = second.start["G"], states["G"]
    assert any(not torch.equal(start[name], end[name]) for name in start)
    assert all(torch.equal(start[name], states[FORMER][name]) for name in start), "to say what G no longer doubts"


@pytest.mark.parametrize("pseudo", [{"share": 0.0}, {"more": 0.0}, {"by": "last"}])
def test_it_does_not_where_the_study_says_so(tmp_path: Path, runs, pseudo: dict[str, Any]) -> None:
    with ran(tmp_path, pseudo=pseudo) as study:
        assert len(runs) == len(study.store.models()) == 3
        told = [model.info["own_labels"] for model in study.store.models()]
        assert FORMER not in training.load_weights(study.store.model_folder("cycle-002"))[0]
        assert [(one["slices"], one["cases"]) for one in told] == [(0, [])] * 3
        assert [one["pool"] for one in told] == [len(study.store.slices("learn")) - count for count in (3, 5, 7)]
    assert not any("doubts" in given for _, given in runs)


def test_it_does_not_where_answers_speak_against_the_model_or_nothing_is_left(
    tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_labels, "belief_in", lambda _, cycle: Belief(3, 0.1, holds=cycle == 0))
    with ran(tmp_path / "doubted"):
        assert len(runs) == 4, "the base has no answers yet that could"
    runs.clear()
    with ran(tmp_path / "all", budget={"base": 1000, "total": 1000, "cycles": 0}) as study:
        assert not study.pool()
        assert len(runs) == 1


@pytest.mark.parametrize(("seen", "cases"), [(4, 1), (2 / 7, 2), (0.1, 3)])
def test_no_more_is_predicted_than_the_steps_have_use_for_and_that_in_whole_cases(
    tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch, seen: float, cases: int
) -> None:
    monkeypatch.setattr(own_labels, "_SEEN", seen)  # 2 steps of 2 crops, half of them its own; a case has 6 slices
    with ran(tmp_path, budget={"base": 3, "total": 3, "cycles": 0}) as study:
        pool = {one.id for one in study.pool()}
    own = set(runs[1][0].data.slice_ids[3:])
    shown = {parse_slice_id(name)[0] for name in own}
    assert own == {name for name in pool if parse_slice_id(name)[0] in shown}
    assert len(shown) == cases


class _Shown(Unwatched):
    """What a bar shows of the stage that trains, in order: steps of all its steps, and cases of all cases."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.shown: list[tuple[str, int, int]] = []

    def stage(self, cycle: int, name: str) -> AbstractContextManager[None]:
        self.stages.append(name)
        return super().stage(cycle, name)

    def training(self, step: Step) -> None:
        self.shown.append(("step", step.number, step.steps))

    def count(self, done: int, total: int) -> None:
        if self.stages[-1] == "train":
            self.shown.append(("case", done, total))


def test_the_bar_goes_on_while_a_model_labels_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_labels, "_SEEN", 0.1)  # of all cases
    with made(tmp_path, budget={"base": 3, "total": 3, "cycles": 0}) as study:
        api.run(study, watcher := _Shown())
    assert [one for one in watcher.shown if one[0] == "case"] == [("case", 0, 3), ("case", 1, 3), ("case", 2, 3)]
    places = [place for place, (kind, *_) in enumerate(watcher.shown) if kind == "case"]
    assert watcher.shown[places[0] - 1] == ("step", 5, 7), "after the labels' part"
    assert watcher.shown[-1] == ("step", 7, 7)


def test_what_the_next_query_is_chosen_among_is_learnt_from_last(
    tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        own_labels, "slices_to_rank", lambda _, cycle: [f"p{1 + cycle % 3}/2/0", f"p{1 + (cycle + 1) % 3}/2/0"]
    )
    with ran(tmp_path) as study:
        assert [model.info["own_labels"]["cases"] for model in study.store.models()] == [["p1"], ["p2"], ["p3"]]


def test_each_slice_is_taught_as_the_first_part_predicts_it(tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_labels, "_SEEN", 0.1)  # of all cases
    teachers: list[Predictor] = []
    monkeypatch.setattr(training, "Predictor", lambda *given: teachers.append(Predictor(*given)) or teachers[-1])
    with ran(tmp_path, budget={"base": 3, "total": 3, "cycles": 0}) as study:
        (_, _), (second, given) = runs
        for place, name in enumerate(second.data.slice_ids[3:], start=3):
            case, _, index = parse_slice_id(name)
            outcome = predict_case(study, teachers[0], study.store.case(case))
            wanted = (outcome.labels(), *outcome.doubts())
            for layer, found in zip(("labels", "seconds", "doubts"), wanted):
                np.testing.assert_array_equal(given[layer][place], found[index])


def test_a_second_part_of_other_slices_is_another_training(tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    base = {"base": 3, "total": 3, "cycles": 0}
    ran(tmp_path / "one", budget=base).store.close()
    lost, known = runs[1][0].data.slice_ids[3], own_labels.unlabelled
    monkeypatch.setattr(own_labels, "unlabelled", lambda study: [name for name in known(study) if name != lost])
    ran(tmp_path / "two", budget=base).store.close()
    one, two = runs[:2], runs[2:]
    assert lost not in two[1][0].data.slice_ids
    assert one[0][0].fingerprint == two[0][0].fingerprint
    assert one[1][0].fingerprint != two[1][0].fingerprint


def test_what_is_measured_by_is_never_learnt_from(tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_labels, "_SEEN", 0.1)
    monkeypatch.setattr(Study, "validation_ids", lambda _: {"p2/2/1"})
    with ran(tmp_path, budget={"base": 3, "total": 3, "cycles": 0}) as study:
        assert study.store.state("p2/2/1") == "pool"
    assert "p2/2/1" not in runs[1][0].data.slice_ids


def test_a_semi_supervised_training_shows_no_slice_both_with_and_without_a_label(tmp_path: Path, runs) -> None:
    with ran(tmp_path, training=TINY["training"] | {"objective": "souly"}):
        for run, _ in runs[1::2]:
            assert run.data.unlabelled
            assert not set(run.data.unlabelled) & set(run.data.slice_ids)
            assert len(run.data.unlabelled_extents) == len(run.data.unlabelled)


def test_nothing_of_it_stays_behind(tmp_path: Path, runs, monkeypatch: pytest.MonkeyPatch) -> None:
    every = training.train
    monkeypatch.setattr(training, "train", lambda run: every(replace(run, save_every_s=0.0)))
    with ran(tmp_path) as study:
        assert not (study.store.folder / "cache" / "training").exists()
        assert not list((study.store.folder / "models").glob("*.progress*"))
