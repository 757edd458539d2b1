"""A server killed at random moments under twenty writing experts: what it acknowledged is there."""

import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from served import serving, upload

from askance.store.store import Store

sys.path.append(str(Path(__file__).parents[1] / "store"))
from store_studies import SHAPE, case, query, settings

KILLS, EXPERTS, CASES = int(os.environ.get("ASKANCE_KILLS", "50")), 20, 1000


class Expert(threading.Thread):
    """Answers slice after slice until told to stop; notes what was acknowledged."""

    def __init__(self, token: str, number: int, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.token, self.port, self.stop = token, port, stop
        self.rng = np.random.default_rng(number)
        self.acknowledged: list[dict[str, object]] = []

    def run(self) -> None:
        while not self.stop.is_set():
            with suppress(OSError, http.client.HTTPException, ValueError):
                self.answer_one()
                continue
            time.sleep(0.05)

    def answer_one(self) -> None:
        told = self.ask("POST", "/api/next", json.dumps({"tab": "t"}).encode())
        if told["kind"] != "slice":
            self.stop.wait(0.2)
            return
        name = str(told["slice"])
        drawn = self.rng.integers(0, 3, SHAPE[:2], dtype=np.uint8)
        body = upload({int(name.rsplit("/", 1)[1]): drawn})
        self.acknowledged += self.ask("POST", f"/api/submit?slice={name}&tab=t", body)["versions"]

    def ask(self, method: str, path: str, body: bytes) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            if answer.status != 200:
                raise ValueError(data)
            return json.loads(data)
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_acknowledged_annotation_outlives_fifty_kills(tmp_path: Path) -> None:
    ids = [f"c{n}/2/{k}" for n in range(CASES) for k in range(SHAPE[2])]
    with Store.create(tmp_path / "study", settings(), [case(f"c{n}") for n in range(CASES)]) as store:
        store.save_query(query(ids))
        tokens = [store.desk.add_user(f"expert {n}", "expert", 1, "test") for n in range(EXPERTS)]
    port, stop, rng = free_port(), threading.Event(), random.Random(0)
    experts = [Expert(token, number, port, stop) for number, token in enumerate(tokens)]
    kills = 0
    while kills < KILLS:
        with serving(tmp_path / "study", port) as served:
            if not kills:
                [one.start() for one in experts]
            before = sum(len(one.acknowledged) for one in experts)
            end = time.monotonic() + 20
            while sum(len(one.acknowledged) for one in experts) == before and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.4))
            served.process.send_signal(signal.SIGKILL)
            kills += 1
    stop.set()
    [one.join(20) for one in experts]
    acknowledged = [one for expert in experts for one in expert.acknowledged]
    with Store.open(tmp_path / "study") as store:
        stored = {(one.slice_id, one.version): one for one in store.annotations(latest=False)}
        for one in acknowledged:
            found = stored[one["slice"], one["version"]]
            assert found.sha256 == one["sha256"]
            store.read_annotation(found)
        assert store.sweep() is not None
        assert all(store.read_annotation(one) is not None for one in store.annotations())
    assert len(acknowledged) > KILLS
    print(f"{kills} kills, {EXPERTS} writers, {len(acknowledged)} acknowledged annotations, all there")
