"""How unlike the slices of learn a slice is: how far its traits lie from what is usual there. No label is needed for it.

Probabilities cannot tell: a network is often sure of what it has never seen. Each group of traits is whitened by a
covariance shrunk towards independence, and the distance of a slice is Mahalanobis's (Lee 2018 does so with features). The
novelty is the largest of the groups' distances over what all but 1 % of slices of patients left out stay below, and a
margin that grows as patients get fewer: beyond 1 a slice is unlike anything in learn. Several small groups, as one oddity
drowns among hundreds of usual traits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Traits = Mapping[str, Tensor]

#: What its arrays are called among a model's networks.
NOVELTY = "novelty"

_SHRUNK = 0.1  # share of the covariance that is taken as independent
_DIRECTIONS = 64  # of largest variance that are kept; what lies beyond counts as of no variance
_QUIET = 0.05  # of the group's mean spread: no trait is taken to vary less
_USUAL = 0.99  # share of slices of learn, when their patient is left out, that are not novel
_PARTS = 5  # into which patients are divided to be left out
_MARGIN = 3.0  # over the root of how many patients there are, beyond what they show: slices of one patient are alike
_FEWEST = 10  # slices beside those of any one patient: less says nothing of a spread
_STILL = 1e-3  # of a distance, about 1 as a rule: a group that stays below has no spread to tell anything by
_LEAST = 40  # slices, from at least two patients, that tell what is usual


@dataclass(frozen=True)
class Usual:
    """What is usual of a group of T traits: ``mean`` and ``spread`` (T,), ``directions`` (k, T), their ``variance`` (k,)."""

    mean: Tensor
    spread: Tensor
    directions: Tensor
    variance: Tensor

    @classmethod
    def of(cls, traits: Tensor) -> Usual:
        """Of ``traits`` (N, T)."""
        table = traits.double()
        mean, spread = table.mean(0), table.std(0)
        spread = spread.clamp(min=max(_QUIET * float(spread.mean()), 1e-6))
        _, sizes, directions = torch.linalg.svd((table - mean) / spread, full_matrices=False)
        kept = slice(0, _DIRECTIONS)
        return cls(mean, spread, directions[kept], sizes[kept] ** 2 / (len(table) - 1))

    def distance(self, traits: Tensor) -> Tensor:
        """(N,) of ``traits`` (N, T): about 1 for a usual slice, 0 or more."""
        apart = (traits.double() - self.mean) / self.spread
        along = apart @ self.directions.T
        explained = (along**2 / ((1 - _SHRUNK) * self.variance + _SHRUNK)).sum(1)
        rest = ((apart**2).sum(1) - (along**2).sum(1)).clamp(min=0) / _SHRUNK
        return ((explained + rest) / len(self.mean)).sqrt()


@dataclass(frozen=True)
class Novelty:
    """What is ``usual`` of each group of traits, and the distance that is its ``limits``."""

    usual: Mapping[str, Usual]
    limits: Mapping[str, float]

    def of(self, traits: Traits) -> Tensor:
        """(N,) float32: beyond 1 a slice is unlike anything in learn. Groups that are told otherwise today don't count."""
        known = [name for name, usual in self.usual.items() if name in traits and traits[name].shape[1] == len(usual.mean)]
        if not known:
            return torch.zeros(len(next(iter(traits.values()))))
        parts = [self.usual[name].distance(traits[name]) / self.limits[name] for name in known]
        return torch.stack(parts).amax(0).float()

    def state(self) -> dict[str, Tensor]:
        """All of it as named arrays, to be saved."""
        saved: dict[str, Tensor] = {}
        for name, usual in self.usual.items():
            saved |= {f"{name}.{key}": value.float() for key, value in vars(usual).items()}
            saved[f"{name}.limit"] = torch.tensor(self.limits[name])
        return saved

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Novelty:
        """As ``state`` gave it."""
        groups: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            name, _, part = key.partition(".")
            groups.setdefault(name, {})[part] = value.double()
        limits = {name: float(parts.pop("limit")) for name, parts in groups.items()}
        return cls({name: Usual(**parts) for name, parts in groups.items()}, limits)


def fit(traits: Traits, patients: Sequence[str]) -> Novelty | None:
    """What ``traits`` (N, T) of slices of ``patients`` (N) show to be usual; None of too few slices or of one patient.

    Groups without any spread, as of features that a network has let die, are left out; None where all are.
    """
    most = max(Counter(patients).values(), default=0)
    if len(patients) < _LEAST or len(set(patients)) < 2 or len(patients) - most < _FEWEST:
        return None
    apart = {name: _left_out(table, patients) for name, table in traits.items()}
    limits = {name: float(distances.quantile(_USUAL)) for name, distances in apart.items()}
    limits = {name: limit for name, limit in limits.items() if limit > _STILL}
    if not limits:
        return None
    worst = torch.stack([apart[name] / limit for name, limit in limits.items()]).amax(0)
    together = float(worst.quantile(_USUAL))  # so that it is 1 % of all groups together
    margin = 1 + _MARGIN / math.sqrt(len(set(patients)))
    return Novelty(
        {name: Usual.of(traits[name]) for name in limits},
        {name: limit * together * margin for name, limit in limits.items()},
    )


def _left_out(table: Tensor, patients: Sequence[str]) -> Tensor:
    """(N,) the distance of each slice from what is usual among other patients."""
    numbers = {patient: number % _PARTS for number, patient in enumerate(sorted(set(patients)))}
    part = torch.tensor([numbers[patient] for patient in patients])
    distances = torch.zeros(len(table), dtype=torch.float64)
    for number in set(numbers.values()):
        held_out = part == number
        distances[held_out] = Usual.of(table[~held_out]).distance(table[held_out])
    return distances
