"""A child process that stores things is killed again and again; the study stays whole and the work gets done."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from store_studies import SHAPE, arrays, case, labels, predictions, query, save_model, settings

from askance.records import Cycle
from askance.store.answers import Answer
from askance.store.store import Store

if TYPE_CHECKING:  # this file is also run as a program
    from postgres_server import NewDatabase

CASES = [f"c{k}" for k in range(6)]
IDS = [f"{name}/2/{k}" for name in CASES for k in range(SHAPE[2])]
KILLS = 25


def make(folder: Path, database: str | None) -> Path:
    Store.create(folder, settings(), [case(name) for name in CASES], database).close()
    return folder


def work(folder: Path) -> None:
    """Everything a loop stores, again from the start: what is there already changes nothing."""
    with Store.open(folder) as store, store.lock(wait_s=10):
        store.sweep()
        store.save_query(query(IDS))
        for start in range(0, len(IDS), 6):
            store.save_answers([Answer(one, labels(start), "simulated") for one in IDS[start : start + 6]])
        save_model(store)
        for number, name in enumerate(CASES):
            store.predictions.save("m0", name, predictions(name), *arrays(number))
        for number in range(4):
            store.save_cycle(Cycle(number, "m0", {"dice": number / 4}))
        store.mark(0, "done", {})


def check(store: Store) -> None:
    """Every row has its file with the right bytes; states and annotations say the same."""
    annotations = store.annotations(latest=False)
    for one in annotations:
        assert hashlib.sha256((store.folder / one.path).read_bytes()).hexdigest() == one.sha256
    accepted = {slice_id for slice_id, state in store.states().items() if state == "accepted"}
    assert {one.slice_id for one in annotations} == accepted
    for model in store.models():
        predicted = store.predictions.cases(model.id)
        for name in predicted:
            store.predictions.labels(model.id, name)
        assert {one.slice_id.split("/")[0] for one in store.predictions.of(model.id)} == set(predicted)


def content(store: Store) -> object:
    versions = [(one.slice_id, one.version, one.author, one.sha256) for one in store.annotations(latest=False)]
    files = sorted(
        (str(path.relative_to(store.folder)), hashlib.sha256(path.read_bytes()).hexdigest())
        for name in ("annotations", "predictions", "log")
        for path in (store.folder / name).rglob("*")
        if path.is_file()
    )
    return versions, files, store.states(), store.queries(), store.predictions.of("m0"), store.cycles()


@pytest.mark.slow
def test_a_study_survives_being_killed_at_any_moment(tmp_path: Path, new_database: NewDatabase) -> None:
    make(tmp_path / "undisturbed", new_database())
    started = time.monotonic()
    work(tmp_path / "undisturbed")
    whole_s = time.monotonic() - started
    with Store.open(tmp_path / "undisturbed") as store:
        wanted = content(store)

    rng = random.Random(0)
    killed = 0
    for attempt in range(KILLS):
        folder = tmp_path / "killed"
        if attempt % 5 == 0:  # a new study now and then, so that kills fall on first writes as well
            shutil.rmtree(folder, ignore_errors=True)
            make(folder, new_database())
        with subprocess.Popen([sys.executable, __file__, folder], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(rng.uniform(0.0, 1.2) * whole_s)
            child.kill()
        killed += child.returncode != 0
        with Store.open(folder) as store:
            check(store)
    assert killed > KILLS // 3
    work(folder)
    with Store.open(folder) as store:
        check(store)
        store.sweep()
        assert content(store) == wanted


if __name__ == "__main__":
    print("ready", flush=True)
    work(Path(sys.argv[1]))
