import time
from pathlib import Path

import numpy as np
import pytest
from store_studies import case, query, settings

from askance.records import Effort
from askance.store.answers import Answer
from askance.store.store import Store


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 cases of 50 slices, 100,000 slices in all."""
    folder = tmp_path_factory.mktemp("large") / "study"
    Store.create(folder, settings(), [case(f"case{k}", shape=(256, 256, 50)) for k in range(2000)]).close()
    return folder


def test_a_hundred_thousand_slices_are_listed_within_two_seconds(large: Path) -> None:
    start = time.process_time()
    with Store.open(large) as store:
        assert len(store.slices()) == 100_000
        assert time.process_time() - start < 2
        start = time.process_time()
        assert len(store.states()) == 100_000
        assert time.process_time() - start < 1


def test_a_thousand_answers_are_stored_within_five_seconds(large: Path) -> None:
    rng = np.random.default_rng(0)
    with Store.open(large) as store:
        ids = [one.id for one in store.slices()[:50_000:50]]
        store.save_query(query(ids))
        drawn = (rng.random((256, 256)) > 0.99).astype(np.uint8)
        answers = [Answer(slice_id, np.roll(drawn, k), "simulated", Effort(1, 2)) for k, slice_id in enumerate(ids)]
        start = time.process_time()
        assert len(store.save_answers(answers)) == 1000
        assert time.process_time() - start < 5
        assert store.budget() == {"slices": 100_000, "labelled": 1000, "share": 0.01}
