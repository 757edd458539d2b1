"""An atlas that was shifted, turned, stretched or bent is laid back."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from made_hearts import heart_image, heart_labels
from scipy.ndimage import binary_dilation

from askance.baselines.atlas.grid import to_array, to_itk
from askance.baselines.atlas.registration import RegistrationSettings, affine, bspline, one_thread, similarity
from askance.errors import UsageError
from askance.metrics.dice import dice_per_class

SPACING = (3.0, 3.0, 9.0)
SETTINGS = RegistrationSettings(bspline_grid_mm=3.0)


def picture(labels: np.ndarray) -> sitk.Image:
    image = heart_image(labels, (0.0, 0.0), seed=0).astype(np.float32)
    return to_itk(
        (image - image.mean()) / image.std(), SPACING, tuple(-(n - 1) / 2 * s for n, s in zip(labels.shape, SPACING))
    )


def turned(axis: int, image: sitk.Image) -> sitk.Image:
    """``image``, a stack along the third axis, as one along ``axis``."""
    order = [0, 1]
    order.insert(axis, 2)
    spacing, origin = ([of[one] for one in order] for of in (image.GetSpacing(), image.GetOrigin()))
    return to_itk(to_array(image).transpose(order), spacing, origin)


def around(labels: np.ndarray, image: sitk.Image) -> sitk.Image:
    """1 where the heart is and nearby: what lies beyond does not turn with it."""
    near = binary_dilation(labels > 0, np.ones((3, 3, 1)), iterations=3)
    return to_itk(near.astype(np.uint8), image.GetSpacing(), image.GetOrigin())


def moved(labels: np.ndarray, grid: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    image = to_itk(labels, grid.GetSpacing(), grid.GetOrigin())
    return to_array(sitk.Resample(image, grid, transform, sitk.sitkNearestNeighbor, 0.0))


def bent(labels: np.ndarray) -> np.ndarray:
    """The labels pushed along y by a wave over x."""
    return np.stack([np.roll(plane, round(3 * np.sin(x / 6)), axis=0) for x, plane in enumerate(labels)])


@pytest.mark.parametrize("change", [{"turn": 0.35}, {"stretch": 1.15}, {"shift": (2.0, -2.0)}])
def test_an_affine_change_is_found(change: dict[str, object]) -> None:
    still, other = heart_labels((0.0, 0.0)), heart_labels(**{"shift": (0.0, 0.0), **change})
    target, atlas = picture(still), picture(other)
    with one_thread():
        found = affine(target, around(still, target), atlas, np.zeros(3), SETTINGS)
    before, after = (
        dice_per_class(moved(other, target, t), still, 3).min() for t in (sitk.Transform(3, sitk.sitkIdentity), found)
    )
    assert after > 0.9
    assert after > before


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stack_of_thick_slices_is_neither_tilted_nor_stretched_across_whichever_axis_that_is(axis: int) -> None:
    still, other = heart_labels((0.0, 0.0)), heart_labels((1.0, 1.0), turn=0.4)
    target = picture(still)
    images = [turned(axis, image) for image in (target, around(still, target), picture(other))]
    with one_thread():
        found = affine(*images, np.zeros(3), SETTINGS)
    zero = np.array(found.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.array([found.TransformPoint(tuple(unit)) for unit in np.eye(3)]).T - zero[:, None]
    np.testing.assert_allclose(matrix[axis], np.eye(3)[axis], atol=1e-9)
    np.testing.assert_allclose(matrix[:, axis], np.eye(3)[axis], atol=1e-9)
    assert np.abs(matrix - np.eye(3)).max() > 0.03


def test_bending_mends_what_an_affine_map_cannot() -> None:
    still = heart_labels((0.0, 0.0))
    other = bent(still)
    target, atlas = picture(still), picture(other)
    with one_thread():
        first = affine(target, around(still, target), atlas, np.zeros(3), SETTINGS)
        second = bspline(target, around(still, target), atlas, first, SETTINGS)
    before, after = (dice_per_class(moved(other, target, t), still, 3).mean() for t in (first, second))
    assert after > before + 0.02


def test_the_same_images_give_the_same_transform() -> None:
    still = heart_labels((0.0, 0.0))
    target, atlas = picture(still), picture(heart_labels((1.0, 0.0), turn=0.2))

    def found() -> tuple[float, ...]:
        with one_thread():
            first = affine(target, around(still, target), atlas, np.zeros(3), SETTINGS)
            return bspline(target, around(still, target), atlas, first, replace(SETTINGS, bspline_steps=2)).GetParameters()

    assert found() == found()


def test_images_that_do_not_overlap_leave_the_start() -> None:
    still = heart_labels((0.0, 0.0))
    target, atlas = picture(still), picture(still)
    far = np.array([1e4, 0.0, 0.0])
    with one_thread():
        found = affine(target, around(still, target), atlas, far, SETTINGS)
        kept = bspline(target, around(still, target), atlas, found, SETTINGS)
    assert found.TransformPoint((1e4, 0.0, 0.0)) == pytest.approx((0.0, 0.0, 0.0))
    assert kept.TransformPoint((1e4, 0.0, 0.0)) == pytest.approx((0.0, 0.0, 0.0))


def test_one_thread_gives_back_the_threads_there_were() -> None:
    process = sitk.ProcessObject
    before = process.GetGlobalDefaultNumberOfThreads()
    with one_thread():
        assert process.GetGlobalDefaultNumberOfThreads() == 1
    with pytest.raises(UsageError), one_thread():
        raise UsageError
    assert process.GetGlobalDefaultNumberOfThreads() == before


@pytest.mark.parametrize(("other", "wanted"), [(lambda a: 3 * a + 1, 1.0), (lambda a: -a, -1.0), (np.zeros_like, 0.0)])
def test_similarity_knows_no_brightness(other: Callable[[np.ndarray], np.ndarray], wanted: float) -> None:
    image = np.random.default_rng(0).normal(size=(4, 4, 4)).astype(np.float32)
    assert similarity(image, other(image), np.ones(image.shape, bool)) == pytest.approx(wanted, abs=1e-6)
    assert similarity(image, image, np.zeros(image.shape, bool)) == 0
