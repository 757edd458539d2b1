"""Algorithm 1 over stored state: budgets, resuming, waiting, what each training learnt from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askance import api
from askance.active import loop, querying, training
from askance.active.acquisition import ACQUISITIONS
from askance.active.diversity import CoreSet
from askance.active.experts import HumanExpert, SimulatedExpert, expert_of
from askance.active.loop import Unwatched, collaborate
from askance.active.study import Study
from askance.active.uncertainty import Extreme
from askance.errors import AskanceError, SourceChanged, SplitError, StudyBusy, UsageError, WaitingForExpert
from askance.learning.outcome import DIRECTIONS
from askance.records import Case
from askance.report.tables import budget_table
from askance.store.answers import Answer
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division
from made_studies import TEST, answer, truth_of, write_dataset, write_volume

SETTINGS: dict[str, Any] = {
    "expert": "simulated",
    "budget": {"base": 4, "total": 11, "cycles": 2},
    "network": {"width": 4, "discriminator_width": 4},
    "training": {"min_steps": 4, "max_steps": 4, "batch": 4, "crop": [16, 16], "views": 2},
    "pseudo": {"threshold": 0.0},
}


@pytest.fixture
def make_study(tmp_path: Path, tiny_dataset: Path) -> Callable[..., Study]:
    def make(name: str = "study", **settings: Any) -> Study:
        return api.init(tmp_path / name, find_dataset(tiny_dataset), settings={**SETTINGS, **settings})

    return make


def weights(study: Study) -> list[str]:
    return [model.weights_sha256 for model in study.store.models()]


def test_the_loop_spends_its_budget_to_the_slice_and_the_last_cycle_takes_the_remainder(
    make_study: Callable[..., Study],
) -> None:
    with make_study() as study:
        records = api.run(study)
        assert [record["labelled_slices"] for record in records] == [4, 7, 11]
        assert [len(query.asked) for query in study.store.queries()] == [4, 3, 4]
        assert records[-1]["budget"] == pytest.approx(11 / records[-1]["learn_slices"])
        assert records[-1]["queried_share"] == pytest.approx(7 / records[-1]["learn_slices"])


def test_every_answer_is_trained_on_and_no_pseudo_label_stands_for_an_answered_slice(
    make_study: Callable[..., Study],
) -> None:
    with make_study(pseudo={"by": "last", "threshold": 0.0}) as study:
        api.run(study)
        for cycle, model in enumerate(study.store.models()):
            entries = study.store.label_set(model.label_set).entries
            true = {entry.slice_id for entry in entries if entry.kind == "annotation"}
            pseudo = {entry.slice_id for entry in entries if entry.kind == "pseudo"}
            answered = {one for query in study.store.queries() if query.cycle <= cycle for one in query.slice_ids}
            assert true == answered
            assert not pseudo & answered
            assert bool(pseudo) == (cycle > 0)


def test_a_run_repeats_to_the_last_bit_and_running_again_changes_nothing(make_study: Callable[..., Study]) -> None:
    with make_study("one") as one, make_study("two") as two:
        api.run(one)
        api.run(two)
        assert weights(one) == weights(two)
        lines = (one.store.folder / "log/cycles.jsonl").read_text()
        api.run(one)
        assert (one.store.folder / "log/cycles.jsonl").read_text() == lines
        assert [json.loads(line)["cycle"] for line in lines.splitlines()] == [0, 1, 2]


@pytest.mark.parametrize("broken", ["rank_pool", "ask", "triage", "train_cycle", "measure"])
def test_a_run_that_breaks_at_any_step_ends_with_the_same_weights(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    whole, calls = getattr(loop, broken), []

    def breaks_once(*arguments: Any) -> Any:
        done = whole(*arguments)
        calls.append(broken)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return done

    with make_study("undisturbed") as study:
        api.run(study)
        expected = weights(study), [query.slice_ids for query in study.store.queries()]
    with make_study("broken") as study:
        monkeypatch.setattr(loop, broken, breaks_once)
        with pytest.raises(KeyboardInterrupt):
            api.run(study)
        api.run(study)
        assert (weights(study), [query.slice_ids for query in study.store.queries()]) == expected


def test_with_a_human_the_loop_waits_and_goes_on_when_the_answers_are_in(make_study: Callable[..., Study]) -> None:
    with make_study(expert="human", budget={"base": 3, "total": 5, "cycles": 1}) as study:
        given = len(study.store.annotations())
        assert given > 0, "labels that came with learn's cases are taken as answered"
        api.train(study)
        with pytest.raises(UsageError, match="used up"):
            api.query(study)


def test_a_partly_answered_query_still_waits(make_study: Callable[..., Study]) -> None:
    with make_study() as study:
        with pytest.raises(WaitingForExpert, match="4 of 4 slices wait"):
            collaborate(study, HumanExpert())
        query = study.store.query(0)
        assert query is not None
        answers = [one for of_case in SimulatedExpert(study).answers(query) for one in of_case]
        study.store.save_answers(answers[:3])
        with pytest.raises(WaitingForExpert, match="1 of 4 slices wait"):
            collaborate(study, HumanExpert())
        study.store.set_aside(answers[3].slice_id, "unreadable", "ghosting", "dr")
        with pytest.raises(WaitingForExpert, match="cycle 1"):
            collaborate(study, HumanExpert())
        assert len(study.store.label_set(study.store.models()[0].label_set).entries) == 3


def test_simulated_answers_are_stored_case_by_case_and_a_kill_between_them_loses_none(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_study(budget={"base": 9, "total": 9, "cycles": 0}) as study:
        query, stored = loop.Turn(study, Unwatched()).ask_base(), []
        truth = Study.truth

        def killed_at_the_second(self: Study, case: Case) -> Any:
            stored.append({one.slice_id.split("/")[0] for one in study.store.annotations()})
            if len(stored) == 2:
                raise KeyboardInterrupt
            return truth(self, case)

        monkeypatch.setattr(Study, "truth", killed_at_the_second)
        turn = loop.Turn(study, Unwatched())
        with pytest.raises(KeyboardInterrupt):
            turn.answer(query, SimulatedExpert(study))
        turn.answer(query, SimulatedExpert(study))
        assert [len(cases) for cases in stored] == [0, 1, 1, 2]
        assert [(one.slice_id, one.version) for one in study.store.annotations(latest=False)] == [
            (one, 1) for one in sorted(query.slice_ids)
        ]


def test_validation_slices_are_answered_without_a_proposal_counted_and_never_trained_on(
    make_study: Callable[..., Study],
) -> None:
    with make_study(budget={"base": 3, "total": 9, "cycles": 1, "validation": 3}) as study:
        records = api.run(study)
        drawn = study.validation_ids()
        assert len(drawn) == 3
        assert [record["labelled_slices"] for record in records] == [6, 9]
        for model in study.store.models():
            assert not drawn & {entry.slice_id for entry in study.store.label_set(model.label_set).entries}
        assert all(study.store.annotation(one).proposal is None for one in drawn)  # type: ignore[union-attr]
    assert all(record["dice"] is not None for record in records)
    assert {record["estimate"]["n"] for record in records} <= {1, 2, 3}, "they were paid for beside labelled test volumes"


def test_effort_is_what_the_expert_changed_in_the_proposal(make_study: Callable[..., Study]) -> None:
    with make_study() as study:
        api.run(study)
        query = study.store.query(1)
        assert query is not None
        for slice_id in query.slice_ids:
            annotation = study.store.annotation(slice_id)
            assert annotation is not None
            assert annotation.effort is not None
            case, _, index = slice_id.rsplit("/", 2)
            proposal = study.from_grid(study.store.predictions.labels("cycle-000", case)[int(index)], study.store.case(case))
            assert annotation.effort.changed_voxels == (study.store.read_annotation(annotation) != proposal).sum()


def test_an_acquisition_decides_what_is_asked(make_study: Callable[..., Study]) -> None:
    with make_study("score", acquisition="score") as one, make_study("random", acquisition="random") as two:
        api.run(one)
        api.run(two)
        asked = [study.store.query(1) for study in (one, two)]
        assert asked[0] != asked[1]
        ranked = [prediction for prediction in one.store.predictions.of("cycle-000") if prediction.slice_id[:1] != "t"]
        lowest = asked[0].asked[0].score  # type: ignore[union-attr]
        learn = {case.id for case in one.store.cases("learn")}
        assert lowest == min(p.score for p in ranked if p.slice_id.split("/")[0] in learn)


def test_a_core_set_minds_what_is_labelled_and_never_trains_on_its_own_word_for_it(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, known = CoreSet.beside, []
    monkeypatch.setattr(CoreSet, "beside", lambda self, labelled: known.append(labelled) or beside(self, labelled))
    with make_study(acquisition="core-set") as study:
        records = api.run(study)
        base = study.store.query(0)
        assert base is not None
        assert {one.slice_id for one in known[0]} == set(base.slice_ids)
        assert {len(one.measures) for one in known[0]} == {DIRECTIONS}
        assert len(known[-1]) == len(base.slice_ids) + len(study.store.query(1).slice_ids)  # type: ignore[union-attr]
        learn = records[-1]["learn_slices"]
        assert records[1]["triage"]["pool"] == learn - records[1]["labelled_slices"]


def test_preset_paper_runs_from_one_patient_and_ranks_by_its_discriminator(tmp_path: Path, tiny_dataset: Path) -> None:
    settings = {
        "expert": "simulated",
        "budget": {"total": 0.6},
        "network": {"width": 4, "discriminator_width": 4},
        "training": {"min_steps": 3, "max_steps": 3, "batch": 2},
    }
    with api.init(tmp_path / "paper", find_dataset(tiny_dataset), preset="paper", settings=settings) as study:
        records = api.run(study)
        base = study.store.query(0)
        assert base is not None
        assert len({study.store.case(one.split("/")[0]).patient for one in base.slice_ids}) == 1
        assert [record["acquisition"] for record in records] == ["patients", "d_raw"]
        entries = study.store.label_set(study.store.models()[-1].label_set).entries
        assert {entry.weight for entry in entries} == {1.0}
        assert len(entries) == records[-1]["learn_slices"]


def test_a_warm_start_goes_on_from_the_last_cycle_in_fewer_steps(make_study: Callable[..., Study]) -> None:
    with make_study(training={**SETTINGS["training"], "warm_start": True, "warm_share": 0.5}) as study:
        api.run(study)
        assert [model.parent for model in study.store.models()] == [None, "cycle-000", "cycle-001"]
        assert [model.info["steps"] for model in study.store.models()] == [5, 3, 3], "4 and 2, and one on its own labels"


class _Stages(Unwatched):
    """Remembers which stages ran."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    def stage(self, cycle: int, name: str) -> AbstractContextManager[None]:
        self.seen.append((cycle, name))
        return super().stage(cycle, name)


def test_nothing_is_said_to_be_trained_that_is_trained_already(make_study: Callable[..., Study]) -> None:
    first, again = _Stages(), _Stages()
    with make_study() as study:
        collaborate(study, expert_of(study), first)
        collaborate(study, expert_of(study), again)
    assert [cycle for cycle, name in first.seen if name == "train"] == [0, 1, 2]
    assert not {name for _, name in again.seen} & {"train", "measure", "rank", "triage"}


def test_a_second_process_is_told_that_the_study_is_busy(make_study: Callable[..., Study]) -> None:
    with (
        make_study() as study,
        Study.open(study.store.folder) as other,
        study.store.lock(),
        pytest.raises(StudyBusy, match=r"process \d+ on"),
    ):
        api.run(other)


def test_a_corrected_answer_is_what_the_next_training_learns_from(make_study: Callable[..., Study]) -> None:
    with make_study(budget={"base": 4, "total": 4, "cycles": 0}) as study:
        api.run(study)
        first = study.store.annotations()[0]
        labels = np.zeros_like(study.store.read_annotation(first))
        study.store.save_answers([Answer(first.slice_id, labels, "dr")])
        versions = {entry.slice_id: entry.version for entry in training.label_entries(study, 1)}
        assert versions[first.slice_id] == 2


def test_a_small_budget_is_spent_one_slice_a_cycle(make_study: Callable[..., Study]) -> None:
    with make_study(budget={"base": 4, "total": 6, "cycles": 3}) as study:
        assert [record["labelled_slices"] for record in api.run(study)] == [4, 5, 6]
        assert api.status(study)["next"] == "done: the budget is used up"


def test_a_larger_budget_without_more_cycles_is_told_to_want_cycles(make_study: Callable[..., Study]) -> None:
    with make_study(budget={"base": 4, "total": 6, "cycles": 1}) as study:
        api.run(study)
        larger = study.config.budget.model_copy(update={"total": 8.0})
        study.store.save_config(study.config.model_copy(update={"budget": larger}))
        assert api.status(study)["next"] == "done: all cycles are done"
        with pytest.raises(UsageError, match=r"all cycles are done; raise budget.total and budget.cycles"):
            api.query(study)


def test_a_base_beyond_the_budget_is_refused(make_study: Callable[..., Study]) -> None:
    with pytest.raises(UsageError, match="come to 8 of"):
        make_study(budget={"base": 8, "total": 6, "cycles": 1})
    with make_study(budget={"start": "patients", "total": 7, "cycles": 1}) as study:
        less = study.config.budget.model_copy(update={"total": 6.0})  # by hand, in study.toml
        study.store.save_config(study.config.model_copy(update={"budget": less}))
        with pytest.raises(UsageError, match="raise it"):
            api.run(study)
        assert study.store.query(0) is None


def test_a_study_without_labelled_test_volumes_runs_and_reports_its_estimate(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "unlabelled", labelled=())
    settings = {**SETTINGS, "expert": "human", "budget": {"base": 4, "total": 9, "cycles": 1, "validation": 3}}
    found = find_dataset(dataset)
    splits = {case.id: side for case, side in zip(found.cases, ("learn", "learn", "learn", "test"))}
    division = Division(each_case=True, splits=splits)
    with api.init(tmp_path / "study", found, settings=settings, division=division) as study:
        for _ in range(2):
            with pytest.raises(WaitingForExpert):
                api.run(study)
            answer(study, list(study.store.queries()[-1].slice_ids))
        records = api.run(study)
        assert [record["dice"] for record in records] == [None, None]
        assert records[-1]["estimate"] is not None
        assert records[-1]["estimate"]["n"] <= 3
        by_slice = records[-1]["estimate"]["slices"]
        assert len(by_slice) == records[-1]["estimate"]["n"]
        assert np.isclose(np.mean(list(by_slice.values())), records[-1]["estimate"]["dice"])
        assert "estimated" in api.report(study).read_text(encoding="utf-8")
        assert budget_table(records)


def test_one_validation_slice_says_next_to_nothing_of_the_dice(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "unlabelled", labelled=())
    settings = {**SETTINGS, "expert": "human", "budget": {"base": 4, "total": 5, "cycles": 0, "validation": 1}}
    with api.init(tmp_path / "study", find_dataset(dataset), settings=settings) as study:
        with pytest.raises(WaitingForExpert):
            api.run(study)
        asked = study.store.queries()[0].asked
        answer(study, [one.slice_id for one in asked if one.role == "train"])
        drawn = next(one.slice_id for one in asked if one.role == "validation")
        study.store.save_answer(drawn, np.ones((24, 32), np.uint8), "anna")  # no empty slice, which would have no Dice
        estimate = api.run(study)[-1]["estimate"]
        assert estimate is not None
        assert (estimate["n"], estimate["low"], estimate["high"]) == (1, 0.0, 1.0)


def test_a_changed_label_file_is_refused(make_study: Callable[..., Study]) -> None:
    with make_study() as study:
        label = study.store.cases("learn")[0].label
        assert label is not None
        label.path.write_bytes(label.path.read_bytes() + b"x")
        with pytest.raises(SourceChanged):
            study.truth(study.store.cases("learn")[0])


def test_only_a_simulation_may_ask_by_the_truth(make_study: Callable[..., Study]) -> None:
    with pytest.raises(UsageError, match="reads the truth of the pool"):
        make_study("human", expert="human", acquisition="true-foreground-random")
    with make_study(acquisition="true-foreground-random") as study:
        api.run(study)
        asked = study.store.query(1)
        assert asked is not None
        truth = {case.id: study.truth(case) for case in study.store.cases("learn")}
        assert all(truth[case][int(index)].any() for case, _, index in (one.split("/") for one in asked.slice_ids))


def test_what_nobody_labelled_is_no_true_foreground(tmp_path: Path, tiny_dataset: Path) -> None:
    header = json.loads((tiny_dataset / "dataset.json").read_text())
    header["labels"]["ignore"] = 3
    (tiny_dataset / "dataset.json").write_text(json.dumps(header))
    for case, known in (("p1", 6), ("p2", 2)):
        labels = truth_of(case)
        labels[:, :, known:] = 3
        write_volume(tiny_dataset / "labelsTr" / f"{case}.nii.gz", labels)
    (tiny_dataset / "labelsTr" / "p3.nii.gz").unlink()
    settings = {**SETTINGS, "acquisition": "true-foreground-random", "budget": {"base": 2, "total": 5, "cycles": 1}}
    settings["budget"] |= {"start": "slices", "slices": ["p1/2/0", "p2/2/0"]}
    with api.init(tmp_path / "partly", find_dataset(tiny_dataset), settings=settings) as study:
        api.run(study)
        query = study.store.query(1)
        assert query is not None
        assert set(query.slice_ids) <= {*(f"p1/2/{index}" for index in range(1, 5)), "p2/2/1"}


def test_clasp_finds_the_entropies_of_classes_that_it_needs(make_study: Callable[..., Study]) -> None:
    with make_study(acquisition="clasp-pe") as study:
        api.run(study)
        assert [len(query.asked) for query in study.store.queries()] == [4, 3, 4]
        known = study.store.predictions.of("cycle-000")[0].measures
        assert {"class_entropy/1", "total_entropy"} <= known.keys()


def test_another_acquisition_after_a_ranking_gets_the_measures_it_needs(make_study: Callable[..., Study]) -> None:
    with make_study(budget={"base": 4, "total": 6, "cycles": 1}) as study:
        study.store.save_config(
            study.config.model_copy(update={"budget": study.config.budget.model_copy(update={"cycles": 0})})
        )
        api.run(study)
        budget = study.config.budget.model_copy(update={"cycles": 1})
        study.store.save_config(study.config.model_copy(update={"budget": budget}))
        api.rank(study)
        study.store.save_config(study.config.model_copy(update={"acquisition": "entropy"}))
        assert len(api.query(study)) == 2


def test_a_deleted_cache_is_made_anew_by_every_step(make_study: Callable[..., Study]) -> None:
    with make_study(budget={"base": 4, "total": 6, "cycles": 1}) as study:
        api.query(study)
        api.train(study)
        shutil.rmtree(study.store.folder / "cache")
    with Study.open(study.store.folder) as study:
        assert len(api.query(study)) == 2


def test_nothing_new_is_trained_where_nothing_was_asked(make_study: Callable[..., Study]) -> None:
    with make_study() as study:
        api.run(study)
        with pytest.raises(UsageError, match="nothing was asked since cycle-002"):
            api.train(study)


def test_a_skipped_slice_may_be_pseudo_labelled_in_a_later_cycle(make_study: Callable[..., Study]) -> None:
    with make_study(pseudo={"by": "last", "threshold": 0.0}) as study:
        with pytest.raises(WaitingForExpert):
            collaborate(study, HumanExpert())
        query = study.store.query(0)
        assert query is not None
        study.store.set_aside(query.slice_ids[0], "skipped", "no idea", "dr")
        api.run(study)
        last = study.store.label_set(study.store.models()[-1].label_set).entries
        assert query.slice_ids[0] in {entry.slice_id for entry in last if entry.kind == "pseudo"}


@pytest.mark.parametrize("start", ["spread", "slices"])
def test_where_all_of_the_base_is_set_aside_others_are_asked(start: str, tmp_path: Path) -> None:
    named = {"start": start, "slices": ["p1/2/0", "p1/2/1"] if start == "slices" else []}
    settings = {**SETTINGS, "expert": "human", "budget": {"base": 2, "total": 5, "cycles": 1, **named}}
    found = find_dataset(write_dataset(tmp_path / "dataset", labelled=TEST))
    with api.init(tmp_path / "study", found, settings=settings) as study:
        with pytest.raises(WaitingForExpert):
            api.run(study)
        first = [row["slice"] for row in api.query(study)]
        for one in first:
            study.store.set_aside(one, "unreadable", "motion", "anna")
        with pytest.raises(WaitingForExpert, match="2 of 4 slices wait"):
            api.train(study)
        asked = [row["slice"] for row in api.query(study)]
        assert (asked[:2], len(set(asked))) == (first, 4)
        answer(study, asked[2:3])
        study.store.set_aside(asked[3], "skipped", "no idea", "anna")
        assert api.train(study)["labelled_slices"] == 1


def test_new_cases_of_a_known_patient_keep_to_their_side(tmp_path: Path) -> None:
    found = find_dataset(write_dataset(tmp_path / "dataset"))
    names = [case.id for case in found.cases]
    patients = {name: f"person{place}" for place, name in enumerate(names)}
    known = replace(found, cases=found.cases[:3], splits=None)
    division = Division(table=patients, splits={names[0]: "learn", names[1]: "learn", names[2]: "test"})
    with api.init(tmp_path / "study", known, settings=SETTINGS, division=division) as study:
        more = replace(found, splits=None)
        with pytest.raises(SplitError, match="--patients"):
            api.add(study, more, Division(each_case=True))
        same = {**patients, names[3]: patients[names[2]]}
        with pytest.raises(AskanceError):
            api.add(study, more, Division(table=same))
        assert api.add(study, more, Division(table=patients)) == [names[3]]
        assert study.store.case(names[3]).split == "learn"


def test_what_is_held_out_for_validation_is_not_taken_for_learnt(make_study: Callable[..., Study]) -> None:
    with make_study(acquisition="core-set", budget={"base": 4, "total": 9, "cycles": 1, "validation": 2}) as study:
        api.run(study)
        known = querying._labelled(study, CoreSet(), "cycle-000")
        base = study.store.query(0)
        assert base is not None
        learnt = {asked.slice_id for asked in base.asked if asked.role != "validation"}
        assert len(base.asked) == len(learnt) + 2
        assert {one.slice_id for one in known} == learnt | set(study.store.query(1).slice_ids)  # type: ignore[union-attr]


def test_what_a_stage_wants_to_know_is_ranked_in_that_stage(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the score at first, by the total entropy at last."""

    class Changing(Extreme):
        def at(self, progress: float) -> Extreme:
            return Extreme("score") if progress == 0 else Extreme("total_entropy", highest=True)

    monkeypatch.setitem(ACQUISITIONS, "score", Changing("score"))
    with make_study(acquisition="score", budget={"base": 4, "total": 8, "cycles": 2}) as study:
        assert len(api.run(study)) == 3


@pytest.mark.parametrize("wrong", [lambda ids: [*ids, ids[0]], lambda ids: [*ids, "nobody/2/0"], lambda ids: ids[:1] * 2])
def test_an_acquisition_that_gives_more_than_was_wanted_is_told_before_anyone_is_asked(
    make_study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, wrong: Callable[[list[str]], list[str]]
) -> None:
    class Wild(Extreme):
        def select(self, candidates: Any, n: int, rng: Any) -> list[str]:
            return wrong(super().select(candidates, n, rng))

    monkeypatch.setitem(ACQUISITIONS, "score", Wild("score"))
    with make_study(acquisition="score") as study, pytest.raises(UsageError, match="acquisition 'score' gave"):
        api.run(study)
