"""Acquisitions that go by how doubtful a slice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import numpy as np

from askance.active.candidates import Candidate, draw, in_order

_LEAST_ENTROPY = 1e-6  # its logarithm has to be a number


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


@dataclass(frozen=True)
class ClaspPE:
    """Class-stratified, scheduled power predictive entropy (Luth 2026, arXiv 2601.13677).

    Two thirds of a query are shared out to the foreground classes, each taking its own in the order of the entropy that
    is weighted by the class's probability; the rest goes by plain entropy. Both are drawn: log(entropy) + Gumbel noise
    of scale 1 / ``beta``, which rises from 1, nearly chance, to 100 over the cycles. Published for patches of volumes and
    the entropy's mean over each; here patches are slices of one size, and a sum orders them alike.
    """

    beta: float = 1.0
    needs: ClassVar[frozenset[str]] = frozenset({"total_entropy", "class_entropy"})

    def at(self, progress: float) -> ClaspPE:
        """With the ``beta`` of that stage: it rises by equal factors."""
        return replace(self, beta=100.0**progress)

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them: the classes in turns, in a drawn order, then the rest."""
        ordered = in_order(candidates)
        classes = sorted({name for one in ordered for name in one.measures if name.startswith("class_entropy/")})
        stratified, chosen = round(2 * min(n, len(ordered)) / 3), dict[str, None]()
        queues = [self._drawn(ordered, classes[place], rng) for place in rng.permutation(len(classes))]
        for turn in range(stratified):
            queue = queues[turn % len(queues)]
            chosen[next(one for one in queue if one not in chosen)] = None
        rest = (one for one in self._drawn(ordered, "total_entropy", rng) if one not in chosen)
        return [*chosen, *islice(rest, n - len(chosen))]

    def _drawn(self, candidates: Sequence[Candidate], measure: str, rng: np.random.Generator) -> list[str]:
        """All ids in a drawn order."""
        values = np.log(np.maximum([one.measures[measure] for one in candidates], _LEAST_ENTROPY))
        drawn = values + rng.gumbel(size=len(candidates)) / self.beta
        return [candidates[place].slice_id for place in np.argsort(-drawn, kind="stable")]
