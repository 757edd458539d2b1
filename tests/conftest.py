import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import postgres_server
from askance.active.study import Study
from made_studies import TEST, TINY, advance, answer, make_study, write_dataset


@pytest.fixture(scope="session")
def postgres_running() -> Iterator[postgres_server.Server]:
    """One PostgreSQL server for all tests of a process."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture
def postgres(postgres_running: postgres_server.Server, monkeypatch: pytest.MonkeyPatch) -> postgres_server.Server:
    """The server, with its password where a user would put it."""
    monkeypatch.setenv("PGPASSWORD", postgres_running.password)
    return postgres_running


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """An nnU-Net data set of four patients, three to learn from, all labelled."""
    return write_dataset(tmp_path / "dataset")


@pytest.fixture
def tiny_study(tmp_path: Path, tiny_dataset: Path) -> Iterator[Study]:
    """A new study of ``tiny_dataset`` with a simulated expert; nothing is asked yet."""
    with make_study(tmp_path / "study", tiny_dataset, expert="simulated") as study:
        yield study


@pytest.fixture(scope="session")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``dataset`` and ``study``: a human answered the base of five and one for validation, and
    cycle 1 is out with proposals that show something."""
    folder = tmp_path_factory.mktemp("asking")
    training = {**TINY["training"], "min_steps": 80, "max_steps": 80, "learning_rate": 1e-2, "adversarial": 0.0}
    budget = {"base": 5, "total": 12, "cycles": 2, "validation": 1}
    settings = {"expert": "human", "budget": budget, "training": training, "acquisition": "foreground-random"}
    with make_study(folder / "study", write_dataset(folder / "dataset", labelled=TEST), **settings) as study:
        advance(study)
        answer(study, list(study.store.queries()[0].slice_ids))
        advance(study)
    return folder


@pytest.fixture
def asking_study(tmp_path: Path, asking: Path) -> Iterator[Study]:
    """A copy of the study that waits for a human in cycle 1, with a model's proposals; its data set is shared."""
    shutil.copytree(asking / "study", tmp_path / "asking")
    with Study.open(tmp_path / "asking") as study:
        yield study
