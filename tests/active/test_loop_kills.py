"""SIGKILL at any moment of a run: what comes out in the end is what an undisturbed run gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from askance import api
from askance.active.study import Study
from askance.volumes.layouts import find_dataset

SETTINGS: dict[str, Any] = {
    "expert": "simulated",
    "budget": {"base": 8, "total": 14, "cycles": 2},  # of eight, halves judge each other (crossing)
    "network": {"width": 4, "discriminator_width": 4},
    "training": {"min_steps": 25, "max_steps": 25, "batch": 4, "crop": [16, 16], "views": 2, "crossing": 0.5},
    "pseudo": {"threshold": 0.0},
}
# Progress is saved after every step, and the process kills itself just before its n-th rename: inside the writes of
# checkpoints, models, annotations and predictions, and between steps.
RUN = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from askance import api
from askance.active import training
from askance.active.study import Study

made, rename, left = training._run, os.replace, int(sys.argv[2])
training._run = lambda *arguments: replace(made(*arguments), save_every_s=0.0)

def dies(*arguments, **options):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(*arguments, **options)

os.replace = dies
with Study.open(Path(sys.argv[1])) as study:
    api.run(study)
"""


def outcome(folder: Path) -> tuple[Any, ...]:
    with Study.open(folder) as study:
        models = [(model.weights_sha256, model.info["crossed"]) for model in study.store.models()]
        queries = [query.slice_ids for query in study.store.queries()]
        labels = [study.store.read_annotation(one).tobytes() for one in study.store.annotations(latest=False)]
        return models, queries, labels


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path, tiny_dataset: Path) -> None:
    for name in ("whole", "killed"):
        api.init(tmp_path / name, find_dataset(tiny_dataset), settings=SETTINGS).store.close()
    run(tmp_path / "whole", dies_at=0)
    kills = [run(tmp_path / "killed", dies_at) for dies_at in (1, 2, 3, 7, 13, 20, 27, 34)]
    assert kills == [True] * len(kills)
    while run(tmp_path / "killed", dies_at=29):
        kills.append(True)
        assert len(kills) < 40
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")


def run(folder: Path, dies_at: int) -> bool:
    """Run the study in a process of its own; True if that was killed, False if it came to its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run([sys.executable, "-c", RUN, str(folder), str(dies_at)], env=environment, check=False)
    assert child.returncode in (0, -signal.SIGKILL)
    return child.returncode != 0
