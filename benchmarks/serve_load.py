"""What the page waits for: the next slice with its view, from a server on loopback, with and without a training beside it.

A synthetic study of many cases is made once (``--study``; all cases share one image file, but each has a slice cache of its
own). Then one expert, and twenty with pauses for thought, ask for the next slice, load its view (image, neighbours,
proposal, score map) and answer; the time counts from the first request to the last byte, cold caches included. Bounded in
requests and time, loopback alone. Appends a line a setting to results/serve_load.jsonl.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
from studies import blank_line

from askance import api
from askance.active.environment import describe_environment
from askance.config import from_preset
from askance.records import Affine, Asked, Case, LabelEntry, Model, Prediction, Query, Source, Split
from askance.server.jobs import NICENESS
from askance.store.store import Store
from askance.volumes.files import hash_file
from askance.volumes.layouts import find_dataset
from askance.volumes.phantom.study import make_phantom

RESULTS = Path(__file__).parent / "results" / "serve_load.jsonl"
SIZE, DEPTH = 256, 50
SPACING_MM = (1.4, 1.4, 8.0)
AFFINE: Affine = ((1.4, 0.0, 0.0, 0.0), (0.0, 1.4, 0.0, 0.0), (0.0, 0.0, 8.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def make_study(folder: Path, cases: int, asked: int) -> None:
    """A study of ``cases`` cases of DEPTH slices, ``asked`` of whose slices are asked with proposals."""
    rng = np.random.default_rng(0)
    image = folder.parent / "image.nii.gz"
    folder.parent.mkdir(parents=True, exist_ok=True)
    x, y, _ = np.indices((SIZE, SIZE, DEPTH))
    volume = 400 * np.exp(-((x - 128) ** 2 + (y - 120) ** 2) / 4000) + rng.normal(100, 12, (SIZE, SIZE, DEPTH))
    nib.save(nib.Nifti1Image(volume.astype(np.int16), np.array(AFFINE)), image)
    source, split = hash_file(image), "learn"
    given = [_case(f"case{n:04d}", split, source, AFFINE) for n in range(cases)]
    config = {"name": "load", "classes": ["rest", "muscle", "blood"], "channels": ["MR"], "expert": "human",
              "grid": {"axis": 2, "spacing_mm": SPACING_MM[:2], "size": [SIZE, SIZE]}}  # fmt: skip
    with Store.create(folder, from_preset("askance", config), given) as store:
        _ask(store, rng, [case.id for case in given], asked)


def _case(name: str, split: Split, source: Source, affine: Affine) -> Case:
    return Case(name, name, split, (source,), None, (SIZE, SIZE, DEPTH), SPACING_MM, affine)


def _ask(store: Store, rng: np.random.Generator, cases: list[str], asked: int) -> None:
    """A model, its predictions of the cases that are asked, and the query."""
    first = f"{cases[0]}/2/0"
    store.save_query(Query(0, "spread", (Asked(first, 1.0, "base"),)))
    one = store.save_answer(first, np.zeros((SIZE, SIZE), np.uint8), "dataset")
    label_set = store.save_label_set([LabelEntry(first, "annotation", 1.0, one.version)])
    store.save_model(Model("cycle-000", 0, label_set.id, "0" * 64, "2026-01-01T00:00:00+00:00"))
    labels = np.zeros((DEPTH, SIZE, SIZE), np.uint8)
    labels[:, 90:160, 90:150], labels[:, 105:145, 105:135] = 1, 2
    maps = rng.random((DEPTH, 16, 16)).astype(np.float16)
    lines = []
    for name in cases[1 : asked // 2 + 2]:
        predictions = [Prediction(f"{name}/2/{k}", "cycle-000", float(rng.random())) for k in range(DEPTH)]
        store.predictions.save("cycle-000", name, predictions, labels, maps)
        lines += [f"{name}/2/{k}" for k in rng.choice(DEPTH, 2, replace=False)]
    order = rng.permutation(lines)[:asked]
    store.save_query(
        Query(1, "score", tuple(Asked(one, 1 - k / asked, "score", 0.5) for k, one in enumerate(order)), "cycle-000")
    )


class Expert(threading.Thread):
    """Next slice, its view, a pause for thought, the proposal is right; ``waited_s`` is what the page waited each time."""

    def __init__(self, port: int, token: str, slices: int, thought_s: float) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token, self.slices, self.thought_s = token, slices, thought_s
        self.waited_s: list[float] = []

    def run(self) -> None:
        """Answer ``slices`` slices."""
        for _ in range(self.slices):
            began = time.perf_counter()
            told = json.loads(self._ask("POST", "/api/next", {"tab": "t"}))
            if told["kind"] != "slice":
                return
            self._ask("GET", f"/api/view?slice={told['slice']}&reach=4")
            self.waited_s.append(time.perf_counter() - began)
            time.sleep(self.thought_s)
            self._ask("POST", "/api/accept_proposal", {"tab": "t", "slice": told["slice"]})

    def _ask(self, method: str, path: str, body: dict[str, object] | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:200]!r}")
        return data


class Training:
    """A real training that outlasts the measurement, on both cores, at the niceness that the server gives its worker."""

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            make_phantom(folder.with_name("phantom"), seed=0)
            settings = {"expert": "simulated", "training": {"min_steps": 10**6, "max_steps": 10**6}}
            api.init(folder, find_dataset(folder.with_name("phantom")), settings=settings).store.close()
        command = [sys.executable, "-c", _NICE_RUN, str(NICENESS), str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.rstrip().endswith(": train"):
                break
        else:
            raise SystemExit("the training did not begin")
        time.sleep(10)  # past its imports, into its steps

    def stop(self) -> None:
        """Kill it; its study goes on from its last checkpoint next time."""
        if self._process.poll() is not None:
            raise SystemExit("the training ended before the measurement did")
        self._process.kill()
        self._process.wait()


_NICE_RUN = "import os, sys; os.nice(int(sys.argv[1])); from askance.cli import main; sys.exit(main(['run', sys.argv[2]]))"


def measure(study: Path, experts: int, slices: int, thought_s: float, training: bool) -> dict[str, object]:
    """p50 and p95 of the waits in ms, and the server's memory."""
    tokens = []
    with Store.open(study) as store:
        tokens = [store.desk.add_user(f"load {n}", "expert", 1, "benchmark") for n in range(experts)]
    server = subprocess.Popen(
        [sys.executable, "-m", "askance", "serve", str(study), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    beside = Training(study.with_name("training")) if training else None
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split("/enter")[0].rsplit(":", 1)[1])
        time.sleep(2)
        people = [Expert(port, token, slices, thought_s) for token in tokens]
        for number, one in enumerate(people):
            one.start()
            time.sleep(thought_s / experts if number + 1 < experts else 0)
        for one in people:
            one.join(600)
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
    finally:
        server.kill()
        server.wait()
        if beside is not None:
            beside.stop()
    waits = 1000 * np.array([wait for one in people for wait in one.waited_s])
    p50, p95 = (round(float(value), 1) for value in np.percentile(waits, [50, 95]))
    requests = {"experts": experts, "training": training, "requests": len(waits)}
    return {**requests, "p50_ms": p50, "p95_ms": p95, "server_mb": round(memory)}


def main() -> None:
    """Make the study if it is not there, and measure one and twenty experts, with and without a training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--asked", type=int, default=2000)
    parser.add_argument(
        "--slices", type=int, default=20, help="answered by each of twenty experts; one alone answers five times as many"
    )
    arguments = parser.parse_args()
    if not arguments.study.exists():
        make_study(arguments.study, arguments.cases, arguments.asked)
    for experts, slices, thought_s in ((1, 5 * arguments.slices, 0.2), (20, arguments.slices, 5.0)):
        for training in (False, True):
            found = measure(arguments.study, experts, slices, thought_s, training)
            line = {
                **blank_line("serve_load", "synthetic"),
                "seed": 0,
                "cases": arguments.cases,
                "slices": arguments.cases * DEPTH,
                **found,
                "cores": os.cpu_count(),
                "commit": describe_environment()["commit"],
                "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            print(line, flush=True)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
