"""Classes numbered anew: labels written, images left where they are."""

import shutil

import nibabel as nib
import numpy as np
import pytest

from askance.errors import UsageError
from askance.volumes.layouts import find_dataset
from askance.volumes.mapping import mapped, parse_mapping
from made_studies import read_volume


def test_acdc_takes_the_form_of_hvsmr():
    assert parse_mapping("2:1,1:2,3:2") == {0: 0, 1: 2, 2: 1, 3: 2}


@pytest.mark.parametrize("text", ["", "1", "1:x", "1:2", "1:1,1:2", "1:0", "1:-1", "-1:1", "1:1:1"])
def test_a_map_of_another_form_or_with_gaps_is_refused(text):
    with pytest.raises(UsageError, match="the map"):
        parse_mapping(text)


def test_labels_are_written_anew_once_and_images_stay(tmp_path, tiny_dataset):
    found = find_dataset(tiny_dataset)
    told = []
    new = mapped(found, {0: 0, 1: 1, 2: 1}, tmp_path / "out", progress=lambda done, all_: told.append((done, all_)))
    assert new.classes == ("background", "muscle+blood pool")
    assert told[-1] == (4, 4)
    assert (new.splits, new.patients) == (found.splits, found.patients)
    for old, case in zip(found.cases, new.cases, strict=True):
        assert case.images == old.images
        assert np.array_equal(read_volume(case.label), (read_volume(old.label) > 0).astype(np.uint8))
    written = [case.label.stat().st_mtime_ns for case in new.cases]
    again = mapped(found, {0: 0, 1: 1, 2: 1}, tmp_path / "out", names=("background", "heart"))
    assert again.classes == ("background", "heart")
    assert [case.label.stat().st_mtime_ns for case in again.cases] == written


def test_a_label_that_was_mended_is_written_anew(tmp_path, tiny_dataset):
    source = shutil.copytree(tiny_dataset, tmp_path / "source")
    mapping = {0: 0, 1: 1, 2: 1}
    before = mapped(find_dataset(source), mapping, tmp_path / "out").cases[0]
    label = find_dataset(source).cases[0].label
    nib.save(nib.Nifti1Image(np.zeros_like(read_volume(label)), nib.load(label).affine), label)
    after = mapped(find_dataset(source), mapping, tmp_path / "out").cases[0]
    assert read_volume(before.label).any()
    assert not read_volume(after.label).any()


def test_every_class_must_be_mapped_and_be_one(tmp_path, tiny_dataset):
    found = find_dataset(tiny_dataset)
    for mapping, message in (({0: 0, 1: 1}, r"nothing of class 2 \(blood pool\)"), ({0: 0, 1: 1, 2: 2, 3: 2}, "class 3")):
        with pytest.raises(UsageError, match=message):
            mapped(found, mapping, tmp_path)
    with pytest.raises(UsageError, match="1 are named"):
        mapped(found, {0: 0, 1: 1, 2: 2}, tmp_path, names=("background",))


def test_what_nobody_labelled_stays_so(tmp_path):
    labels = np.zeros((4, 4, 3), np.uint8)
    labels[0], labels[1], labels[2] = 1, 2, 3  # 3 is ignore
    for folder, array in (("images", labels.astype(np.int16)), ("labels", labels)):
        (tmp_path / folder).mkdir()
        nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / folder / "a.nii.gz")
    found = find_dataset(tmp_path, classes=("background", "a", "b", "ignore"))
    new = mapped(found, {0: 0, 1: 1, 2: 1}, tmp_path / "out")
    assert new.ignore == 2
    assert read_volume(new.cases[0].label)[:, 0, 0].tolist() == [1, 1, 2, 0]
