"""Acquisitions that draw lots, some with a look at where the model sees foreground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from askance.active.candidates import Candidate, draw, in_order

#: Share of a slice's pixels that is foreground in truth, by its name among the measures.
TRUE_FOREGROUND = "true_foreground"


class Random:
    """Uniformly at random: the bar that every method clears in papers, and the score alone does not (log.md)."""

    needs: frozenset[str] = frozenset()

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, without repeats."""
        return draw(sorted(one.slice_id for one in candidates), n, rng)


class Strided:
    """Evenly spaced over the pool in the order of cases and slices (arXiv 2207.00845)."""

    needs: frozenset[str] = frozenset()

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """Every len/n-th, from a random start."""
        if n <= 0:
            return []
        if n >= len(candidates):
            return [one.slice_id for one in in_order(candidates)]
        ordered = [one.slice_id for one in in_order(candidates)]
        stride = len(ordered) / n
        start = rng.uniform(0, stride)
        return [ordered[int(start + i * stride)] for i in range(n)]


@dataclass(frozen=True)
class ForegroundRandom:
    """At random among the slices where there is foreground, then among the rest.

    After nnActive's foreground-aware random (TMLR 2025), which reads the truth, as a simulation may; a real study has only
    the prediction. Theirs draws a third or two thirds of its patches around foreground, image by image, and the rest
    anywhere. Here all slices that are asked show some.
    """

    measure: str = "foreground"

    @property
    def needs(self) -> frozenset[str]:
        """The measure."""
        return frozenset({self.measure})

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, those with foreground first."""
        seen = sorted(one.slice_id for one in candidates if one.measures[self.measure] > 0)
        chosen = draw(seen, n, rng)
        unseen = sorted({one.slice_id for one in candidates} - set(seen))
        return chosen + draw(unseen, n - len(chosen), rng)
