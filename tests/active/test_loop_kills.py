"""SIGKILL at any moment of a run: what comes out in the end is what an undisturbed run gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askance import api
from askance.active.study import Study
from askance.volumes.layouts import find_dataset

SETTINGS: dict[str, Any] = {
    "expert": "simulated",
    "budget": {"base": 4, "total": 10, "cycles": 2},
    "network": {"width": 4, "discriminator_width": 4},
    "training": {"min_steps": 25, "max_steps": 25, "batch": 4, "crop": [16, 16], "views": 2},
    "pseudo": {"threshold": 0.0},
}
# Progress is saved after every step, so that kills fall inside a checkpoint's write too.
RUN = """
import sys
from pathlib import Path
from askance import api
from askance.active.study import Study
from dataclasses import replace
from askance.active import training
made = training._run
training._run = lambda *arguments: replace(made(*arguments), save_every_s=0.0)
with Study.open(Path(sys.argv[1])) as study:
    api.run(study)
"""


def outcome(folder: Path) -> tuple[Any, ...]:
    with Study.open(folder) as study:
        models = [model.weights_sha256 for model in study.store.models()]
        queries = [query.slice_ids for query in study.store.queries()]
        labels = [study.store.read_annotation(one).tobytes() for one in study.store.annotations(latest=False)]
        return models, queries, labels


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path, tiny_dataset: Path) -> None:
    for name in ("whole", "killed"):
        api.init(tmp_path / name, find_dataset(tiny_dataset), settings=SETTINGS).store.close()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", RUN, str(tmp_path / "whole")], check=True, env=environment)
    whole_s = time.monotonic() - began
    rng, kills = np.random.default_rng(0), 0
    for _ in range(60):
        child = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "killed")], env=environment)
        try:
            child.wait(timeout=whole_s * rng.uniform(0.4, 1.1))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
            continue
        assert child.returncode == 0
        break
    assert kills >= 2
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "whole")
