import numpy as np
import pytest
from made_volumes import header_case

from askance.baselines.densevoxnet.plan import plan_patches
from askance.volumes.files import read_header
from made_studies import real

PUBLISHED = (64, 2_000_000)
#: Axes stored posterior, inferior, right, as HVSMR 2016's: axial slices lie across the second.
PIR = [[0, 0, 0.9, 0], [-0.9, 0, 0, 0], [0, -0.9, 0, 0], [0, 0, 0, 1]]


def test_about_equal_spacings_give_the_published_form():
    plan = plan_patches([header_case((150, 140, 120), (0.9, 0.9, 0.8))], *PUBLISHED)
    assert plan.patch == (64, 64, 64)
    assert plan.strides == ((2, 2, 2), (2, 2, 2))
    assert plan.kept == (False, False, False)
    assert len(set(plan.spacing_mm)) == 1


def test_the_spacing_is_the_mean_of_the_medians_where_the_volume_is_small_enough():
    cases = [header_case((100, 100, 90), spacing) for spacing in ((0.8, 0.8, 0.8), (1.0, 1.0, 1.0), (1.1, 1.1, 1.0))]
    assert plan_patches(cases, *PUBLISHED).spacing_mm == (1.0, 1.0, 1.0)


def test_a_larger_volume_is_worked_on_at_a_coarser_spacing():
    case = header_case((384, 384, 150), (0.9, 0.9, 0.9))
    plan = plan_patches([case], *PUBLISHED)
    assert np.prod(plan.lattice(case).shape) == pytest.approx(2_000_000, rel=0.05)
    assert plan.patch == (64, 64, 64)


def test_few_thick_slices_are_kept_and_not_halved_and_the_patch_is_wide_and_flat():
    case = header_case((216, 256, 9), (1.5, 1.5, 10.0))
    plan = plan_patches([case], *PUBLISHED)
    assert plan.kept == (False, False, True)
    assert plan.strides == ((2, 2, 1), (2, 2, 1))
    assert plan.patch == (120, 120, 9)
    assert plan.plane == (0, 1)
    other = header_case((150, 150, 14), (1.5, 1.5, 5.0))
    assert plan.lattice(other).shape == (150, 150, 14)
    assert plan.lattice(other).spacing_mm[2] == 5.0


def test_slices_of_thrice_the_spacing_are_halved_once():
    plan = plan_patches([header_case((200, 200, 60), (1.0, 1.0, 3.0))], *PUBLISHED)
    assert plan.strides == ((2, 2, 1), (2, 2, 2))
    assert plan.patch[2] % 2 == 0


def test_the_patch_is_no_longer_than_the_volume_and_divides_by_what_is_halved():
    plan = plan_patches([header_case((36, 50, 35), (1.0, 1.0, 1.0))], *PUBLISHED)
    assert plan.patch == (36, 36, 36)
    assert all(side % 4 == 0 for side in plan.patch)


@pytest.mark.parametrize("patch", [8, 17, 32, 48])
@pytest.mark.parametrize(
    ("shape", "spacing"), [((90, 90, 80), (1.0, 1.0, 1.2)), ((200, 180, 12), (1.4, 1.4, 8.0)), ((90, 7, 9), (1, 6, 5))]
)
def test_any_patch_is_square_in_the_plane_and_a_multiple_of_the_strides(patch, shape, spacing):
    plan = plan_patches([header_case(shape, spacing)], patch, 500_000)
    assert all(side % (a * b) == 0 for side, a, b in zip(plan.patch, *plan.strides))
    assert plan.patch[plan.plane[0]] == plan.patch[plan.plane[1]]


def test_without_thick_slices_patches_turn_in_the_axial_plane_wherever_the_file_has_it():
    case = header_case((300, 200, 300), (0.9, 0.9, 0.9), affine=PIR)
    assert plan_patches([case], *PUBLISHED).plane == (0, 2)


def test_acdcs_slices_are_kept_and_patches_hold_all_of_the_median_volumes():
    data = real("Dataset027_ACDC")
    headers = [read_header(path) for path in sorted((data / "imagesTr").glob("*.nii.gz"))[::8]]
    cases = [header_case(header.shape, header.spacing_mm, header.affine) for header in headers]
    plan = plan_patches(cases, *PUBLISHED)
    assert plan.kept == (False, False, True)
    assert plan.strides == ((2, 2, 1), (2, 2, 1))
    assert plan.patch[2] == np.ceil(np.median([case.shape[2] for case in cases]))
    assert all(plan.lattice(case).shape[2] == case.shape[2] for case in cases)
