from collections.abc import Iterator
from pathlib import Path

import pytest
from served import People, Served, people_of, serving
from starlette.testclient import TestClient

from askance.active.study import Study
from askance.server.app import create_app


@pytest.fixture
def people(asking_study: Study) -> Iterator[People]:
    """The study that waits for its expert in cycle 1, served to several people at once."""
    app = create_app(asking_study.store)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield people_of(asking_study.store, client)


@pytest.fixture
def served(asking_study: Study) -> Iterator[Served]:
    """The same study served by ``askance serve`` in a process of its own."""
    folder: Path = asking_study.store.folder
    with serving(folder) as one:
        yield one
