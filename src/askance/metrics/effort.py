"""Expert effort: what a person had to change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from askance.records import IGNORE, Effort


def count_effort(labels: NDArray[np.uint8], proposal: NDArray[np.uint8] | None) -> Effort:
    """Voxels of the answer that differ from the proposal (from an empty slice without one), and its foreground."""
    before = np.zeros_like(labels) if proposal is None else proposal
    known = labels != IGNORE
    return Effort(int(((labels != before) & known).sum()), int(((labels > 0) & known).sum()))
