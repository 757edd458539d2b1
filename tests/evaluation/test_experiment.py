"""An experiment from its plan to its lines: what they hold, what is not run twice, what is refused before anything runs."""

from __future__ import annotations

import errno
import importlib.util
import json
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_experiments import RIVALS, SETTINGS, Constant, ConstantSettings, Inner, make_material, make_plan, write_patients

from askance import config
from askance.active.study import Study
from askance.errors import DataError, FormatError, StudyBusy, StudyError, TrainingError, UsageError, WorkerLost
from askance.evaluation import collaborating, experiment
from askance.evaluation.experiment import run
from askance.evaluation.plan import Trial
from askance.evaluation.results import Results, alone_in
from askance.execution import Here, OnRay
from askance.volumes import normalisation
from made_studies import read_volume


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patients(tmp_path_factory.mktemp("experiment") / "hearts")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, dataset: Path):
    """An experiment that was run: its folder, its material, its lines."""
    folder = tmp_path_factory.mktemp("done")
    material = make_material(dataset, folder / "work")
    plan = make_plan(methods=("paper", "constant"), acquisitions=("d_raw",), pseudo=(True, False))
    lines = run(material, plan, Results(folder / "lines.jsonl"), Here(), keep=True)
    return folder, material, plan, {line["trial"]: line for line in lines}


def test_each_trial_has_one_line_with_the_keys_of_every_benchmark(done) -> None:
    folder, _, plan, lines = done
    assert set(lines) == {trial.name for stage in plan.stages() for trial in stage}
    assert len(lines) == 7
    keys = ["bench", "dataset", "method", "acquisition", "seed", "fold", "budget", "labelled_slices", "pool_slices", "dice", "dice_per_class", "score_r", "seconds", "peak_mb", "commit", "default", "state", "tag"]  # fmt: skip # noqa: E501
    assert all(set(keys) <= line.keys() for line in lines.values())
    written = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    assert {line["trial"]: line for line in written} == lines


def test_shares_are_counted_after_the_base_and_the_budget_with_it(done) -> None:
    _, material, _, lines = done
    base, share, full = (lines[name] for name in ("paper-f0-s0-b0", "paper-f0-s0-b0-d_raw-k50-n1-true", "isola-f0-s0"))
    assert (base["labelled_slices"], base["pool_slices"], base["queried_share"]) == (6, 12, 0)
    assert (share["labelled_slices"], share["queried_share"], share["budget"]) == (12, 0.5, 1.0)
    assert (full["labelled_slices"], full["budget"], full["base_patient"]) == (12, 1.0, None)
    assert [line["state"] for line in (base, share, full)] == ["1patient", None, "full"]
    learn = {case.patient for case in material.cases_of(0) if case.split == "learn"}
    assert base["base_patient"] in learn
    assert set(base["volumes"]) == {case.id for case in material.cases_of(0) if case.split == "test"}


def test_what_a_base_learns_from_is_one_patient_and_what_it_asked_is_learnt(done) -> None:
    _, material, _, lines = done
    name = "paper-f0-s0-b0-random-k50-n1-pseudo"
    with Study.open(material.folder_of(Trial("paper", 0, 0, 0, "random", 0.5, 1, pseudo=True))) as study:
        queries = study.store.queries()
        assert {one.split("/")[0] for one in queries[0].slice_ids} == {lines[name]["base_patient"]}
        assert queries[1].acquisition == "random"
        assert study.config.seed == Trial("paper", 0, 0, 0).draw
        assert len(queries[1].asked) == 6
        assert [model.parent for model in study.store.models()] == [None, None]


def test_a_base_learns_from_its_patients_labels_alone_and_shares_from_pseudo_labels_where_they_say_so(
    tmp_path, dataset
) -> None:
    material = make_material(dataset, tmp_path / "work")
    plan = make_plan(methods=("askance",), acquisitions=("score",), shares=(0.25,), pseudo=(True, False))
    run(material, plan, Results(tmp_path / "lines.jsonl"), Here(), keep=True)
    own = []
    for with_them in (True, False):
        with Study.open(material.folder_of(Trial("askance", 0, 0, 0, "score", 0.25, 1, pseudo=with_them))) as study:
            own.append([model.info["own_labels"]["slices"] > 0 for model in study.store.models()])
    assert own == [[False, True], [False, False]]


def test_the_lines_figures_are_those_of_the_study(done) -> None:
    _, material, _, lines = done
    with Study.open(material.folder_of(Trial("paper", 0, 0, 0, share=0.0))) as study:
        record = study.store.cycles()[0].record
    line = lines["paper-f0-s0-b0"]
    for key in ("dice", "dice_per_class", "slice_dice"):
        assert line[key] == pytest.approx(record[key])
    assert len(line["slices"]["p1"]["dice"] if "p1" in line["slices"] else next(iter(line["slices"].values()))["dice"]) == 6
    assert all(len(one["score"]) == len(one["d_raw"]) == 6 for one in line["slices"].values())


def test_a_rival_is_fitted_once_on_all_of_learn_and_measured_like_the_others(done) -> None:
    _, material, _, lines = done
    line = lines["constant-f0-s0"]
    assert (material.folder_of(Trial("constant", 0, 0)) / "fitted").read_text() == f"2 {Trial('constant', 0, 0).draw}\n"
    assert line["dice"] == 0
    assert line["abd_mm"] is None
    assert line["missed"] == 4  # two classes in each of two volumes
    assert line["correlation"] == {"score": None, "d_raw": None}


def test_what_stands_in_the_results_is_not_run_again_and_a_new_share_uses_the_old_base(done, monkeypatch) -> None:
    folder, material, plan, lines = done
    performed: list[str] = []
    whole = experiment.perform

    def seen(material, trial, watcher=None):
        performed.append(trial.name)
        return whole(material, trial, watcher)

    monkeypatch.setattr(experiment, "perform", seen)
    assert len(run(material, plan, Results(folder / "lines.jsonl"), Here())) == len(lines)
    assert performed == []
    monkeypatch.setattr(collaborating, "run_base", lambda *_: pytest.fail("the base was trained again"))
    more = make_plan(methods=("paper",), acquisitions=("entropy",), shares=(0.25,))
    added = run(material, more, Results(folder / "lines.jsonl"), Here())
    assert set(performed) == {f"paper-f0-s0-b0-{name}-k25-n1-pseudo" for name in ("entropy", "random")}
    assert len(added) == 4  # with the base and the end at 100 %
    assert not any((material.folder_of(trial)).exists() for trial in more.stages()[1])


def test_an_experiment_that_breaks_goes_on_and_gives_the_same_lines(tmp_path, dataset, monkeypatch) -> None:
    plan = make_plan(methods=("askance",), acquisitions=("score",))
    whole = run(make_material(dataset, tmp_path / "a"), plan, Results(tmp_path / "a.jsonl"), Here())
    started = []

    def breaks(study, cycle, *watching):
        started.append(study.store.folder.name)
        if len(started) in (2, 4):
            raise KeyboardInterrupt
        return trained(study, cycle, *watching)

    from askance.active import loop

    trained = loop.train_cycle
    monkeypatch.setattr(loop, "train_cycle", breaks)
    material = make_material(dataset, tmp_path / "b")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(material, plan, Results(tmp_path / "b.jsonl"), Here())
    shares = [material.folder_of(trial) for stage in plan.stages() for trial in stage if not trial.is_base]
    begun = next(folder for folder in shares if folder.exists())
    half_made = begun.rename(begun.with_name(f".{begun.name}-1"))  # as a kill leaves it
    broken = run(material, plan, Results(tmp_path / "b.jsonl"), Here())
    assert not half_made.exists()
    same = ("trial", "dice", "volumes", "slices", "budget", "correlation")
    assert [{key: line[key] for key in same} for line in broken] == [{key: line[key] for key in same} for line in whole]


def test_a_trial_that_fails_keeps_no_other_from_being_done_and_is_told_at_the_end(tmp_path, dataset, monkeypatch) -> None:
    material, results = make_material(dataset, tmp_path), Results(tmp_path / "lines.jsonl")
    plan, whole = make_plan(methods=("paper", "constant"), acquisitions=("random",), shares=(0.5,)), experiment.perform
    names = [trial.name for stage in plan.stages() for trial in stage]

    def fails(material, trial, watcher=None):
        if trial.name == names[0]:
            raise TrainingError("step 3 of 6: the pixelwise loss is nan")
        return whole(material, trial, watcher)

    monkeypatch.setattr(experiment, "perform", fails)
    with pytest.raises(TrainingError, match=f"1 of {len(names)} trials failed, the first {names[0]}: step 3 of 6"):
        run(material, plan, results, Here())
    assert {line["trial"] for line in results.mine(material.dataset)} == set(names[1:-1]), "nobody asks by a failed base"
    monkeypatch.setattr(experiment, "perform", whole)
    assert len(run(material, plan, results, Here())) == len(names)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (askance[ray])")
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_on_ray_the_lines_are_those_of_one_process(tmp_path, dataset) -> None:
    plan = make_plan(methods=("askance",), acquisitions=("score",), shares=(0.25,))
    found = {}
    for name, runner in (("here", Here()), ("ray", OnRay())):
        results = Results(tmp_path / f"{name}.jsonl")
        lines = run(make_material(dataset, tmp_path / name), plan, results, runner)
        found[name] = {line["trial"]: (line["volumes"], line["slices"], line["budget"]) for line in lines}
    assert found["ray"] == found["here"]


def test_several_cycles_go_on_from_the_last_networks(tmp_path, dataset) -> None:
    material = make_material(dataset, tmp_path / "work")
    plan = make_plan(acquisitions=("score",), cycles=(2,))
    lines = run(material, plan, Results(tmp_path / "lines.jsonl"), Here(), keep=True)
    line = next(line for line in lines if line["acquisition"] == "score")
    assert [step["cycle"] for step in line["path"]] == [1, 2]
    assert [step["queried_share"] for step in line["path"]] == [0.25, 0.5]
    with Study.open(material.folder_of(Trial("askance", 0, 0, 0, "score", 0.5, 2, pseudo=True))) as study:
        assert [model.parent for model in study.store.models()] == [None, "cycle-000", "cycle-001"]


def test_other_settings_under_the_same_tag_are_refused_and_under_another_run_beside(done, dataset) -> None:
    folder, material, _, lines = done
    other = make_material(dataset, folder / "other", training={"max_steps": 1, "min_steps": 1, "batch": 2, "crop": [24, 24]})
    plan = make_plan(methods=("isola",), acquisitions=())
    with pytest.raises(UsageError, match="holds isola-f0-s0 on hearts with other settings"):
        run(other, plan, Results(folder / "lines.jsonl"), Here())
    assert other.digest("constant") == material.digest("constant")
    (line,) = run(other, plan, Results(folder / "lines.jsonl", tag="short"), Here())
    assert line["tag"] == "short"
    assert line["settings"] != lines["isola-f0-s0"]["settings"]


def test_lines_of_other_folds_or_of_another_schedule_are_not_put_beside(done, dataset, tmp_path) -> None:
    """They are paired by fold: other patients, or another training in the other folds, would be taken for a difference."""
    folder, *_ = done
    plan = make_plan(methods=("constant",), acquisitions=())
    with pytest.raises(UsageError, match="with other folds, grid or cases"):
        run(make_material(dataset, tmp_path, folds=4), plan, Results(folder / "lines.jsonl"), Here())
    longer = make_material(dataset, tmp_path, training={"max_steps": 1, "min_steps": 1, "batch": 2, "crop": [24, 24]})
    with pytest.raises(UsageError, match="with other settings of isola"):
        run(longer, make_plan(methods=("isola",), folds=(1,)), Results(folder / "lines.jsonl"), Here())


@pytest.mark.parametrize("what", ["patient", "ignore", "normalisation"])
def test_lines_of_other_patients_or_of_data_that_was_read_otherwise_are_not_put_beside(done, monkeypatch, what) -> None:
    folder, material, *_ = done
    first, *others = material.cases
    if what == "patient":
        other = replace(material, cases=(replace(first, patient=others[0].patient), *others))
    elif what == "ignore":
        other = replace(material, ignore=7)
    else:
        monkeypatch.setattr(normalisation, "VERSION", normalisation.VERSION + 1)
        other = replace(material)
    assert other.data_digest != material.data_digest
    assert other.digest("constant") != other.digest("paper") != material.digest("paper")
    with pytest.raises(UsageError, match="with other folds, grid or cases"):
        Results(folder / "lines.jsonl").require_same(material.dataset, other.data_digest, {})


def test_a_default_that_changed_makes_other_settings(done, monkeypatch) -> None:
    _, material, *_ = done
    before = material.digest("isola")
    monkeypatch.setitem(config.PRESETS["paper"]["training"], "objective", "luc")
    assert material.digest("isola") != before


def test_a_line_that_a_full_disk_cuts_short_is_taken_back_and_told(tmp_path) -> None:
    results = Results(tmp_path / "lines.jsonl")
    results.append({"trial": "a"})
    before = (tmp_path / "lines.jsonl").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limit[1]))
        with pytest.raises(StudyError, match="make room and run again"):
            results.append({"trial": "b", "more": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, old)
    assert (tmp_path / "lines.jsonl").read_bytes() == before


def test_a_disk_that_is_full_or_a_worker_that_is_lost_costs_its_trial_alone(tmp_path, dataset, monkeypatch) -> None:
    class Losing(Here):
        def map(self, call, items, lost=None):
            for item in items:
                yield lost(item, WorkerLost("gone")) if item.fold == 1 else call(item)

    def fails(material, trial, watcher=None):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    plan = make_plan(methods=("constant",), folds=(0, 1), acquisitions=())
    material, results = make_material(dataset, tmp_path), Results(tmp_path / "lines.jsonl")
    with pytest.raises(WorkerLost, match="1 of 2 trials failed, the first constant-f1-s0: gone"):
        run(material, plan, results, Losing())
    assert [line["trial"] for line in results.mine(material.dataset)] == ["constant-f0-s0"]
    monkeypatch.setattr(experiment, "perform", fails)
    with pytest.raises(StudyError, match="somewhere: No space left on device; see to the disk"):
        run(material, plan, results, Here())


@pytest.mark.parametrize(
    ("error", "told"),
    [(MemoryError(), "out of memory; make training.batch"), (RuntimeError("ITK"), "RuntimeError: ITK; the log")],
)
def test_an_error_that_nobody_foresaw_costs_its_trial_alone(tmp_path, dataset, monkeypatch, caplog, error, told) -> None:
    whole = experiment.perform

    def fails(material, trial, watcher=None):
        if trial.fold == 0:
            raise error
        return whole(material, trial, watcher)

    monkeypatch.setattr(experiment, "perform", fails)
    plan = make_plan(methods=("constant",), folds=(0, 1), acquisitions=())
    material, results = make_material(dataset, tmp_path), Results(tmp_path / "lines.jsonl")
    with pytest.raises(TrainingError, match=f"1 of 2 trials failed, the first constant-f0-s0: {told}"):
        run(material, plan, results, Here())
    assert [line["trial"] for line in results.mine(material.dataset)] == ["constant-f1-s0"]
    assert f"raise error\n{type(error).__name__}" in caplog.text, "the log has the traceback"


def test_bases_that_are_gone_are_trained_again_before_anyone_asks_by_them(tmp_path, dataset, monkeypatch) -> None:
    plan, results = make_plan(), Results(tmp_path / "lines.jsonl")
    run(make_material(dataset, tmp_path / "one"), plan, results, Here())
    performed, whole = [], experiment.perform
    monkeypatch.setattr(experiment, "perform", lambda m, trial, w=None: performed.append(trial.name) or whole(m, trial, w))
    lines = run(make_material(dataset, tmp_path / "other"), make_plan(shares=(0.25, 0.5)), results, Here())
    assert performed == ["askance-f0-s0-b0", "askance-f0-s0-b0-random-k25-n1-pseudo"]
    assert len({line["trial"] for line in lines}) == len(lines), "the base has one line still"


def test_what_a_method_failed_on_stands_in_its_line(tmp_path, dataset, monkeypatch) -> None:
    monkeypatch.setattr(Constant, "failures", lambda self, folder: [{"case": "p1", "agreement": 0.1}], raising=False)
    plan = make_plan(methods=("constant",), acquisitions=(), base_patients=3)  # it has no bases
    (line,) = run(make_material(dataset, tmp_path), plan, Results(tmp_path / "lines.jsonl"), Here())
    assert line["failures"] == [{"case": "p1", "agreement": 0.1}]


def test_what_a_kill_left_of_a_last_line_is_cut_off_and_other_damage_is_told(tmp_path, caplog) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"trial": "a"}\n{"trial": "b", "di')
    assert [line["trial"] for line in Results(path).lines] == ["a"]
    assert "not whole" in caplog.text
    assert path.read_text() == '{"trial": "a"}\n'
    path.write_text('{"trial"\n{}\n')
    with pytest.raises(FormatError, match=r"lines\.jsonl:1: not a line of JSON"):
        Results(path)
    path.write_text("[]\n")
    with pytest.raises(FormatError, match="found list"):
        Results(path)


def test_a_whole_last_line_without_its_end_is_kept_and_a_file_of_something_else_is_left_alone(tmp_path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"trial": "a"}\n{"trial": "b"}')
    results = Results(path)
    results.append({"trial": "c"})
    assert [line["trial"] for line in results.lines] == ["a", "b", "c"]
    assert Results(path).lines == results.lines
    for other in ("notes of somebody", '{\n "name": "a data set"\n}', '{"trial"\n{"trial": "b", "di'):
        path.write_text(other)
        with pytest.raises(FormatError, match=r"lines\.jsonl:1: not a line of JSON"):
            Results(path)
        assert path.read_text() == other


def test_one_process_at_a_time_runs_an_experiment(tmp_path) -> None:
    with alone_in(tmp_path), pytest.raises(StudyBusy, match="another process"), alone_in(tmp_path):
        pass


@pytest.mark.parametrize(
    ("plan", "settings", "message"),
    [
        ({"methods": ("nnunet",)}, {}, "method 'nnunet' is not known; wanted one of paper, isola, askance, full, constant"),
        ({"methods": ("absent",)}, {}, r"askance.baselines.nowhere is not installed here"),
        (
            {"methods": ("constant",)},
            {"constant": {"depth": 3}},
            "ConstantSettings has no setting 'depth'; wanted one of label",
        ),
        ({}, {"askance": {"training": {"epoch": 3}}}, "training.epoch"),
        ({}, {"elsewhere": {}}, "settings are given for 'elsewhere'"),
        ({"folds": (2,)}, {}, "fold 2 is asked for; there are 2"),
        ({"base_patients": 3}, {}, "3 base patients asked for; fold 0 has 2"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_made(tmp_path, dataset, plan, settings, message) -> None:
    material = make_material(dataset, tmp_path / "work", settings={**SETTINGS, **settings})
    with pytest.raises(UsageError, match=message):
        run(material, make_plan(**plan), Results(tmp_path / "lines.jsonl"), Here())
    assert not (tmp_path / "work").exists()


def test_more_folds_than_patients_and_unlabelled_slices_are_refused(tmp_path, dataset) -> None:
    with pytest.raises(UsageError, match="5 folds asked for and there are 4 patients"):
        make_material(dataset, tmp_path, folds=5)
    with pytest.raises(UsageError, match="the working grid cannot be"):
        make_material(dataset, tmp_path, size=(2, 2))
    partly = write_patients(tmp_path / "partly")
    header = json.loads((partly / "dataset.json").read_text())
    header["labels"]["ignore"] = 3
    (partly / "dataset.json").write_text(json.dumps(header))
    import nibabel as nib

    path = partly / "labelsTr" / "p2.nii.gz"
    labels = read_volume(path).copy()
    labels[:, :, 3] = 3
    nib.save(nib.Nifti1Image(labels, nib.load(path).affine), path)
    with pytest.raises(DataError, match="1 cases are not labelled in every slice, first p2"):
        make_material(partly, tmp_path)


def test_the_data_sets_own_test_side_stays_out_unless_it_is_asked_for(tmp_path) -> None:
    folder = write_patients(tmp_path / "sided")
    (folder / "splits.json").write_text(json.dumps({"learn": ["p1", "p2", "p3"], "test": ["p4"]}))
    assert {case.id for case in make_material(folder, tmp_path).cases} == {"p1", "p2", "p3"}
    assert len(make_material(folder, tmp_path, all_sides=True).cases) == 4


def test_json_reaches_a_rivals_settings_lists_as_tuples_and_tables_as_settings(dataset, tmp_path) -> None:
    made = RIVALS["constant"].make(3, 1, {"label": 2, "names": ["a", "b"], "inner": {"depth": 3}})
    assert made.settings == ConstantSettings(2, ("a", "b"), Inner(3))
    with pytest.raises(UsageError, match="Inner has no setting 'width'"):
        RIVALS["constant"].make(3, 1, {"inner": {"width": 3}})
    for wrong in ({"inner": 3}, {"label": 1.5}, {"label": "x"}, {"names": 3}):
        with pytest.raises(UsageError, match=f"ConstantSettings cannot take .*{next(iter(wrong))}"):
            RIVALS["constant"].make(3, 1, wrong)
    (case, *_) = make_material(dataset, tmp_path).cases
    (tmp_path / "fitted").touch()
    assert np.unique(made.predict(case, tmp_path)).tolist() == [2]
