"""What can be said of a predicted slice without its truth: pure functions of probabilities and of D's patches.

All take the slices of a case, (D, K, H, W) float32 probabilities over K classes with 0 the background, and give (D,).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from askance.active.calibration import FEATURES, LEAN, Calibration, estimate
from askance.learning.prediction import Outcome

Floats = NDArray[np.float32]

_SELDOM = 0.15  # chance that an empty prediction beside predicted foreground is right
#: Side in pixels of the patches of a score map.
PATCH = 8


def expected_dice(probs: Floats) -> Floats:
    """Dice that each slice can expect if its probabilities are right, in [0, 1].

    Per class 2 sum(p over the prediction) / (sum(p) + predicted pixels), the mean over the classes predicted or likely to
    be there. A slice without predicted foreground scores the probability that it has none, 1 - max p. With p averaged over
    views this is the cheap score that a discriminator has to beat (log.md). It is ours: the soft Dice of
    the mean probabilities with their own argmax.
    """
    labels, classes = probs.argmax(1), probs.shape[1]
    dice, weight = np.zeros((2, len(probs), classes - 1), np.float32)
    for c in range(1, classes):
        chosen, p = labels == c, probs[:, c]
        total = p.sum((1, 2)) + chosen.sum((1, 2))
        dice[:, c - 1] = 2 * (p * chosen).sum((1, 2)) / np.maximum(total, 1e-6)
        weight[:, c - 1] = np.where(chosen.any((1, 2)), 1.0, p.max((1, 2)))
    empty = ~(labels > 0).any((1, 2))
    mean = (dice * weight).sum(1) / np.maximum(weight.sum(1), 1e-6)
    nothing = 1 - (1 - probs[:, 0]).max((1, 2))
    scores: Floats = np.where(empty, nothing, mean).astype(np.float32)
    return scores


def foreground_entropy(probs: Floats) -> Floats:
    """Mean predictive entropy, in units of log K, over the pixels where foreground is likelier than 0.05; 0 where none."""
    entropy = -(probs * np.log(np.maximum(probs, 1e-8))).sum(1) / np.log(probs.shape[1])
    seen = probs[:, 0] < 0.95
    total: Floats = (entropy * seen).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return total.astype(np.float32)


def foreground_information(probs: Floats, information: Floats) -> Floats:
    """Mean of ``information`` (D, H, W) over the pixels where foreground is likelier than 0.05; 0 where none."""
    seen = probs[:, 0] < 0.95
    total: Floats = (information * seen).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return total.astype(np.float32)


def foreground_share(probs: Floats) -> Floats:
    """Share of pixels predicted as foreground."""
    share: Floats = (probs.argmax(1) > 0).mean((1, 2)).astype(np.float32)
    return share


def confidence_map(probs: Floats) -> NDArray[np.float16]:
    """Patch score map (D, h, w) in [0, 1]: expected share of right pixels in each patch of PATCH pixels."""
    return _patch_means(probs.max(1)).astype(np.float16)


def verdict_map(patch_logits: Floats) -> NDArray[np.float16]:
    """Patch score map (D, h, w) in [0, 1]: D's probability that a patch is real."""
    return (1 / (1 + np.exp(-patch_logits))).astype(np.float16)


def continued_dice(probs: Floats) -> Floats:
    """Expected Dice, but where nothing is predicted beside a slice with foreground: there _SELDOM of it.

    Organs go on from slice to slice. On ACDC 25 of 29 such slices showed foreground in truth (log.md), so that their Dice
    is 0, while the probabilities of a model of few labels call two thirds of them surely empty.
    """
    dice, area = expected_dice(probs), _area(probs)
    missed = (area == 0) & (_beside(area) > 0)
    return np.where(missed, np.float32(_SELDOM) * dice, dice)


def steadiness(probs: Floats) -> Floats:
    """Predicted foreground as a share of the larger neighbour's, at most 1; 1 where the neighbours show none."""
    area = _area(probs)
    beside = _beside(area)
    share: Floats = np.where(beside > 0, np.minimum(area / np.maximum(beside, 1), 1), 1).astype(np.float32)
    return share


def soft_area(probs: Floats) -> Floats:
    """log(1 + expected pixels of foreground)."""
    area: Floats = np.log1p((1 - probs[:, 0]).sum((1, 2))).astype(np.float32)
    return area


def at_end(probs: Floats, which: int) -> Floats:
    """1 for the volume's first slice (``which`` 0) or last (-1), 0 for the others."""
    marks = np.zeros(len(probs), np.float32)
    marks[which] = 1
    return marks


def _area(probs: Floats) -> Floats:
    area: Floats = (probs.argmax(1) > 0).sum((1, 2)).astype(np.float32)
    return area


def _beside(area: Floats) -> Floats:
    """The larger of the two neighbours' values."""
    padded = np.pad(area, 1)
    return np.maximum(padded[:-2], padded[2:])


#: What ranking computes for a slice where an acquisition asks for it by name.
MEASURES: dict[str, Callable[[Outcome], Floats]] = {
    "entropy": lambda outcome: foreground_entropy(outcome.probs),
    "foreground": lambda outcome: foreground_share(outcome.probs),
    "agreement": lambda outcome: outcome.agreement,
    "bald": lambda outcome: foreground_information(outcome.probs, outcome.information),
    "expected_dice": lambda outcome: expected_dice(outcome.probs),
    "continued_dice": lambda outcome: continued_dice(outcome.probs),
    "soft_area": lambda outcome: soft_area(outcome.probs),
    "steadiness": lambda outcome: steadiness(outcome.probs),
    "first": lambda outcome: at_end(outcome.probs, 0),
    "last": lambda outcome: at_end(outcome.probs, -1),
}


def d_raw(outcome: Outcome) -> Floats | None:
    """What the binary D says of each slice: its mean patch logit (the paper's score); None without D."""
    return None if outcome.patch_logits is None else outcome.patch_logits.mean((1, 2), dtype=np.float32)


def slice_scores(outcome: Outcome, preset: str, calibration: Calibration = LEAN) -> Floats:
    """The score, an estimate of each slice's Dice in [0, 1]; in preset paper D's probability that it is real."""
    raw = d_raw(outcome)
    if preset == "paper" and raw is not None:
        return np.asarray(1 / (1 + np.exp(-raw)), np.float32)
    columns = {name: MEASURES[name](outcome) for name in FEATURES}
    seen = [{name: float(values[place]) for name, values in columns.items()} for place in range(len(outcome.probs))]
    return estimate(calibration, seen).astype(np.float32)


def score_maps(outcome: Outcome, preset: str) -> NDArray[np.float16]:
    """The patch score maps (D, h, w), 1 = right."""
    if preset == "paper" and outcome.patch_logits is not None:
        return verdict_map(outcome.patch_logits)
    return confidence_map(outcome.probs)


def enlarged(score_maps: NDArray[np.float16], size: tuple[int, ...]) -> Floats:
    """Patch score maps (..., h, w) with a value for each of ``size`` pixels: that of its patch."""
    rows, columns = (np.arange(pixels) * patches // pixels for pixels, patches in zip(size, score_maps.shape[-2:]))
    return score_maps[..., rows[:, None], columns].astype(np.float32)


def _patch_means(image: Floats) -> Floats:
    depth, height, width = image.shape
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    padded = np.pad(image, ((0, 0), (0, rows * PATCH - height), (0, columns * PATCH - width)), constant_values=1.0)
    means: Floats = padded.reshape(depth, rows, PATCH, columns, PATCH).mean((2, 4))
    return means
