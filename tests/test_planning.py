"""What a new study's settings are where nobody says."""

import numpy as np
import pytest

from askance.api import init
from askance.errors import UsageError
from askance.planning import outlook
from askance.volumes.layouts import find_dataset
from made_studies import TINY, read_volume, write_dataset, write_volume


@pytest.fixture
def close(tmp_path):
    """A data set whose slices lie as close as its pixels."""
    folder = write_dataset(tmp_path / "data")
    for path in folder.glob("*Tr/*.nii.gz"):
        write_volume(path, read_volume(path), np.eye(4))
    return folder


@pytest.mark.parametrize(
    ("total", "preset", "said", "context"),
    [(18, "askance", {}, 1), (9, "askance", {}, 1), (8, "askance", {}, 0), (18, "askance", {"context": 0}, 0),
     (8, "askance", {"context": 2}, 2), (18, "paper", {"generator": "pix2pix", "width": 4}, 0)],
)  # fmt: skip
def test_neighbours_are_seen_where_most_slices_may_be_labelled(tmp_path, close, total, preset, said, context):
    settings = {"budget": {"base": 3, "total": total, "cycles": 1}, "network": said or TINY["network"]}
    if preset == "paper":
        settings["budget"] |= {"start": "spread"}
    with init(tmp_path / "study", find_dataset(close), preset=preset, settings=settings) as study:
        assert study.config.network.context == context
        assert any("network.context" in line for line in outlook(study)) == (context > 0)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"start": "patients", "patients": ["p1", "p2"]}, "base and validation come to 12 of 18 slices"),
        ({"start": "patients"}, "base and validation come to 6 of 18 slices"),
        ({"start": "slices", "slices": [f"p1/2/{index}" for index in range(6)]}, "base and validation come to 6 of 18"),
        ({"start": "patients", "patients": ["p9"]}, "budget.patients names .'p9'.; wanted patients of learn"),
        ({"start": "slices", "slices": ["p4/2/0"]}, "budget.slices names .'p4/2/0'.; wanted ids of the pool"),
    ],
)
def test_a_base_that_the_first_query_would_refuse_is_refused_at_once(tmp_path, said, words):
    settings = {"expert": "simulated", "budget": {"total": 5, "cycles": 1, **said}}
    with pytest.raises(UsageError, match=words):
        init(tmp_path / "study", find_dataset(write_dataset(tmp_path / "data")), settings=settings)
    assert not (tmp_path / "study").exists()


def test_neighbours_of_thick_slices_are_not_seen(tmp_path):
    settings = {"budget": {"base": 3, "total": 18, "cycles": 1}}
    folder = write_dataset(tmp_path / "data")
    for path in folder.glob("*Tr/*.nii.gz"):
        write_volume(path, read_volume(path), np.diag([1.0, 1.0, 8.0, 1.0]))
    with init(tmp_path / "study", find_dataset(folder), settings=settings) as study:
        assert study.config.network.context == 0
