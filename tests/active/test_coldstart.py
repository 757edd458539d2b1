"""The base: spread, patients, slices, random."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from askance.active.coldstart import STARTS, require_patients
from askance.config import BudgetConfig
from askance.errors import ConfigError
from askance.records import Slice


def pool() -> list[Slice]:
    return [Slice(f"p{p}_{c}", 2, i, f"p{p}", "learn") for p in range(6) for c in "ab" for i in range(10)]


def choose(start: str, n: int, seed: int = 0, **budget: object) -> list[str]:
    return STARTS[start](pool(), n, BudgetConfig(**budget), np.random.default_rng(seed))  # type: ignore[arg-type]


def test_a_spread_base_takes_every_patient_before_any_twice() -> None:
    patients = Counter(name.split("_")[0] for name in choose("spread", 14))
    assert sorted(patients.values()) == [2, 2, 2, 2, 3, 3]


def test_a_spread_base_shows_the_ends_of_volumes_as_often_as_other_places() -> None:
    indices = [int(name.split("/")[2]) for seed in range(40) for name in choose("spread", 24, seed)]
    ends = sum(index in (0, 9) for index in indices)
    assert 0.15 < ends / len(indices) < 0.25


def test_a_spread_base_of_everything_is_everything_once() -> None:
    assert sorted(choose("spread", 120)) == sorted(one.id for one in pool())


def test_a_spread_base_comes_to_the_free_place_nearest_to_the_one_wanted() -> None:
    volume = [Slice("p_a", 2, i, "p", "learn") for i in range(9)]
    order = [int(name.split("/")[2]) for name in STARTS["spread"](volume, 9, BudgetConfig(), np.random.default_rng(4))]
    place, left = float(np.random.default_rng(4).random()), set(range(9))
    for index in order:
        assert index == min(left, key=lambda one: (abs(one - int(9 * place)), one))
        left.discard(index)
        place = (place + 0.6180339887498949) % 1


def test_a_spread_base_of_many_thin_slices_does_not_take_long() -> None:
    slices = [Slice(f"p{p}_a", 2, i, f"p{p}", "learn") for p in range(20) for i in range(4000)]
    began = time.process_time()
    STARTS["spread"](slices, 100, BudgetConfig(), np.random.default_rng(0))
    assert time.process_time() - began < 10, "quadratic in a volume's slices it takes minutes"


def test_names_given_twice_are_refused_before_anything_is_made() -> None:
    with pytest.raises(ValidationError, match="patients names p1 twice"):
        BudgetConfig(patients=("p1", "p2", "p1"))
    with pytest.raises(ValidationError, match="slices names a/2/0 twice"):
        BudgetConfig(slices=("a/2/0", "a/2/0"))


@pytest.mark.parametrize("start", ["spread", "patients", "random"])
def test_the_base_follows_from_its_seed(start: str) -> None:
    assert choose(start, 7, seed=3) == choose(start, 7, seed=3)
    assert choose(start, 7, seed=3) != choose(start, 7, seed=6)


def test_the_paper_s_base_is_all_slices_of_one_patient() -> None:
    assert {name.split("_")[0] for name in choose("patients", 1)} == {choose("patients", 1)[0].split("_")[0]}
    assert len(choose("patients", 1)) == 20
    assert {name[:2] for name in choose("patients", 1, patients=("p2", "p4"))} == {"p2", "p4"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\['p9'\]"):
        require_patients(BudgetConfig(patients=("p9", "p2")), pool())
    require_patients(BudgetConfig(patients=("p2",)), pool())
    with pytest.raises(ConfigError, match="no/2/1"):
        choose("slices", 1, slices=("no/2/1",))
    with pytest.raises(ConfigError, match="nothing"):
        choose("slices", 1)
