import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from askance.active.measuring import at_file_resolution
from askance.active.outside import predict_files
from askance.active.ranking import predict_case
from askance.active.study import Study
from askance.errors import DataError, FormatError, GeometryError, UsageError
from made_studies import AFFINE, SHAPE, advance, make_study, read_volume, truth_of, write_dataset, write_volume


@pytest.fixture
def model(asking: Path) -> Path:
    return asking / "study" / "models" / "cycle-000"


@pytest.fixture
def scan(asking: Path) -> Path:
    return asking / "dataset" / "imagesTr" / "p4_0000.nii.gz"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_volume_is_labelled_in_the_geometry_that_came_in(model, scan, tmp_path):
    rows = predict_files(model, [scan], tmp_path / "out")
    image = nib.load(tmp_path / "out" / "p4.nii.gz")
    assert (image.shape, image.get_data_dtype()) == (SHAPE, np.uint8)
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p4.nii.gz", "scores.csv", "to_check.csv"]
    assert (rows[0]["case"], rows[0]["slices"], rows[0]["labels"]) == ("p4", 6, str(tmp_path / "out" / "p4.nii.gz"))


def test_the_labels_are_those_that_the_study_itself_would_give(asking, model, scan, tmp_path):
    predict_files(model, [scan], tmp_path / "out")
    with Study.open(asking / "study") as study:
        case = study.store.case("p4")
        wanted = at_file_resolution(study, predict_case(study, study.predictor("cycle-000"), case), case)
    np.testing.assert_array_equal(read_volume(tmp_path / "out" / "p4.nii.gz"), np.moveaxis(wanted, 0, 2))


def test_every_slice_has_a_score_and_the_doubtful_ones_are_listed_worst_first(model, scan, tmp_path):
    other = tmp_path / "scan 2023.nii.gz"
    shutil.copy(scan, other)
    summary = predict_files(model, [scan, other], tmp_path / "out", threshold=0.6)
    scores = rows_of(tmp_path / "out" / "scores.csv")
    assert [row["slice_id"] for row in scores] == [f"{case}/2/{index}" for case in ("p4", "scan 2023") for index in range(6)]
    doubtful = [row for row in scores if float(row["score"]) < 0.6]
    listed = rows_of(tmp_path / "out" / "to_check.csv")
    assert sorted(row["slice_id"] for row in listed) == sorted(row["slice_id"] for row in doubtful)
    assert [float(row["score"]) for row in listed] == sorted(float(row["score"]) for row in listed)
    assert listed[0].keys() >= {"plane", "itksnap", "slicer"}
    assert sum(row["to_check"] for row in summary) == len(doubtful)


def test_nothing_doubtful_is_an_empty_table_with_its_columns(model, scan, tmp_path):
    predict_files(model, [scan], tmp_path / "out", threshold=0.0)
    assert (tmp_path / "out" / "to_check.csv").read_text().startswith("slice_id,case,plane")


def test_other_formats_go_out_as_they_came_in(model, scan, tmp_path):
    sitk.WriteImage(sitk.ReadImage(str(scan)), str(tmp_path / "a.nrrd"))
    sitk.WriteImage(sitk.ReadImage(str(scan)), str(tmp_path / "b.mha"))
    predict_files(model, [tmp_path / "a.nrrd", tmp_path / "b.mha", scan], tmp_path / "out")
    labels = [
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / name))) for name in ("a.nrrd", "b.mha", "p4.nii.gz")
    ]
    np.testing.assert_array_equal(labels[0], labels[2])
    np.testing.assert_array_equal(labels[1], labels[2])


def test_a_volume_stored_otherwise_than_what_was_learnt_from_is_warned_of(model, scan, tmp_path, caplog):
    predict_files(model, [scan], tmp_path / "as it was")
    assert not caplog.records
    turned = nib.load(scan).slicer[::-1]
    nib.save(turned, tmp_path / "turned.nii.gz")
    predict_files(model, [tmp_path / "turned.nii.gz"], tmp_path / "out")
    (record,) = caplog.records
    code = "".join(nib.aff2axcodes(turned.affine))
    assert f"case turned is stored as {code}" in record.getMessage()
    np.testing.assert_array_equal(nib.load(tmp_path / "out" / "turned.nii.gz").affine, turned.affine)


def test_what_lies_beyond_the_grid_is_background_and_its_share_is_told(model, tmp_path):
    wide = np.zeros((96, 32, 2))
    wide[36:60, :, :] = truth_of("p4")[..., :2] * 60.0
    wide[:4] = 200.0
    scan = write_volume(tmp_path / "wide.nii.gz", wide.astype(np.float32))
    rows = predict_files(model, [scan], tmp_path / "out")
    labels = read_volume(tmp_path / "out" / "wide.nii.gz")
    assert rows[0]["outside_grid"] == pytest.approx(2 / 3, abs=1e-3)
    assert not labels[:31].any()
    assert {row["outside_grid"] for row in rows_of(tmp_path / "out" / "scores.csv")} == {"0.667"}


def test_the_summary_does_not_depend_on_what_else_is_predicted(model, scan, tmp_path):
    shutil.copy(scan, tmp_path / "again.nii.gz")
    both = predict_files(model, [scan, tmp_path / "again.nii.gz"], tmp_path / "both")
    assert both[0]["score"] == both[1]["score"] == predict_files(model, [scan], tmp_path / "one")[0]["score"]


def test_progress_is_told_case_by_case(model, scan, tmp_path):
    told = []
    predict_files(model, [scan], tmp_path / "out", lambda *step: told.append(step))
    assert told == [(1, 1)]


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("channels")
    with make_study(folder / "study", write_dataset(folder / "dataset", channels=2), expert="human") as study:
        advance(study)
    return folder


def test_channels_of_a_case_are_put_together(two_channels, tmp_path):
    model, images = two_channels / "study" / "models" / "cycle-000", two_channels / "dataset" / "imagesTr"
    files = [images / "p4_0001.nii.gz", images / "p3_0000.nii.gz", images / "p4_0000.nii.gz", images / "p3_0001.nii.gz"]
    rows = predict_files(model, files, tmp_path / "out")
    assert [row["case"] for row in rows] == ["p4", "p3"]


def test_channels_that_are_missing_unnumbered_or_do_not_fit_are_refused(two_channels, tmp_path):
    model, images = two_channels / "study" / "models" / "cycle-000", two_channels / "dataset" / "imagesTr"
    with pytest.raises(UsageError, match=r"case p4: found channels \[0\]"):
        predict_files(model, [images / "p4_0000.nii.gz"], tmp_path / "out")
    with pytest.raises(UsageError, match="no channel number"):
        predict_files(model, [two_channels / "dataset" / "labelsTr" / "p4.nii.gz"], tmp_path / "out")
    moved = write_volume(tmp_path / "p4_0001.nii.gz", np.ones(SHAPE, np.int16), AFFINE * 2)
    with pytest.raises(GeometryError, match="do not fit"):
        predict_files(model, [images / "p4_0000.nii.gz", moved], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_name_are_refused(model, scan, tmp_path):
    shutil.copy(scan, tmp_path / "p4.nii.gz")
    with pytest.raises(UsageError, match="both case p4"):
        predict_files(model, [scan, tmp_path / "p4.nii.gz"], tmp_path / "out")


def test_a_spoilt_file_is_named_and_nothing_is_left(model, scan, tmp_path):
    (tmp_path / "cut.nii.gz").write_bytes(scan.read_bytes()[:-200])
    with pytest.raises(FormatError, match=r"cut\.nii\.gz"):
        predict_files(model, [scan, tmp_path / "cut.nii.gz"], tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_files_that_cannot_be_used_are_all_told_before_any_case_is_labelled(model, scan, tmp_path):
    write_volume(tmp_path / "flat.nii.gz", np.full(SHAPE, 7, np.int16))
    write_volume(tmp_path / "holes.nii.gz", np.full(SHAPE, np.nan, np.float32))
    told = []
    with pytest.raises(DataError, match=r"(?s)2 of 3 cases.*flat\.nii\.gz: empty.*holes\.nii\.gz: found .* NaN"):
        predict_files(
            model,
            [scan, tmp_path / "flat.nii.gz", tmp_path / "holes.nii.gz"],
            tmp_path / "out",
            lambda *step: told.append(step),
        )
    assert told == []


def test_misuse_is_told_in_one_line(model, scan, tmp_path):
    with pytest.raises(UsageError, match="no file to predict"):
        predict_files(model, [], tmp_path / "out")
    with pytest.raises(UsageError, match="from 0 to 1"):
        predict_files(model, [scan], tmp_path / "out", threshold=7)
    with pytest.raises(FormatError, match="no such file"):
        predict_files(model, [tmp_path / "x.nii.gz"], tmp_path / "out")
    with pytest.raises(FormatError, match="no model can be read"):
        predict_files(tmp_path, [scan], tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").touch()
    with pytest.raises(UsageError, match="not empty"):
        predict_files(model, [scan], tmp_path / "out")


def test_a_model_without_its_settings_is_refused(model, scan, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    info = json.loads((model / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps({**info, "config": None}))
    with pytest.raises(FormatError, match="holds no config"):
        predict_files(tmp_path / "model", [scan], tmp_path / "out")


def test_a_model_of_slices_normalised_otherwise_is_refused(model, scan, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    info = json.loads((model / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps({**info, "normalisation": 1}))
    with pytest.raises(FormatError, match="normalised as of version 1, wanted 2"):
        predict_files(tmp_path / "model", [scan], tmp_path / "out")
