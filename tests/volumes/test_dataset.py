import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_datasets import SHAPE, make_nnunet, write_image, write_label, write_nifti, write_splits

from askance.errors import DataError, FormatError, LabelError, SourceChanged, SourceMissing, SplitError
from askance.volumes.dataset import relocate, relocate_all, study_cases
from askance.volumes.files import hash_file
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division

REAL = Path(os.environ.get("ASKANCE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def cases_of(folder, **options):
    return study_cases(find_dataset(folder), **options)


def real(name):
    """The real data set; absent it is a reason to skip, but not where it is known to lie beside the project."""
    if not (REAL / name).is_dir():
        if os.environ.get("CI") == "true" and REAL.parent.is_dir():
            pytest.fail(f"{REAL / name} is not there, though {REAL.parent} is")
        pytest.skip(f"{name} is not in {REAL} (ASKANCE_DATA)")
    return REAL / name


def test_a_case_knows_its_files_geometry_patient_and_split(tmp_path):
    make_nnunet(tmp_path)
    write_splits(tmp_path, {"learn": ["a", "b"], "test": ["c"]})
    cases, axis = cases_of(tmp_path)
    case = cases[2]
    assert axis == 2
    assert (case.id, case.patient, case.split) == ("c", "c", "test")
    assert case.images == (hash_file(tmp_path / "imagesTr" / "c_0000.nii.gz"),)
    assert case.label == hash_file(tmp_path / "labelsTr" / "c.nii.gz")
    assert (case.shape, case.spacing_mm) == (SHAPE, (1.5, 1.5, 5.0))
    np.testing.assert_allclose(case.affine, np.diag([1.5, 1.5, 5.0, 1.0]))
    assert case.labelled == (0, 1, 2, 3)


def test_cases_hold_plain_numbers_alone(tmp_path):
    case = cases_of(make_nnunet(tmp_path))[0][0]
    numbers = (*case.shape, *case.spacing_mm, *(value for row in case.affine for value in row), *case.labelled)
    assert {type(number) for number in numbers} == {int, float}


def test_a_case_without_a_label_has_no_labelled_slices(tmp_path):
    make_nnunet(tmp_path)
    (tmp_path / "labelsTr" / "a.nii.gz").unlink()
    cases, _ = cases_of(tmp_path)
    assert (cases[0].label, cases[0].labelled) == (None, ())


def test_a_slice_is_labelled_if_one_of_its_voxels_is_not_ignored(tmp_path):
    make_nnunet(tmp_path, labels={"background": 0, "muscle": 1, "ignore": 2})
    labels = np.full(SHAPE, 2, np.uint8)
    labels[:, :, 1] = 1
    labels[4, 5, 3] = 0
    write_nifti(tmp_path / "labelsTr" / "a.nii.gz", labels)
    assert cases_of(tmp_path)[0][0].labelled == (1, 3)
    assert cases_of(tmp_path, axis="0")[0][0].labelled == tuple(range(9))


def test_the_axis_is_asked_for_by_plane_or_number(tmp_path):
    make_nnunet(tmp_path)
    assert cases_of(tmp_path, axis="coronal")[1] == 1
    assert cases_of(tmp_path, axis="0")[1] == 0


def test_nothing_labelled_is_all_to_learn_from(tmp_path):
    make_nnunet(tmp_path)
    shutil.rmtree(tmp_path / "labelsTr")
    assert {case.split for case in cases_of(tmp_path)[0]} == {"learn"}


def test_the_test_patients_are_drawn_by_the_seed(tmp_path):
    make_nnunet(tmp_path, tuple(f"c{number}" for number in range(10)))
    drawn = [[case.split for case in cases_of(tmp_path, seed=seed)[0]] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0].count("test") == 2


def test_unclear_patients_are_refused_before_anything_is_read(tmp_path):
    make_nnunet(tmp_path, ("p1_a", "p1_b", "p2_a"))
    told = []
    with pytest.raises(SplitError, match="--each-case-a-patient"):
        cases_of(tmp_path, progress=lambda *step: told.append(step))
    assert told == []
    assert cases_of(tmp_path, division=Division(pattern="^(p.)"))[0][1].patient == "p1"


def test_problems_are_told_in_one_error_that_lists_ten(tmp_path):
    make_nnunet(tmp_path, tuple(f"c{number:02}" for number in range(12)))
    for path in sorted((tmp_path / "labelsTr").iterdir())[:11]:
        write_label(path, (0, 8))
    write_nifti(tmp_path / "imagesTr" / "c11_0000.nii.gz", np.zeros(SHAPE, np.int16))
    with pytest.raises(DataError) as caught:
        cases_of(tmp_path)
    message = str(caught.value)
    assert "12 problems" in message
    assert message.count(".nii.gz") == 10
    assert "and 2 more" in message
    assert "askance check" in message


def test_problems_of_one_kind_raise_its_own_error(tmp_path):
    make_nnunet(tmp_path)
    write_label(tmp_path / "labelsTr" / "a.nii.gz", (0, 8))
    with pytest.raises(LabelError, match="1 problem in"):
        cases_of(tmp_path)
    make_nnunet(tmp_path)
    (tmp_path / "imagesTr" / "b_0000.nii.gz").write_bytes(b"")
    with pytest.raises(FormatError):
        cases_of(tmp_path)


def test_a_name_on_two_sides_is_refused(tmp_path):
    write_splits(make_nnunet(tmp_path), {"learn": ["a", "b", "c"], "test": ["c"]})
    with pytest.raises(SplitError, match="more than once: c"):
        cases_of(tmp_path)


def test_a_wrong_name_is_told_beside_the_split_that_misses_it(tmp_path):
    write_splits(make_nnunet(tmp_path), {"learn": ["a", "b", "c", "d"]})
    write_image(tmp_path / "imagesTr" / "d.nii.gz", 4)
    with pytest.raises(DataError, match="2 problems") as caught:
        cases_of(tmp_path)
    assert "wanted d_0000.nii.gz" in str(caught.value)


def test_moved_files_are_found_by_their_bytes(tmp_path):
    make_nnunet(tmp_path / "old")
    cases, _ = cases_of(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    (tmp_path / "new" / "imagesTr" / "a_0000.nii.gz").rename(tmp_path / "new" / "renamed.nii.gz")
    moved = relocate_all(cases, tmp_path / "new")
    assert moved[0].images[0].path == tmp_path / "new" / "renamed.nii.gz"
    assert moved[1].label.path == tmp_path / "new" / "labelsTr" / "b.nii.gz"
    assert [case.images[0].sha256 for case in moved] == [case.images[0].sha256 for case in cases]
    assert relocate(cases[0], tmp_path) == moved[0]


def test_of_two_copies_the_one_that_kept_its_name_is_taken(tmp_path):
    make_nnunet(tmp_path)
    case = cases_of(tmp_path)[0][2]
    shutil.copy(case.images[0].path, tmp_path / "a copy.nii.gz")
    assert relocate(case, tmp_path) == case


def test_a_copy_whose_name_no_longer_ends_as_a_volumes_is_not_taken(tmp_path):
    folder = make_nnunet(tmp_path)
    case = cases_of(folder, division=Division(each_case=True))[0][0]
    source = case.images[0].path
    source.rename(source.with_name(f"{source.name}.bak"))
    with pytest.raises(SourceMissing, match=source.name):
        relocate(case, folder)


def test_files_that_have_not_moved_need_not_be_in_the_folder(tmp_path):
    make_nnunet(tmp_path / "data")
    cases, _ = cases_of(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(cases[0].images[0].path, tmp_path / "elsewhere" / "a.nii.gz")
    moved = relocate_all(cases, tmp_path / "elsewhere")
    assert moved[0].images[0].path == tmp_path / "elsewhere" / "a.nii.gz"
    assert moved[1:] == cases[1:]
    write_image(cases[1].images[0].path, seed=99)
    with pytest.raises(SourceMissing, match=r"1 of \d+ files are not there: b_0000\.nii\.gz"):
        relocate_all(cases, tmp_path / "elsewhere")


def test_changed_files_are_told_apart_from_missing_ones(tmp_path):
    make_nnunet(tmp_path)
    case = cases_of(tmp_path)[0][0]
    write_image(case.images[0].path, seed=99)
    with pytest.raises(SourceChanged, match=r"1 files are there by name.*a_0000\.nii\.gz"):
        relocate(case, tmp_path)
    case.images[0].path.unlink()
    with pytest.raises(SourceMissing, match=r"1 of 2 files are not there: a_0000\.nii\.gz"):
        relocate(case, tmp_path)
    with pytest.raises(SourceMissing, match="is not a folder"):
        relocate(case, tmp_path / "nowhere")


def test_relocation_of_a_case_without_a_label_asks_for_none(tmp_path):
    make_nnunet(tmp_path)
    shutil.rmtree(tmp_path / "labelsTr")
    case = cases_of(tmp_path)[0][0]
    assert relocate(case, tmp_path) == case


@pytest.mark.parametrize(
    ("name", "learn", "test"),
    [("Dataset027_ACDC", (60, 1126), (20, 396)), ("Dataset004_Hippocampus", (None, 3920), (None, 1777))],
)
def test_the_real_sets_have_the_patients_and_slices_they_should(name, learn, test):
    cases, axis = cases_of(real(name))
    assert axis == 2
    for side, (patients, slices) in {"learn": learn, "test": test}.items():
        mine = [case for case in cases if case.split == side]
        assert sum(case.shape[axis] for case in mine) == slices
        assert sum(len(case.labelled) for case in mine) == slices
        assert patients is None or len({case.patient for case in mine}) == patients


def test_acdc_has_two_cases_a_patient():
    cases, _ = cases_of(real("Dataset027_ACDC"))
    assert set(Counter(case.patient for case in cases).values()) == {2}


def test_the_patient_whom_acdc_holds_twice_across_the_split_is_warned_of(caplog):
    cases_of(real("Dataset027_ACDC"))
    assert len(caplog.messages) == 2
    assert "patient074_frame01_0000.nii.gz (test)" in caplog.messages[0]
    assert "patient076_frame01_0000.nii.gz (learn)" in caplog.messages[0]


def test_the_real_hvsmr_labels_are_refused_for_want_of_images():
    with pytest.raises(DataError, match=r"10 label files.*no images"):
        find_dataset(real("HVSMR2016_labels"))
