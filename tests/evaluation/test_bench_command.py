"""`askance bench`: an experiment from the command line to its tables, killed on the way, and misused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from made_experiments import SETTINGS, TRAINING, write_patients

from askance.cli import main
from askance.commands.methods import RIVALS
from made_studies import truth_of, write_volume


def arguments(dataset: Path, folder: Path, **more: str | None) -> list[str]:
    said = {
        "data": str(dataset),
        "out": str(folder / "lines.jsonl"),
        "work": str(folder / "work"),
        "folds": "2",
        "run-folds": "0",
        "shares": "0,25,100",
        "methods": "askance",
        "acquisitions": "score",
        "base-patients": "1",
        "pseudo": "without",
        "training": json.dumps(TRAINING),
        "settings": json.dumps(SETTINGS),
        **more,
    }
    return ["bench", "paper", *(part for key, value in said.items() if value is not None for part in (f"--{key}", value))]


def lines(folder: Path) -> list[dict]:
    path = folder / "lines.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_experiment_in_another_numbering_ends_in_table_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_patients(tmp_path / "hearts")
    mapped = [*arguments(dataset, tmp_path), "--map", "1:2,2:1", "--classes", "background", "pool", "muscle"]
    assert main(mapped) == 0
    printed = capsys.readouterr()
    assert "### hearts-hvsmr" in printed.out
    assert "| *published: proposed* | – | 0.64 |" in printed.out
    assert "4 of 4: askance-f0-s0-b0-random-k25-n1-true: Dice" in printed.err
    found = lines(tmp_path)
    assert {line["dataset"] for line in found} == {"hearts-hvsmr"}
    assert set(found[0]["dice_per_class"]) == {"pool", "muscle"}
    assert main([*mapped, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert main(["bench", "tables", str(tmp_path / "lines.jsonl")]) == 0
    assert capsys.readouterr().out == printed.out


def write_hvsmr(folder: Path) -> Path:
    """Three patients under HVSMR 2016's names, stored posterior-inferior-right as its files are, near isotropic."""
    affine = np.array([[0, 0, 0.9, 0], [-0.9, 0, 0, 0], [0, -0.8, 0, 0], [0, 0, 0, 1.0]])
    for number in range(3):
        labels = np.moveaxis(truth_of(f"p{number + 1}"), 2, 1)  # its slices, the axial ones, lie across the second axis
        image = (labels * 60 + np.random.default_rng(number).normal(0, 8, labels.shape)).astype(np.int16)
        write_volume(folder / f"training_axial_crop_pat{number}.nii.gz", image, affine)
        write_volume(folder / f"training_axial_crop_pat{number}-label.nii.gz", labels, affine)
    return folder


def test_hvsmr_2016_as_the_challenge_gives_it_is_sliced_axially_and_folded_by_patient(tmp_path: Path) -> None:
    dataset = write_hvsmr(tmp_path / "HVSMR2016")
    assert nib.aff2axcodes(nib.load(dataset / "training_axial_crop_pat0.nii.gz").affine) == ("P", "I", "R")
    command = arguments(dataset, tmp_path, methods="isola", folds="3", axis="axial")
    assert main([*command, "--size", "32", "32", "--spacing", "1", "1"]) == 0
    (line,) = lines(tmp_path)
    assert (line["dataset"], line["folds"], line["pool_slices"]) == ("HVSMR2016", 3, 12)
    assert set(line["dice_per_class"]) == {"myocardium", "blood pool"}
    ((case, slices),) = line["slices"].items()
    assert case.startswith("training_axial_crop_pat")
    assert len(slices["dice"]) == 6


@pytest.mark.slow
def test_a_killed_experiment_goes_on_and_keeps_the_lines_it_had(tmp_path: Path) -> None:
    dataset = write_patients(tmp_path / "hearts")
    slower = {**TRAINING, "max_steps": 40, "min_steps": 40}
    command = [sys.executable, "-m", "askance", *arguments(dataset, tmp_path, training=json.dumps(slower))]
    environment, had = {**os.environ, "OMP_NUM_THREADS": "1"}, []
    for wanted in (1, 3):
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(lines(tmp_path)) < wanted:
            assert child.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)  # into the next trial
        child.send_signal(signal.SIGKILL)
        child.wait()
        had.append(lines(tmp_path))
    subprocess.run(command, env=environment, check=True, capture_output=True)
    found = lines(tmp_path)
    assert len(found) == len({line["trial"] for line in found}) == 4
    assert all(found[: len(before)] == before for before in had)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shares": "50,20"}, "the shares are 50, 20 %; wanted them rising"),
        ({"shares": "ten"}, "--shares ten: wanted numbers, as 10,20,50 or 10,20,...,90"),
        ({"shares": "10,...,90"}, "wanted numbers"),
        ({"shares": "10,20,...,5"}, "wanted numbers"),
        ({"seeds": "nan"}, "--seeds nan: nan is not a whole number"),
        ({"cycles": "1.5"}, "--cycles 1.5: 1.5 is not a whole number"),
        ({"run-folds": "inf"}, "--run-folds inf: inf is not a whole number"),
        ({"settings": '{"paper": 3}'}, "paper is no table; wanted"),
        ({"methods": "unet"}, "method 'unet' is not known"),
        ({"acquisitions": "best"}, "acquisition 'best' is not known"),
        ({"folds": "5"}, "5 folds asked for and there are 4 patients"),
        ({"run-folds": "7"}, "fold 7 is asked for; there are 2"),
        ({"training": "{"}, "--training {: is not JSON"),
        ({"training": "[1]"}, "--training [1]: is no table"),
        ({"training": '{"epoch": 3}'}, "training.epoch"),
        ({"map": "1:1,2:3"}, "without a gap"),
        ({"map": "1:1"}, "says nothing of class 2"),
        ({"size": "7"}, None),
    ],
)
def test_misuse_is_told_in_one_message_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, str], message: str | None
) -> None:
    dataset = write_patients(tmp_path / "hearts")
    if message is None:  # argparse's own
        with pytest.raises(SystemExit) as caught:
            main(arguments(dataset, tmp_path, **more))
        assert caught.value.code == 2
        return
    assert main(arguments(dataset, tmp_path, **more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("askance: ") == 1
    assert not (tmp_path / "lines.jsonl").exists()


def test_places_that_cannot_be_written_are_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_patients(tmp_path / "hearts")
    (tmp_path / "file").touch()
    for option, place, message in (
        ("out", dataset, "hearts: is a folder; wanted a file for the lines"),
        ("out", tmp_path / "file" / "lines.jsonl", "file: cannot be made"),
        ("work", tmp_path / "file", "cannot be made (Not a directory); name a folder of yours as --work"),
    ):
        assert main(arguments(dataset, tmp_path, **{option: str(place)})) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "learn" not in error.replace("learn from", "")
    assert not (tmp_path / "lines.jsonl").exists()


def test_a_grid_that_cannot_be_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_patients(tmp_path / "hearts")
    assert main([*arguments(dataset, tmp_path), "--size", "2", "32"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("askance: ")]
    assert "size.0: Input should be greater than or equal to 8 (found 2); name another" in line


def test_an_ellipsis_goes_on_by_the_step_before_it() -> None:
    from askance.commands.bench import _numbers

    assert _numbers("--shares", "10,20,...,90") == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert _numbers("--shares", "1, 2.5, ..., 8, 50") == [1, 2.5, 4, 5.5, 7, 8, 50]


def test_tables_of_a_file_that_is_none_are_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "tables", str(tmp_path / "none.jsonl")]) == 2
    assert "is no file" in capsys.readouterr().err
    (tmp_path / "other.jsonl").write_text(json.dumps({"bench": "budget_curve"}) + "\n")
    assert main(["bench", "tables", str(tmp_path / "other.jsonl")]) != 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", list(RIVALS))
def test_every_registered_rival_is_there_and_is_a_method(name: str) -> None:
    made = RIVALS[name].make(3, 1, {})
    assert callable(made.fit)
    assert callable(made.predict)
