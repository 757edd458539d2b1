"""A real PostgreSQL server for the slow tests, on loopback, with passwords, gone afterwards."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

USER = "askance_test"


class Server:
    """Started from the machine's own binaries. ``password`` is what tests put into PGPASSWORD."""

    def __init__(self, binaries: Path, folder: Path, owner: str | None) -> None:
        self._binaries, self._folder, self._owner = binaries, folder, owner
        self.password = f"secret-{secrets.token_hex(8)}"
        self.port = _free_port()
        file = folder / "password"
        file.write_text(self.password)
        file.chmod(0o644)  # in a folder that only the server's owner may enter
        options = ["-U", USER, f"--pwfile={file}", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        self._run("initdb", "-D", str(folder / "data"), *options)
        self.start()

    def start(self) -> None:
        said = f"-p {self.port} -h 127.0.0.1 -k {self._folder} -c fsync=off -c shared_buffers=16MB"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", str(self._folder / "log"), "-o", said, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def url(self, name: str, user: str = USER, query: str = "") -> str:
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{name}{query}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"study_{secrets.token_hex(4)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def new_schema(self) -> str:
        """The URL of an empty schema, which serves as a database and is made a hundred times faster."""
        name = f"study_{secrets.token_hex(4)}"
        self.execute("postgres", f"CREATE SCHEMA {name}")
        return self.url("postgres", query=f"?options=-csearch_path%3D{name}")

    def execute(self, database: str, statement: str) -> None:
        with self.connected(database) as connection:
            connection.execute(statement)

    @contextmanager
    def connected(self, database: str) -> Iterator[psycopg.Connection]:
        info = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": self.password, "dbname": database}
        with psycopg.connect(**info, autocommit=True) as connection:  # type: ignore[arg-type]
            yield connection

    def _run(self, name: str, *arguments: str) -> None:
        """As a user of its own where the tests run as root, whom the server refuses."""
        user = {"user": self._owner, "group": self._owner, "extra_groups": []} if self._owner else {}
        command = [str(self._binaries / name), *arguments]
        done = subprocess.run(command, capture_output=name != "pg_ctl", cwd=self._folder, check=False, **user)  # type: ignore[call-overload]
        assert done.returncode == 0, (command, done.stderr)


@contextmanager
def running() -> Iterator[Server]:
    """A server; where the machine has none, a reason to skip, but not on CI, whose set-up installs it."""
    binaries = _binaries()
    if binaries is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL's initdb is not there; `make postgres` installs it")
        pytest.skip("PostgreSQL's initdb is not there: `make postgres`, or your system's package")
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="askance-pg-"))
    server = None
    try:
        if owner:
            shutil.chown(folder, owner, owner)
        server = Server(binaries, folder, owner)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found and shutil.which("pg_ctl"):
        return Path(found).parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return debian[-1].parent if debian else None


def _free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


#: Gives the URL of a new database for a study (None: SQLite in its folder).
NewDatabase = Callable[[], str | None]
