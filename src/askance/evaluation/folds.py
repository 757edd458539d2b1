"""Who is tested on when, and whose slices the base model learns from: draws by seed, by patient."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from askance.errors import UsageError

_FOLD_STREAM, _BASE_STREAM = 11, 12  # keep this file's random numbers apart from those of training with the same seed


def draw_folds(patients: Iterable[str], count: int, seed: int = 0) -> tuple[tuple[str, ...], ...]:
    """``count`` disjoint groups that hold every patient once, of sizes that differ by at most one; each is a test set.

    Raises:
        UsageError: fewer than two folds, or fewer patients than folds.
    """
    everyone = sorted(set(patients))
    if count < 2:
        raise UsageError(f"{count} folds asked for; wanted at least 2: one to test on, one to learn from")
    if len(everyone) < count:
        raise UsageError(f"{count} folds asked for and there are {len(everyone)} patients; wanted at most a fold a patient")
    order = np.random.default_rng((seed, _FOLD_STREAM)).permutation(len(everyone))
    return tuple(tuple(sorted(everyone[place] for place in order[fold::count])) for fold in range(count))


def draw_base_patients(learn: Iterable[str], count: int, fold: int, seed: int) -> tuple[str, ...]:
    """``count`` patients of ``learn``, each the base of a trial; asking for more later keeps the first ones.

    Raises:
        UsageError: fewer patients than that.
    """
    everyone = sorted(set(learn))
    if not 1 <= count <= len(everyone):
        raise UsageError(f"{count} base patients asked for; fold {fold} has {len(everyone)} patients to learn from")
    order = np.random.default_rng((seed, fold, _BASE_STREAM)).permutation(len(everyone))
    return tuple(everyone[place] for place in order[:count])
