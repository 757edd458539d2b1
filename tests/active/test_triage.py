"""Triage: who is pseudo-labelled, with which weight, and who is held back."""

from __future__ import annotations

import numpy as np

from askance.active.triage import triage
from askance.config import PseudoConfig, from_preset
from askance.records import Prediction


def predictions(scores: list[float]) -> list[Prediction]:
    return [Prediction(f"a/2/{i}", "m", score) for i, score in enumerate(scores)]


def test_the_trusted_are_weighted_by_their_score_and_the_doubtful_are_held() -> None:
    judged = triage(predictions([0.9, 0.2, 0.7]), {"a/2/9"}, PseudoConfig(threshold=0.5, power=2.0))
    assert [(one.triage, round(one.weight, 2)) for one in judged] == [("pseudo", 0.81), ("hold", 0.0), ("pseudo", 0.49)]


def test_what_is_asked_is_neither() -> None:
    assert [one.slice_id for one in triage(predictions([0.9, 0.9]), {"a/2/0"}, PseudoConfig())] == ["a/2/1"]


def test_shuffled_scores_change_the_weights() -> None:
    scores = np.linspace(0.5, 1.0, 20)
    shuffled = np.random.default_rng(0).permutation(scores)
    weights, others = (
        [one.weight for one in triage(predictions(list(s)), set(), PseudoConfig())] for s in (scores, shuffled)
    )
    assert weights != others
    assert sorted(weights) == sorted(others)


def test_without_pseudo_labels_everything_is_held() -> None:
    assert {one.triage for one in triage(predictions([0.9, 1.0]), set(), PseudoConfig(share=0.0))} == {"hold"}


def test_preset_paper_trusts_everything_alike_and_to_the_end() -> None:
    grid = {"axis": 2, "spacing_mm": (1.0, 1.0), "size": (64, 64)}
    config = from_preset("paper", {"name": "s", "classes": ("b", "f"), "channels": ("MR",), "grid": grid}).pseudo
    assert [one.weight for one in triage(predictions([0.01, 0.99]), set(), config)] == [1.0, 1.0]
    assert config.until == 1
