"""The score of a predicted slice, an estimate of its Dice, the paper's d_raw, and the maps that say where it is doubtful.

All take the slices of a case, (D, K, H, W) float32 probabilities over K classes with 0 the background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from askance.active.calibration import FEATURES, LEAN, Calibration, estimate
from askance.active.measures import measures_of, novelty
from askance.learning.outcome import Outcome

Floats = NDArray[np.float32]

#: Side in pixels of the patches of a score map.
PATCH = 8

_FALL = 30.0  # of trust, as a power of the novelty: with 8, what was barely novel kept too high a score (log.md)


def d_raw(outcome: Outcome) -> Floats | None:
    """What the binary D says of each slice: its mean patch logit (the paper's score); None without D."""
    return None if outcome.patch_logits is None else outcome.patch_logits.mean((1, 2), dtype=np.float32)


def slice_scores(
    outcome: Outcome, preset: str, calibration: Calibration = LEAN, measures: Mapping[str, Floats] | None = None
) -> Floats:
    """The score, an estimate of each slice's Dice in [0, 1]; in preset paper D's probability that it is real.

    Of a slice that is unlike anything in learn the estimate says nothing: the further, the nearer its score is to 0.
    ``measures`` are those that the score looks at, if they are known already.
    """
    raw = d_raw(outcome)
    if preset == "paper" and raw is not None:
        return np.asarray(1 / (1 + np.exp(-raw)), np.float32)
    columns = measures or measures_of(outcome, FEATURES)
    seen = [{name: float(columns[name][place]) for name in FEATURES} for place in range(len(outcome.probs))]
    return (estimate(calibration, seen) * trust(novelty(outcome))).astype(np.float32)


def trust(unlike: Floats) -> Floats:
    """How far what a model says of a slice may be believed: 1 up to a novelty of 1, a quarter at 1.05, 0.004 at 1.2."""
    return np.asarray(np.maximum(unlike, 1) ** -_FALL, np.float32)


def score_maps(outcome: Outcome, preset: str) -> NDArray[np.float16]:
    """The patch score maps (D, h, w), 1 = right."""
    if preset == "paper" and outcome.patch_logits is not None:
        return verdict_map(outcome)
    return confidence_map(outcome.probs)


def confidence_map(probs: Floats) -> NDArray[np.float16]:
    """Patch score map (D, h, w) in [0, 1]: expected share of right pixels in each patch of PATCH pixels."""
    return pooled(probs.max(1)).astype(np.float16)


def verdict_map(outcome: Outcome) -> NDArray[np.float16]:
    """Patch score map (D, h, w) in [0, 1] of the grid: D's probability that a patch is real, its mean beyond what D saw."""
    assert outcome.patch_logits is not None
    real = (1 / (1 + np.exp(-outcome.patch_logits))).astype(np.float16)
    depth, _, height, width = outcome.probs.shape
    laid = np.empty((depth, height, width), np.float32)
    laid[...] = real.mean((1, 2), dtype=np.float32)[:, None, None]
    part = outcome.judged.cut(laid) if outcome.judged else laid
    part[...] = enlarged(real, part.shape[1:])
    return pooled(laid).astype(np.float16)


def enlarged(score_maps: NDArray[np.float16], size: tuple[int, ...]) -> Floats:
    """Patch score maps (..., h, w) with a value for each of ``size`` pixels: that of its patch, of equal ones."""
    rows, columns = (_patch_of(pixels, patches) for pixels, patches in zip(size, score_maps.shape[-2:]))
    return score_maps[..., rows[:, None], columns].astype(np.float32)


def pooled(image: Floats, how: Callable[..., Floats] = np.mean) -> Floats:
    """One value (D, h, w) for each of equal patches of ``image`` (D, H, W), of PATCH pixels a side or a little less."""
    depth, height, width = image.shape
    patches = (-(-height // PATCH), -(-width // PATCH))
    if (height % PATCH, width % PATCH) == (0, 0):
        return how(image.reshape(depth, patches[0], PATCH, patches[1], PATCH), axis=(2, 4))
    rows, columns = (
        np.split(np.arange(pixels), np.flatnonzero(np.diff(_patch_of(pixels, count))) + 1)
        for pixels, count in zip((height, width), patches)
    )
    lines = [[how(image[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1], axis=(1, 2)) for c in columns] for r in rows]
    return np.moveaxis(np.array(lines, image.dtype), -1, 0)


def _patch_of(pixels: int, patches: int) -> NDArray[np.intp]:
    """Along a side, the patch that each pixel lies in."""
    return np.arange(pixels) * patches // pixels
