from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from made_datasets import make_nnunet, write_dataset_json, write_image, write_label, write_nifti, write_splits

from askance.errors import DataError, FormatError, LabelError, UsageError
from askance.volumes.check import check_dataset
from askance.volumes.layouts import find_dataset


def ids(found):
    return [case.id for case in found.cases]


def test_an_nnunet_data_set_gives_its_cases_classes_and_channels(tmp_path):
    found = find_dataset(make_nnunet(tmp_path / "Dataset001_Heart"))
    assert found.name == "Dataset001_Heart"
    assert ids(found) == ["a", "b", "c"]
    assert found.classes == ("background", "muscle", "blood")
    assert found.channels == ("MRI",)
    assert (found.ignore, found.splits, found.patients, found.problems) == (None, None, None, ())
    assert found.cases[0].images[0].name == "a_0000.nii.gz"
    assert found.cases[0].label.name == "a.nii.gz"


def test_channels_come_in_the_order_of_their_numbers(tmp_path):
    make_nnunet(tmp_path, channel_names={"1": "T2", "0": "T1"})
    for case in "abc":
        write_image(tmp_path / "imagesTr" / f"{case}_0001.nii.gz", 9)
    found = find_dataset(tmp_path)
    assert found.channels == ("T1", "T2")
    assert [path.name for path in found.cases[1].images] == ["b_0000.nii.gz", "b_0001.nii.gz"]


def test_the_highest_label_called_ignore_marks_what_nobody_labelled(tmp_path):
    found = find_dataset(make_nnunet(tmp_path, labels={"background": 0, "muscle": 1, "ignore": 2}))
    assert (found.classes, found.ignore) == (("background", "muscle"), 2)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"background": 0, "ignore": 1, "muscle": 2}, "ignore is 1; wanted the highest number, 2"),
        ({"background": 0, "heart": [1, 2], "muscle": 1}, "heart are regions"),
        ({"background": 0, "muscle": 2}, "numbered 0, 2"),
        ({"background": 0, "muscle": "1"}, "wanted a whole number"),
        ({"background": 0, "muscle": True}, "wanted a whole number"),
        ({"background": 0}, "at least one more"),
        ({"background": 0, "ignore": 1}, "at least one more"),
        ({}, "labels is"),
        (None, "labels is missing"),
        (["background"], "labels is"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, labels, told):
    with pytest.raises(LabelError, match=told):
        find_dataset(make_nnunet(tmp_path, labels=labels))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"file_ending": ".png"}, "file_ending is '.png'; wanted one of"),
        ({"file_ending": None}, "file_ending is missing"),
        ({"channel_names": {"1": "MRI"}}, "without a gap"),
        ({"channel_names": ["MRI"]}, "channel_names is"),
        ({"channel_names": None, "modality": {"0": "MRI"}}, "version 1; convert it"),
    ],
)
def test_a_dataset_json_that_cannot_be_used_is_refused(tmp_path, changes, told):
    with pytest.raises(FormatError, match=told):
        find_dataset(make_nnunet(tmp_path, **changes))


@pytest.mark.parametrize("content", ["{", "", "[1]", "[" * 100_000, "\udcff"])
def test_a_broken_dataset_json_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content, errors="surrogateescape")
    with pytest.raises(FormatError, match=r"dataset\.json"):
        find_dataset(tmp_path)


def test_a_data_set_without_images_is_refused(tmp_path):
    write_dataset_json(tmp_path)
    with pytest.raises(DataError, match="no folder imagesTr"):
        find_dataset(tmp_path)
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(DataError, match="holds no volume"):
        find_dataset(tmp_path)


def test_labelled_cases_of_images_ts_are_the_test_set(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "imagesTs" / "d_0000.nii.gz", 4)
    write_image(tmp_path / "imagesTs" / "e_0000.nii.gz", 5)
    write_label(tmp_path / "labelsTs" / "d.nii.gz")
    found = find_dataset(tmp_path)
    assert ids(found) == ["a", "b", "c", "d"]
    assert found.splits == {"a": "learn", "b": "learn", "c": "learn", "d": "test"}


def test_unlabelled_cases_of_images_ts_are_left_out(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "imagesTs" / "d_0000.nii.gz", 4)
    found = find_dataset(tmp_path)
    assert ids(found) == ["a", "b", "c"]
    assert found.splits is None


def test_cases_may_be_labelled_in_part_or_not_at_all(tmp_path):
    make_nnunet(tmp_path)
    (tmp_path / "labelsTr" / "b.nii.gz").unlink()
    assert [case.label is None for case in find_dataset(tmp_path).cases] == [False, True, False]


def test_names_without_or_with_an_unknown_channel_are_noted(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "imagesTr" / "d.nii.gz", 4)
    write_image(tmp_path / "imagesTr" / "a_0003.nii.gz", 5)
    found = find_dataset(tmp_path)
    assert ids(found) == ["a", "b", "c"]
    told = " ".join(problem.message for problem in found.problems)
    assert "d_0000.nii.gz" in told
    assert "channel 3; dataset.json names 1" in told


def test_a_case_in_two_formats_is_found_twice(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "imagesTr" / "a_0000.nii", 4)
    write_label(tmp_path / "labelsTr" / "b.nii")
    assert ids(find_dataset(tmp_path)) == ["a", "a", "b", "b", "c"]


def test_hidden_files_are_left_out(tmp_path):
    make_nnunet(tmp_path)
    (tmp_path / "imagesTr" / "._a_0000.nii.gz").write_bytes(b"resource fork")
    assert ids(find_dataset(tmp_path)) == ["a", "b", "c"]


def test_splits_json_and_cases_csv_are_read(tmp_path):
    make_nnunet(tmp_path)
    write_splits(tmp_path, {"learn": ["p1"], "test": ["p2"]})
    (tmp_path / "cases.csv").write_text("case,phase,patient\na,ED,p1\nb,ES,p1\nc,ED,p2\n")
    found = find_dataset(tmp_path)
    assert found.splits == {"p1": "learn", "p2": "test"}
    assert found.patients == {"a": "p1", "b": "p1", "c": "p2"}


def test_a_cases_csv_of_something_else_is_left_alone(tmp_path):
    make_nnunet(tmp_path)
    (tmp_path / "cases.csv").write_text("case,age\na,40\n")
    assert find_dataset(tmp_path).patients is None


def test_a_fold_of_splits_final_json_is_read(tmp_path):
    make_nnunet(tmp_path)
    folds = [{"train": ["a", "b"], "val": ["c"]}, {"train": ["b", "c"], "val": ["a"]}]
    write_splits(tmp_path, folds, "splits_final.json")
    assert find_dataset(tmp_path).splits == {"a": "learn", "b": "learn", "c": "test"}
    assert find_dataset(tmp_path, fold=1).splits == {"b": "learn", "c": "learn", "a": "test"}
    with pytest.raises(UsageError, match="no fold 2; wanted one of 0 to 1"):
        find_dataset(tmp_path, fold=2)


def test_a_fold_asked_for_wins_over_splits_json(tmp_path):
    make_nnunet(tmp_path)
    write_splits(tmp_path, {"learn": ["a", "b", "c"]})
    write_splits(tmp_path, [{"train": ["a", "b"], "val": ["c"]}], "splits_final.json")
    assert find_dataset(tmp_path).splits["c"] == "learn"
    assert find_dataset(tmp_path, fold=0).splits["c"] == "test"


def test_a_fold_without_splits_final_json_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"splits_final\.json: cannot be read"):
        find_dataset(make_nnunet(tmp_path), fold=0)


def test_the_test_folder_stays_the_test_set_beside_splits_of_the_rest(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "imagesTs" / "d_0000.nii.gz", 4)
    write_label(tmp_path / "labelsTs" / "d.nii.gz")
    write_splits(tmp_path, {"learn": ["a", "b"], "validation": ["c"]})
    assert find_dataset(tmp_path).splits == {"a": "learn", "b": "learn", "c": "validation", "d": "test"}


@pytest.mark.parametrize(
    "content", [{}, {"train": ["a"]}, {"learn": "a"}, {"learn": [1]}, "learn", [[1]], [{"train": ["a"], "test": []}]]
)
def test_splits_of_an_unknown_form_are_a_problem(tmp_path, content):
    path = write_splits(make_nnunet(tmp_path), content)
    found = find_dataset(tmp_path)
    (problem,) = found.problems
    assert (problem.kind, problem.path) == ("split", path)
    assert not found.splits


def test_splits_that_name_nobody_are_no_division(tmp_path):
    write_splits(make_nnunet(tmp_path), {"learn": []})
    assert any("learn is empty" in problem.message for problem in check_dataset(find_dataset(tmp_path), deep=False))


def test_a_name_on_two_sides_is_noted(tmp_path):
    write_splits(make_nnunet(tmp_path), {"learn": ["a", "b", "c"], "test": ["c"]})
    (problem,) = find_dataset(tmp_path).problems
    assert problem.kind == "split"
    assert "1 names stand there more than once: c" in problem.message


@pytest.mark.parametrize("form", ["training_axial_crop_pat", "training_axial_full_pat", "training_sa_crop_pat"])
def test_hvsmr_2016_is_known_by_its_names(tmp_path, form):
    for number in (0, 1):
        write_image(tmp_path / f"{form}{number}.nii.gz", number)
    write_label(tmp_path / f"{form}0-label.nii.gz")
    found = find_dataset(tmp_path)
    assert ids(found) == [f"{form}0", f"{form}1"]
    assert [case.label is None for case in found.cases] == [False, True]
    assert found.classes == ("background", "myocardium", "blood pool")
    assert found.patients == {f"{form}0": "pat0", f"{form}1": "pat1"}


def test_the_forms_of_one_hvsmr_volume_are_one_patient(tmp_path):
    write_image(tmp_path / "training_axial_crop_pat3.nii.gz", 1)
    write_image(tmp_path / "training_sa_crop_pat3.nii.gz", 2)
    assert set(find_dataset(tmp_path).patients.values()) == {"pat3"}


def test_hvsmr_labels_without_images_are_refused_with_a_way_out(tmp_path):
    write_label(tmp_path / "training_axial_full_pat0_label_A.nii.gz")
    with pytest.raises(DataError, match=r"no images; wanted both.*askance phantom OUT --render"):
        find_dataset(tmp_path)


def test_hvsmr_2_is_known_by_its_names(tmp_path):
    write_image(tmp_path / "pat0_cropped.nii.gz")
    write_label(tmp_path / "pat0_cropped_seg.nii.gz")
    write_label(tmp_path / "pat0_cropped_seg_endpoints.nii.gz")
    found = find_dataset(tmp_path)
    assert ids(found) == ["pat0_cropped"]
    assert found.cases[0].label.name == "pat0_cropped_seg.nii.gz"
    assert found.classes == ("background", "LV", "RV", "LA", "RA", "AO", "PA", "SVC", "IVC")


def test_two_folders_in_mixed_formats_go_together_by_stem(tmp_path):
    write_image(tmp_path / "images" / "a.nii.gz")
    for name in ("b.nrrd", "c.mha"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.arange(24.0).reshape(2, 3, 4)), tmp_path / "images" / name)
    write_label(tmp_path / "labels" / "a.nii")
    write_label(tmp_path / "labels" / "b.nii.gz", (0, 1, 3))
    found = find_dataset(tmp_path, classes=("background", "x", "y", "z"))
    assert [(case.id, case.label and case.label.name) for case in found.cases] == [
        ("a", "a.nii"),
        ("b", "b.nii.gz"),
        ("c", None),
    ]


def test_classes_that_nobody_names_are_counted(tmp_path):
    write_image(tmp_path / "images" / "a.nii")
    write_label(tmp_path / "labels" / "a.nii", (0, 2, 1))
    assert find_dataset(tmp_path).classes == ("background", "class 1", "class 2")


def test_classes_that_cannot_be_counted_are_asked_for(tmp_path):
    write_image(tmp_path / "images" / "a.nii")
    with pytest.raises(LabelError, match=r"no label there shows.*--classes"):
        find_dataset(tmp_path)
    write_label(tmp_path / "labels" / "a.nii", (0, 255))
    with pytest.raises(LabelError, match="values 0, 255, with gaps"):
        find_dataset(tmp_path)


def test_more_classes_than_a_byte_tells_apart_are_refused(tmp_path):
    make_nnunet(tmp_path, labels={"background": 0, **{f"part {number}": number for number in range(1, 256)}})
    with pytest.raises(LabelError, match="has 256 classes; wanted at most 255"):
        find_dataset(tmp_path)
    make_nnunet(tmp_path, labels={"background": 0, **{f"part {number}": number for number in range(1, 255)}, "ignore": 255})
    assert len(find_dataset(tmp_path).classes) == 255


def test_an_unreadable_label_does_not_keep_the_classes_from_being_counted(tmp_path):
    write_image(tmp_path / "images" / "a.nii")
    write_label(tmp_path / "labels" / "a.nii", (0, 1))
    (tmp_path / "labels" / "b.nii").write_bytes(b"nothing")
    assert find_dataset(tmp_path).classes == ("background", "class 1")


def test_a_last_class_called_ignore_is_none(tmp_path):
    write_image(tmp_path / "images" / "a.nii")
    found = find_dataset(tmp_path, classes=("background", "heart", "ignore"))
    assert (found.classes, found.ignore) == (("background", "heart"), 2)


@pytest.mark.parametrize("classes", [(), ("background",), ("background", "ignore"), ("a", "a"), ("a", "")])
def test_class_names_that_make_no_sense_are_refused(tmp_path, classes):
    write_image(tmp_path / "images" / "a.nii")
    with pytest.raises(UsageError, match="the classes are"):
        find_dataset(tmp_path, classes=classes)


def test_class_names_are_refused_where_the_layout_has_its_own(tmp_path):
    make_nnunet(tmp_path)
    assert find_dataset(tmp_path, classes=("background", "muscle", "blood")).classes[1] == "muscle"
    with pytest.raises(UsageError, match="names its classes itself"):
        find_dataset(tmp_path, classes=("background", "heart"))


def test_an_explicit_pair_of_folders_wins(tmp_path):
    make_nnunet(tmp_path)
    write_image(tmp_path / "mr" / "x.nii")
    write_label(tmp_path / "drawn" / "x.nii")
    found = find_dataset(tmp_path, images=tmp_path / "mr", labels=tmp_path / "drawn")
    assert ids(found) == ["x"]
    assert ids(find_dataset(tmp_path, images=tmp_path / "mr", classes=("background", "x"))) == ["x"]


def test_an_incomplete_pair_is_refused(tmp_path):
    make_nnunet(tmp_path)
    with pytest.raises(UsageError, match="without images"):
        find_dataset(tmp_path, labels=tmp_path / "labelsTr")
    with pytest.raises(DataError, match="cannot be listed"):
        find_dataset(tmp_path, images=tmp_path / "nowhere", classes=("background", "x"))


def test_an_unknown_layout_is_told_with_what_is_there_and_what_is_known(tmp_path):
    (tmp_path / "scans").mkdir()
    write_nifti(tmp_path / "heart.nii", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(DataError, match=r"it holds heart\.nii, scans/\. Wanted one of: nnU-Net v2.*--images, --labels"):
        find_dataset(tmp_path)


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        find_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not a folder"):
        find_dataset(write_dataset_json(tmp_path))


def test_paths_are_absolute_wherever_one_stands(tmp_path, monkeypatch):
    make_nnunet(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    found = find_dataset(Path("set"))
    assert found.cases[0].images[0] == tmp_path / "set" / "imagesTr" / "a_0000.nii.gz"
