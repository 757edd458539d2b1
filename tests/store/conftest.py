from collections.abc import Iterator
from pathlib import Path

import pytest
from store_studies import case, settings

from askance.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Cases 1, 2 and 10 of learn and one of test, six slices each, nothing asked yet."""
    given = [case("c10"), case("c2"), case("c1"), case("t1", "test")]
    with Store.create(tmp_path / "study", settings(), given) as made:
        yield made
