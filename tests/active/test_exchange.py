import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from askance.active.exchange import read_answers, write_query
from askance.active.experts import proposals_of
from askance.active.proposals import shown_proposals
from askance.active.sheet import read_sheet, write_sheet
from askance.active.study import Study, by_case
from askance.api import init
from askance.errors import AnswerError, SourceChanged, SourceMissing, StudyError, UsageError
from askance.records import parse_slice_id
from askance.store.predictions import Predictions
from askance.summary import gather
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import Division
from made_studies import AFFINE, SHAPE, TEST, TINY, advance, make_study, read_volume, real, truth_of, write_dataset

Rows = list[dict[str, str]]


@pytest.fixture
def folder(asking_study: Study, tmp_path: Path) -> Path:
    """The query of cycle 1, written out."""
    return write_query(asking_study, tmp_path / "query")


def rows_of(folder: Path) -> Rows:
    with (folder / "query.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=";"))


def write_rows(folder: Path, rows: Rows, delimiter: str = ";", encoding: str = "utf-8-sig") -> None:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "query.csv").write_bytes(stream.getvalue().encode(encoding))


def mark(folder: Path, *statuses: str, note: str = "") -> None:
    """Fills in the statuses of the first rows."""
    rows = rows_of(folder)
    for row, status in zip(rows, statuses):
        row.update(status=status, note=note)
    write_rows(folder, rows)


def edit(folder: Path, case: str, change: Callable[[np.ndarray], None]) -> None:
    """Changes a label file in place, as a drawing program would."""
    path = folder / f"{case}_labels.nii.gz"
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    change(labels)
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)


def draw_truth(folder: Path, slice_id: str) -> None:
    case, _, index = parse_slice_id(slice_id)
    edit(folder, case, lambda labels: labels.__setitem__((..., index), truth_of(case)[..., index]))


def proposal_of(study: Study, slice_id: str) -> np.ndarray:
    """What the model that asked last proposed."""
    case, _, index = parse_slice_id(slice_id)
    return proposals_of(study, study.store.queries()[-1].model, study.store.case(case), [index])[index]


def stored(study: Study) -> list[tuple[str, int, str]]:
    return [(one.slice_id, one.version, one.author) for one in study.store.annotations(latest=False)]


def snapshot(study: Study) -> object:
    return stored(study), study.store.states(), study.store.set_asides()


def test_the_folder_holds_images_labels_and_a_sheet(asking_study, folder):
    asked = asking_study.store.queries()[-1].asked
    cases = {parse_slice_id(one.slice_id)[0] for one in asked}
    volumes = {f"{case}_{what}.nii.gz" for case in cases for what in ("image", "labels")}
    assert {path.name for path in folder.iterdir()} == volumes | {
        "README.txt", "labels.txt", "labels.ctbl", "query.csv", "query.json"
    }  # fmt: skip
    for case in cases:
        source = asking_study.store.case(case).images[0].path
        assert (folder / f"{case}_image.nii.gz").read_bytes() == source.read_bytes()
        np.testing.assert_array_equal(nib.load(folder / f"{case}_labels.nii.gz").affine, AFFINE)
    assert [row["slice_id"] for row in rows_of(folder)] == [one.slice_id for one in asked]


def test_a_row_says_where_the_slice_is_and_why_it_was_asked(asking_study, folder):
    asked, row = asking_study.store.queries()[-1].asked[0], rows_of(folder)[0]
    case, _, index = parse_slice_id(asked.slice_id)
    assert (row["nr"], row["case"], row["plane"]) == ("1", case, "axial")
    assert (row["itksnap"], row["slicer"]) == (f"z = {index + 1}", f"K = {index}")
    assert (row["why"], row["score"], row["role"]) == (asked.reason, f"{asked.score:.3f}", "train")
    assert (row["status"], row["note"]) == ("", "")


def test_asked_slices_show_the_proposal_and_annotated_ones_their_annotation(asking_study, folder):
    query, store = asking_study.store.queries()[-1], asking_study.store
    annotations = {one.slice_id: store.read_annotation(one) for one in store.annotations()}
    shown = 0
    for case in {parse_slice_id(one)[0] for one in query.slice_ids}:
        labels = read_volume(folder / f"{case}_labels.nii.gz")
        for index in range(SHAPE[2]):
            name = f"{case}/2/{index}"
            proposal = proposal_of(asking_study, name) if name in query.slice_ids else None
            expected = proposal if proposal is not None else annotations.get(name, np.zeros(SHAPE[:2]))
            np.testing.assert_array_equal(labels[..., index], expected)
            shown += int(proposal is not None and proposal.any())
    assert shown > 0


def test_slices_of_the_base_and_for_validation_have_no_proposal(asking_study, tmp_path, tiny_dataset):
    store, query = asking_study.store, asking_study.store.queries()[-1]
    first = query.asked[0]
    unassisted = replace(query, asked=(replace(first, role="validation"),))
    case, _, index = parse_slice_id(first.slice_id)
    assert list(shown_proposals(asking_study, query, store.case(case), [index])) == [index]
    assert shown_proposals(asking_study, unassisted, store.case(case), [index]) == {}
    shutil.rmtree(tiny_dataset)
    with make_study(tmp_path / "new", write_dataset(tiny_dataset, labelled=TEST), expert="human") as study:
        advance(study)
        folder = write_query(study, tmp_path / "base")
    assert not any(read_volume(path).any() for path in folder.glob("*_labels.nii.gz"))
    assert "draw them from nothing" in (folder / "README.txt").read_text(encoding="utf-8")


def test_label_names_and_colours_are_in_the_viewers_own_formats(folder):
    snap = [line.split(maxsplit=7) for line in (folder / "labels.txt").read_text().splitlines() if line[0] != "#"]
    assert [(line[0], line[7]) for line in snap] == [
        ("0", '"Clear Label"'), ("1", '"muscle"'), ("2", '"blood pool"'), ("255", '"not labelled"')
    ]  # fmt: skip
    slicer = [line.split() for line in (folder / "labels.ctbl").read_text().splitlines() if line[0] != "#"]
    assert [(line[0], line[1]) for line in slicer] == [
        ("0", "background"), ("1", "muscle"), ("2", "blood_pool"), ("255", "not_labelled")
    ]  # fmt: skip
    assert [line[1:4] for line in snap[1:]] == [line[2:5] for line in slicer[1:]]


def test_an_earlier_writing_of_the_query_keeps_its_drawings(asking_study, folder):
    draw_truth(folder, rows_of(folder)[0]["slice_id"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert write_query(asking_study, folder) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_with_other_things_is_refused(asking_study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        write_query(asking_study, tmp_path / "mine")
    with pytest.raises(UsageError, match="is a file"):
        write_query(asking_study, tmp_path / "mine" / "thesis.txt")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("wrong", ["missing", "changed"])
def test_an_image_that_is_not_as_it_was_leaves_no_folder(asking_study, asking, tmp_path, wrong):
    case = asking_study.store.case(parse_slice_id(asking_study.store.queries()[-1].slice_ids[0])[0])
    path = tmp_path / "moved" / case.images[0].path.name
    path.parent.mkdir()
    asking_study.store.replace_case(replace(case, images=(replace(case.images[0], path=path),)))
    if wrong == "changed":
        path.write_bytes(case.images[0].path.read_bytes()[:-1] + b"?")
    with pytest.raises(SourceMissing if wrong == "missing" else SourceChanged, match=path.name):
        write_query(asking_study, tmp_path / "out")
    assert not [one for one in tmp_path.iterdir() if "out" in one.name]


def test_nothing_open_is_said_so(tiny_study, tmp_path):
    with pytest.raises(UsageError, match="no slice waits"):
        write_query(tiny_study, tmp_path / "out")


def test_corrected_slices_become_annotations_and_the_correction_is_counted(asking_study, folder):
    query, name = asking_study.store.queries()[-1], rows_of(folder)[0]["slice_id"]
    draw_truth(folder, name)
    mark(folder, "done")
    taken = read_answers(asking_study, folder, "anna")
    assert (taken.answered, taken.waiting) == ((name,), query.slice_ids[1:])
    case, _, index = parse_slice_id(name)
    annotation = asking_study.store.annotation(name)
    truth = truth_of(case)[..., index]
    np.testing.assert_array_equal(asking_study.store.read_annotation(annotation), truth)
    assert (annotation.author, annotation.proposal) == ("anna", query.model)
    changed = int((truth != proposal_of(asking_study, name)).sum())
    assert (annotation.effort.changed_voxels, annotation.effort.area_voxels) == (changed, int((truth > 0).sum()))
    assert asking_study.store.state(name) == "accepted"


def test_the_proposals_of_a_case_are_unpacked_once_not_once_a_slice(asking_study, tmp_path, monkeypatch):
    query, unpacked = asking_study.store.queries()[-1], []
    cases = list(by_case(query.slice_ids))
    assert len(cases) < len(query.slice_ids)
    read = Predictions.labels
    monkeypatch.setattr(Predictions, "labels", lambda self, model, case: unpacked.append(case) or read(self, model, case))
    folder = write_query(asking_study, tmp_path / "query")
    assert unpacked == cases
    mark(folder, *["done"] * len(query.asked))
    read_answers(asking_study, folder, "anna", accept_unchanged=True)
    assert unpacked == cases * 2
    monkeypatch.setattr("askance.summary.figure2", lambda study: [])
    assert any(one.dice == 1.0 for one in gather(asking_study).asked)
    assert sorted(unpacked) == sorted(cases * 3)


def test_skipped_and_unreadable_slices_keep_the_reason(asking_study, folder):
    names = [row["slice_id"] for row in rows_of(folder)]
    mark(folder, "Skip", " unreadable ", note="metal; artefact")
    taken = read_answers(asking_study, folder, "anna")
    assert (taken.skipped, taken.unreadable) == ((names[0],), (names[1],))
    aside = asking_study.store.set_asides()
    assert [(aside[name].state, aside[name].reason, aside[name].author) for name in names[:2]] == [
        ("skipped", "metal; artefact", "anna"), ("unreadable", "metal; artefact", "anna")
    ]  # fmt: skip


def test_parts_left_open_with_the_readmes_value_are_not_labelled(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    case, _, index = parse_slice_id(name)
    edit(folder, case, lambda labels: labels.__setitem__((slice(5), slice(None), index), 255))
    mark(folder, "done")
    read_answers(asking_study, folder, "anna")
    labels = asking_study.store.read_annotation(asking_study.store.annotation(name))
    assert (labels[:5] == 255).all()
    assert "value 255" in (folder / "README.txt").read_text(encoding="utf-8")


def test_taking_the_same_folder_twice_changes_nothing(asking_study, folder):
    for row in rows_of(folder)[:2]:
        draw_truth(folder, row["slice_id"])
    mark(folder, "done", "done", "skip")
    first = read_answers(asking_study, folder, "anna")
    before = snapshot(asking_study)
    assert read_answers(asking_study, folder, "anna") == first
    assert snapshot(asking_study) == before


def test_a_taking_that_was_killed_ends_the_same_when_repeated(asking_study, folder, monkeypatch):
    draw_truth(folder, rows_of(folder)[0]["slice_id"])
    mark(folder, "done", "skip", "unreadable")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(asking_study.store, "set_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            read_answers(asking_study, folder, "anna")
    assert len(asking_study.store.set_asides()) == 0
    taken = read_answers(asking_study, folder, "anna")
    assert (len(taken.answered), len(taken.skipped), len(taken.unreadable)) == (1, 1, 1)
    assert len(asking_study.store.set_asides()) == 2


def test_a_later_correction_is_not_put_back_by_the_folder(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    draw_truth(folder, name)
    mark(folder, "done")
    read_answers(asking_study, folder, "anna")
    better = np.ones(SHAPE[:2], np.uint8)
    asking_study.store.save_answer(name, better, "anna")
    read_answers(asking_study, folder, "anna")
    np.testing.assert_array_equal(asking_study.store.read_annotation(asking_study.store.annotation(name)), better)


def test_an_older_drawing_that_is_put_back_into_the_folder_is_an_answer_again(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    case, _, index = parse_slice_id(name)
    draw_truth(folder, name)
    file = next(folder.glob(f"{case}_labels*"))
    older = file.read_bytes()
    mark(folder, "done")
    read_answers(asking_study, folder, "anna")
    edit(folder, case, lambda labels: labels.__setitem__((..., index), 1))
    read_answers(asking_study, folder, "anna")
    file.write_bytes(older)
    for _ in range(2):
        read_answers(asking_study, folder, "anna")
        versions = [one for one in asking_study.store.annotations(latest=False) if one.slice_id == name]
        first, second, third = (
            asking_study.store.read_annotation(one) for one in sorted(versions, key=lambda one: one.version)
        )
        assert (first == third).all()
        assert (first != second).any()
    (folder / "taken.json").write_text("[1]")
    read_answers(asking_study, folder, "anna")
    assert len([one for one in asking_study.store.annotations(latest=False) if one.slice_id == name]) == 3


def test_an_untouched_proposal_is_only_taken_when_it_is_said_to_be_right(asking_study, folder):
    name, before = rows_of(folder)[0]["slice_id"], snapshot(asking_study)
    mark(folder, "done")
    with pytest.raises(AnswerError, match=f"{name}.*--accept-unchanged"):
        read_answers(asking_study, folder, "anna")
    assert snapshot(asking_study) == before
    assert read_answers(asking_study, folder, "anna", accept_unchanged=True).answered == (name,)
    assert asking_study.store.annotation(name).effort.changed_voxels == 0


def test_a_slice_on_which_nothing_was_drawn_is_only_taken_when_it_is_said_to_be_empty(tmp_path):
    dataset = write_dataset(tmp_path / "dataset", labelled=TEST)
    with make_study(tmp_path / "study", dataset) as study:
        advance(study)
        folder = write_query(study, tmp_path / "query")
        names = [row["slice_id"] for row in rows_of(folder)]
        mark(folder, *["done"] * len(names))
        draw_truth(folder, names[0])
        before = snapshot(study)
        with pytest.raises(AnswerError, match=f"2 slices are marked done and nothing is drawn on them .*{names[1]}"):
            read_answers(study, folder, "anna")
        assert snapshot(study) == before
        assert read_answers(study, folder, "anna", accept_unchanged=True).answered == tuple(names)


def test_what_is_drawn_on_slices_that_were_not_asked_is_told_and_not_taken(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    case = parse_slice_id(name)[0]
    states = asking_study.store.states()
    beside = next(one for one, state in states.items() if state == "pool" and parse_slice_id(one)[0] == case)
    draw_truth(folder, name)
    edit(folder, case, lambda labels: labels.__setitem__((3, 3, parse_slice_id(beside)[2]), 1))
    mark(folder, "done")
    assert read_answers(asking_study, folder, "anna").ignored == (beside,)
    assert asking_study.store.state(beside) == "pool"


def test_a_sheet_without_any_status_is_refused(asking_study, folder):
    with pytest.raises(AnswerError, match="no slice has a status"):
        read_answers(asking_study, folder, "anna")


def test_all_faults_are_told_at_once_and_nothing_is_stored(asking_study, folder):
    rows, before = rows_of(folder), snapshot(asking_study)
    rows[0]["status"] = "finished"
    rows[1]["nr"] = "77"
    rows.append(dict(rows[2]))
    write_rows(folder, rows)
    with pytest.raises(AnswerError) as caught:
        read_answers(asking_study, folder, "anna")
    assert [part in str(caught.value) for part in ("'finished'", "'77'", "stands there twice")] == [True] * 3
    assert snapshot(asking_study) == before


def test_a_column_sorted_by_itself_is_noticed(asking_study, folder):
    rows = rows_of(folder)
    rows[0]["slice_id"], rows[1]["slice_id"] = rows[1]["slice_id"], rows[0]["slice_id"]
    rows[0]["status"] = "skip"
    write_rows(folder, rows)
    with pytest.raises(AnswerError, match="sort whole rows"):
        read_answers(asking_study, folder, "anna")


def wrong_shape(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((24, 32, 5), np.uint8), AFFINE), path)


def wrong_place(path: Path) -> None:
    nib.save(nib.Nifti1Image(read_volume(path), AFFINE @ np.diag([-1, 1, 1, 1])), path)


def wrong_value(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full(SHAPE, 3, np.uint8), AFFINE), path)


def half_value(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full(SHAPE, 0.5, np.float32), AFFINE), path)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (wrong_shape, "shapes"),
        (wrong_place, "affines"),
        (wrong_value, "label values 3"),
        (half_value, "label values 0.5"),
        (cut_short, "damaged"),
        (Path.unlink, "no such file"),
    ],
    ids=["shape", "affine", "class", "fraction", "truncated", "missing"],
)
def test_a_label_file_that_does_not_fit_is_refused_before_anything_is_stored(asking_study, folder, spoil, message):
    rows, before = rows_of(folder), snapshot(asking_study)
    mark(folder, *["done"] * len(rows))
    spoil(folder / f"{rows[0]['case']}_labels.nii.gz")
    with pytest.raises(AnswerError, match=message):
        read_answers(asking_study, folder, "anna", accept_unchanged=True)
    assert snapshot(asking_study) == before


def test_labels_saved_by_itk_in_another_type_are_read(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    draw_truth(folder, name)
    path = str(folder / f"{parse_slice_id(name)[0]}_labels.nii.gz")
    sitk.WriteImage(sitk.Cast(sitk.ReadImage(path), sitk.sitkInt16), path)
    mark(folder, "done")
    assert read_answers(asking_study, folder, "anna").answered == (name,)


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(";", "utf-8-sig"), (";", "cp1252"), (",", "utf-8"), ("\t", "utf-16")],
    ids=["as written", "Excel, ANSI", "LibreOffice, commas", "Excel, Unicode text"],
)
def test_the_sheet_survives_spreadsheet_programs(asking_study, folder, delimiter, encoding):
    rows = rows_of(folder)
    rows[1].update(status="SKIP", note="Größe unklar; siehe Akte, S. 2")
    shuffled = [{key: row[key] for key in reversed(list(row))} for row in reversed(rows)]
    write_rows(folder, shuffled, delimiter, encoding)
    with (folder / "query.csv").open("ab") as stream:
        stream.write(
            (delimiter * 10 + "\r\n").encode("utf-16-le" if encoding == "utf-16" else encoding.removesuffix("-sig"))
        )
    taken = read_answers(asking_study, folder, "anna")
    assert taken.skipped == (rows[1]["slice_id"],)
    assert asking_study.store.set_asides()[rows[1]["slice_id"]].reason == "Größe unklar; siehe Akte, S. 2"


def test_a_row_that_was_deleted_waits(asking_study, folder):
    rows = rows_of(folder)
    rows[0]["status"] = "skip"
    write_rows(folder, rows[:1])
    assert read_answers(asking_study, folder, "anna").waiting == tuple(row["slice_id"] for row in rows[1:])


def test_a_slice_answered_already_cannot_be_set_aside(asking_study, folder):
    name = rows_of(folder)[0]["slice_id"]
    asking_study.store.save_answer(name, np.zeros(SHAPE[:2], np.uint8), "ben")
    mark(folder, "skip")
    with pytest.raises(AnswerError, match=f"{name}: answered already"):
        read_answers(asking_study, folder, "anna")


def test_a_folder_of_another_query_or_none_is_refused(asking_study, folder, tmp_path):
    content = json.loads((folder / "query.json").read_text())
    (folder / "query.json").write_text(json.dumps({**content, "query": "0" * 64}))
    mark(folder, "skip")
    with pytest.raises(AnswerError, match="another study"):
        read_answers(asking_study, folder, "anna")
    with pytest.raises(AnswerError, match=r"no query\.json"):
        read_answers(asking_study, tmp_path / "nowhere", "anna")
    (folder / "query.csv").write_text("hello\n")
    (folder / "query.json").write_text(json.dumps(content))
    with pytest.raises(AnswerError, match="wanted the columns"):
        read_answers(asking_study, folder, "anna")


def test_a_folder_is_taken_after_the_study_was_renamed(asking_study, folder):
    asking_study.store.save_config(asking_study.config.model_copy(update={"name": "another name"}))
    mark(folder, "skip")
    assert read_answers(asking_study, folder, "anna").skipped == (rows_of(folder)[0]["slice_id"],)


def test_an_answer_needs_an_author(asking_study, folder):
    mark(folder, "skip")
    with pytest.raises(UsageError, match="author"):
        read_answers(asking_study, folder, "  ")


def test_numeric_case_ids_that_excel_reads_as_dates_come_back(tmp_path):
    write_sheet(tmp_path / "query.csv", [{"nr": "1", "slice_id": "01/2/5"}, {"nr": "2", "slice_id": "01/2/4"}])
    text = (tmp_path / "query.csv").read_text(encoding="utf-8-sig")
    text = text.replace("1;01/2/5;;;;;;;;;", "1;05.02.2001;;;;;;;;skip;").replace("2;01/2/4", "2;04.02.2001")
    (tmp_path / "query.csv").write_text(text)
    marks = read_sheet(tmp_path / "query.csv", ["01/2/5", "01/2/4"])
    assert {name: one.status for name, one in marks.items()} == {"01/2/5": "skip"}


def test_after_the_answers_the_loop_goes_on(asking_study, folder):
    for row in rows_of(folder):
        draw_truth(folder, row["slice_id"])
    mark(folder, *["done"] * len(rows_of(folder)))
    assert read_answers(asking_study, folder, "anna").waiting == ()
    advance(asking_study)
    assert asking_study.store.latest_model().cycle == 1


def test_drafts_of_killed_writings_are_removed_by_the_next(asking_study, tmp_path):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    left, living = (tmp_path / f".query.partial-{pid}" for pid in (dead.stdout.strip(), os.getppid()))
    for draft in (left, living):
        draft.mkdir()
        (draft / "p1_image.nii.gz").touch()
    write_query(asking_study, tmp_path / "query")
    assert (left.exists(), living.exists()) == (False, True)


def test_a_place_that_cannot_be_written_is_named(asking_study, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="nothing was made"):
        write_query(asking_study, tmp_path / "file" / "query")


@pytest.mark.parametrize("name", ["Dataset027_ACDC", "Dataset004_Hippocampus"])
def test_a_query_of_real_volumes_comes_back(tmp_path, name):
    found = find_dataset(real(name))
    sides = found.splits or {}
    patients = found.patients or {}
    side_of = {case.id: sides.get(case.id, sides.get(patients.get(case.id, case.id))) for case in found.cases}
    chosen = [next(case for case in found.cases if side_of[case.id] == side) for side in ("learn", "test")]
    splits = {case.id: side for case, side in zip(chosen, ("learn", "test"))}
    few = replace(found, cases=(replace(chosen[0], label=None), chosen[1]), splits=None, patients=None)
    division = Division(each_case=True, splits=splits)
    training = {**TINY["training"], "crop": [32, 32]}
    settings = {**TINY, "training": training, "expert": "human"}
    with init(tmp_path / "study", few, settings=settings, division=division) as study:
        advance(study)
        folder = write_query(study, tmp_path / "query")
        truth = read_volume(chosen[0].label).astype(np.uint8)
        path = folder / f"{chosen[0].id}_labels.nii.gz"
        nib.save(nib.Nifti1Image(truth, nib.load(path).affine), path)
        rows = rows_of(folder)
        mark(folder, *["done"] * len(rows))
        taken = read_answers(study, folder, "anna", accept_unchanged=True)  # real volumes have slices without structures
        assert taken.answered == tuple(row["slice_id"] for row in rows)
        for annotation in study.store.annotations():
            _, axis, index = parse_slice_id(annotation.slice_id)
            np.testing.assert_array_equal(study.store.read_annotation(annotation), truth.take(index, axis))
