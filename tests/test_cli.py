"""The command line: exit codes, what stands on stdout, and what --help costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from askance import api
from askance.active.study import Study
from askance.cli import main, make_parser
from askance.errors import StudyError
from made_studies import TEST, write_dataset

COMMANDS = ["run", "train", "rank", "query", "answer", "status", "predict", "evaluate", "report", "export"]


def test_every_step_is_a_command_with_help() -> None:
    text = make_parser().format_help()
    for command in [*COMMANDS, "init", "add", "relocate", "check", "demo", "phantom"]:
        assert f"\n    {command} " in text


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from askance.cli import make_parser; make_parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "monai", "numpy", "rich", "pydantic", "sqlalchemy"} & set(loaded)


def test_help_takes_at_most_four_times_a_bare_python() -> None:
    def seconds(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began

    script = str(Path(sys.executable).with_name("askance"))
    ratios = []
    for _ in range(9):
        bare = seconds(sys.executable, "-c", "")
        ratios.append(seconds(script, "--help") / bare)
    assert min(ratios) <= 4, f"--help took {sorted(ratios)} times a bare python"


def test_no_command_and_an_unknown_one_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["fly"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: askance" in capsys.readouterr().err


def test_a_folder_that_is_no_study_fails_with_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["status"], ["run"], ["report"], ["rank"], ["query"], ["evaluate"]):
        assert main([*command, str(tmp_path)]) == 1
        error = capsys.readouterr().err
        assert error.count("askance:") == 1
        assert str(tmp_path) in error


@pytest.mark.parametrize(("said", "stands"), [(None, "passive"), ("active", "active")])
def test_threads_wait_asleep_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, stands: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "")  # so that it is put back
    monkeypatch.delenv("OMP_WAIT_POLICY")
    if said:
        monkeypatch.setenv("OMP_WAIT_POLICY", said)
    assert main(["status", str(tmp_path / "nowhere")]) == 1
    assert os.environ["OMP_WAIT_POLICY"] == stands


def test_wrong_settings_are_misuse_and_leave_nothing(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    for option in (
        "training.epoch=3",
        "budget.base=-1",
        "seed",
        "acquisition=best",
        "grid.size=[9000,2]",
        "training.crop=[7,7]",
        "seed.x=1",
        "seed=abc",
        "grid=5",
        "name.x=1",
        "budget.base=2.5",
        "budget.total=Infinity",
        "training.learning_rate=Infinity",
        "pseudo.power=NaN",
        "budget.start=slices",
    ):
        assert main(["init", str(study), "--data", str(tiny_dataset), "--set", option]) == 2
        assert not study.exists()
        assert "\naskance: " in "\n" + capsys.readouterr().err


def test_a_size_that_the_networks_cannot_halve_is_refused_before_the_data_are_read(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askance.api.study_cases", None)
    assert main(["init", str(tmp_path / "study"), "--data", str(tiny_dataset), "--size", "250", "250"]) == 2
    error = capsys.readouterr().err
    assert error.count("askance:") == 1
    assert "(240, 240) or (256, 256)" in error


def test_a_base_beyond_the_budget_is_refused_before_anything_is_made(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, data = tmp_path / "study", ["--data", str(tiny_dataset), "--expert", "simulated"]
    assert main(["init", str(study), *data, "--base", "8", "--total", "4"]) == 2
    assert "come to 8 of 18 slices and budget.total = 4 allows 4" in capsys.readouterr().err
    assert not study.exists()


def test_an_empty_base_is_refused_before_anything_is_made(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(tiny_dataset), "--expert", "simulated"]
    assert main(["init", str(tmp_path / "study"), *data, "--base", "0", "--total", "9"]) == 2
    assert "the base is empty: budget.base = 0 of 18 slices" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_slices_that_a_simulated_expert_cannot_answer_are_told_when_the_study_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_dataset(tmp_path / "dataset", labelled=("p1", "p2", *TEST)))
    budget = ["--base", "3", "--total", "9"]
    assert main(["init", str(tmp_path / "study"), "--data", data, "--expert", "simulated", *budget]) == 0
    assert "6 slices of learn have no label: a run stops" in capsys.readouterr().out


def test_what_a_study_will_ask_is_told_when_it_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_dataset(tmp_path / "dataset", labelled=TEST)
    assert main(["init", str(tmp_path / "a"), "--data", str(dataset), "--base", "3", "--total", "9"]) == 0
    assert "the human expert labels up to 9 of 18 slices (50.0%): a base (spread), then 3 queries" in capsys.readouterr().out
    dataset = write_dataset(tmp_path / "labelled")
    assert main(["init", str(tmp_path / "b"), "--data", str(dataset)]) == 0
    out = capsys.readouterr().out
    assert "18 slices of learn came labelled" in out
    assert "asked nothing" in out
    assert "--expert simulated" in out


def test_without_labelled_test_volumes_some_slices_are_kept_to_measure_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_dataset(tmp_path / "dataset", labelled=()))
    assert main(["init", str(tmp_path / "a"), "--data", data, "--base", "4", "--total", "12"]) == 0
    assert "no test volume is labelled: 2 slices of learn, drawn at random" in capsys.readouterr().out
    assert "validation = 2.0" in (tmp_path / "a/study.toml").read_text()
    assert (
        main(["init", str(tmp_path / "b"), "--data", data, "--base", "4", "--set", "budget.validation=0", "--total", "12"])
        == 0
    )
    assert "nothing will tell how good the model is" in capsys.readouterr().out


def test_a_study_whose_given_labels_cannot_be_stored_leaves_nothing(
    tmp_path: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(study: object) -> None:
        raise StudyError("the disk is full")

    monkeypatch.setattr("askance.api.accept_given", full)
    assert main(["init", str(tmp_path / "study"), "--data", str(tiny_dataset)]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_a_message_and_any_other_fault_stays_one(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Study, "open", failing)
    assert main(["status", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "out of memory; make training.batch or training.crop smaller" in said
    assert "grid" in said
    error = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        main(["status", str(tmp_path)])


def test_a_failing_disk_is_a_message_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("askance.store.store.Store.open", denied)
    assert main(["status", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"askance: {tmp_path}: Permission denied; check free space and permissions\n"


def test_a_ranking_cut_from_its_end_is_misuse(asking_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", str(asking_study.store.folder), "--top", "-1"]) == 2
    assert "--top -1: wanted how many" in capsys.readouterr().err


def test_answers_that_were_taken_are_told_in_words(
    asking_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, folder = str(asking_study.store.folder), tmp_path / "query"
    assert main(["query", study, "--out", str(folder)]) == 0
    sheet = (folder / "query.csv").read_text(encoding="utf-8-sig").replace(";;\n", ";skip;too dark\n", 1)
    (folder / "query.csv").write_text(sheet, encoding="utf-8-sig")
    capsys.readouterr()
    assert main(["answer", study, str(folder), "--author", "anna"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 skipped, left to the model: ")
    assert "without a status, still waiting" in out
    assert out.splitlines()[-1].startswith("next: answer ")


def test_check_fails_where_init_would_and_only_warns_of_one_image_under_two_ids(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (tiny_dataset / f"imagesTr/{case}_0000.nii.gz" for case in ("p1", "p4"))
    second.write_bytes(first.read_bytes())
    assert main(["check", str(tiny_dataset)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("warning: ")
    assert "1 warning" in err
    first.write_bytes(b"")
    assert main(["check", str(tiny_dataset)]) == 1
    assert main(["init", str(tmp_path / "study"), "--data", str(tiny_dataset)]) == 1
    assert "mend them before `askance init`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("there", "more", "code", "message"),
    [
        ("thesis.doc", [], 1, "is not empty"),
        ("study.toml", [], 1, "is a study already"),
        (None, ["--set", "training.batch=0"], 2, "training.batch"),
    ],
)
def test_init_reads_no_volume_where_the_place_or_a_setting_is_wrong(
    tmp_path: Path,
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there,
    more,
    code,
    message,
) -> None:
    monkeypatch.setattr(api, "study_cases", lambda *_, **__: pytest.fail("read"))
    (tmp_path / "study").mkdir()
    if there:
        (tmp_path / "study" / there).write_text("")
    assert main(["init", str(tmp_path / "study"), "--data", str(tiny_dataset), *more]) == code
    assert message in capsys.readouterr().err


def test_the_package_can_be_run_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "askance", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("askance ")


def test_the_whole_loop_through_the_command_line(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = str(tmp_path / "study")
    small = ["network.width=4", "training.min_steps=3", "training.max_steps=3", "training.batch=4", "training.views=2"]
    options = [word for setting in small for word in ("--set", setting)]
    budget = ["--base", "4", "--total", "8", "--cycles", "1"]
    assert main(["init", study, "--data", str(tiny_dataset), "--expert", "simulated", *budget, *options]) == 0
    assert "slices along file axis 2" in capsys.readouterr().out
    assert main(["run", study, "--json"]) == 0
    out = capsys.readouterr()
    assert [record["labelled_slices"] for record in json.loads(out.out)] == [4, 8]
    assert "report.html" in out.err
    assert (tmp_path / "study/report.html").stat().st_size > 10_000
    assert main(["status", study, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == "done: the budget is used up"
    assert main(["rank", study, "--json", "--top", "0"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["score"] for row in rows] == sorted(row["score"] for row in rows)
    assert main(["query", study]) == 2
    assert "budget is used up" in capsys.readouterr().err


def test_a_demo_that_was_stopped_goes_on_with_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    folder, gone_on_with = tmp_path / "demo", []
    with monkeypatch.context() as patched:
        patched.setattr(api, "init", stopped)
        assert main(["demo", str(folder)]) == 130
    assert not folder.exists(), "nothing to go on with yet"
    monkeypatch.setattr(api, "run", stopped)
    assert main(["demo", str(folder)]) == 130
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(api, "run", lambda study, _: gone_on_with.append(study.store.folder))
    monkeypatch.setattr(api, "report", lambda study: study.store.folder / "report.html")
    assert main(["demo", str(folder)]) == 0
    assert gone_on_with == [folder / "study"]
    for other in (["demo", str(folder), "--seed", "1"], ["demo", str(tmp_path)]):
        assert main(other) == 2
        assert "is already there, and no demo of seed" in capsys.readouterr().err


def test_a_human_study_waits_with_exit_code_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, study = write_dataset(tmp_path / "dataset", labelled=TEST), str(tmp_path / "study")
    assert main(["init", study, "--data", str(dataset), "--base", "3", "--total", "5"]) == 0
    assert main(["run", study]) == 3
    assert "3 of 3 slices wait for the expert" in capsys.readouterr().err
    assert main(["evaluate", study]) == 0
    assert "nothing is measured yet" in capsys.readouterr().out
    for command, wanted in (("rank", "askance train"), ("report", "askance run")):
        assert main([command, study]) == 2
        assert wanted in capsys.readouterr().err
    assert main(["query", study, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_an_axis_among_the_settings_is_the_axis_and_said_twice_is_refused(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(tiny_dataset), "--expert", "simulated"]
    grid = ["--set", "grid.axis=0", "--set", "grid.size=[16,16]"]
    assert main(["init", str(tmp_path / "study"), *data, *grid, "--base", "4"]) == 0
    assert "slices along file axis 0" in capsys.readouterr().out
    with Study.open(tmp_path / "study") as study:
        case = study.store.cases("learn")[0]
        assert case.labelled == tuple(range(case.shape[0]))
    assert main(["init", str(tmp_path / "other"), *data, *grid, "--axis", "1"]) == 2
    assert "the axis is said twice, as 1 and as grid.axis = 0" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
