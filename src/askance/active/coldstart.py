"""The base: which slices are labelled before there is a model."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from askance.config import BudgetConfig
from askance.errors import ConfigError
from askance.records import Slice

_GOLDEN = 0.6180339887498949  # the additive sequence that fills [0, 1) most evenly (Kronecker)


def spread(slices: Sequence[Slice], n: int, budget: BudgetConfig, rng: np.random.Generator) -> list[str]:
    """As many patients as possible, then as many places along their volumes as possible.

    Patients take turns in a random order, a patient's volumes too; within a volume places follow the golden-ratio sequence
    over all of it: where a volume's ends are never labelled, the model is wrong there and does not know it (log.md).
    """
    del budget
    queues = [_spread_of_patient(own, rng) for _, own in sorted(_by_patient(slices).items())]
    rng.shuffle(queues)
    chosen: list[str] = []
    while len(chosen) < n and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return chosen[:n]


def patients(slices: Sequence[Slice], n: int, budget: BudgetConfig, rng: np.random.Generator) -> list[str]:
    """All slices of the patients named, or of one drawn at random (the paper's base); ``n`` does not matter."""
    del n
    own = _by_patient(slices)
    names = budget.patients or (sorted(own)[int(rng.integers(len(own)))],)
    return [one.id for name in names for one in own.get(name, [])]


def require_patients(budget: BudgetConfig, learn: Sequence[Slice]) -> None:
    """Refuse patients in ``budget`` that no slice of ``learn`` is of.

    Raises:
        ConfigError: naming them.
    """
    own = _by_patient(learn)
    unknown = sorted(set(budget.patients) - own.keys())
    if unknown:
        raise ConfigError(f"budget.patients names {unknown}; wanted patients of learn, such as {sorted(own)[:3]}")


def named(slices: Sequence[Slice], n: int, budget: BudgetConfig, rng: np.random.Generator) -> list[str]:
    """The slices named; ``n`` does not matter.

    Raises:
        ConfigError: none is named, or one that is not in the pool.
    """
    del n, rng
    unknown = sorted(set(budget.slices) - {one.id for one in slices})
    if unknown or not budget.slices:
        raise ConfigError(f"budget.slices names {unknown or 'nothing'}; wanted ids of the pool, such as {slices[0].id}")
    return list(budget.slices)


def at_random(slices: Sequence[Slice], n: int, budget: BudgetConfig, rng: np.random.Generator) -> list[str]:
    """``n`` slices, uniformly at random."""
    del budget
    ids = sorted(one.id for one in slices)
    return [ids[place] for place in rng.permutation(len(ids))[:n]]


STARTS: dict[str, Callable[[Sequence[Slice], int, BudgetConfig, np.random.Generator], list[str]]] = {
    "spread": spread,
    "patients": patients,
    "slices": named,
    "random": at_random,
}


def _by_patient(slices: Sequence[Slice]) -> dict[str, list[Slice]]:
    own: dict[str, list[Slice]] = defaultdict(list)
    for one in sorted(slices, key=lambda one: (one.case, one.index)):
        own[one.patient].append(one)
    return dict(own)


def _spread_of_patient(slices: list[Slice], rng: np.random.Generator) -> list[str]:
    """The patient's slices in the order in which they should be labelled."""
    volumes: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        volumes[one.case].append(one)
    orders = [_spread_of_volume(volume, rng) for volume in volumes.values()]
    rng.shuffle(orders)
    mixed: list[str] = []
    while any(orders):
        mixed += [order.pop(0) for order in orders if order]
    return mixed


def _spread_of_volume(volume: list[Slice], rng: np.random.Generator) -> list[str]:
    place, order, left = float(rng.random()), [], list(range(len(volume)))
    while left:
        wanted = int(place * len(volume))
        after = bisect_left(left, wanted)
        beside = range(
            max(0, after - 1), min(len(left), after + 1)
        )  # of those left, the one before and the one from there on
        nearest = left.pop(min(beside, key=lambda at: abs(left[at] - wanted)))
        order.append(volume[nearest].id)
        place = (place + _GOLDEN) % 1
    return order
