import os
from dataclasses import replace

import numpy as np
import pytest
from store_studies import labels, query, save_model

from askance.errors import AnswerError, StudyError
from askance.records import IGNORE, Asked, Effort, Query
from askance.store import atomic
from askance.store.answers import Answer
from askance.store.store import Store

IDS = ["c2/2/3", "c1/2/0", "c10/2/5"]


@pytest.fixture
def asked(store: Store) -> Store:
    store.save_query(query(IDS))
    return store


def test_a_query_takes_its_slices_out_of_the_pool(asked: Store) -> None:
    assert asked.query(0) == query(IDS)
    assert asked.query(1) is None
    assert asked.queries() == [query(IDS)]
    assert {one.id for one in asked.slices(states=["queried"])} == set(IDS)
    assert len(asked.slices("learn", ["pool"])) == 15


def test_the_same_query_again_changes_nothing_and_another_is_refused(asked: Store) -> None:
    asked.save_answer(IDS[0], labels(0), "simulated")
    asked.save_query(query(IDS))
    assert asked.state(IDS[0]) == "accepted"
    with pytest.raises(StudyError, match="cycle 0 has another query already"):
        asked.save_query(query(IDS[:2]))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["c1/2/1", "c2/2/3"], "'c2/2/3' is queried; only the pool is asked"),
        (["c1/2/1", "c1/2/1"], "'c1/2/1' is listed twice"),
        (["c1/2/1", "t1/2/0"], "'t1/2/0' belongs to test"),
        (["c1/2/1", "c1/2/6"], "'c1/2/6' is not in the study"),
    ],
)
def test_a_query_is_taken_whole_or_not_at_all(asked: Store, ids: list[str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        asked.save_query(query(ids, cycle=1))
    assert asked.state("c1/2/1") == "pool"
    assert asked.query(1) is None


def test_a_priority_that_is_not_a_number_is_refused(store: Store) -> None:
    for bad in (Asked("c1/2/0", float("nan"), "x"), Asked("c1/2/0", 1.0, "x", score=float("nan"))):
        with pytest.raises(StudyError, match="must be finite"):
            store.save_query(Query(0, "score", (bad,)))


def test_numbers_of_numpy_come_back_as_they_were(store: Store) -> None:
    given = Query(0, "score", (Asked("c1/2/0", np.float32(0.1), "x", np.float32(0.7)),))  # type: ignore[arg-type]
    store.save_query(given)
    store.save_query(given)
    assert store.query(0) == given


def test_a_query_by_an_unknown_model_is_refused(store: Store) -> None:
    with pytest.raises(StudyError, match="store what it refers to first"):
        store.save_query(replace(query(IDS), model="nobody"))


def test_an_answer_is_accepted_and_reads_back(asked: Store) -> None:
    saved = asked.save_answer("c1/2/0", labels(1), "simulated", Effort(7, 40))
    assert asked.state("c1/2/0") == "accepted"
    assert asked.annotations() == [saved]
    assert asked.annotation("c1/2/0") == saved
    assert saved.effort == Effort(7, 40)
    assert saved.path == "annotations/c1/2-0.v1.npz"
    assert saved.created_at.endswith("+00:00")
    np.testing.assert_array_equal(asked.read_annotation(saved), labels(1))
    assert asked.budget() == {"slices": 18, "labelled": 1, "share": 1 / 18}


def test_answers_come_in_the_order_a_person_would_write_them(asked: Store) -> None:
    asked.save_answers([Answer(slice_id, labels(0), "simulated") for slice_id in IDS])
    assert [one.slice_id for one in asked.annotations()] == ["c1/2/0", "c2/2/3", "c10/2/5"]


def test_the_same_answer_again_makes_no_new_version(asked: Store) -> None:
    first = asked.save_answer("c1/2/0", labels(1), "simulated")
    assert asked.save_answer("c1/2/0", labels(1), "simulated") == first
    assert asked.annotations(latest=False) == [first]


def test_another_answer_is_a_new_version_and_the_old_one_stays(asked: Store) -> None:
    first = asked.save_answer("c1/2/0", labels(1), "ann")
    second = asked.save_answer("c1/2/0", labels(2), "ann")
    third = asked.save_answer("c1/2/0", labels(2), "bob")
    assert asked.annotations(latest=False) == [first, second, third]
    assert asked.annotations() == [third]
    assert asked.annotation("c1/2/0", version=2) == second
    assert asked.annotation("c1/2/0", version=4) is None
    np.testing.assert_array_equal(asked.read_annotation(first), labels(1))
    assert asked.budget()["labelled"] == 1


def test_a_slice_that_was_not_asked_takes_no_answer(asked: Store) -> None:
    for slice_id, message in (("c1/2/1", "was not asked: it is in the pool"), ("t1/2/0", "belongs to test")):
        with pytest.raises(StudyError, match=message):
            asked.save_answer(slice_id, labels(0), "simulated")


def test_labels_that_came_with_the_data_need_no_question_and_replace_no_answer(asked: Store) -> None:
    by_hand = asked.save_answer("c1/2/0", labels(1), "ann")
    given = [Answer(slice_id, labels(2), "dataset") for slice_id in ("c1/2/0", "c1/2/1", "c2/2/3")]
    for _ in range(2):
        asked.save_given(given)
    assert asked.annotations()[0] == by_hand
    assert [one.author for one in asked.annotations(latest=False)] == ["ann", "dataset", "dataset"]
    assert {asked.state(answer.slice_id) for answer in given} == {"accepted"}
    with pytest.raises(StudyError, match="belongs to test"):
        asked.save_given([Answer("t1/2/0", labels(2), "dataset")])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (labels(0).astype(np.int64), "int64"),
        (labels(0).T.copy(), r"\(10, 12\); wanted \(12, 10\)"),
        (labels(0)[None], "wanted uint8"),
        (np.full((12, 10), 3, np.uint8), "the value 3; wanted classes 0 to 2"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_its_batch(asked: Store, answer: np.ndarray, message: str) -> None:
    batch = [Answer("c1/2/0", labels(0), "ann"), Answer("c2/2/3", answer, "ann")]
    with pytest.raises(AnswerError, match=message):
        asked.save_answers(batch)
    assert asked.annotations() == []
    assert asked.state("c1/2/0") == "queried"


def test_an_answer_may_leave_pixels_unlabelled(asked: Store) -> None:
    partly = np.full((12, 10), IGNORE, np.uint8)
    assert (asked.read_annotation(asked.save_answer("c1/2/0", partly, "ann")) == IGNORE).all()


def test_an_answer_needs_an_author_and_a_slice_one_answer(asked: Store) -> None:
    with pytest.raises(AnswerError, match="no author"):
        asked.save_answer("c1/2/0", labels(0), "")
    with pytest.raises(StudyError, match="answered twice"):
        asked.save_answers([Answer("c1/2/0", labels(k), "ann") for k in range(2)])


def test_a_file_that_was_changed_or_removed_is_told_by_its_path(asked: Store) -> None:
    saved = asked.save_answer("c1/2/0", labels(1), "ann")
    path = asked.folder / saved.path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StudyError, match=r"c1/2-0\.v1\.npz: sha256 \w+, wanted"):
        asked.read_annotation(saved)
    path.unlink()
    with pytest.raises(StudyError, match=r"c1/2-0\.v1\.npz: cannot be read"):
        asked.read_annotation(saved)


def test_a_full_disk_stores_no_row(asked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(StudyError, match="No space left"):
            asked.save_answers([Answer(slice_id, labels(0), "ann") for slice_id in IDS])
    assert asked.annotations() == []
    assert asked.state(IDS[0]) == "queried"
    assert not [path for path in (asked.folder / "annotations").rglob("*") if path.is_file()]


def test_a_slice_can_be_set_aside_and_answered_after_all(asked: Store) -> None:
    asked.set_aside("c1/2/0", "skipped", "no time", "ann")
    asked.set_aside("c1/2/0", "unreadable", "motion", "ann")
    aside = asked.set_asides()["c1/2/0"]
    assert (aside.state, aside.reason, aside.author) == ("unreadable", "motion", "ann")
    assert asked.state("c1/2/0") == "unreadable"
    assert asked.budget()["labelled"] == 0
    asked.save_answer("c1/2/0", labels(0), "ann")
    assert asked.set_asides() == {}


def test_setting_aside_needs_a_reason_and_a_slice_that_was_asked(asked: Store) -> None:
    with pytest.raises(StudyError, match="without reason"):
        asked.set_aside("c1/2/0", "skipped", " ", "ann")
    with pytest.raises(StudyError, match="wanted skipped or unreadable"):
        asked.set_aside("c1/2/0", "accepted", "x", "ann")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="is pool and cannot become skipped"):
        asked.set_aside("c1/2/1", "skipped", "x", "ann")


def test_a_proposal_names_a_stored_model(asked: Store) -> None:
    with pytest.raises(StudyError, match="store what it refers to first"):
        asked.save_answer("c1/2/0", labels(0), "ann", proposal="m0")
    save_model(asked)
    assert asked.save_answer("c1/2/0", labels(0), "ann", proposal="m0").proposal == "m0"
