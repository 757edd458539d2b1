"""A fit in a child process, killed while it prepares, trains and saves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_volumes import CUBE, make_case, truth_of

from askance.baselines.densevoxnet import DenseVoxNetMethod, DenseVoxNetSettings
from askance.learning.checkpoints import load_weights

SETTINGS = {"patch": 8, "voxels": 3_000, "steps": 12, "batch": 2, "precision": "32-true", "save_every_s": 0}
FIT = f"""
import sys
from pathlib import Path
from made_volumes import CUBE, make_case, truth_of
from askance.baselines.densevoxnet import DenseVoxNetMethod, DenseVoxNetSettings
cases = [make_case(Path(sys.argv[1]), name, CUBE, seed) for seed, name in enumerate("ab")]
say = lambda *said: print(*said, flush=True)
DenseVoxNetMethod(3, 1, DenseVoxNetSettings(**{SETTINGS})).fit(cases, truth_of, Path(sys.argv[2]), 1, say)
"""


def _killed_at(word, images, folder):
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    child = subprocess.Popen(
        [sys.executable, "-c", FIT, str(images), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    with child:
        heard = any(line.startswith(word) for line in child.stdout)
        child.send_signal(signal.SIGKILL)
    assert heard, f"the fit ended before it said {word!r}"


@pytest.mark.slow
def test_a_fit_that_was_killed_again_and_again_ends_with_the_same_weights(tmp_path):
    cases = [make_case(tmp_path / "images", name, CUBE, seed) for seed, name in enumerate("ab")]
    method = DenseVoxNetMethod(3, 1, DenseVoxNetSettings(**SETTINGS))
    method.fit(cases, truth_of, tmp_path / "whole", 1)
    for word in ("prepare 1", "train 2", "train 7"):
        _killed_at(word, tmp_path / "images", tmp_path / "killed")
    heard = []
    method.fit(cases, truth_of, tmp_path / "killed", 1, lambda *said: heard.append(said))
    assert ("train", 6, 12) not in heard
    whole, killed = (load_weights(tmp_path / name / "model")[1] for name in ("whole", "killed"))
    assert whole["weights_sha256"] == killed["weights_sha256"]
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["model"]
