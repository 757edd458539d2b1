import numpy as np
import pytest
from scipy import ndimage

from askance.records import IGNORE
from askance.volumes.lattice import Lattice, likeliest, resample_images, resample_labels

FILE = Lattice((20, 18, 7), (1.0, 1.0, 4.0))


def _ball(lattice):
    places = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(lattice.shape, lattice.spacing_mm)], indexing="ij"
    )
    return (np.sqrt(sum(place**2 for place in places)) < 7).astype(np.uint8)


@pytest.mark.parametrize(
    ("spacing", "shape"), [((2.0, 2.0, 4.0), (10, 9, 7)), ((1.0, 1.0, 1.0), (20, 18, 28)), ((1.5, 3.0, 40.0), (14, 6, 1))]
)
def test_a_lattice_at_another_spacing_covers_the_volume(spacing, shape):
    other = FILE.at(spacing)
    assert other == Lattice(shape, spacing)
    assert all(n * s >= m * t - 1e-6 for n, s, m, t in zip(shape, spacing, FILE.shape, FILE.spacing_mm))


def test_a_volume_on_its_own_lattice_stays_as_it_is():
    image = np.random.default_rng(0).normal(size=(2, *FILE.shape)).astype(np.float32)
    np.testing.assert_array_equal(resample_images(image, FILE, FILE), image)
    labels = _ball(FILE)
    labels[0] = IGNORE
    np.testing.assert_array_equal(resample_labels(labels, FILE, FILE), labels)


def test_a_finer_lattice_interpolates_linearly_between_the_voxels():
    image = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    source = Lattice(image.shape, (2.0, 2.0, 2.0))
    target = source.at((1.0, 1.0, 1.0))
    index = np.meshgrid(*[(np.arange(n) + 0.5) / 2 - 0.5 for n in target.shape], indexing="ij")
    naive = ndimage.map_coordinates(image, np.clip(index, 0, np.array(image.shape)[:, None, None, None] - 1), order=1)
    np.testing.assert_allclose(resample_images(image, source, target), naive, atol=1e-5)


def test_a_coarser_lattice_keeps_a_constant_constant():
    image = np.full(FILE.shape, 3.0, np.float32)
    coarse = Lattice((10, 9, 7), (2.0, 2.0, 4.0))
    np.testing.assert_allclose(resample_images(image, FILE, coarse), 3.0, atol=1e-5)


def test_labels_there_and_back_are_nearly_the_same():
    finer = FILE.at((0.7, 0.7, 4.0))
    back = resample_labels(resample_labels(_ball(FILE), FILE, finer), finer, FILE)
    assert (back != _ball(FILE)).mean() < 0.01


def test_voxels_that_nobody_labelled_stay_so_and_count_for_no_class():
    labels = np.ones(FILE.shape, np.uint8)
    labels[:, :, 3:] = IGNORE
    finer = resample_labels(labels, FILE, FILE.at((0.5, 1.0, 4.0)))
    assert (finer[:, :, :3] == 1).all()
    assert (finer[:, :, 3:] == IGNORE).all()


def test_the_likeliest_class_is_read_off_the_probabilities_at_the_files_voxels():
    coarse = FILE.at((2.0, 2.0, 4.0))
    ball = _ball(coarse).astype(np.float32) * 0.8 + 0.1
    labels = likeliest(np.stack([1 - ball, ball]), coarse, FILE)
    assert (labels.shape, labels.dtype) == (FILE.shape, np.uint8)
    assert (labels != _ball(FILE)).mean() < 0.06
    assert (likeliest(np.full((3, *coarse.shape), 1 / 3, np.float32), coarse, FILE) == 0).all()
