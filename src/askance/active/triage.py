"""What becomes of the slices that are not asked: a pseudo-label with a weight from the score, or hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from askance.config import PseudoConfig
from askance.records import Prediction


def triage(predictions: Sequence[Prediction], asked: Collection[str], config: PseudoConfig) -> list[Prediction]:
    """``predictions`` of the slices not ``asked``, each marked ``pseudo`` with its weight, or ``hold``.

    A slice is trusted from ``config.threshold`` on and weighs ``score ** config.power``: a gate by the score helped
    in the feasibility study (log.md). In preset paper the gate is open and every weight is 1 (Algorithm 1, line 8).
    """
    return [_judged(one, config) for one in predictions if one.slice_id not in asked]


def _judged(prediction: Prediction, config: PseudoConfig) -> Prediction:
    weight = prediction.score**config.power
    if config.share == 0 or prediction.score < config.threshold or weight == 0:
        return replace(prediction, triage="hold", weight=0.0)
    return replace(prediction, triage="pseudo", weight=weight)
