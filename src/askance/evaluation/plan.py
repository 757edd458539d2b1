"""Which trials an experiment has: a product of folds, seeds, base patients, acquisitions, shares and cycles, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from askance.active.acquisition import acquisition
from askance.errors import UsageError

#: The collaborating methods, and what each becomes where every slice is labelled: its end at 100 %.
ENDS = {"paper": "isola", "askance": "full"}
#: Method -> preset of its networks and training.
PRESETS = {"paper": "paper", "isola": "paper", "askance": "askance", "full": "askance"}


@dataclass(frozen=True)
class Trial:
    """One line of the results.

    A base (``acquisition`` None, ``base`` a number) is the 0 % end: a model of one patient's slices. A share asks, by
    ``acquisition`` in ``cycles`` queries, for ``share`` of learn's slices after the base, and learns from both, with
    pseudo-labels for the rest or without. What has no base learns from every slice.
    """

    method: str
    fold: int
    seed: int
    base: int | None = None
    acquisition: str | None = None
    share: float = 1.0
    cycles: int = 0
    pseudo: bool | None = None

    @property
    def is_base(self) -> bool:
        """Whether it is the model that the shares of its fold, seed and base patient are asked by."""
        return self.base is not None and self.acquisition is None

    @property
    def name(self) -> str:
        """Its id among all trials: what it is, in words that make a folder's name."""
        parts = [self.method, f"f{self.fold}", f"s{self.seed}"]
        if self.base is not None:
            parts.append(f"b{self.base}")
        if self.acquisition is not None:
            parts += [self.acquisition, f"k{100 * self.share:g}", f"n{self.cycles}", "pseudo" if self.pseudo else "true"]
        return "-".join(parts)

    @property
    def draw(self) -> int:
        """Seed of its trainings and queries: of each fold, seed and base another, of all that one base asks the same.

        With one seed for all folds, what the start of a training is good for stood in every fold's difference alike: on a
        short schedule two of four starts never learnt the myocardium (docs/log.md).
        """
        return int(np.random.SeedSequence((self.seed, self.fold, self.base or 0)).generate_state(1)[0] >> 1)

    def its_base(self) -> Trial:
        """The trial whose model asks for this one's share."""
        return Trial(self.method, self.fold, self.seed, self.base, share=0.0)


@dataclass(frozen=True)
class Plan:
    """What a user wants tried. ``shares`` in (0, 1), rising; 0 and 1 are always there.

    ``pseudo``: with pseudo-labels, without, or both. ``cycles``: numbers of queries; one trains anew from the answers as
    in the paper, several go on from the last cycle's networks (the paper's outlook).

    Raises:
        UsageError: an unknown acquisition, shares that do not rise, or nothing to do.
    """

    methods: tuple[str, ...]
    folds: tuple[int, ...]
    shares: tuple[float, ...]
    acquisitions: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    base_patients: int = 3
    cycles: tuple[int, ...] = (1,)
    pseudo: tuple[bool, ...] = (True, False)

    def __post_init__(self) -> None:
        if list(self.shares) != sorted(set(self.shares)) or not all(0 < share < 1 for share in self.shares):
            shown = ", ".join(f"{100 * share:g}" for share in self.shares)
            raise UsageError(f"the shares are {shown} %; wanted them rising, between 0 and 100, each once")
        for name in self.acquisitions:
            acquisition(name)
        for what in ("methods", "folds", "seeds", "cycles", "pseudo"):
            given = getattr(self, what)
            if not given or len(set(given)) < len(given):
                raise UsageError(f"{what} are {list(given)}; wanted at least one, each once")
        if min(self.cycles) < 1 or min(self.seeds) < 0 or min(self.folds) < 0:
            raise UsageError(
                f"cycles {self.cycles}, seeds {self.seeds}, folds {self.folds}; wanted cycles from 1, others from 0"
            )

    def stages(self) -> list[list[Trial]]:
        """Trials in stages: bases and what needs none, then what is asked by the bases; within a stage fold by fold."""
        methods = dict.fromkeys(end for one in self.methods for end in (one, ENDS.get(one)) if end)
        first = [
            trial
            for fold in self.folds
            for seed in self.seeds
            for method in methods
            for trial in (self._bases(method, fold, seed) if method in ENDS else [Trial(method, fold, seed)])
        ]
        return [first, [share for base in first if base.is_base for share in self._shares(base)]]

    def _bases(self, method: str, fold: int, seed: int) -> list[Trial]:
        return [Trial(method, fold, seed, number, share=0.0) for number in range(self.base_patients)]

    def _shares(self, base: Trial) -> Iterator[Trial]:
        for share in self.shares:
            for cycles in self.cycles:
                for pseudo in self.pseudo:
                    for name in self._acquisitions():
                        yield Trial(base.method, base.fold, base.seed, base.base, name, share, cycles, pseudo)

    def _acquisitions(self) -> Sequence[str]:
        """Those wanted, and always random."""
        return list(dict.fromkeys([*self.acquisitions, "random"]))
