"""What can be said of a predicted slice without its truth: pure functions of probabilities, by name in ``MEASURES``.

All take the slices of a case, (D, K, H, W) float32 probabilities over K classes with 0 the background, and give (D,). Of a
prediction only what was looked at goes in: beyond it all is background for sure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from askance.learning.outcome import DIRECTIONS, Outcome, likeliest

Floats = NDArray[np.float32]

#: Where G's features put a slice: slices that look alike to G lie near each other.
PLACE = "place"

_SELDOM = 0.15  # chance that an empty prediction beside predicted foreground is right


def expected_dice(probs: Floats) -> Floats:
    """Dice that each slice can expect if its probabilities are right, in [0, 1].

    Per class 2 sum(p over the prediction) / (sum(p) + predicted pixels), the mean over the classes predicted or likely to
    be there. A slice without predicted foreground scores the probability that it has none, 1 - max p. With p averaged over
    views this is the cheap score that a discriminator has to beat (log.md). It is ours: the soft Dice of
    the mean probabilities with their own argmax.
    """
    dice, chosen = _class_dice(probs)
    weight = np.where(chosen, 1.0, probs[:, 1:].max((2, 3)))
    empty = ~chosen.any(1)
    mean = (dice * weight).sum(1) / np.maximum(weight.sum(1), 1e-6)
    nothing = 1 - (1 - probs[:, 0]).max((1, 2))
    scores: Floats = np.where(empty, nothing, mean).astype(np.float32)
    return scores


def weakest_class(probs: Floats) -> Floats:
    """Expected Dice of the predicted class that can expect least; 1 where none is predicted."""
    dice, chosen = _class_dice(probs)
    weakest: Floats = np.where(chosen, dice, 1).min(1).astype(np.float32)
    return weakest


def _class_dice(probs: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(D, K - 1) each: the Dice that a foreground class can expect, and whether it is predicted."""
    labels = likeliest(probs)
    dice = np.zeros((len(probs), probs.shape[1] - 1), np.float32)
    chosen = np.zeros(dice.shape, bool)
    for place, p in enumerate(np.moveaxis(probs[:, 1:], 1, 0)):
        mask = labels == place + 1
        total = p.sum((1, 2)) + mask.sum((1, 2))
        dice[:, place] = 2 * (p * mask).sum((1, 2)) / np.maximum(total, 1e-6)
        chosen[:, place] = mask.any((1, 2))
    return dice, chosen


def pixel_entropy(probs: Floats) -> Floats:
    """Predictive entropy (D, H, W) in units of log K."""
    entropy: Floats = -(probs * np.log(np.maximum(probs, 1e-8))).sum(1) / np.log(probs.shape[1])
    return entropy


def foreground_entropy(probs: Floats) -> Floats:
    """Mean predictive entropy, in units of log K, over the pixels where foreground is likelier than 0.05; 0 where none."""
    seen = probs[:, 0] < 0.95
    total: Floats = (pixel_entropy(probs) * seen).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return total.astype(np.float32)


def total_entropy(probs: Floats) -> Floats:
    """Sum over the pixels of the predictive entropy, in units of log K: large where much is doubtful, not where all is."""
    total: Floats = pixel_entropy(probs).sum((1, 2)).astype(np.float32)
    return total


def class_entropy(probs: Floats) -> Floats:
    """(D, K - 1): for each foreground class the sum over the pixels of entropy times that class's probability (ClaSP-PE)."""
    total: Floats = (pixel_entropy(probs)[:, None] * probs[:, 1:]).sum((2, 3)).astype(np.float32)
    return total


def expected_errors(probs: Floats) -> Floats:
    """Pixels of the prediction that can be expected to be wrong: the sum of 1 - max p."""
    errors: Floats = (1 - probs.max(1)).sum((1, 2)).astype(np.float32)
    return errors


def foreground_information(probs: Floats, information: Floats) -> Floats:
    """Mean of ``information`` (D, H, W) over the pixels where foreground is likelier than 0.05; 0 where none."""
    seen = probs[:, 0] < 0.95
    total: Floats = (information * seen).sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return total.astype(np.float32)


def foreground_share(probs: Floats) -> Floats:
    """Share of pixels predicted as foreground."""
    share: Floats = (likeliest(probs) > 0).mean((1, 2)).astype(np.float32)
    return share


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


def overlap(probs: Floats) -> Floats:
    """Soft Dice of the foreground's probabilities with the slice before and the one after, the mean; 1 where there is none.

    Beyond an end of the volume lies the end's slice itself.
    """
    foreground = 1 - probs[:, 0]
    total = foreground.sum((1, 2))
    before, after = np.maximum(np.arange(len(probs)) - 1, 0), np.minimum(np.arange(len(probs)) + 1, len(probs) - 1)
    shared = [np.minimum(foreground, foreground[beside]).sum((1, 2)) for beside in (before, after)]
    dice = [2 * both / np.maximum(total + total[beside], 1e-3) for both, beside in zip(shared, (before, after))]
    mean: Floats = np.where(total > 1e-3, (dice[0] + dice[1]) / 2, 1).astype(np.float32)
    return mean


def missing_classes(probs: Floats) -> Floats:
    """Foreground classes that a slice beside it is predicted to show, and it is not."""
    _, chosen = _class_dice(probs)
    padded = np.pad(chosen, ((1, 1), (0, 0)))
    missing: Floats = (~chosen & (padded[:-2] | padded[2:])).sum(1).astype(np.float32)
    return missing


def soft_area(probs: Floats) -> Floats:
    """log(1 + expected pixels of foreground)."""
    area: Floats = np.log1p((1 - probs[:, 0]).sum((1, 2))).astype(np.float32)
    return area


def at_end(probs: Floats, which: int) -> Floats:
    """1 for the volume's first slice (``which`` 0) or last (-1), 0 for the others."""
    marks = np.zeros(len(probs), np.float32)
    marks[which] = 1
    return marks


def scarcity(outcome: Outcome) -> Floats:
    """1 / square root of the patients that G has learnt from, the same for all slices; 0 where their number is not known."""
    share = outcome.patients**-0.5 if outcome.patients else 0.0
    return np.full(len(outcome.probs), share, np.float32)


def novelty(outcome: Outcome) -> Floats:
    """How unlike the slices of learn each slice is, beyond 1 unlike any; 0 from a model that cannot tell."""
    return np.zeros(len(outcome.probs), np.float32) if outcome.novelty is None else outcome.novelty


def borne_out(outcome: Outcome) -> Floats:
    """``continued_dice``, or the overlap that G expects from before it learnt from its own labels where that is less."""
    dice = continued_dice(_seen(outcome))
    return dice if outcome.borne_out is None else np.minimum(dice, outcome.borne_out)


def place(outcome: Outcome) -> Floats:
    """(D, DIRECTIONS): where G's features put each slice; the origin for all where it was not noted."""
    return np.zeros((len(outcome.probs), DIRECTIONS), np.float32) if outcome.place is None else outcome.place


def _seen(outcome: Outcome) -> Floats:
    return outcome.cut(outcome.probs)


def _part(outcome: Outcome) -> float:
    """How much of the grid was looked at, as a share."""
    return float(_seen(outcome)[0, 0].size / outcome.probs[0, 0].size)


def _area(probs: Floats) -> Floats:
    area: Floats = (likeliest(probs) > 0).sum((1, 2)).astype(np.float32)
    return area


def _beside(area: Floats) -> Floats:
    """The larger of the two neighbours' values."""
    padded = np.pad(area, 1)
    return np.maximum(padded[:-2], padded[2:])


#: What ranking computes for a slice where an acquisition asks for it by name.
MEASURES: dict[str, Callable[[Outcome], Floats]] = {
    "entropy": lambda outcome: foreground_entropy(_seen(outcome)),
    "foreground": lambda outcome: foreground_share(_seen(outcome)) * _part(outcome),
    "agreement": lambda outcome: outcome.agreement,
    "bald": lambda outcome: foreground_information(_seen(outcome), outcome.cut(outcome.information)),
    "expected_dice": lambda outcome: expected_dice(_seen(outcome)),
    "continued_dice": lambda outcome: continued_dice(_seen(outcome)),
    "soft_area": lambda outcome: soft_area(_seen(outcome)),
    "steadiness": lambda outcome: steadiness(_seen(outcome)),
    "overlap": lambda outcome: overlap(_seen(outcome)),
    "missing_classes": lambda outcome: missing_classes(_seen(outcome)),
    "weakest_class": lambda outcome: weakest_class(_seen(outcome)),
    "first": lambda outcome: at_end(_seen(outcome), 0),
    "last": lambda outcome: at_end(_seen(outcome), -1),
    "scarcity": scarcity,
    "total_entropy": lambda outcome: total_entropy(_seen(outcome)),
    "expected_errors": lambda outcome: expected_errors(_seen(outcome)),
    "novelty": novelty,
    "borne_out": borne_out,
}

#: The same with several values, for each foreground class or direction, kept as ``name/1``, ``name/2``, ...
VECTOR_MEASURES: dict[str, Callable[[Outcome], Floats]] = {
    "class_entropy": lambda outcome: class_entropy(_seen(outcome)),
    PLACE: place,
}


def measures_of(outcome: Outcome, wanted: Iterable[str]) -> dict[str, Floats]:
    """(D,) of each measure that is wanted; of one with several values, (D,) of each of them."""
    found: dict[str, Floats] = {}
    for name in wanted:
        if name in MEASURES:
            found[name] = MEASURES[name](outcome)
        else:
            columns = VECTOR_MEASURES[name](outcome).T
            found |= {component(name, number): values for number, values in enumerate(columns, start=1)}
    return found


def component(name: str, number: int) -> str:
    """What the ``number``-th value of measure ``name``, from 1 on, is called among a prediction's measures."""
    return f"{name}/{number}"


def given(known: Collection[str], name: str) -> bool:
    """Whether the measure ``name`` stands among ``known``, of one with several values the first."""
    return name in known or (name in VECTOR_MEASURES and component(name, 1) in known)
