import dataclasses

import nibabel as nib
import numpy as np
import pytest
from made_volumes import CUBE, THICK, make_case, truth_of

from askance.baselines.densevoxnet.plan import plan_patches
from askance.baselines.densevoxnet.prepared import prepare_images, prepared
from askance.errors import FormatError, LabelError
from askance.records import IGNORE


def _nobody(*said):
    pass


def _plan(*cases):
    return plan_patches(cases, 16, 100_000)


def test_images_have_mean_nought_and_variance_one_where_there_is_no_air(tmp_path):
    case = make_case(tmp_path, "a", channels=2)
    images = prepare_images(case, _plan(case))
    assert (images.shape, images.dtype) == ((2, *case.shape), np.float32)
    air = nib.load(case.images[0].path).get_fdata() <= 0
    assert 0 < air.sum() < air.size
    for image in images:
        assert image[~air].mean() == pytest.approx(0, abs=1e-4)
        assert image[~air].std() == pytest.approx(1, abs=1e-4)
        assert (image[air] < image[~air].min() + 1e-3).all()


def test_a_case_is_prepared_in_its_working_voxels_and_its_files_go_when_it_is_no_longer_needed(tmp_path):
    case = make_case(tmp_path, "a", THICK)
    plan, counted = plan_patches([case], 16, 4_000), []
    with prepared([case], truth_of, plan, tmp_path / "prepared", lambda *said: counted.append(said)) as (ready,):
        shape = plan.lattice(case).shape
        assert shape[2] == 6 < shape[0] < 40
        assert (ready.images.shape, ready.labels.shape) == ((1, *shape), shape)
        assert set(np.unique(ready.labels)) == {0, 1, 2}
        assert isinstance(ready.images, np.memmap)
    assert counted == [("prepare", 1, 1)]
    assert not (tmp_path / "prepared").exists()


def test_foreground_is_boxed_with_a_margin_of_ten_voxels_within_the_volume(tmp_path):
    case = make_case(tmp_path, "a", ((60, 60, 24), (1.0, 1.0, 1.0)))
    with prepared([case], truth_of, _plan(case), tmp_path / "prepared", _nobody) as (ready,):
        places = np.argwhere(ready.labels > 0)
        low, high = places.min(0), places.max(0) + 1
        np.testing.assert_array_equal(ready.around, [np.maximum(low - 10, 0), np.minimum(high + 10, ready.labels.shape)])


def test_a_case_that_nobody_labelled_is_left_out_and_one_without_foreground_has_no_box(tmp_path):
    cases = [make_case(tmp_path, name, seed=seed) for seed, name in enumerate("abc")]
    truths = {"a": IGNORE, "b": 0}

    def truth(case):
        return np.full(case.shape, truths[case.id], np.uint8) if case.id in truths else truth_of(case)

    with prepared(cases, truth, _plan(*cases), tmp_path / "prepared", _nobody) as ready:
        assert [one.around is None for one in ready] == [True, False]


def test_a_truth_of_another_shape_is_an_error_that_names_the_case(tmp_path):
    case = make_case(tmp_path, "a")
    folder = tmp_path / "prepared"
    with (
        pytest.raises(LabelError, match=r"a: found a truth of shape \(2, 2, 2\), wanted \(24, 24, 24\)"),
        prepared([case], lambda _: np.zeros((2, 2, 2), np.uint8), _plan(case), folder, _nobody),
    ):
        pass
    assert not folder.exists()


def test_an_image_without_contrast_is_an_error_that_names_the_file(tmp_path):
    case = make_case(tmp_path, "a")
    path = tmp_path / "flat.nii.gz"
    nib.save(nib.Nifti1Image(np.full(CUBE[0], 7.0, np.float32), np.eye(4)), path)
    flat = dataclasses.replace(case, images=(dataclasses.replace(case.images[0], path=path),))
    with pytest.raises(FormatError, match=r"flat\.nii\.gz: empty: every voxel that is not air is 7"):
        prepare_images(flat, _plan(flat))
