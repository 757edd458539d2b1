"""People who ask a server, in the test's process or in one of its own; and what the page would send."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from askance.store.store import Store

ROLES = {"anna": "expert", "ben": "expert", "rita": "reviewer", "ada": "admin"}


def upload(planes: dict[int, np.ndarray]) -> bytes:
    """Planes (columns, rows) as the page sends them: columns fastest."""
    header = json.dumps({"planes": list(planes)}).encode()
    data = b"".join(np.asarray(plane, np.uint8).tobytes(order="F") for plane in planes.values())
    return len(header).to_bytes(4, "little") + header + gzip.compress(data)


def unpack(body: bytes) -> tuple[dict, dict[str, bytes]]:
    """Header and sections of a view."""
    length = int.from_bytes(body[:4], "little")
    header = json.loads(body[8 : 8 + length])
    start = 8 + length
    return header, {name: body[start + at : start + at + n] for name, (at, n) in header["sections"].items()}


@dataclass
class Person:
    """Somebody with a token, in one tab."""

    name: str
    token: str
    client: TestClient
    tab: str = "tab"

    def ask(self, method: str, path: str, **more: object):
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def post(self, path: str, **body: object):
        return self.ask("POST", f"/api/{path}", json={"tab": self.tab, **body})

    def next(self, **more: object) -> str:
        return self.post("next", **more).json()["slice"]

    def view(self, slice_id: str, **more: object) -> tuple[dict, dict[str, bytes]]:
        answer = self.ask("GET", "/api/view", params={"slice": slice_id, **more})
        assert answer.status_code == 200, answer.text
        return unpack(answer.content)

    def send(self, path: str, slice_id: str, planes: dict[int, np.ndarray], method: str = "POST"):
        where = {"slice": slice_id, "tab": self.tab}
        return self.ask(method, f"/api/{path}", params=where, content=upload(planes))


@dataclass
class People:
    store: Store
    anna: Person
    ben: Person
    rita: Person
    ada: Person


def people_of(store: Store, client: TestClient) -> People:
    tokens = {name: store.desk.add_user(name, role, 1, "test") for name, role in ROLES.items()}  # type: ignore[arg-type]
    return People(store, *(Person(name, token, client, f"tab-{name}") for name, token in tokens.items()))


def set_settings(folder: Path, **settings: object) -> None:
    """Change settings, by the names of their keys, of a study that is not served."""
    path = folder / "study.toml"
    text = path.read_text()
    for key, value in settings.items():
        old = next(line for line in text.splitlines() if line.startswith(f"{key} = "))
        text = text.replace(old, f"{key} = {value}")
    path.write_text(text)


@dataclass
class Served:
    """A server in a process of its own. ``link`` is what it printed: the admin's."""

    folder: Path
    url: str
    link: str
    process: subprocess.Popen


def link_of(served: Served, name: str, role: str = "expert") -> str:
    """A new link for a person."""
    with Store.open(served.folder) as store:
        return f"{served.url}/enter?token={store.desk.add_user(name, role, 1, 'test')}"  # type: ignore[arg-type]


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[Served]:
    command = [sys.executable, "-m", "askance", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        link = process.stdout.readline().strip()
        assert link.startswith("http://127.0.0.1:"), link
        yield Served(folder, link.split("/enter")[0], link, process)
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()
