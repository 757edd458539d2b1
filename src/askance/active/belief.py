"""Whether pseudo-labels may be believed: what the last answers say of slices that would have been pseudo-labelled.

Each answer shows how right the asking model was on a slice that it had not seen. Those that it scored above the
threshold are a sample of what triage trusts; where their Dice does not keep what the threshold promises, nothing that this
model says of the pool is taught to the next. Where too few of the asked scored as high, there is nothing to doubt by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from askance.active.answered import answers_of
from askance.active.study import Study

_ENOUGH = 3  # answered slices below which nothing is concluded


@dataclass(frozen=True)
class Belief:
    """``slices`` asked that would have been trusted, and the mean ``dice`` of what the model had said of them."""

    slices: int = 0
    dice: float | None = None
    holds: bool = True


def belief_in(study: Study, cycle: int) -> Belief:
    """How far the answers of ``cycle`` bear out the model that asked for them."""
    query, threshold = study.store.query(cycle), study.config.pseudo.threshold
    if query is None or query.model is None:
        return Belief()
    # A slice rightly predicted empty has no Dice, and nothing to mend.
    dice = [1.0 if np.isnan(value) else value for said, value in answers_of(study, query) if said.score >= threshold]
    if len(dice) < _ENOUGH:
        return Belief(len(dice))
    mean = float(np.mean(dice))
    return Belief(len(dice), mean, mean >= threshold)
