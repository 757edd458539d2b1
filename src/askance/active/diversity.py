"""Acquisitions that keep a query from asking the same thing many times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from askance.active.candidates import Candidate, in_order
from askance.active.measures import PLACE, given

_LEAST_DOUBT = 0.01  # a slice that the model is sure of may be drawn, too


@dataclass(frozen=True)
class Spread:
    """The lowest values of one measure, in turns of patients, never two slices of a case within ``gap`` of each other.

    Neighbours show nearly the same; the most doubtful slices alone are ten neighbours of one heart (log.md). A round
    takes one slice of each patient, the most doubtful first. Where only neighbours are left, they are taken.
    """

    measure: str
    highest: bool = False
    gap: int = 2

    @property
    def needs(self) -> frozenset[str]:
        """The measure."""
        return frozenset({self.measure})

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, rounds of patients after each other."""
        del rng
        return self.beyond((), candidates, n)

    def beyond(self, taken: Sequence[Candidate], candidates: Sequence[Candidate], n: int) -> list[str]:
        """``n`` more, away from those ``taken`` already."""
        sign = -1 if self.highest else 1
        ordered = sorted(candidates, key=lambda one: (sign * one.measures[self.measure], one.slice_id))
        chosen: list[str] = []
        while len(chosen) < min(n, len(ordered)):
            before = set(chosen)
            left = [one for one in ordered if one.slice_id not in before]
            near = [*taken, *(one for one in ordered if one.slice_id in before)]
            chosen += self._round(left, near) or [left[0].slice_id]
        return chosen[:n]

    def _round(self, left: list[Candidate], taken: list[Candidate]) -> list[str]:
        """One slice of each patient that has one away from those ``taken``."""
        near: dict[str, list[int]] = defaultdict(list)
        for one in taken:
            near[one.case].append(one.index)
        found: dict[str, str] = {}
        for one in left:
            if one.patient not in found and all(abs(one.index - index) > self.gap for index in near[one.case]):
                found[one.patient] = one.slice_id
        return list(found.values())


@dataclass(frozen=True)
class CoreSet:
    """The slices that leave none of the pool far from one that is labelled or asked: k-centre greedy (Sener 2018).

    Slices lie where G's features put them. Each next one is the farthest from all that are ``labelled`` or chosen. It looks
    for what is different, whether the model is right about it or not.
    """

    labelled: tuple[tuple[float, ...], ...] = ()
    needs: ClassVar[frozenset[str]] = frozenset({PLACE})

    def beside(self, labelled: Sequence[Candidate]) -> CoreSet:
        """With those of them as the first centres whose place is known."""
        known = [one for one in in_order(labelled) if given(one.measures, PLACE)]
        return replace(self, labelled=tuple(map(tuple, _places(known))))

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, the farthest first; without a centre, from one drawn at random on."""
        ordered = in_order(candidates)
        if n <= 0 or not ordered:
            return []
        places = _places(ordered)
        apart = np.full(len(ordered), np.inf)
        for centre in self.labelled:
            apart = np.minimum(apart, _distances(places, np.array(centre)))
        chosen: list[int] = [] if self.labelled else [int(rng.integers(len(ordered)))]
        apart[chosen] = 0
        while len(chosen) < min(n, len(ordered)):
            if chosen:
                apart = np.minimum(apart, _distances(places, places[chosen[-1]]))
                apart[chosen] = -1  # one as far as itself may lie there, too
            chosen.append(int(apart.argmax()))
        return [ordered[place].slice_id for place in chosen]


def _places(candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """(N, DIRECTIONS)."""
    names = sorted({name for one in candidates for name in one.measures if name.startswith(f"{PLACE}/")})
    return np.array([[one.measures[name] for name in names] for one in candidates], np.float64)


def _distances(places: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.linalg.norm(places - centre, axis=1)
    return distances


@dataclass(frozen=True)
class PowerSpread:
    """At random in proportion to how much is wrong, in turns of patients, no neighbours within a slice.

    What is wrong is ``measure`` itself if ``highest``, else 1 - ``measure``. Its logarithm + Gumbel noise, the highest
    first, draws without replacement in proportion to it (Kirsch 2021, power acquisition, arXiv 2106.12059). So a query leans
    to what is wrong and still stands for all that the pool holds: the most doubtful slices alone are the ends of volumes,
    and teach that there is nothing to see. ``first``: slices that show any of this measure come before all others.
    """

    measure: str
    highest: bool = False
    gap: int = 1
    first: str | None = None

    @property
    def needs(self) -> frozenset[str]:
        """The measure, and ``first``."""
        return frozenset({self.measure} | ({self.first} if self.first else set()))

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, rounds of patients after each other."""
        shown = [one for one in candidates if self.first is None or one.measures[self.first] > 0]
        others = [one for one in candidates if self.first is not None and one.measures[self.first] <= 0]
        chosen = self._drawn(shown, n, rng)
        taken = [one for one in shown if one.slice_id in set(chosen)]
        return chosen + self._drawn(others, n - len(chosen), rng, taken)

    def _drawn(
        self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator, taken: Sequence[Candidate] = ()
    ) -> list[str]:
        ordered = in_order(candidates)
        values = np.array([one.measures[self.measure] for one in ordered])
        doubt = np.maximum(values if self.highest else 1 - values, _LEAST_DOUBT)
        drawn = np.log(doubt) + rng.gumbel(size=len(ordered))
        ranked = [replace(one, measures={self.measure: float(value)}) for one, value in zip(ordered, drawn)]
        return Spread(self.measure, highest=True, gap=self.gap).beyond(taken, ranked, n)
