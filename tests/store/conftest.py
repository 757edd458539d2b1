from collections.abc import Iterator
from pathlib import Path

import pytest
from store_studies import case, settings

from askance.store.store import Store
from postgres_server import NewDatabase, Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Where a test's studies keep their state: what uses this runs on SQLite, and among the slow tests on PostgreSQL."""
    if request.param == "sqlite":
        return lambda: None
    server: Server = request.getfixturevalue("postgres")
    return server.new_schema


@pytest.fixture
def store(tmp_path: Path, new_database: NewDatabase) -> Iterator[Store]:
    """Cases 1, 2 and 10 of learn and one of test, six slices each, nothing asked yet."""
    with Store.create(tmp_path / "study", settings(), _cases(), new_database()) as made:
        yield made


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """The same, on SQLite alone: for tests that look into study.db, or have no business with the database."""
    with Store.create(tmp_path / "study", settings(), _cases()) as made:
        yield made


def _cases() -> list:
    return [case("c10"), case("c2"), case("c1"), case("t1", "test")]
