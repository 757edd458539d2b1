"""The phantom study and the rendered HVSMR hearts, on disk."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from askance.errors import DataError, FormatError, GeometryError, LabelError, UsageError
from askance.volumes.phantom import study
from askance.volumes.phantom.study import majority, make_patient, make_phantom, render_hvsmr


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "deep" / "study"
    make_phantom(out, seed=5, patients=3)
    return out


@pytest.fixture(scope="module")
def one() -> study.Patient:
    return make_patient("native", np.random.default_rng(0))


def test_a_phantom_study_is_an_nnunet_data_set_with_splits(phantom: Path) -> None:
    assert sorted(path.name for path in phantom.iterdir()) == ["dataset.json", "imagesTr", "labelsTr", "splits.json"]
    dataset = json.loads((phantom / "dataset.json").read_text())
    assert dataset["labels"] == {"background": 0, "myocardium": 1, "blood_pool": 2}
    assert dataset["numTraining"] == len(list((phantom / "imagesTr").iterdir())) == 3
    splits = json.loads((phantom / "splits.json").read_text())
    assert splits == {"learn": ["phantom00", "phantom01"], "test": ["phantom02"]}


def test_image_and_label_of_a_phantom_share_a_geometry(phantom: Path) -> None:
    for number in range(3):
        image = nib.load(phantom / "imagesTr" / f"phantom{number:02d}_0000.nii.gz")
        label = nib.load(phantom / "labelsTr" / f"phantom{number:02d}.nii.gz")
        assert image.shape == label.shape == study.SHAPE
        assert image.affine == pytest.approx(label.affine)
        assert image.header.get_zooms() == pytest.approx(study.SPACING_MM)
        assert (image.get_data_dtype(), label.get_data_dtype()) == (np.dtype(np.int16), np.dtype(np.uint8))
        assert np.unique(voxels(phantom / "labelsTr" / f"phantom{number:02d}.nii.gz")).tolist() == [0, 1, 2]


def test_ten_patients_are_split_seven_to_three(one: study.Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "make_patient", lambda protocol, rng: one)
    make_phantom(tmp_path / "p", seed=0)
    splits = json.loads((tmp_path / "p" / "splits.json").read_text())
    assert (len(splits["learn"]), len(splits["test"])) == (7, 3)


def test_the_same_seed_gives_the_same_voxels_however_many_patients(phantom: Path, tmp_path: Path) -> None:
    make_phantom(tmp_path / "again", seed=5, patients=2)
    for name in ("imagesTr/phantom01_0000.nii.gz", "labelsTr/phantom01.nii.gz"):
        assert np.array_equal(voxels(phantom / name), voxels(tmp_path / "again" / name))


def test_patients_and_seeds_differ(phantom: Path) -> None:
    other = next(iter(study.make_patients(seed=6, patients=2)))
    first = voxels(phantom / "labelsTr" / "phantom00.nii.gz")
    assert not np.array_equal(first, voxels(phantom / "labelsTr" / "phantom01.nii.gz"))
    assert not np.array_equal(first, other.labels)


def test_both_protocols_are_learnt_from_and_tested_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "make_patient", lambda protocol, rng: protocol)
    made = list(study.make_patients(seed=1, patients=10))
    assert (made[:7].count("native"), made[7:].count("native")) == (3, 1)
    assert made[0] == "enhanced"


def test_labels_lie_on_the_image(phantom: Path) -> None:
    for number in range(3):
        image = voxels(phantom / "imagesTr" / f"phantom{number:02d}_0000.nii.gz")
        labels = voxels(phantom / "labelsTr" / f"phantom{number:02d}.nii.gz")
        assert image[labels == 2].mean() > 1.2 * image[labels == 1].mean()


def test_a_full_place_is_left_alone(phantom: Path) -> None:
    before = sorted(phantom.rglob("*"))
    with pytest.raises(UsageError, match="not an empty folder"):
        make_phantom(phantom, seed=0, patients=2)
    assert sorted(phantom.rglob("*")) == before


def test_a_file_in_the_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        make_phantom(tmp_path / "file", seed=0, patients=2)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_folder_is_filled(one: study.Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "make_patient", lambda protocol, rng: one)
    make_phantom(tmp_path, seed=0, patients=2)
    assert (tmp_path / "dataset.json").exists()


@pytest.mark.parametrize(("seed", "patients"), [(-1, 10), (0, 1), (0, 0), (0, 101)])
def test_a_number_out_of_range_is_refused(tmp_path: Path, seed: int, patients: int) -> None:
    with pytest.raises(UsageError, match="wanted"):
        make_phantom(tmp_path / "p", seed, patients)
    assert not (tmp_path / "p").exists()


def test_a_study_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "embed", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_phantom(tmp_path / "p", seed=0, patients=2)
    assert list(tmp_path.iterdir()) == []


def test_the_commonest_label_of_a_slice_wins() -> None:
    thin = np.array([[[0, 1, 1, 2, 2, 0, 0, 1, 2]]], dtype=np.uint8)
    assert majority(thin, 3).tolist() == [[[1, 2, 0]]]


def hvsmr_label(patient: study.Patient, folder: Path, number: int) -> Path:
    """A small heart, stored posterior-inferior-right as HVSMR's are."""
    labels = patient.labels[::2, ::2]
    stored = np.ascontiguousarray(np.flip(labels.transpose(1, 2, 0), axis=(0, 1)))
    affine = np.array([[0, 0, 3.5, -20], [-3.5, 0, 0, 90], [0, -3.5, 0, 70], [0, 0, 0, 1.0]])
    path = folder / f"training_axial_full_pat{number}_label_A.nii.gz"
    nib.save(nib.Nifti1Image(stored.astype(np.uint16), affine), path)
    return path


def test_rendered_hearts_keep_the_geometry_of_their_crop(one: study.Patient, tmp_path: Path) -> None:
    source = nib.load(hvsmr_label(one, tmp_path, 3))
    render_hvsmr(tmp_path, tmp_path / "out", seed=0)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["training_axial_crop_pat3-label.nii.gz", "training_axial_crop_pat3.nii.gz"]
    label, image = (nib.load(tmp_path / "out" / name) for name in names)
    assert nib.aff2axcodes(image.affine) == ("P", "I", "R")
    assert image.affine == pytest.approx(label.affine)
    assert image.shape == label.shape
    inside = np.argwhere(np.asarray(label.dataobj) > 0)
    origin = np.rint(np.linalg.inv(source.affine) @ label.affine @ (*inside[0], 1))[:3].astype(int)
    assert np.asarray(source.dataobj)[tuple(origin)] == np.asarray(label.dataobj)[tuple(inside[0])]
    assert len(inside) == (np.asarray(source.dataobj) > 0).sum()


def test_a_folder_without_hvsmr_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training_axial_full"):
        render_hvsmr(tmp_path / "nowhere", tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()


def test_two_labels_for_one_patient_are_refused(tmp_path: Path) -> None:
    for rater in "AB":
        (tmp_path / f"training_axial_full_pat0_label_{rater}.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="patient 0"):
        render_hvsmr(tmp_path, tmp_path / "out", seed=0)


def test_a_truncated_label_is_named(one: study.Patient, tmp_path: Path) -> None:
    path = hvsmr_label(one, tmp_path, 0)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FormatError, match="training_axial_full_pat0_label_A"):
        render_hvsmr(tmp_path, tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"not a file of NIfTI's" * 40])
def test_a_label_that_is_no_nifti_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "training_axial_full_pat0_label_A.nii.gz").write_bytes(content)
    with pytest.raises(FormatError, match="cannot be read"):
        render_hvsmr(tmp_path, tmp_path / "out", seed=0)


@pytest.mark.parametrize("value", [0, 3])
def test_labels_of_another_kind_are_refused(tmp_path: Path, value: int) -> None:
    array = np.full((8, 8, 8), value, dtype=np.uint8)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "training_axial_full_pat0_label_A.nii.gz")
    with pytest.raises(LabelError, match="wanted 0 background"):
        render_hvsmr(tmp_path, tmp_path / "out", seed=0)


def test_labels_of_four_axes_are_refused(tmp_path: Path) -> None:
    array = np.zeros((8, 8, 8, 2), dtype=np.uint8)
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "training_axial_full_pat0_label_A.nii.gz")
    with pytest.raises(GeometryError, match="wanted a volume of three"):
        render_hvsmr(tmp_path, tmp_path / "out", seed=0)


def test_a_heart_of_two_specks_is_rendered(tmp_path: Path) -> None:
    array = np.zeros((60, 60, 60), dtype=np.uint8)
    array[2, 2, 2], array[57, 57, 57] = 1, 2
    nib.save(nib.Nifti1Image(array, np.diag([4.0, 4, 4, 1])), tmp_path / "training_axial_full_pat0_label_A.nii.gz")
    render_hvsmr(tmp_path, tmp_path / "out", seed=0)
    assert voxels(tmp_path / "out" / "training_axial_crop_pat0.nii.gz").any()


@pytest.mark.slow
def test_the_ten_real_hearts_are_rendered(tmp_path: Path) -> None:
    root = Path(os.environ.get("ASKANCE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (root / "HVSMR2016_labels").is_dir():
        assert not (os.environ.get("CI") == "true" and (Path(__file__).parents[3] / "shared").exists())
        pytest.skip(f"no HVSMR2016_labels in {root}; set ASKANCE_DATA")
    render_hvsmr(root / "HVSMR2016_labels", tmp_path / "out", seed=0)
    for number in range(10):
        image = nib.load(tmp_path / "out" / f"training_axial_crop_pat{number}.nii.gz")
        labels = voxels(tmp_path / "out" / f"training_axial_crop_pat{number}-label.nii.gz")
        assert nib.aff2axcodes(image.affine) == ("P", "I", "R")
        assert np.asarray(image.dataobj)[labels == 2].mean() > 1.1 * np.asarray(image.dataobj)[labels == 1].mean()
