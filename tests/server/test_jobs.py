"""Jobs: a process of its own trains, tells how far it is, and goes on when the server does not."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from served import Served, serving

from askance.active.study import Study
from askance.server.jobs import Jobs, process_name
from askance.store.store import Store
from made_studies import truth_of


def token_of(served: Served) -> str:
    return served.link.split("token=")[1]


def ask(served: Served, method: str, path: str) -> dict:
    headers = {"Authorization": f"Bearer {token_of(served)}", "Content-Type": "application/json"}
    request = urllib.request.Request(served.url + path, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def until(done: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def answer_all(folder: Path) -> None:
    with Store.open(folder) as store:
        for slice_id, state in store.states().items():
            if state == "queried":
                case, _, index = slice_id.split("/")
                store.save_answer(slice_id, np.ascontiguousarray(truth_of(case)[..., int(index)]), "anna")


def train_for_long(folder: Path) -> None:
    settings = folder / "study.toml"
    text = settings.read_text()
    settings.write_text(text.replace("min_steps = 80", "min_steps = 9000").replace("max_steps = 80", "max_steps = 9000"))


def test_a_cycle_is_started_outlives_the_server_and_waits_for_the_expert(served: Served) -> None:
    answer_all(served.folder)
    job = ask(served, "POST", "/api/jobs")
    until(lambda: ask(served, "GET", "/api/jobs")[0]["state"] == "running")
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(20)
    with serving(served.folder) as again:
        until(lambda: ask(again, "GET", "/api/jobs")[0]["state"] != "running")
        ended = ask(again, "GET", "/api/jobs")[0]
        assert (ended["id"], ended["state"]) == (job["id"], "waiting"), ended
        told = ask(again, "GET", "/api/progress")
        assert told["left"] > 0
        assert len(told["curve"]) == 2
        assert told["advice"]["gain"] is not None


@pytest.mark.parametrize("begins", ["before it is looked at", "while it is looked at"])
def test_a_job_that_an_earlier_servers_worker_began_is_alive(
    asking_study: Study, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    store = asking_study.store
    job, jobs = store.jobs.add("cycle", "ada"), Jobs(store)
    monkeypatch.setattr(sys, "executable", "true")  # this server's worker comes too late and ends
    jobs.tend()
    jobs._started[job.id].wait(20)
    if begins.startswith("while"):
        listed = store.jobs.newest()
        monkeypatch.setattr(store.jobs, "newest", lambda: listed)
    store.jobs.begin(job.id, process_name(os.getpid()))
    jobs.tend()
    monkeypatch.undo()
    jobs.tend()
    assert store.jobs.one(job.id).state == "running"


@pytest.mark.slow
def test_a_job_is_cancelled_and_the_next_one_goes_on(served: Served) -> None:
    answer_all(served.folder)
    train_for_long(served.folder)
    job = ask(served, "POST", "/api/jobs")
    until(lambda: ask(served, "GET", "/api/jobs")[0]["progress"].get("done", 0) > 0)
    assert ask(served, "GET", "/api/jobs")[0]["progress"]["stage"] == "train"
    ask(served, "POST", f"/api/jobs/{job['id']}/cancel")
    until(lambda: ask(served, "GET", "/api/jobs")[0]["state"] == "cancelled")
    log = (served.folder / "log" / f"job-{job['id']}.log").read_text()
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_worker_that_was_killed_is_called_failed(served: Served) -> None:
    answer_all(served.folder)
    train_for_long(served.folder)
    job = ask(served, "POST", "/api/jobs")
    until(lambda: ask(served, "GET", "/api/jobs")[0]["state"] == "running")
    with Store.open(served.folder) as store:
        process = store.jobs.one(job["id"]).process
    assert process is not None
    os.kill(int(process.split()[0]), signal.SIGKILL)
    until(lambda: ask(served, "GET", "/api/jobs")[0]["state"] == "failed")


def test_serving_loads_no_torch() -> None:
    code = "import sys; import askance.server.serving; print({'torch', 'monai', 'lightning_fabric'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
