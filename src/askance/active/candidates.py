"""What an acquisition is given and what it gives back; the acquisitions themselves are in the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Candidate:
    """A pool slice as an acquisition sees it: who and where it is, and the measures asked for, by name."""

    slice_id: str
    patient: str
    case: str
    index: int
    measures: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Acquisition(Protocol):
    """Chooses what to ask."""

    @property
    def needs(self) -> frozenset[str]:
        """What it wants to know of each candidate: names of measures."""
        ...

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """Ids of at most ``n`` candidates, the highest priority first."""
        ...


@runtime_checkable
class Scheduled(Protocol):
    """An acquisition that asks otherwise in late cycles than in early ones."""

    def at(self, progress: float) -> Acquisition:
        """What it asks by when ``progress`` of the cycles, from 0 in the first to 1 in the last, are behind it."""
        ...


@runtime_checkable
class Informed(Protocol):
    """An acquisition that minds what is labelled already."""

    def beside(self, labelled: Sequence[Candidate]) -> Acquisition:
        """What it asks by when the slices ``labelled`` are known; measures they have only where the model looked at them."""
        ...


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """By case and index."""
    return sorted(candidates, key=lambda one: (one.case, one.index))


def draw(ids: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """At most ``n`` of ``ids`` in a random order, without repeats."""
    return [ids[place] for place in rng.permutation(len(ids))[:n]]
