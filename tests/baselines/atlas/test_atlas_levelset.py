"""The image keeps a good label, mends a ragged one, and leaves what it says nothing of."""

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from askance.baselines.atlas.grid import to_array, to_itk
from askance.baselines.atlas.levelset import LevelSetSettings, intensity_posterior, labels_of, refine
from askance.metrics.dice import dice_per_class

TRUTH = np.zeros((40, 40, 5), np.uint8)
_FAR = np.hypot(*(axis - 19.5 for axis in np.indices(TRUTH.shape)[:2].astype(float)))
TRUTH[_FAR < 13] = 1
TRUTH[_FAR < 8] = 2
TRUTH[:, :, [0, -1]] = 0
PLAIN = LevelSetSettings(steps=0)


def image_of(truth: NDArray[np.uint8]) -> sitk.Image:
    means = np.array([0.2, -1.0, 1.5], np.float32)
    noise = np.random.default_rng(0).normal(0, 0.25, truth.shape).astype(np.float32)
    return to_itk(means[truth] + noise, (2.0, 2.0, 8.0))


def probs_of(*votes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.mean([[labels == label for label in range(3)] for labels in votes], axis=0).astype(np.float32)


def refined(probs: NDArray[np.float32], settings: LevelSetSettings) -> NDArray[np.float64]:
    return dice_per_class(labels_of(refine(image_of(TRUTH), probs, settings)), TRUTH, 3)


def ragged() -> list[NDArray[np.uint8]]:
    """Shifted truths, each with holes."""
    draws = np.random.default_rng(1)
    shifted = [np.roll(TRUTH, move, axis=(0, 1)) for move in ((3, 0), (-1, 3), (2, -2))]
    return [np.where(draws.random(TRUTH.shape) < 0.15, 0, labels).astype(np.uint8) for labels in shifted]


def test_a_good_label_is_kept() -> None:
    assert refined(probs_of(TRUTH, TRUTH, TRUTH), LevelSetSettings()).min() > 0.95


def test_a_ragged_label_is_mended() -> None:
    probs = probs_of(*ragged())
    before, after = refined(probs, PLAIN), refined(probs, LevelSetSettings())
    assert np.all(after > before + 0.05)
    assert after.min() > 0.8


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_are_solved_each_for_itself_whichever_axis_is_thick(axis: int) -> None:
    image, probs = image_of(TRUTH), probs_of(*ragged())
    spacing_mm = [2.0, 2.0]
    spacing_mm.insert(axis, 8.0)
    turned = to_itk(np.moveaxis(to_array(image), 2, axis), tuple(spacing_mm))
    found = labels_of(refine(turned, np.moveaxis(probs, 3, axis + 1), LevelSetSettings()))
    np.testing.assert_array_equal(np.moveaxis(found, axis, 2), labels_of(refine(image, probs, LevelSetSettings())))


def test_no_steps_leave_what_was_fused() -> None:
    np.testing.assert_array_equal(labels_of(refine(image_of(TRUTH), probs_of(TRUTH), PLAIN)), TRUTH)


def test_a_class_that_no_atlas_shows_stays_away() -> None:
    without = np.where(TRUTH == 1, 0, TRUTH).astype(np.uint8)
    found = labels_of(refine(image_of(without), probs_of(without), LevelSetSettings()))
    assert set(np.unique(found)) == {0, 2}
    nothing = np.zeros_like(TRUTH)
    assert not labels_of(refine(image_of(TRUTH), probs_of(nothing), LevelSetSettings())).any()


def test_intensities_decide_between_classes_that_the_place_does_not_tell_apart() -> None:
    draws = np.random.default_rng(0)
    image = np.concatenate([draws.normal(-1, 0.2, 400), draws.normal(1, 0.2, 400)]).astype(np.float32).reshape(20, 40, 1)
    prior = np.full((2, 20, 40, 1), 0.5, np.float32)
    prior[:, :2] = np.array([0.9, 0.1], np.float32)[:, None, None, None]
    prior[:, -2:] = np.array([0.1, 0.9], np.float32)[:, None, None, None]
    posterior = intensity_posterior(image, prior, rounds=20)
    assert posterior[0, :10].mean() > 0.9
    assert posterior[1, 10:].mean() > 0.9
