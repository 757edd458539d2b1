"""What goes wrong in a scanner shows in the traits that are meant to show it."""

import numpy as np
import pytest
import torch

from askance.learning.traits import feature_traits, image_traits

SIDES = (72, 80)


def sound(count=24, seed=0):
    """(N, 1, H, W): a few soft blobs on black, with a little noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIDES[0], : SIDES[1]]
    images = np.zeros((count, *SIDES))
    for image in images:
        for _ in range(6):
            row, column, size = rng.uniform(15, SIDES[0] - 15), rng.uniform(15, SIDES[1] - 15), rng.uniform(3, 12)
            image += rng.uniform(0.3, 1) / (1 + np.exp((np.hypot(rows - row, columns - column) - size) * 2))
    return (images + rng.normal(0, 0.02, images.shape))[:, None]


def in_k_space(images, spoil):
    """``images`` after ``spoil`` changed their centred spectra in place."""
    spectra = np.fft.fftshift(np.fft.fft2(images), (2, 3))
    spoil(spectra)
    return np.abs(np.fft.ifft2(np.fft.ifftshift(spectra, (2, 3))))


def spikes(spectra):
    spectra[:, :, 12, 60] += 0.3 * np.abs(spectra).max()


def lost_lines(spectra):
    lines = np.random.default_rng(1).permutation(np.arange(3, 33))[:12]
    spectra[:, :, np.concatenate([36 - lines, 36 + lines])] *= 0.02


def ghosts(apart, kept):
    def spoil(spectra):
        centre = spectra[:, :, 34:39].copy()
        spectra[:, :, ::apart] *= kept
        spectra[:, :, 34:39] = centre

    return spoil


def lost_rows(images, first=34):
    images = images.copy()
    images[:, :, first : first + 3] = 0
    return images


def on_bright(images):
    """A field of view that is cut out of something, as of a head: no black around it."""
    return images + 2


SPOILT = {
    "points": ("points", sound, lambda images: in_k_space(images, spikes)),
    "lines": ("lines", sound, lambda images: in_k_space(images, lost_lines)),
    "near ghosts": ("combs", sound, lambda images: in_k_space(images, ghosts(3, 0.4))),
    "far ghosts": ("combs", sound, lambda images: in_k_space(images, ghosts(9, 0.1))),
    "rows": ("rows", sound, lost_rows),
    "rows at an edge": (
        "rows",
        lambda count=24, seed=0: on_bright(sound(count, seed)),
        lambda images: np.concatenate([lost_rows(images[::2], 0), lost_rows(images[1::2], SIDES[0] - 3)]),
    ),
    "grain": ("grain", sound, lambda images: images + np.random.default_rng(2).normal(0, 0.3, images.shape)),
}


def traits_of(images):
    return {name: table.numpy() for name, table in image_traits(torch.from_numpy(images).float()).items()}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_slice_stands_out_of_sound_ones_by_the_traits_made_for_it(kind):
    group, made, spoil = SPOILT[kind]
    usual, spoilt = traits_of(made())[group], traits_of(spoil(made(8, seed=5)))[group]
    fresh = traits_of(made(8, seed=5))[group]
    mean, spread = usual.mean(0), usual.std(0) + 1e-3
    apart = [np.abs((table - mean) / spread).max(1) for table in (fresh, spoilt)]
    assert np.median(apart[1]) > apart[0].max()


def test_rows_and_columns_are_told_alike():
    usual, turned = traits_of(sound()), traits_of(sound().transpose(0, 1, 3, 2))
    size = usual["rows"].shape[1] // 2
    np.testing.assert_allclose(usual["rows"][:, :size], turned["rows"][:, size:], atol=1e-3)


def test_a_slice_is_told_the_same_whatever_lies_beside_it():
    images = sound(4)
    whole = traits_of(images)
    for name, table in traits_of(images[2:3]).items():
        np.testing.assert_allclose(table[0], whole[name][2], atol=1e-4)


def test_each_channel_has_its_own_traits():
    images = np.concatenate([sound(3), lost_rows(sound(3))], 1)
    for name, table in traits_of(images).items():
        half = table.shape[1] // 2
        np.testing.assert_allclose(table[:, :half], traits_of(images[:, :1])[name], atol=1e-4)
        np.testing.assert_allclose(table[:, half:], traits_of(images[:, 1:])[name], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (16, 16), (17, 33)])
@pytest.mark.parametrize("value", [0.0, -3.0])
def test_tiny_and_constant_slices_have_finite_traits(size, value):
    for table in image_traits(torch.full((2, 1, *size), value)).values():
        assert torch.isfinite(table).all()


def test_features_are_told_by_the_moments_of_the_fine_and_the_means_of_the_coarse_ones():
    levels = [torch.randn(3, channels, side, side) for channels, side in ((4, 16), (8, 8), (16, 4), (32, 1))]
    traits = feature_traits(levels)
    assert {name: tuple(table.shape) for name, table in traits.items()} == {"texture": (3, 24), "content": (3, 32)}
    torch.testing.assert_close(traits["texture"][:, :4], levels[0].mean((2, 3)))
    torch.testing.assert_close(traits["content"], levels[-1][:, :, 0, 0])
