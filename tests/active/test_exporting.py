import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
import onnxruntime
import pytest
import SimpleITK as sitk
import torch

from askance.active import exporting, onnx_export
from askance.active.exporting import export_nifti, export_nnunet, export_onnx
from askance.active.study import Study
from askance.errors import SourceMissing, StudyError, TrainingError, UsageError
from askance.learning.architecture import make_networks
from askance.learning.checkpoints import load_weights
from askance.volumes.layouts import find_dataset
from made_studies import AFFINE, LEARN, SHAPE, TINY, advance, answer, make_study, read_volume, write_dataset


def slices_of(out: Path, case: str) -> list[dict]:
    return json.loads((out / f"{case}.json").read_text())["slices"]


def test_every_case_of_learn_comes_whole_in_its_own_geometry(asking_study, tmp_path):
    out = export_nifti(asking_study, tmp_path / "labels")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"{case}{suffix}" for case in LEARN for suffix in (".json", ".nii.gz")
    )
    for case in LEARN:
        image = nib.load(out / f"{case}.nii.gz")
        assert (image.shape, image.get_data_dtype()) == (SHAPE, np.uint8)
        np.testing.assert_array_equal(image.affine, AFFINE)


def test_each_slice_says_whose_label_it_holds_and_its_score(asking_study, tmp_path):
    asked = asking_study.store.queries()[-1].slice_ids
    asking_study.store.set_aside(asked[0], "unreadable", "motion", "anna")
    out = export_nifti(asking_study, tmp_path / "labels")
    annotations = {one.slice_id: one for one in asking_study.store.annotations()}
    origins = {one["slice_id"]: one for case in LEARN for one in slices_of(out, case)}
    assert set(origins) == set(asking_study.store.states())
    assert {name for name, one in origins.items() if one["kind"] == "annotation"} == set(annotations)
    for name, annotation in annotations.items():
        assert (origins[name]["version"], origins[name]["author"]) == (annotation.version, "anna")
    assert [one["slice_id"] for one in origins.values() if one["kind"] == "none"] == [asked[0]]
    assert {name for name, one in origins.items() if one["unassisted"]} == asking_study.validation_ids()
    limit = asking_study.config.pseudo.threshold
    for one in origins.values():
        assert 0 <= one["score"] <= 1
        if one["kind"] in ("pseudo", "hold"):
            assert (one["kind"] == "pseudo") == (one["score"] >= limit) == (one["weight"] > 0)


def test_where_the_answers_spoke_against_the_model_no_slice_is_called_a_pseudo_label(asking_study, tmp_path, monkeypatch):
    config, model = asking_study.config, asking_study.store.latest_model()
    asking_study.store.save_config(config.model_copy(update={"pseudo": config.pseudo.model_copy(update={"threshold": 0.0})}))
    before = export_nifti(asking_study, tmp_path / "believed")
    doubted = replace(model, info={**model.info, "belief": {"slices": 3, "dice": 0.3, "holds": False}})
    monkeypatch.setattr(asking_study.store, "latest_model", lambda: doubted)
    after = export_nifti(asking_study, tmp_path / "doubted")
    kinds = [{one["kind"] for case in LEARN for one in slices_of(out, case)} for out in (before, after)]
    assert [("pseudo" in found, "annotation" in found) for found in kinds] == [(True, True), (False, True)]


def test_the_scores_are_those_of_ranking(asking_study, tmp_path):
    out = export_nifti(asking_study, tmp_path / "labels")
    origins = {one["slice_id"]: one for case in LEARN for one in slices_of(out, case)}
    ranked = [one for one in asking_study.store.predictions.of("cycle-000") if one.slice_id in origins]
    assert ranked
    for one in ranked:
        assert origins[one.slice_id]["score"] == pytest.approx(one.score, abs=1e-6)


def test_annotated_slices_are_exported_as_drawn_and_open_voxels_go_to_the_model(asking_study, tmp_path):
    annotation = asking_study.store.annotations()[0]
    case, _, index = annotation.slice_id.split("/")
    drawn = np.full(SHAPE[:2], 2, np.uint8)
    drawn[:3] = 255
    asking_study.store.save_answer(annotation.slice_id, drawn, "ben")
    out = export_nifti(asking_study, tmp_path / "labels")
    origin = slices_of(out, case)[int(index)]
    labels = read_volume(out / f"{case}.nii.gz")[..., int(index)]
    assert (origin["author"], origin["version"], origin["open_voxels"]) == ("ben", annotation.version + 1, 3 * SHAPE[1])
    assert (labels[3:] == 2).all()
    assert labels.max() < 3


def test_before_the_first_training_only_annotations_are_exported(tiny_dataset, tmp_path):
    with make_study(tmp_path / "study", tiny_dataset, expert="human") as study:  # the data set's labels count as answered
        out = export_nifti(study, tmp_path / "labels")
    assert all(one["kind"] == "annotation" and one["score"] is None for one in slices_of(out, "p1"))


def test_a_study_with_nothing_in_it_and_an_unknown_model_are_refused(tiny_study, asking_study, tmp_path):
    with pytest.raises(UsageError, match="nothing is labelled"):
        export_nifti(tiny_study, tmp_path / "out")
    with pytest.raises(UsageError, match=r"'mine' is not in .*cycle-000"):
        export_nifti(asking_study, tmp_path / "out", model="mine")
    with pytest.raises(UsageError, match="no model to export"):
        export_onnx(tiny_study, tmp_path / "g.onnx")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("export", [export_nifti, export_nnunet])
def test_a_folder_in_use_is_refused_and_stays(asking_study, tmp_path, export):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").touch()
    with pytest.raises(UsageError, match="not empty"):
        export(asking_study, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["kept"]


def test_an_export_that_fails_in_the_middle_leaves_nothing(asking_study, tmp_path, monkeypatch):
    written = []

    def full(path: Path, *_: object) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)

    monkeypatch.setattr(exporting, "write_labels_like", full)
    with pytest.raises(StudyError, match="No space left"):
        export_nifti(asking_study, tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_an_image_that_is_gone_is_named(tiny_dataset, tmp_path):
    with make_study(tmp_path / "study", tiny_dataset, expert="human") as study:
        (tiny_dataset / "imagesTr" / "p2_0000.nii.gz").unlink()
        with pytest.raises(SourceMissing, match="p2_0000"):
            export_nifti(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_nnunet_data_set_is_read_back_by_our_own_reader(asking_study, tmp_path):
    out = export_nnunet(asking_study, tmp_path / "Dataset500_Tiny", threshold=0.0)
    found = find_dataset(out)
    assert (found.classes, found.channels, found.ignore) == (("background", "muscle", "blood pool"), ("MR0",), 3)
    assert [case.id for case in found.cases] == list(LEARN)
    assert found.problems == ()
    assert found.patients == {case: case for case in LEARN}
    for case in found.cases:
        source = asking_study.store.case(case.id).images[0].path
        assert case.images[0].read_bytes() == source.read_bytes()
        assert case.label is not None
    header = json.loads((out / "dataset.json").read_text())
    assert (header["numTraining"], header["file_ending"]) == (3, ".nii.gz")


def test_what_is_neither_annotated_nor_trusted_is_ignored(asking_study, tmp_path):
    out = export_nnunet(asking_study, tmp_path / "out", threshold=1.0)
    labelled = {one.slice_id for one in asking_study.store.annotations()}
    for case in find_dataset(out).cases:
        labels = read_volume(case.label)
        ignored = {f"{case.id}/2/{index}" for index in range(SHAPE[2]) if (labels[..., index] == 3).all()}
        drawn = {f"{case.id}/2/{index}" for index in range(SHAPE[2]) if (labels[..., index] < 3).all()}
        assert drawn == {one for one in labelled if one.startswith(case.id)}
        assert len(ignored | drawn) == SHAPE[2]


def test_the_threshold_decides_what_is_trusted(asking_study, tmp_path):
    shares = []
    for threshold in (0.0, None, 1.0):
        out = export_nnunet(asking_study, tmp_path / f"out {threshold}", threshold)
        shares.append(np.mean([(read_volume(case.label) == 3).mean() for case in find_dataset(out).cases]))
    assert shares[0] == 0.0 <= shares[1] <= shares[2]
    with pytest.raises(UsageError, match=r"from 0 to 1"):
        export_nnunet(asking_study, tmp_path / "out", 1.5)


def test_beyond_the_working_grid_nothing_of_a_pseudo_label_is_trusted(tmp_path):
    data = write_dataset(tmp_path / "data")
    with make_study(
        tmp_path / "study", data, expert="simulated", grid={"spacing_mm": [1.0, 1.0], "size": [16, 16]}
    ) as study:
        advance(study)
        out = export_nnunet(study, tmp_path / "Dataset001_some", threshold=0.0)
        origins = json.loads((out / "provenance.json").read_text())
        ignore = len(study.config.classes)
    kinds = {(case, one["kind"]) for case, said in origins.items() for one in said["slices"]}
    assert {kind for _, kind in kinds} >= {"annotation", "pseudo"}
    for case, said in origins.items():
        labels = np.moveaxis(read_volume(out / "labelsTr" / f"{case}.nii.gz"), 2, 0)
        frame = np.ones(labels.shape[1:], bool)
        frame[tuple(slice((side - 16) // 2, (side + 16) // 2) for side in frame.shape)] = False
        for plane, one in zip(labels, said["slices"]):
            beyond = (plane[frame] == ignore).all()
            assert beyond == (one["kind"] != "annotation")


def test_cases_without_anything_trusted_are_left_out(tiny_dataset, tmp_path):
    for case in LEARN[1:]:
        (tiny_dataset / "labelsTr" / f"{case}.nii.gz").unlink()
    with make_study(tmp_path / "study", tiny_dataset, expert="human") as study:
        out = export_nnunet(study, tmp_path / "out")
    assert [case.id for case in find_dataset(out).cases] == [LEARN[0]]
    with (out / "cases.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [["case", "patient"], ["p1", "p1"]]


def test_channels_and_other_formats_are_kept(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", channels=2)
    for path in sorted(dataset.rglob("*.nii.gz")):
        sitk.WriteImage(sitk.ReadImage(str(path)), str(path).replace(".nii.gz", ".nrrd"))
        path.unlink()
    header = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps({**header, "file_ending": ".nrrd"}))
    with make_study(tmp_path / "study", dataset, expert="human") as study:
        labels = export_nifti(study, tmp_path / "labels")
        out = export_nnunet(study, tmp_path / "nnunet")
    assert sitk.ReadImage(str(labels / "p1.nrrd")).GetSize() == SHAPE
    found = find_dataset(out)
    assert [path.name for path in found.cases[0].images] == ["p1_0000.nrrd", "p1_0001.nrrd"]
    assert found.channels == ("MR0", "MR1")


def test_images_of_several_formats_are_refused_by_name(tiny_dataset, tmp_path):
    path = tiny_dataset / "imagesTr" / "p1_0000.nii.gz"
    nib.save(nib.load(path), path.with_name("p1_0000.nii"))
    path.unlink()
    with make_study(tmp_path / "study", tiny_dataset, expert="human") as study, pytest.raises(UsageError, match=r"\.nii, "):
        export_nnunet(study, tmp_path / "out")


def logits_of(study: Study, images: np.ndarray) -> np.ndarray:
    states, _ = load_weights(study.store.model_folder("cycle-000"))
    network = make_networks(study.shape, study.config.network, study.config.training)["G"]
    network.load_state_dict(states["G"])
    with torch.inference_mode():
        return network.eval()(torch.from_numpy(images)).numpy()


def test_onnx_gives_the_generators_logits_for_any_batch_and_size(asking_study, tmp_path):
    out = export_onnx(asking_study, tmp_path / "models" / "g.onnx")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for shape in ((1, 1, 32, 32), (3, 1, 64, 48)):
        images = np.random.default_rng(3).normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(session.run(None, {"image": images})[0], logits_of(asking_study, images), atol=1e-4)
    assert [path.name for path in out.parent.iterdir()] == ["g.onnx"]


def test_onnx_says_what_it_wants_to_be_fed(asking_study, tmp_path):
    props = onnx.load(export_onnx(asking_study, tmp_path / "g.onnx")).metadata_props
    said = {one.key: json.loads(one.value) for one in props}
    assert (said["classes"], said["spacing_mm"], said["size"]) == (
        ["background", "muscle", "blood pool"],
        [1.5, 1.5],
        [32, 32],
    )
    assert "percentiles" in said["normalisation"]
    assert said["weights_sha256"] == asking_study.store.model("cycle-000").weights_sha256


def test_the_papers_generator_keeps_the_grids_size(tiny_dataset, tmp_path):
    training = {**TINY["training"], "crop": [32, 32]}
    network = {**TINY["network"], "generator": "pix2pix"}
    with make_study(tmp_path / "study", tiny_dataset, expert="human", network=network, training=training) as study:
        advance(study)
        out = export_onnx(study, tmp_path / "g.onnx")
    wanted = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    assert wanted == ["N", 1, 32, 32]


def test_onnx_that_differs_from_pytorch_is_not_kept(asking_study, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "_TOLERANCE", -1.0)
    with pytest.raises(TrainingError, match="differ by"):
        export_onnx(asking_study, tmp_path / "g.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_onnx_does_not_replace_what_is_there(asking_study, tmp_path):
    (tmp_path / "g.onnx").write_bytes(b"of another model")
    with pytest.raises(UsageError, match=r"g\.onnx: is already there"):
        export_onnx(asking_study, tmp_path / "g.onnx")
    assert (tmp_path / "g.onnx").read_bytes() == b"of another model"


def test_onnx_without_its_extra_or_suffix_is_a_misuse(asking_study, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"wanted \.onnx"):
        export_onnx(asking_study, tmp_path / "g.bin")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"askance\[onnx\]"):
        export_onnx(asking_study, tmp_path / "g.onnx")


def test_answers_given_later_replace_the_models_labels(asking_study, tmp_path):
    name = asking_study.store.queries()[-1].slice_ids[0]
    before = {one["slice_id"]: one["kind"] for one in slices_of(export_nifti(asking_study, tmp_path / "a"), name[:2])}
    answer(asking_study, [name])
    after = {one["slice_id"]: one["kind"] for one in slices_of(export_nifti(asking_study, tmp_path / "b"), name[:2])}
    assert (before[name], after[name]) != ("annotation", "annotation")
    assert after[name] == "annotation"
