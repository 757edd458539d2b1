"""The command line: exit codes, what stands on stdout, and what --help costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from askance.cli import main, make_parser
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
    ):
        assert main(["init", str(study), "--data", str(tiny_dataset), "--set", option]) == 2
        assert not study.exists()
        assert "\naskance: " in "\n" + capsys.readouterr().err


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


def test_a_human_study_waits_with_exit_code_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, study = write_dataset(tmp_path / "dataset", labelled=TEST), str(tmp_path / "study")
    assert main(["init", study, "--data", str(dataset), "--base", "3", "--total", "5"]) == 0
    assert main(["run", study]) == 3
    assert "3 of 3 slices wait for the expert" in capsys.readouterr().err
    assert main(["query", study, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
