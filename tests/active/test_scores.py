"""Scores on hand-made probabilities whose Dice is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from askance.active.measures import (
    at_end,
    continued_dice,
    expected_dice,
    foreground_entropy,
    foreground_information,
    foreground_share,
    measures_of,
    missing_classes,
    overlap,
    soft_area,
    steadiness,
    weakest_class,
)
from askance.active.scores import confidence_map, enlarged, pooled, slice_scores
from askance.learning.outcome import Outcome, expected_overlap


def sure(labels: NDArray[np.int64], classes: int = 3, p: float = 1.0) -> NDArray[np.float32]:
    """(1, K, H, W) probabilities that give ``p`` to each pixel's label and share the rest."""
    onehot = np.eye(classes)[labels].transpose(2, 0, 1)[None]
    return (onehot * p + (1 - onehot) * (1 - p) / (classes - 1)).astype(np.float32)


def disc(value: int = 1) -> NDArray[np.int64]:
    rows, columns = np.mgrid[:32, :32]
    return ((rows - 16) ** 2 + (columns - 16) ** 2 < 64).astype(int) * value


def test_a_sure_prediction_expects_a_dice_of_one() -> None:
    assert expected_dice(sure(disc())) == pytest.approx(1.0)


def test_nothing_predicted_beside_foreground_is_seldom_right():
    heart, nothing = sure(disc())[0], sure(np.zeros((32, 32), int))[0]
    scores = continued_dice(np.stack([heart, nothing, nothing, heart]))
    assert scores == pytest.approx([1, 0.15, 0.15, 1])
    assert continued_dice(np.stack([heart, nothing, nothing, nothing])) == pytest.approx([1, 0.15, 1, 1])


def test_the_overlap_to_expect_is_that_of_pixels_which_show_foreground_or_may():
    half = np.zeros((1, 3, 4, 4), np.float32)
    half[:, 0], half[:, 0, 0], half[:, 1, 0] = 1, 0.5, 0.5  # a row of four pixels, each as likely foreground as not
    row, other, nothing = (torch.zeros(1, 4, 4) for _ in range(3))
    row[:, 0], other[:, 0] = 1, 2
    expected = [expected_overlap(labels, torch.from_numpy(half)).item() for labels in (row, other, nothing)]
    assert expected == pytest.approx([0.5, 0, 0])
    assert expected_overlap(nothing, torch.from_numpy(sure(np.zeros((4, 4), int)))).item() == 1


def test_where_no_former_network_was_asked_the_expected_dice_stands_in_its_place():
    probs = np.stack([sure(disc())[0], sure(np.zeros((32, 32), int))[0]])
    own = Outcome(probs, np.ones(2, np.float32), np.zeros((2, 32, 32), np.float32), None)
    assert measures_of(own, ["borne_out"])["borne_out"] == pytest.approx([1, 0.15])
    asked = replace(own, borne_out=np.array([0.6, 0.2], np.float32))
    assert measures_of(asked, ["borne_out"])["borne_out"] == pytest.approx([0.6, 0.15])


def test_steadiness_is_the_area_beside_the_larger_neighbour():
    sizes = [16, 8, 0, 0]
    probs = np.stack([sure((np.indices((32, 32))[0] < rows).astype(int))[0] for rows in sizes])
    assert steadiness(probs) == pytest.approx([1, 0.5, 0, 1])
    assert soft_area(probs) == pytest.approx(np.log1p([32.0 * rows for rows in sizes]))
    assert at_end(probs, 0).tolist() == [1, 0, 0, 0]
    assert at_end(probs, -1).tolist() == [0, 0, 0, 1]


def test_neighbours_that_agree_overlap_and_those_that_lie_elsewhere_do_not():
    left, right = (sure((np.indices((32, 32))[1] // 16 == side).astype(int))[0] for side in (0, 1))
    nothing = sure(np.zeros((32, 32), int))[0]
    assert overlap(np.stack([left, left, left])) == pytest.approx([1, 1, 1])
    assert overlap(np.stack([left, right, right, nothing])) == pytest.approx([0.5, 0.5, 0.5, 1])
    assert overlap(np.stack([left])) == pytest.approx([1])
    half = sure((np.indices((32, 32))[1] < 8).astype(int))[0]
    assert overlap(np.stack([left, half]))[0] == pytest.approx((1 + 2 / 3) / 2)


def test_classes_that_a_slice_lacks_between_others_that_show_them_are_counted():
    both = disc(1)
    both[:4] = 2
    slices = [sure(both)[0], sure(disc(1))[0], sure(np.zeros((32, 32), int))[0], sure(np.zeros((32, 32), int))[0]]
    assert missing_classes(np.stack(slices)).tolist() == [0, 1, 1, 0]


def test_the_weakest_class_is_the_predicted_one_that_can_expect_least():
    labels = disc(1)
    labels[:4] = 2
    probs = sure(labels)
    assert weakest_class(probs) == pytest.approx([1])
    probs[0, :, :4] = np.array([0.2, 0.1, 0.7])[:, None, None]
    assert weakest_class(probs)[0] == pytest.approx(2 * 0.7 / (0.7 + 1), abs=1e-5)
    assert weakest_class(sure(np.zeros((32, 32), int))) == pytest.approx([1])


def test_a_sure_empty_slice_scores_one_and_a_doubtful_one_less() -> None:
    empty = np.zeros((32, 32), int)
    assert expected_dice(sure(empty)) == pytest.approx(1.0)
    doubtful = sure(empty)
    doubtful[0, :, 10, 10] = [0.6, 0.4, 0.0]
    assert expected_dice(doubtful) == pytest.approx(0.6)


def test_expected_dice_is_the_dice_of_truths_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    probs = np.zeros((1, 2, 64, 64), np.float32)
    probs[0, 1] = np.clip(rng.normal(0.1, 0.1, (64, 64)) + 0.7 * (disc().repeat(2, 0).repeat(2, 1) > 0), 0, 1)
    probs[0, 0] = 1 - probs[0, 1]
    predicted = probs[0].argmax(0)
    drawn = [rng.random((64, 64)) < probs[0, 1] for _ in range(200)]
    dice = [2 * (truth & (predicted > 0)).sum() / (truth.sum() + predicted.sum()) for truth in drawn]
    assert expected_dice(probs)[0] == pytest.approx(np.mean(dice), abs=0.01)


def test_less_certainty_scores_lower_and_has_more_entropy() -> None:
    steps = [sure(disc(), p=p) for p in (0.99, 0.8, 0.6)]
    scores, entropies = ([float(f(probs)[0]) for probs in steps] for f in (expected_dice, foreground_entropy))
    assert scores == sorted(scores, reverse=True)
    assert entropies == sorted(entropies)


def test_scores_stay_in_the_unit_interval_for_any_probabilities() -> None:
    raw = np.random.default_rng(1).random((20, 4, 16, 16)).astype(np.float32) ** 8
    probs = raw / raw.sum(1, keepdims=True)
    assert ((expected_dice(probs) >= 0) & (expected_dice(probs) <= 1)).all()
    assert ((foreground_entropy(probs) >= 0) & (foreground_entropy(probs) <= 1)).all()
    assert foreground_share(probs).shape == (20,)


def test_the_score_map_is_low_where_the_prediction_is_in_doubt() -> None:
    probs = sure(disc())
    probs[0, :, :8, :8] = [[[0.5]], [[0.5]], [[0.0]]]
    score_map = confidence_map(probs)[0]
    assert score_map[0, 0] == pytest.approx(0.5)
    assert score_map[2:, 2:].min() == pytest.approx(1.0)


def test_preset_paper_scores_by_its_discriminator_and_preset_askance_does_not() -> None:
    probs, patches = sure(disc()), np.full((1, 4, 4), -2.0, np.float32)
    outcome = Outcome(probs, np.ones(1, np.float32), np.zeros_like(probs[:, 0]), patches)
    assert slice_scores(outcome, "paper") == pytest.approx(1 / (1 + np.exp(2.0)))
    assert slice_scores(outcome, "askance") == pytest.approx(1.0)


def test_information_counts_where_foreground_may_be():
    probs = np.zeros((2, 2, 4, 4), np.float32)
    probs[:, 0] = 1
    probs[0, :, 1:3, 1:3] = 0.5
    information = np.zeros((2, 4, 4), np.float32)
    information[0, 1, 1:3] = 0.4
    information[0, 0, 0] = information[1] = 9.0  # where nobody sees foreground
    np.testing.assert_allclose(foreground_information(probs, information), [0.2, 0.0], atol=1e-6)


def test_an_enlarged_map_gives_each_pixel_the_value_of_its_patch():
    maps = np.arange(4, dtype=np.float16).reshape(1, 2, 2)
    big = enlarged(maps, (16, 16))
    assert big.shape == (1, 16, 16)
    np.testing.assert_array_equal(big[0, ::8, ::8], maps[0])
    assert (big[0, :8, 8:] == 1).all()


@pytest.mark.parametrize("size", [(16, 24), (36, 30), (20, 8), (5, 9)])
def test_what_was_pooled_from_an_enlarged_map_is_that_map_on_every_grid(size):
    rows, columns = (-(-side // 8) for side in size)
    maps = np.random.default_rng(0).random((2, rows, columns)).astype(np.float16)
    for how in (np.mean, np.min):
        np.testing.assert_allclose(pooled(enlarged(maps, size), how), maps, rtol=1e-3)
