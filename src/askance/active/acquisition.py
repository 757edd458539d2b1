"""What to ask: each acquisition orders the pool, the most wanted slice first.

An acquisition says what it ``needs`` of a slice, so that ranking computes only that, and sees nothing a real study does not
have. Ties go by id, so the order of the pool does not matter. Another package adds one by an entry point in the group
``askance.acquisitions`` whose object is an Acquisition, or makes one when called without arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

import numpy as np

from askance.active.scores import MEASURES
from askance.errors import UsageError

#: What ``needs`` may hold beside the names in scores.MEASURES.
ALWAYS = frozenset({"score", "d_raw"})


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


class Random:
    """Uniformly at random: the bar that every method clears in papers, and the score alone does not (log.md)."""

    needs: frozenset[str] = frozenset()

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, without repeats."""
        return _draw(sorted(one.slice_id for one in candidates), n, rng)


class Strided:
    """Evenly spaced over the pool in the order of cases and slices (arXiv 2207.00845)."""

    needs: frozenset[str] = frozenset()

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """Every len/n-th, from a random start."""
        if n <= 0:
            return []
        if n >= len(candidates):
            return [one.slice_id for one in _in_order(candidates)]
        ordered = [one.slice_id for one in _in_order(candidates)]
        stride = len(ordered) / n
        start = rng.uniform(0, stride)
        return [ordered[int(start + i * stride)] for i in range(n)]


class ForegroundRandom:
    """At random among the slices where the model sees foreground, then among the rest.

    nnActive's foreground-aware random (TMLR 2025) reads the truth; a real study has only the prediction.
    """

    needs = frozenset({"foreground"})

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, those with predicted foreground first."""
        seen = sorted(one.slice_id for one in candidates if one.measures["foreground"] > 0)
        chosen = _draw(seen, n, rng)
        unseen = sorted({one.slice_id for one in candidates} - set(seen))
        return chosen + _draw(unseen, n - len(chosen), rng)


ACQUISITIONS: dict[str, Acquisition] = {
    "score": Extreme("score"),
    "d_raw": Extreme("d_raw"),  # Algorithm 1, line 6: top(rank(D(P)), k/n)
    "entropy": Extreme("entropy", highest=True),  # Shannon 1948; over the foreground, as slices differ in how much they show
    "random": Random(),
    "strided": Strided(),
    "foreground-random": ForegroundRandom(),
}


def acquisition(name: str) -> Acquisition:
    """The acquisition called ``name``, ours or an entry point's.

    Raises:
        UsageError: nobody brings one of that name, or what an entry point brings is none.
    """
    if name in ACQUISITIONS:
        return ACQUISITIONS[name]
    brought = {point.name: point for point in entry_points(group="askance.acquisitions")}
    if name not in brought:
        known = ", ".join(sorted({*ACQUISITIONS, *brought}))
        raise UsageError(f"acquisition {name!r} is not known; wanted one of {known}")
    found = brought[name].load()
    made = found() if isinstance(found, type) else found
    unknown: frozenset[str] = frozenset(getattr(made, "needs", ())) - ALWAYS - MEASURES.keys()
    if not isinstance(made, Acquisition) or unknown:
        what = f"it needs {sorted(unknown)}, which ranking does not compute" if unknown else "it has no needs or no select"
        raise UsageError(f"acquisition {name!r} of {brought[name].value} cannot be used: {what}")
    return made


def _in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda one: (one.case, one.index))


def _draw(ids: list[str], n: int, rng: np.random.Generator) -> list[str]:
    return [ids[place] for place in rng.permutation(len(ids))[:n]]
