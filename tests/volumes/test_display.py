"""Turning a case for a viewer and back loses nothing, and puts every voxel where the patient has it."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from askance.volumes.display import Display

SHAPE = (5, 7, 4)
AFFINES = [
    np.diag([*(signs * np.array([1.5, 2.0, 8.0])), 1.0])[:, [*order, 3]]
    for order in permutations(range(3))
    for signs in map(np.array, product((-1, 1), repeat=3))
]


@pytest.mark.parametrize("axis", range(3))
def test_planes_and_volumes_come_back_as_they_were(axis: int) -> None:
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 9, np.take(SHAPE, [axis, *(k for k in range(3) if k != axis)]))
    for affine in AFFINES:
        display = Display.of(affine, SHAPE, axis)
        assert np.array_equal(display.from_volume(display.to_volume(planes)), planes)
        assert np.array_equal(display.from_plane(display.to_plane(planes[1])), planes[1])


@pytest.mark.parametrize("axis", range(3))
def test_a_slab_lies_where_nibabel_puts_it(axis: int) -> None:
    volume = np.random.default_rng(1).integers(0, 999, SHAPE)
    first, count = 1, 3
    for affine in AFFINES:
        display = Display.of(affine, SHAPE, axis)
        slab = display.to_volume(np.moveaxis(volume, axis, 0)[first : first + count])
        whole = nib.as_closest_canonical(nib.Nifti1Image(volume.astype(np.int16), affine))
        place = display.place(2, first, count)
        shown = np.take(slab, place, display.axis)
        assert np.array_equal(shown, display.to_plane(np.take(volume, 2, axis)))
        start = np.zeros(4)
        start[3] = 1
        where = np.linalg.inv(whole.affine) @ display.slab_affine(first, count) @ start
        offset = np.round(where[:3]).astype(int)
        stop = offset + slab.shape
        assert np.allclose(where[:3], offset)
        assert np.array_equal(np.asarray(whole.dataobj)[tuple(map(slice, offset, stop))], slab)
