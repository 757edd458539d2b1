"""Trainings in child processes: killed in an epoch and in a checkpoint's write, and spread over two processes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_trainings import make_config, make_run

from askance.learning.checkpoints import hash_weights
from askance.learning.training import train

HERE = Path(__file__).parent
STEPS = 40
SAVE_SLOWLY = """
import os, time
from askance.learning import checkpoints
replace = checkpoints.os.replace
def slow(*paths):
    print("writing", flush=True)
    time.sleep(0.2)
    replace(*paths)
    print("written", flush=True)
checkpoints.os.replace = slow
"""
TRAIN = """
import sys
from pathlib import Path
from made_trainings import make_config, make_run
from askance.learning.checkpoints import hash_weights
from askance.learning.training import train
run = make_run(
    steps=int(sys.argv[2]),
    config=make_config(objective="pix2pix"),
    generator="pix2pix",
    progress_file=Path(sys.argv[1]),
    save_every_s=0,
)
print("started", flush=True)
print("weights", hash_weights(train(run).states), flush=True)
"""


def _child(code, *arguments, launcher=()):
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    script = [*launcher, *arguments] if launcher else ["-c", code, *arguments]
    command = [sys.executable, *script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _wait_for(child, word):
    for line in child.stdout:
        if line.startswith(word):
            return
    pytest.fail(f"the child ended before it said {word!r}: {child.communicate()[1]}")


def _kill(child):
    child.send_signal(signal.SIGKILL)
    child.communicate()


def _weights(child):
    """What each process says of its weights at its end."""
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    return re.findall("[0-9a-f]{64}", out)  # two processes may write into one another's line


@pytest.mark.slow
def test_a_training_killed_in_an_epoch_and_in_a_write_ends_with_the_same_weights(tmp_path):
    config = make_config(objective="pix2pix")
    whole = hash_weights(train(make_run(steps=STEPS, config=config, generator="pix2pix")).states)
    file, chance = tmp_path / "progress", random.Random(0)
    for count in (1, 2, 3):  # in an epoch: every step is written slowly, so that no machine is done before its time
        child = _child(SAVE_SLOWLY + TRAIN, str(file), str(STEPS))
        for _ in range(count):
            _wait_for(child, "written")
        time.sleep(chance.uniform(0, 0.02))
        _kill(child)
    for count in (1, 3):
        child = _child(SAVE_SLOWLY + TRAIN, str(file), str(STEPS))
        for _ in range(count):
            _wait_for(child, "writing")
        _kill(child)
        assert file.with_name("progress.part").exists()
    assert _weights(_child(TRAIN, str(file), str(STEPS))) == [whole]


@pytest.mark.slow
def test_two_processes_end_with_equal_weights_and_one_checkpoint_to_go_on_from(tmp_path):
    script, file = tmp_path / "spread.py", tmp_path / "progress"
    script.write_text(TRAIN)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script))
    ended = [_weights(_child("", str(file), "4", launcher=launcher)) for _ in range(2)]
    assert len(ended[0]) == len(ended[1]) == 2
    assert len({digest for digests in ended for digest in digests}) == 1
    assert [path.name for path in tmp_path.glob("progress*")] == ["progress"]
