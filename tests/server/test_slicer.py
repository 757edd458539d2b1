"""The door for 3D Slicer, asked without MONAI Label's client: who sees what there, and what becomes of a submitted label."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from served import People, Person, people_of, set_settings
from starlette.testclient import TestClient

from askance.active.study import Study
from askance.errors import AnswerError
from askance.records import IGNORE, parse_slice_id
from askance.server.app import create_app
from askance.server.monai import routes_work
from askance.server.monai.volumes import renumbered
from askance.store.store import Store
from made_studies import AFFINE, let_lapse, truth_of, write_volume


def ask(person: Person, method: str, path: str, **more: Any) -> Any:
    """Through the door whose key is in the path."""
    return person.client.request(method, f"/t/{person.token}{path}", **more)


def labels_of(person: Person, case: str, tag: str = "original") -> np.ndarray:
    answer = ask(person, "GET", "/datastore/label", params={"label": case, "tag": tag})
    assert answer.status_code == 200, answer.text
    return np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(answer.content)).dataobj)


@contextmanager
def people_at(folder: Path, **reading: object) -> Iterator[People]:
    """The study with other settings, served to several people."""
    set_settings(folder, **reading)
    with Store.open(folder) as store, TestClient(create_app(store), base_url="http://127.0.0.1") as client:
        yield people_of(store, client)


def test_a_reviewer_who_is_the_second_reader_does_not_see_the_first_readers_label(asking_study: Study) -> None:
    with people_at(asking_study.store.folder, second_reader=1.0) as people:
        slice_id = people.anna.next()
        case, _, index = parse_slice_id(slice_id)
        drawn = np.arange(24 * 32).reshape(24, 32) % 3
        people.anna.send("submit", slice_id, {index: drawn})
        first = people.store.annotation(slice_id)
        assert first is not None
        theirs = people.store.read_annotation(first)
        assert np.array_equal(labels_of(people.rita, case)[..., index], theirs), "a reviewer, and no reader of it"
        while (told := people.rita.post("next").json())["purpose"] != "second":
            people.rita.post("aside", slice=told["slice"], state="skipped", reason="later")
        assert told["slice"] == slice_id
        for tag in ("original", "final"):
            assert not np.array_equal(labels_of(people.rita, case, tag)[..., index], theirs)


def put_label(person: Person, case: str, volume: np.ndarray, tag: str = "final", **params: object) -> Any:
    image = nib.Nifti1Image(volume.astype(np.uint8), AFFINE)
    files = {"label": ("label.nii", image.to_bytes())}
    where = {"image": case, "tag": tag}
    return ask(person, "PUT", "/datastore/label", params=where, files=files, data={"params": json.dumps(params)})


def _asked(people: People) -> tuple[str, list[str]]:
    """The case with most of the slices that wait, and these."""
    waiting: dict[str, list[str]] = {}
    for slice_id in people.store.desk.head(100):
        waiting.setdefault(parse_slice_id(slice_id)[0], []).append(slice_id)
    case = max(waiting, key=lambda one: len(waiting[one]))
    return case, sorted(waiting[case], key=lambda one: parse_slice_id(one)[2])


def test_what_the_reviewer_says_of_a_label_is_told_with_it_and_a_version_of_its_own_is_refused(people: People) -> None:
    case = sorted(people.store.desk.cases_with_labels())[0]
    for tag, info in (("final", {"status": "flagged"}), ("final", {"status": "approved"}), ("version_1", {"status": "x"})):
        where = {"label": case, "tag": tag}
        data = {"params": json.dumps(info)}
        assert ask(people.rita, "PUT", "/datastore/updatelabelinfo", params=where, data=data).status_code == 200
        assert ask(people.rita, "GET", "/datastore/label/info", params=where).json() == info
    listed = ask(people.rita, "GET", "/datastore/", params={"output": "all"}).json()["objects"]
    assert listed[case]["labels"]["final"]["info"] == {"status": "approved"}
    refused = put_label(people.rita, case, truth_of(case), tag="version_1")
    assert refused.status_code == 422
    assert "send it as 'final'" in refused.json()["error"]


def test_a_submitted_label_leaves_out_the_slices_that_nobody_touched(asking_study: Study) -> None:
    with people_at(asking_study.store.folder, second_reader=0.0) as people:
        case, asked = _asked(people)
        volume = labels_of(people.anna, case)
        refused = put_label(people.anna, case, volume)
        assert refused.status_code == 422
        assert "accept_unchanged" in refused.json()["error"]
        assert put_label(people.anna, case, volume, slices="all").status_code == 422, "proposals are nobody's labels"
        index = parse_slice_id(asked[0])[2]
        volume[0, 0, index] = 2 - volume[0, 0, index] % 2
        told = put_label(people.anna, case, volume).json()
        assert (told["slices"], told["left_out"]) == (asked[:1], asked[1:])
        assert {people.store.state(one) for one in asked[1:]} <= {"queried"}
        if asked[1:]:
            told = put_label(people.anna, case, volume, accept_unchanged=True).json()
            assert (told["slices"], told["left_out"]) == (asked[1:], [])


def test_a_value_that_label_info_does_not_name_is_refused_and_not_taken_for_a_class() -> None:
    classes = ("background", "muscle", "blood pool")
    labels = np.array([0, 1, 2, IGNORE], np.uint8)
    swapped = [{"name": "blood pool"}, {"name": "muscle"}]
    assert renumbered(labels, swapped, classes).tolist() == [0, 2, 1, IGNORE]
    assert renumbered(labels, None, classes).tolist() == labels.tolist()
    for named in (swapped[:1], []):
        with pytest.raises(AnswerError, match=f"names {len(named)} segments"):
            renumbered(labels, named, classes)


def test_a_proposal_in_hand_that_comes_back_as_it_was_is_approved(asking_study: Study) -> None:
    with people_at(asking_study.store.folder, second_reader=0.0) as people:
        case, asked = _asked(people)
        held = people.store.desk.take_case(case, "anna", "slicer")
        assert sorted(held) == sorted(asked)
        volume = labels_of(people.anna, case)
        shown = [one for one in asked if volume[..., parse_slice_id(one)[2]].any()]
        assert shown, "the model proposes something"
        told = put_label(people.anna, case, volume).json()
        assert told["slices"] == shown
        assert told["left_out"] == [one for one in asked if one not in shown]
        assert {people.store.state(one) for one in shown} == {"accepted"}


def test_what_a_drawing_that_began_from_nothing_leaves_empty_is_no_answer(asking_study: Study) -> None:
    with people_at(asking_study.store.folder, second_reader=0.0) as people:
        case, asked = _asked(people)
        people.store.desk.take_case(case, "anna", "slicer")
        shown = labels_of(people.anna, case)
        drawn, *rest = (parse_slice_id(one)[2] for one in asked if shown[..., parse_slice_id(one)[2]].any())
        assert rest, "more is proposed than is drawn"
        volume = np.zeros_like(shown)
        volume[2:9, 2:9, drawn] = 1
        told = put_label(people.anna, case, volume).json()
        assert [parse_slice_id(one)[2] for one in told["slices"]] == [drawn]
        assert put_label(people.anna, case, volume).status_code == 422, "her own label coming back is no proposal that did"
        erased = shown.copy()
        erased[..., drawn] = volume[..., drawn]
        erased[..., rest[0]] = 0
        others = [index for index in range(shown.shape[2]) if index not in (drawn, rest[0]) and shown[..., index].any()]
        assert others, "what comes back as it was says that the drawing began from the proposal"
        told = put_label(people.anna, case, erased).json()
        assert rest[0] in [parse_slice_id(one)[2] for one in told["slices"]]


def test_what_is_drawn_comes_late_and_is_kept_as_it_is_on_the_page(asking_study: Study) -> None:
    with people_at(asking_study.store.folder, second_reader=0.0) as people:
        case, asked = _asked(people)
        held = people.store.desk.take_case(case, "anna", "slicer")
        volume = labels_of(people.anna, case)
        let_lapse(people.store)
        assert people.store.desk.lapse() == len(held)
        assert people.store.desk.take_case(case, "ben", "t") == held, "somebody else has them now"
        index = parse_slice_id(asked[0])[2]
        volume[0, 0, index] = 2 - volume[0, 0, index] % 2
        assert put_label(people.anna, case, volume).json()["slices"] == asked[:1]
        found = {one: people.store.annotation(one) for one in asked}
        assert [one for one, annotation in found.items() if annotation] == asked[:1]
        assert people.store.state(asked[0]) == "leased", "it is Ben's still"
        for _ in range(2):
            assert put_label(people.anna, case, volume).status_code == 422, "nothing new was drawn"
        ben = np.full(volume.shape[:2], 1, np.uint8)
        people.ben.tab = "t"
        people.ben.send("submit", asked[0], {index: ben})
        assert put_label(people.anna, case, volume).status_code == 422
        assert [one.author for one in people.store.desk.versions(asked[0])] == ["anna", "ben"]


@pytest.mark.parametrize("strategy", ["first", "random", "score"])
def test_a_strategy_asks_once_which_cases_are_labelled(
    people: People, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    asked = []
    monkeypatch.setattr(people.store.desk, "cases_with_labels", lambda: asked.append(strategy) or {"p1"})
    assert ask(people.anna, "POST", f"/activelearning/{strategy}").json()["id"] in ("p2", "p3")
    assert asked == [strategy]


def predict_as(monkeypatch: pytest.MonkeyPatch, labels: np.ndarray) -> list[list[str]]:
    """Let ``labels`` be what every worker says of a file; the commands that would have started one."""
    commands = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        write_volume(Path(command[command.index("--out") + 1]) / "image.nii", labels)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(routes_work.subprocess, "run", run)
    return commands


def infer_file(person: Person) -> Any:
    files = {"file": ("new.nii", nib.Nifti1Image(truth_of("p8"), AFFINE).to_bytes())}
    return ask(person, "POST", "/infer/askance", files=files)


def test_inference_of_a_file_names_the_classes_that_are_there_alone(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    predict_as(monkeypatch, np.where(truth_of("p8") == 2, 2, 0).astype(np.uint8))
    answer = infer_file(people.anna)
    assert '"label_names": {"blood pool": 2}' in answer.content.decode(errors="replace")


def test_files_are_inferred_one_at_a_time_by_a_nice_worker(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = predict_as(monkeypatch, truth_of("p8"))
    with routes_work._predicting:
        refused = infer_file(people.anna)
    assert (refused.status_code, refused.headers["retry-after"], commands) == (503, "60", [])
    assert [infer_file(people.anna).status_code for _ in range(2)] == [200, 200]
    assert [Path(command[0]).name for command in commands] == ["nice", "nice"]


def test_a_session_keeps_no_text_of_its_image_and_goes_when_it_is_over(people: People) -> None:
    image = nib.Nifti1Image(truth_of("p8"), AFFINE)
    image.header["descrip"] = b"Doe, Jane"
    folders = people.store.folder / "cache" / "sessions"

    def over() -> Path:
        told = ask(people.anna, "PUT", "/session/", files={"files": ("doe.nii", image.to_bytes())}).json()
        folder: Path = folders / told["session_id"]
        kept = nib.Nifti1Image.from_bytes((folder / "image.nii").read_bytes())
        assert b"Doe" not in kept.to_bytes()
        assert np.array_equal(kept.dataobj, image.dataobj)
        (folder / "expires").write_text("1.0")
        return folder

    first, second = over(), over()
    assert (first.exists(), second.exists()) == (False, True)
    with TestClient(create_app(people.store)):
        assert not second.exists()
    assert ask(people.anna, "PUT", "/session/", files={"files": ("doe.nii", b"none")}).status_code == 422
    assert list(folders.iterdir()) == []


def test_an_image_that_is_sent_is_found_from_every_folder(
    asking_study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(asking_study.store.folder.parent)
    image = nib.Nifti1Image((truth_of("p9") * 60).astype(np.int16), AFFINE)
    with people_at(Path(asking_study.store.folder.name)) as people:
        answer = ask(people.ada, "PUT", "/datastore/image?image=p9", files={"file": ("p9.nii", image.to_bytes())})
        assert answer.json() == {"image": "p9"}
        path = people.store.case("p9").images[0].path
        assert people.store.desk.audit()[-1].what == "image from Slicer"
    monkeypatch.chdir(tmp_path)
    assert path == asking_study.store.folder / "uploads" / "p9.nii"
    assert path.is_file()


def test_what_a_training_prints_is_an_admins_to_read(people: People) -> None:
    job = people.store.jobs.add("cycle", "ada")
    people.store.jobs.begin(job.id, "1 0.00")
    people.store.jobs.end(job.id, "failed", "no luck")
    (people.store.folder / "log").mkdir(exist_ok=True)
    (people.store.folder / "log" / f"job-{job.id}.log").write_text("a line of the log\n")
    for person, status in ((people.anna, 403), (people.rita, 403), (people.ada, 200)):
        assert ask(person, "GET", "/logs/").status_code == status
        told = ask(person, "GET", "/train/").json()["details"]
        assert ("a line of the log" in told) == (status == 200)
        assert told[-1] == "no luck"
