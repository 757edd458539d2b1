"""Acquisitions that go by how doubtful a slice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askance.active.candidates import Candidate, draw


@dataclass(frozen=True)
class Extreme:
    """The slices with the lowest value of one measure, or the highest."""

    measure: str
    highest: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """The measure."""
        return frozenset({self.measure})

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """The ``n`` most extreme."""
        del rng
        sign = -1 if self.highest else 1
        ordered = sorted(candidates, key=lambda one: (sign * one.measures[self.measure], one.slice_id))
        return [one.slice_id for one in ordered[:n]]


@dataclass(frozen=True)
class StochasticBatches:
    """Of many batches drawn at random the one that is most doubtful as a whole (Gaillochet 2023, arXiv 2301.07670).

    So a query is doubtful on average and still spread as chance spreads it.
    """

    measure: str
    highest: bool = False
    batches: int = 100

    @property
    def needs(self) -> frozenset[str]:
        """The measure."""
        return frozenset({self.measure})

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """The best of ``batches`` random batches of ``n``, in the order of the measure."""
        sign = -1 if self.highest else 1
        values = {one.slice_id: sign * one.measures[self.measure] for one in candidates}
        ids = sorted(values)
        drawn = [draw(ids, n, rng) for _ in range(self.batches)]
        best = min(drawn, key=lambda batch: sum(values[one] for one in batch))
        return sorted(best, key=lambda one: (values[one], one))
