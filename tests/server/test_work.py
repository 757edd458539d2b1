"""An expert at work through the API: the next slice, its view, drafts, answers, going back."""

import nibabel as nib
import numpy as np
import pytest
from served import People, Person, people_of, set_settings, upload
from starlette.testclient import TestClient

from askance.active.study import Study
from askance.errors import AnswerError
from askance.records import parse_slice_id
from askance.server.app import create_app
from askance.server.wire import unpack_planes
from askance.store.store import Store
from made_studies import truth_of


def index_of(slice_id: str) -> int:
    return parse_slice_id(slice_id)[2]


def assisted(people: People) -> str:
    """The next slice that comes with a proposal."""
    return people.anna.next()


def test_the_next_slice_comes_with_image_neighbours_proposal_and_score_map(people: People) -> None:
    slice_id = assisted(people)
    header, sections = people.anna.view(slice_id, reach=1)
    image = nib.Nifti1Image.from_bytes(sections["image"])
    columns, rows, layers = image.shape
    assert (columns, rows) == (24, 32)
    assert layers == len(header["planes"]) <= 3
    assert header["planes"][header["place"]]["index"] == index_of(slice_id)
    assert len(sections["labels"]) == columns * rows * layers
    assert len(sections["proposal"]) == len(sections["doubt"]) == columns * rows
    assert header["asked"]["reason"]
    assert header["state"] == "leased"


def test_the_image_and_the_labels_lie_where_the_file_has_them(people: People) -> None:
    slice_id = assisted(people)
    case, _, index = parse_slice_id(slice_id)
    _, sections = people.anna.view(slice_id)
    image = nib.Nifti1Image.from_bytes(sections["image"])
    (path,) = [source.path for source in people.store.case(case).images]
    wanted = nib.as_closest_canonical(nib.load(path))
    assert np.allclose(image.affine, wanted.affine)
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(wanted.dataobj))
    drawn = np.zeros((24, 32), np.uint8)
    drawn[3, 20] = 2
    assert people.anna.send("submit", slice_id, {index: drawn}).json()["outcome"] == "accepted"
    saved = people.store.annotation(slice_id)
    assert saved is not None
    labels = people.store.read_annotation(saved)
    assert np.argwhere(labels).tolist() == [[3, 20]]
    assert saved.author == "anna"
    assert saved.effort is not None
    assert saved.effort.changed_voxels > 0


def test_a_proposal_that_is_right_is_taken_by_one_call(people: People) -> None:
    slice_id = assisted(people)
    _, sections = people.anna.view(slice_id)
    assert people.anna.post("accept_proposal", slice=slice_id).json()["outcome"] == "accepted"
    saved = people.store.annotation(slice_id)
    assert saved is not None
    assert saved.effort is not None
    assert saved.effort.changed_voxels == 0
    assert people.store.read_annotation(saved).tobytes(order="F") == sections["proposal"]


def test_drafts_come_back_after_a_reload_with_what_was_drawn_beside(people: People) -> None:
    slice_id = assisted(people)
    index = index_of(slice_id)
    beside = index + 1 if index < 5 else index - 1
    drawn = {index: np.full((24, 32), 1, np.uint8), beside: np.full((24, 32), 2, np.uint8)}
    assert people.anna.send("draft", slice_id, drawn, "PUT").status_code == 200
    header, sections = people.anna.view(slice_id, reach=1)
    labels = np.frombuffer(sections["labels"], np.uint8).reshape((24, 32, -1), order="F")
    sources = {plane["index"]: plane["source"] for plane in header["planes"]}
    assert (sources[index], sources[beside]) == ("draft", "draft")
    assert (labels[..., header["place"]] == 1).all()
    answer = people.anna.send("submit", slice_id, drawn).json()
    assert sorted(index_of(one["slice"]) for one in answer["versions"]) == sorted([index, beside])
    assert people.store.desk.draft(slice_id, "anna") == {}


def test_a_draft_is_shown_after_its_time_was_over_and_whoever_has_the_slice_then(people: People) -> None:
    slice_id = people.anna.next()
    index = index_of(slice_id)
    people.anna.send("draft", slice_id, {index: np.full((24, 32), 2, np.uint8)}, "PUT")
    people.anna.post("give_back", slice=slice_id)
    for _ in range(2):
        header, sections = people.anna.view(slice_id, reach=0)
        assert (header["drafts"], set(sections["labels"])) == ([index], {2})
        assert people.ben.next() == slice_id
    assert people.ben.view(slice_id)[0]["drafts"] == [], "nobody else sees it"


def test_a_reviewer_sees_the_answer_and_no_older_drawing_of_their_own(asking_study: Study) -> None:
    folder = asking_study.store.folder
    set_settings(folder, review="true")
    with Store.open(folder) as store, TestClient(create_app(store), base_url="http://127.0.0.1") as client:
        people = people_of(store, client)
        slice_id = people.rita.next()
        index = index_of(slice_id)
        people.rita.send("draft", slice_id, {index: np.full((24, 32), 2, np.uint8)}, "PUT")
        people.rita.post("give_back", slice=slice_id)
        assert people.anna.next() == slice_id
        people.anna.send("submit", slice_id, {index: np.full((24, 32), 1, np.uint8)})
        assert people.rita.post("review/next").json()["slice"] == slice_id
        header, sections = people.rita.view(slice_id, reach=0)
        assert (header["drafts"], set(sections["labels"])) == ([], {1})
        people.rita.send("draft", slice_id, {index: np.zeros((24, 32), np.uint8)}, "PUT")
        answer = store.annotation(slice_id)
        assert answer is not None
        store.save_answer(slice_id, store.read_annotation(answer), "anna")  # stated again, as after a late answer
        header, sections = people.rita.view(slice_id, reach=0)
        assert (header["drafts"], set(sections["labels"])) == ([index], {0})


def test_two_experts_work_on_different_slices_until_the_query_is_done(people: People) -> None:
    seen = []
    while True:
        for person in (people.anna, people.ben):
            told = person.post("next").json()
            if told["kind"] != "slice":
                assert told["kind"] in ("others", "finished")
                continue
            seen.append(told["slice"])
        if people.store.desk.counts().get("queried", 0) == 0:
            break
        for person, slice_id in ((people.anna, seen[-2]), (people.ben, seen[-1])):
            case, _, index = parse_slice_id(slice_id)
            assert person.send("submit", slice_id, {index: truth_of(case)[..., index]}).status_code == 200
    assert len(seen) == len(set(seen))


def test_skip_unreadable_and_reopen(people: People) -> None:
    first = people.anna.next()
    assert people.anna.post("aside", slice=first, state="skipped", reason="motion").status_code == 200
    second = people.anna.next()
    assert people.anna.post("aside", slice=second, state="unreadable", reason="noise").status_code == 200
    assert [one["state"] for one in people.anna.ask("GET", "/api/mine").json()] == ["unreadable", "skipped"]
    assert people.anna.post("reopen", slice=first).json()["slice"] == first
    assert people.anna.send("submit", first, {index_of(first): np.zeros((24, 32))}).json()["outcome"] == "accepted"
    assert people.ben.post("reopen", slice=first).status_code == 409


def test_a_second_tab_is_told_and_the_first_one_learns_that_it_was_left(people: People) -> None:
    slice_id = people.anna.next()
    first, people.anna.tab = people.anna.tab, "other"
    assert people.anna.post("next").json()["kind"] == "elsewhere"
    assert people.anna.post("adopt").status_code == 200
    people.anna.tab = first
    refused = people.anna.send("draft", slice_id, {index_of(slice_id): np.zeros((24, 32))}, "PUT")
    assert (refused.status_code, refused.json()["kind"]) == (409, "other_tab")


def test_a_tab_that_was_closed_lets_another_go_on_and_only_its_own(people: People) -> None:
    slice_id = people.anna.next()
    first, people.anna.tab = people.anna.tab, "other"
    assert people.anna.post("leave").status_code == 200
    assert people.anna.post("next").json()["kind"] == "elsewhere", "a tab speaks for itself alone"
    people.anna.tab = first
    people.anna.post("leave")
    people.anna.tab = "other"
    assert people.anna.next() == slice_id


def test_a_reviewer_sees_what_others_answered_and_an_expert_only_what_was_given(people: People) -> None:
    slice_id = people.anna.next()
    assert people.ben.ask("GET", "/api/view", params={"slice": slice_id}).status_code == 422
    assert people.rita.ask("GET", "/api/view", params={"slice": slice_id}).status_code == 200
    people.anna.send("submit", slice_id, {index_of(slice_id): np.ones((24, 32))})
    assert len(people.rita.ask("GET", "/api/versions", params={"slice": slice_id}).json()) == 1
    body = people.rita.ask("GET", "/api/version", params={"slice": slice_id, "number": 1}).content
    assert set(body) == {1}


def test_progress_says_what_is_left_and_what_labels_are_worth(people: People) -> None:
    before = people.anna.ask("GET", "/api/progress").json()
    people.anna.post("accept_proposal", slice=people.anna.next())
    after = people.anna.ask("GET", "/api/progress").json()
    assert after["left"] == before["left"] - 1
    assert after["mine"] == 1
    assert after["seconds_per_slice"] >= 0
    assert len(after["curve"]) == 1
    assert after["advice"]["sentence"]


def test_a_body_is_what_the_page_sends_and_nothing_else(people: People) -> None:
    slice_id = people.anna.next()
    index, good = index_of(slice_id), np.zeros((24, 32), np.uint8)
    where = {"slice": slice_id, "tab": people.anna.tab}
    bad = [
        b"",
        b"\xff\xff\xff\xff",
        upload({index: good})[:-9],
        upload({index: np.zeros((9, 9))}),
        upload({99: good}),
        upload({index: np.full((24, 32), 9)}),
        b"\x02\0\0\0[]" + upload({index: good}),
        b"\x0c\0\0\0" + b'{"planes":7}',
    ]
    for body in bad:
        answer = people.anna.ask("POST", "/api/submit", params=where, content=body)
        assert answer.status_code == 422, body
        assert set(answer.json()) == {"error"}
    assert people.store.annotation(slice_id) is None


def test_every_slice_of_a_deep_case_can_be_handed_in_at_once_and_none_twice() -> None:
    planes = {index: np.full((3, 2), index, np.uint8) for index in range(100)}
    _, found = unpack_planes(upload(planes), (3, 2), depth=100)
    assert all(np.array_equal(found[index], plane) for index, plane in planes.items())
    with pytest.raises(AnswerError, match="lists 100 planes; wanted each once, and at most the case's 99"):
        unpack_planes(upload(planes), (3, 2), depth=99)


def test_an_answer_that_is_sent_twice_is_one_version_and_no_late_one(people: People) -> None:
    slice_id = people.anna.next()
    drawn = {index_of(slice_id): np.ones((24, 32), np.uint8)}
    first = people.anna.send("submit", slice_id, drawn).json()
    again = people.anna.send("submit", slice_id, drawn).json()
    assert (again["outcome"], again["versions"]) == (first["outcome"], first["versions"])
    assert len(people.store.desk.versions(slice_id)) == 1
    other = people.anna.send("submit", slice_id, {index_of(slice_id): np.zeros((24, 32))}).json()
    assert other["outcome"] == "late"
    assert len(people.store.desk.versions(slice_id)) == 3


def test_what_is_done_twice_since_its_reply_was_lost_is_done_once(asking_study: Study) -> None:
    folder = asking_study.store.folder
    set_settings(folder, review="true")
    with Store.open(folder) as store, TestClient(create_app(store), base_url="http://127.0.0.1") as client:
        people = people_of(store, client)
        accepted = people.anna.next()
        told = [people.anna.post("accept_proposal", slice=accepted).json() for _ in range(2)]
        assert told[0]["outcome"] == told[1]["outcome"] == "answered"
        assert told[0]["versions"] == told[1]["versions"]
        corrected = people.anna.next()
        people.anna.post("accept_proposal", slice=corrected)
        skipped = people.anna.next()
        aside = {"slice": skipped, "state": "skipped", "reason": "motion"}
        assert [people.anna.post("aside", **aside).status_code for _ in range(2)] == [200, 200]
        assert people.anna.post("aside", **aside | {"state": "unreadable"}).status_code == 409
        assert people.rita.post("review/next").json()["slice"] == accepted
        assert [people.rita.post("review/accept", slice=accepted).json() for _ in range(2)] == [{"outcome": "accepted"}] * 2
        assert people.rita.post("review/next").json()["slice"] == corrected
        mine = {index_of(corrected): np.ones((24, 32), np.uint8)}
        told = [people.rita.send("review/correct", corrected, mine).json() for _ in range(2)]
        assert told[0] | {"dice": None} == told[1]
        other = people.rita.send("review/correct", corrected, {index_of(corrected): np.zeros((24, 32), np.uint8)})
        assert other.status_code == 409, "another correction is no repeat"
        assert [len(store.desk.versions(one)) for one in (accepted, corrected)] == [1, 2]
        assert [one.kind for one in store.desk.reviews()] == ["accepted", "corrected"]


def test_a_sign_of_life_says_whose_the_slice_is(people: People) -> None:
    slice_id = people.anna.next()
    assert people.anna.post("renew").json() == {}
    assert people.anna.post("renew", slice=slice_id).json() == {"hold": "here", "state": "leased"}
    people.anna.tab, first = "other", people.anna.tab
    assert people.anna.post("renew", slice=slice_id).json()["hold"] == "tab"
    people.anna.tab = first
    people.anna.post("give_back", slice=slice_id)
    assert people.anna.post("renew", slice=slice_id).json() == {"hold": "gone", "state": "queried"}
    assert people.ben.post("renew", slice=slice_id).status_code == 422


def test_a_view_says_which_slices_the_draft_holds_beyond_it(people: People) -> None:
    slice_id = people.anna.next()
    index = index_of(slice_id)
    far = 5 if index < 3 else 0
    people.anna.send("draft", slice_id, {one: np.ones((24, 32)) for one in (index, far)}, "PUT")
    header, _ = people.anna.view(slice_id, reach=1)
    assert header["drafts"] == sorted([index, far])


def test_the_agreement_of_readers_is_part_of_the_progress(people: People) -> None:
    assert people.anna.ask("GET", "/api/progress").json()["agreement"] == {"mean": None, "n": 0, "open": 0}


def test_two_readers_never_see_each_others_answer_not_even_when_they_reopen_theirs(asking_study: Study) -> None:
    set_settings(asking_study.store.folder, second_reader=1.0, agreement=0.0)
    with (
        Store.open(asking_study.store.folder) as store,
        TestClient(create_app(store), base_url="http://127.0.0.1") as client,
    ):
        people = people_of(store, client)
        slice_id = people.anna.next()
        index, axis = index_of(slice_id), (24, 32)
        people.anna.send("submit", slice_id, {index: np.full(axis, 1)})
        while (told := people.ben.post("next").json())["purpose"] != "second":
            people.ben.post("aside", slice=told["slice"], state="skipped", reason="later")
        assert told["slice"] == slice_id
        assert not shows(people.ben, slice_id, 1)
        people.ben.post("give_back", slice=slice_id)
        assert not shows(people.ben, slice_id, 1), "no longer in hand"
        people.ben.post("reopen", slice=slice_id)
        assert not shows(people.ben, slice_id, 1)
        answer = people.ben.send("submit", slice_id, {index: np.full(axis, 2)}).json()
        assert answer["dice"] == 0
        people.anna.post("reopen", slice=slice_id)
        assert shows(people.anna, slice_id, 1)
        assert people.anna.ask("GET", "/api/version", params={"slice": slice_id, "number": 2}).status_code == 422
        people.anna.send("submit", slice_id, {index: np.full(axis, 1)})
        people.ben.post("reopen", slice=slice_id)
        assert shows(people.ben, slice_id, 2)


def shows(person: Person, slice_id: str, label: int) -> bool:
    """Whether the whole slice is shown as ``label``."""
    _, sections = person.view(slice_id, reach=0)
    return set(sections["labels"]) == {label}
