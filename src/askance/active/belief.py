"""Whether pseudo-labels may be believed: what the last answers say of slices that would have been pseudo-labelled.

Each answer shows how right the asking model was on a slice that it had not seen. Those that it scored above the
threshold show what triage trusts; where their mean Dice falls short of the threshold by more than its standard error,
nothing that this model says of the pool is taught to the next. Where too few of the asked scored as high, there is nothing
to doubt by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from askance.active.answered import answers_of
from askance.active.study import Study

_ENOUGH = 3  # slices below which nothing is concluded


@dataclass(frozen=True)
class Belief:
    """``slices`` with a Dice that would have been trusted, had they not been asked, and their mean ``dice``."""

    slices: int = 0
    dice: float | None = None
    holds: bool = True


def belief_in(study: Study, cycle: int) -> Belief:
    """How far the answers of ``cycle`` bear out the model that asked for them."""
    query, threshold = study.store.query(cycle), study.config.pseudo.threshold
    if query is None or query.model is None:
        return Belief()
    said = [dice for prediction, dice in answers_of(study, query) if prediction.score >= threshold]
    known = [dice for dice in said if not np.isnan(dice)]
    if len(known) < _ENOUGH:
        return Belief(len(known))
    mean, error = float(np.mean(known)), float(np.std(known, ddof=1)) / math.sqrt(len(known))
    return Belief(len(known), mean, mean + error >= threshold)
