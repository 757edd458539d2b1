from dataclasses import replace

import numpy as np
import pytest
import torch

from askance.learning.augmentation import STRENGTHS, Strength, change_intensities, crop_and_turn
from askance.records import IGNORE


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def slices():
    """Images (3, 2, 24, 36), labels of classes 0, 2, 5 and IGNORE."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(size=(3, 2, 24, 36)).astype(np.float32))
    labels = torch.from_numpy(rng.choice(np.array([0, 2, 5, IGNORE], np.uint8), (3, 24, 36)))
    return images, labels


def _middle(labels):
    return torch.tensor([[side / 2 for side in labels.shape[1:]]] * len(labels))


def _cropped(images, labels, *rest):
    """Images and labels of the crops."""
    return crop_and_turn(images, labels, torch.ones(len(labels), 1, 1), *rest)[:2]


def test_a_whole_slice_without_augmentation_is_itself(slices):
    images, labels = slices
    crops, turned = _cropped(images, labels, _middle(labels), (24, 36), Strength(), _generator())
    torch.testing.assert_close(crops, images, atol=1e-4, rtol=0)
    assert torch.equal(turned, labels)


@pytest.mark.parametrize(("top", "left", "size"), [(0, 0, (8, 8)), (5, 7, (9, 16)), (16, 27, (8, 9))])
def test_a_crop_without_augmentation_copies_its_pixels(slices, top, left, size):
    images, labels = slices
    centres = torch.tensor([[top + size[0] / 2, left + size[1] / 2]] * 3)
    crops, turned = _cropped(images, labels, centres, size, STRENGTHS["none"], _generator())
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    torch.testing.assert_close(crops, images[..., rows, columns], atol=1e-4, rtol=0)
    assert torch.equal(turned, labels[:, rows, columns])


def test_the_same_generator_gives_the_same_crops_and_another_gives_others(slices):
    images, labels = slices

    def made(seed):
        generator = _generator(seed)
        crops, turned = _cropped(images, labels, _middle(labels), (16, 16), STRENGTHS["strong"], generator)
        return change_intensities(crops, STRENGTHS["strong"], generator), turned

    assert all(torch.equal(a, b) for a, b in zip(made(1), made(1)))
    assert not any(torch.equal(a, b) for a, b in zip(made(1), made(2)))


@pytest.mark.parametrize("name", STRENGTHS)
def test_no_class_is_invented_between_two_others(slices, name):
    images, labels = slices
    _, turned = _cropped(images, labels, _middle(labels), (40, 40), STRENGTHS[name], _generator())
    assert turned.dtype == torch.uint8
    assert set(turned.unique().tolist()) <= {0, 2, 5, IGNORE}


def test_pixels_that_nobody_labelled_stay_so(slices):
    images, labels = slices
    unknown = torch.full_like(labels, IGNORE)
    _, turned = _cropped(images, unknown, _middle(labels), (4, 4), STRENGTHS["strong"], _generator())
    assert (turned == IGNORE).all()


def test_image_and_label_are_turned_alike():
    labels = torch.zeros(4, 32, 32, dtype=torch.uint8)
    labels[:, 6:14, 18:27] = 1
    crops, turned = _cropped(labels[:, None].float(), labels, _middle(labels), (32, 32), STRENGTHS["strong"], _generator(4))
    assert ((crops[:, 0] > 0.5) == (turned > 0)).float().mean() > 0.99


def test_weights_of_patches_are_turned_with_what_they_weigh_and_go_on_beyond_the_slice():
    weights = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]).repeat(4, 1, 1)
    labels = (weights.repeat_interleave(16, 1).repeat_interleave(16, 2) * 10).round().to(torch.uint8)
    images, strength = labels[:, None].float(), STRENGTHS["strong"]
    _, turned, weighed = crop_and_turn(images, labels, weights, _middle(labels), (48, 48), strength, _generator(4))
    assert ((weighed * 10).round() == turned)[turned > 0].float().mean() > 0.99
    assert (turned == 0).any()
    assert (weighed >= 0.1).all()


def test_a_quarter_turn_is_rot90():
    images, labels = torch.randn(1, 1, 16, 16), torch.zeros(1, 16, 16, dtype=torch.uint8)
    turns = {quarters: torch.rot90(images, quarters, (2, 3)) for quarters in (1, 3)}
    drawn = torch.rand(1, generator=_generator())[0] * 2 - 1
    strength = Strength(rotation=float(90 / drawn))
    crops, _ = _cropped(images, labels, _middle(labels), (16, 16), strength, _generator())
    assert any(torch.allclose(crops, turned, atol=1e-3) for turned in turns.values())


def test_beyond_the_slice_all_is_background(slices):
    images, labels = slices
    far = torch.tensor([[500.0, 500.0]] * 3)
    crops, turned = _cropped(images, labels, far, (8, 8), Strength(), _generator())
    assert crops.abs().max() == 0
    assert turned.max() == 0


def test_intensities_stay_as_they_are_without_augmentation(slices):
    assert change_intensities(slices[0], Strength(), _generator()) is slices[0]


def test_strong_intensities_stay_finite_on_a_blank_slice():
    changed = change_intensities(torch.zeros(2, 1, 16, 16), STRENGTHS["strong"], _generator())
    assert torch.isfinite(changed).all()


def test_gamma_keeps_a_slices_range_and_order(slices):
    images, _ = slices
    changed = change_intensities(images, Strength(gamma=0.4), _generator())
    torch.testing.assert_close(changed.amax((2, 3)), images.amax((2, 3)))
    torch.testing.assert_close(changed.amin((2, 3)), images.amin((2, 3)))
    assert torch.equal(changed[0, 0].flatten().argsort(), images[0, 0].flatten().argsort())


def test_a_slices_neighbours_change_as_it_does(slices):
    images, _ = slices
    changed = change_intensities(images.repeat(1, 3, 1, 1), replace(STRENGTHS["strong"], noise=0.0), _generator(), context=1)
    itself, before, after = changed.split(images.shape[1], dim=1)
    torch.testing.assert_close(before, itself)
    torch.testing.assert_close(after, itself)
    assert not torch.allclose(itself, images)
