"""An acquisition that goes by what is labelled already: every patient, and every stretch of a volume, gets its turn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from askance.active.candidates import Candidate, in_order

_LEAST_DOUBT = 0.05  # a slice that the model is sure of may be drawn, too


@dataclass(frozen=True)
class Cover:
    """Patients in turns, the least labelled first; of one, a doubtful slice far from any that is labelled or asked.

    Where foreground is predicted, a slice is drawn in proportion to 1 - score times the way to the nearest slice of its
    volume that is labelled or asked (Gumbel noise on the logarithm, Kirsch 2021): it is likely to be wrong, and nothing that
    the expert has drawn shows the same. Slices without foreground come last. Ours: sampling stratified by patients, and
    within them the distance that core-sets ask for (Sener 2018), along the axis in place of feature space.
    """

    labelled: tuple[Candidate, ...] = ()
    needs: ClassVar[frozenset[str]] = frozenset({"score", "foreground"})

    def beside(self, labelled: Sequence[Candidate]) -> Cover:
        """With these labelled already."""
        return replace(self, labelled=tuple(in_order(labelled)))

    def select(self, candidates: Sequence[Candidate], n: int, rng: np.random.Generator) -> list[str]:
        """``n`` of them, those with foreground first."""
        chosen: list[Candidate] = []
        for shown in (True, False):
            left = [one for one in in_order(candidates) if (one.measures["foreground"] > 0) == shown]
            self._turns(left, min(n - len(chosen), len(left)), chosen, rng)
        return [one.slice_id for one in chosen]

    def _turns(self, left: list[Candidate], n: int, chosen: list[Candidate], rng: np.random.Generator) -> None:
        """Add ``n`` of ``left`` to ``chosen``, patient by patient."""
        by_patient: dict[str, list[Candidate]] = defaultdict(list)
        for one in left:
            by_patient[one.patient].append(one)
        taken, noise = _places([*self.labelled, *chosen]), {one.slice_id: float(rng.gumbel()) for one in left}
        labels = Counter(one.patient for one in (*self.labelled, *chosen))
        depths = Counter(one.case for one in left)
        lots = {patient: float(rng.random()) for patient in sorted(by_patient)}
        for _ in range(n):
            patient = min(by_patient, key=lambda one: (labels[one], lots[one]))
            found = max(by_patient[patient], key=lambda one: _worth(one, taken, depths) + noise[one.slice_id])
            by_patient[patient].remove(found)
            if not by_patient[patient]:
                del by_patient[patient]
            labels[patient] += 1
            taken[found.case].append(found.index)
            chosen.append(found)


def _places(slices: Iterable[Candidate]) -> dict[str, list[int]]:
    """Where in each case slices lie."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in slices:
        found[one.case].append(one.index)
    return found


def _worth(one: Candidate, taken: Mapping[str, Sequence[int]], depths: Mapping[str, int]) -> float:
    """Logarithm of its doubt times the way to the nearest ``taken`` slice; in a case without any, half its candidates."""
    away = min((abs(one.index - index) for index in taken[one.case]), default=depths[one.case] / 2)
    return math.log(max(1 - one.measures["score"], _LEAST_DOUBT)) + math.log(max(away, 0.5))
