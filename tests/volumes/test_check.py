import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from made_datasets import AFFINE, SHAPE, make_nnunet, write_image, write_label, write_nifti, write_splits

from askance.errors import UsageError
from askance.volumes.check import check_dataset
from askance.volumes.found import Found, FoundCase
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division


def problems_of(folder, **options):
    return check_dataset(find_dataset(folder), **options)


def only_problem(folder, **options):
    (problem,) = problems_of(folder, **options)
    return problem


@pytest.fixture
def sound(tmp_path):
    return make_nnunet(tmp_path / "set")


def image(folder, case="b"):
    return folder / "imagesTr" / f"{case}_0000.nii.gz"


def label(folder, case="b"):
    return folder / "labelsTr" / f"{case}.nii.gz"


def test_a_sound_data_set_has_no_problems(sound):
    assert problems_of(sound) == []
    assert problems_of(sound, deep=False) == []


def test_a_truncated_image_is_found(sound):
    image(sound).write_bytes(image(sound).read_bytes()[:-200])
    problem = only_problem(sound)
    assert (problem.case, problem.path, problem.kind) == ("b", image(sound), "format")


def test_a_file_that_is_not_what_its_name_says_is_found(sound):
    image(sound).write_bytes(b"not an image at all")
    assert only_problem(sound, deep=False).kind == "format"
    image(sound).write_bytes(gzip.compress(b"not an image at all"))
    assert only_problem(sound).kind == "format"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("splits.json", '{"learn": [', "is not JSON"),
        ("splits.json", '{"train": []}', "holds train; wanted"),
        ("cases.csv", "case,patient\na,\n", "line 2 lacks a case or a patient"),
    ],
)
def test_a_table_that_cannot_be_read_hides_no_other_problem_and_makes_none_up(sound, name, text, message):
    (sound / name).write_text(text)
    image(sound).write_bytes(image(sound).read_bytes()[:-200])
    table, truncated = problems_of(sound)
    assert (table.path, table.kind) == (sound / name, "split")
    assert message in table.message
    assert truncated.path == image(sound)


def test_labels_that_may_not_be_listed_hide_no_broken_image(sound, monkeypatch):
    image(sound).write_bytes(image(sound).read_bytes()[:-200])
    listed = Path.iterdir

    def refused(folder):
        if folder.name == "labelsTr":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", refused)
    found = problems_of(sound)
    assert {problem.path for problem in found} == {sound / "labelsTr", image(sound)}


def test_an_empty_file_is_found(sound):
    label(sound).write_bytes(b"")
    assert only_problem(sound).path == label(sound)


def test_an_image_of_four_dimensions_is_found(sound):
    write_image(image(sound), shape=(*SHAPE, 3))
    assert only_problem(sound).kind == "format"


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (9, 8, 5)},
        {"affine": np.diag([1.5, 1.6, 5.0, 1.0])},
        {"affine": AFFINE + np.array([[0, 0, 0, 4.0]] + [[0] * 4] * 3)},
        {"affine": np.diag([-1.5, 1.5, 5.0, 1.0])},
    ],
)
def test_an_image_that_does_not_fit_its_label_is_found(sound, wrong):
    write_image(image(sound), **wrong)
    problem = only_problem(sound)
    assert problem.kind == "geometry"
    assert "b.nii.gz" in problem.message
    assert "b_0000.nii.gz" in problem.message


def test_a_channel_that_does_not_fit_the_first_is_found(tmp_path):
    make_nnunet(tmp_path, ("a", "b"), channel_names={"0": "T1", "1": "T2"})
    write_image(tmp_path / "imagesTr" / "a_0001.nii.gz", 8)
    write_image(tmp_path / "imagesTr" / "b_0001.nii.gz", 9, shape=(9, 9, 4))
    problem = only_problem(tmp_path)
    assert (problem.kind, problem.path.name) == ("geometry", "b_0001.nii.gz")


def test_a_missing_channel_is_found(tmp_path):
    make_nnunet(tmp_path, ("a", "b"), channel_names={"0": "T1", "1": "T2"})
    write_image(tmp_path / "imagesTr" / "a_0001.nii.gz", 8)
    problem = only_problem(tmp_path)
    assert (problem.case, problem.kind) == ("b", "missing")
    assert "1 of 2 channels" in problem.message


def test_an_unknown_label_is_found(sound):
    write_label(label(sound), (0, 1, 7))
    problem = only_problem(sound)
    assert problem.kind == "label"
    assert "7" in problem.message


def test_labels_that_are_no_whole_numbers_are_found(sound):
    write_nifti(label(sound), np.resize(np.array([0, 0.5, 1], np.float32), SHAPE))
    assert only_problem(sound).kind == "label"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_values_that_are_no_numbers_is_found(sound, value):
    voxels = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    voxels[3, 3, 2] = value
    write_nifti(image(sound), voxels)
    assert only_problem(sound).path == image(sound)


def test_an_image_of_one_value_is_found_but_an_empty_label_is_none_of_it(sound):
    write_label(label(sound), (0,))
    assert problems_of(sound) == []
    write_nifti(image(sound), np.full(SHAPE, 7, np.int16))
    assert only_problem(sound).path == image(sound)


def test_one_slice_along_the_studys_axis_is_found(sound):
    write_image(image(sound), shape=(9, 8, 1))
    write_label(label(sound), shape=(9, 8, 1))
    problem = only_problem(sound)
    assert problem.kind == "geometry"
    assert "1 slice along axis 2" in problem.message
    assert problems_of(sound, axis="0") == []


def test_a_volume_stored_in_another_order_is_found_where_a_plane_is_asked_for(sound):
    turned = AFFINE[:, [0, 2, 1, 3]]
    write_image(image(sound), affine=turned)
    write_nifti(label(sound), np.resize(np.array([0, 1], np.uint8), SHAPE), turned)
    assert only_problem(sound).kind == "orientation"
    problem = only_problem(sound, axis="axial")
    assert "axial is its axis 1, but axis 2 in most volumes" in problem.message


def test_an_axis_that_is_none_is_the_users_fault(sound):
    with pytest.raises(UsageError):
        problems_of(sound, axis="upwards")


def test_a_case_that_is_there_twice_is_found(sound):
    write_image(sound / "imagesTr" / "b_0000.nii", 7)
    problem = only_problem(sound, deep=False)
    assert (problem.case, problem.kind) == ("b", "duplicate")
    assert "b_0000.nii.gz" in problem.message


def test_a_label_that_is_there_twice_is_found(sound):
    write_label(sound / "labelsTr" / "b.nii")
    assert only_problem(sound).kind == "duplicate"


def test_the_same_image_under_two_cases_is_found(sound):
    image(sound, "c").write_bytes(image(sound).read_bytes())
    problem = only_problem(sound)
    assert problem.kind == "same_image"
    assert "b_0000.nii.gz" in problem.message
    assert "c_0000.nii.gz" in problem.message


def test_the_same_image_on_two_sides_is_told_with_the_sides(sound):
    image(sound, "c").write_bytes(image(sound).read_bytes())
    write_splits(sound, {"learn": ["a", "b"], "test": ["c"]})
    message = only_problem(sound).message
    assert "b_0000.nii.gz (learn)" in message
    assert "c_0000.nii.gz (test)" in message


def test_a_volume_stored_in_another_orientation_is_warned_of_and_an_oblique_one_is_not(sound):
    for path in (image(sound), label(sound)):
        nib.save(nib.as_closest_canonical(nib.load(path)).slicer[::-1], path)
    problem = only_problem(sound)
    assert (problem.kind, problem.is_warning) == ("orientation", True)
    assert "1 of 3 volumes" in problem.message
    assert "b_0000.nii.gz: LAS" in problem.message


def test_a_label_without_an_image_is_found(sound):
    image(sound).unlink()
    problem = only_problem(sound)
    assert (problem.case, problem.path, problem.kind) == ("b", label(sound), "missing")


def test_a_case_whose_id_is_no_safe_name_is_found(tmp_path):
    problem = only_problem(make_nnunet(tmp_path, ("a", "Müller Hans")), deep=False)
    assert problem.kind == "name"
    assert "'Müller Hans'" in problem.message


def test_a_patient_on_both_sides_is_found_with_whatever_else_is_wrong(sound):
    write_splits(sound, {"learn": ["a", "b"], "test": ["c"]})
    (sound / "cases.csv").write_text("case,patient\na,p1\nb,p2\nc,p1\n")
    image(sound).write_bytes(b"")
    kinds = [problem.kind for problem in problems_of(sound)]
    assert kinds == ["split", "format"]
    assert problems_of(sound, division=Division(each_case=True))[0].kind == "format"


def test_a_table_that_lacks_a_case_is_found(sound):
    write_splits(sound, {"learn": ["p1"]})
    (sound / "cases.csv").write_text("case,patient\na,p1\nb,p1\n")
    assert "lacks 1 cases: c" in only_problem(sound).message


def test_ids_that_keep_a_test_set_from_being_drawn_are_found(tmp_path):
    folder = make_nnunet(tmp_path, ("p1_a", "p1_b", "p2_a"))
    problem = only_problem(folder)
    assert problem.kind == "split"
    assert "--patients REGEX" in problem.message
    assert problems_of(folder, division=Division(pattern="(p[0-9])_.*")) == []


def test_a_spacing_of_zero_is_told_in_plain_numbers(sound):
    data = bytearray(gzip.decompress(image(sound).read_bytes()))
    data[252:256], data[280:328] = b"\0\0\1\0", bytes(48)  # qform_code 0, sform_code 1, and rows of zeros
    image(sound).write_bytes(gzip.compress(bytes(data)))
    assert "found spacing (0.0, 0.0, 0.0) mm" in only_problem(sound).message


def test_a_table_of_patients_that_lacks_a_case_is_found_without_splits_too(sound):
    (sound / "cases.csv").write_text("case,patient\na,p1\nb,p1\n")
    assert "lacks 1 cases: c" in only_problem(sound).message


def test_no_problem_hides_another(tmp_path):
    folder = make_nnunet(tmp_path, tuple("abcdefgh"))
    image(folder, "a").write_bytes(b"")
    write_image(image(folder, "b"), shape=(*SHAPE, 2))
    write_image(image(folder, "c"), shape=(9, 9, 9))
    write_label(label(folder, "d"), (0, 9))
    write_nifti(image(folder, "e"), np.full(SHAPE, np.nan, np.float32))
    image(folder, "f").unlink()
    image(folder, "h").write_bytes(image(folder, "g").read_bytes())
    write_splits(folder, {"learn": list("abcdefg"), "test": ["zz"]})
    problems = problems_of(folder)
    assert {problem.case for problem in problems} == {None, *"abcdefg"}
    assert all(str(folder) in problem.message or problem.case is None for problem in problems)


def test_a_file_that_may_not_be_read_is_found(sound, monkeypatch):
    """Root may read anything, so the refusal is played."""
    refused = image(sound)
    opened, path_opened = open, Path.open

    def refuse(path, *args, **kwargs):
        if str(path) == str(refused):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(
        Path, "open", lambda path, *args, **kwargs: refuse(path) if path == refused else path_opened(path, *args, **kwargs)
    )
    problem = only_problem(sound)
    assert (problem.path, problem.kind) == (refused, "format")


def test_what_a_header_says_of_the_patient_stays_in_the_header(sound):
    secret = nib.Nifti1Image(np.zeros((*SHAPE, 2), np.int16), AFFINE)
    secret.header["descrip"] = b"DOE^JANE"
    nib.save(secret, image(sound))
    assert "DOE" not in str(problems_of(sound))


def test_progress_counts_the_cases(sound):
    told = []
    problems_of(sound, progress=lambda done, cases: told.append((done, cases)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_shallow_look_reads_no_voxel(sound):
    write_nifti(image(sound), np.full(SHAPE, np.nan, np.float32))
    assert problems_of(sound, deep=False) == []


def test_a_file_that_went_away_is_found(sound):
    found = find_dataset(sound)
    image(sound).unlink()
    (problem,) = check_dataset(found)
    assert problem.path == image(sound)


def test_a_set_of_which_nothing_can_be_read_is_told_in_full(tmp_path):
    case = FoundCase("a", (tmp_path / "a.nii",), None)
    found = Found("set", ("background", "x"), ("MRI",), None, (case, replace(case, id="b", images=())))
    assert check_dataset(found) != []
