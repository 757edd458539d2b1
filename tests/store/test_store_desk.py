"""People at a study's desk: who may, who has which slice in hand, what becomes of what they draw."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from store_studies import case, labels, query, settings

from askance.errors import AccessError, LeaseError, StudyBusy, StudyError, UsageError
from askance.store.answers import Answer
from askance.store.handing_in import Handing
from askance.store.queue import Wanted, choose, wants_second
from askance.store.store import Store
from made_studies import let_lapse
from postgres_server import NewDatabase

AT_ONCE = 1e-9  # days: a link that is over when it is given
IDS = ["c1/2/0", "c2/2/0", "c1/2/1", "c2/2/1", "c1/2/2"]


def made(folder: Path, database: str | None, **reading: object) -> Store:
    store = Store.create(folder, settings(reading=reading), [case("c1"), case("c2"), case("t1", "test")], database)
    store.save_query(query(IDS))
    for name, role in (("anna", "expert"), ("ben", "expert"), ("rita", "reviewer"), ("ada", "admin")):
        store.desk.add_user(name, role, 1, "test")  # type: ignore[arg-type]
    return store


@pytest.fixture
def asked(tmp_path: Path, new_database: NewDatabase) -> Iterator[Store]:
    with made(tmp_path / "study", new_database()) as store:
        yield store


def taken(store: Store, user: str, tab: str = "t", ahead: bool = False) -> str:
    given = store.desk.next(user, tab, ahead)
    assert given is not None
    return given.lease.slice_id


def submit(store: Store, user: str, slice_id: str, seed: int = 0, tab: str = "t", **more: object) -> str:
    handing = Handing(user, tab, Answer(slice_id, labels(seed), user), **more)  # type: ignore[arg-type]
    return store.desk.submit(handing).outcome


def change(store: Store, statement: str) -> None:
    """Past all doors."""
    with store._database.writing() as connection:
        connection.execute(sa.text(statement))


def test_a_token_is_known_until_it_is_revoked_or_expires(asked: Store) -> None:
    token = asked.desk.add_user("cleo", "expert", 1, "ada")
    assert asked.desk.user_of(token).may("expert")
    assert not asked.desk.user_of(token).may("reviewer")
    asked.desk.revoke_user("cleo", "ada")
    late = asked.desk.add_user("cleo", "expert", AT_ONCE, "ada")
    for wrong in (token, late, "", "\ud800"):
        with pytest.raises(AccessError, match="does not work"):
            asked.desk.user_of(wrong)
    asked.snapshot(asked.folder / "copy.db")
    assert token.encode() not in (asked.folder / "copy.db").read_bytes()


@pytest.mark.parametrize("name", ["", "../x", "dataset", "a" * 65, "a\nb"])
def test_a_name_that_could_be_mistaken_is_refused(asked: Store, name: str) -> None:
    with pytest.raises(UsageError):
        asked.desk.add_user(name, "expert", 1, "ada")


@pytest.mark.parametrize("days", [0, -3, 3651, 1e12, float("nan"), float("inf")])
def test_a_link_that_works_for_no_time_or_for_ever_is_refused(asked: Store, days: float) -> None:
    with pytest.raises(UsageError, match=r"days: wanted more than 0 and at most 3650"):
        asked.desk.add_user("cleo", "expert", days, "ada")
    assert "cleo" not in [one.name for one in asked.desk.users()]


def test_the_name_that_the_server_signs_in_with_is_an_admins(asked: Store) -> None:
    with pytest.raises(UsageError, match="`askance serve` signs in"):
        asked.desk.add_user("admin", "expert", 1, "ada")
    asked.desk.add_user("admin", "admin", 1, "ada")


def test_no_two_people_get_the_same_slice(asked: Store) -> None:
    assert {taken(asked, "anna"), taken(asked, "ben")} == {"c1/2/0", "c2/2/0"}
    assert asked.state("c1/2/0") == "leased"


def test_the_same_person_gets_what_is_in_hand_and_one_ahead(asked: Store) -> None:
    assert [taken(asked, "anna"), taken(asked, "anna")] == ["c1/2/0", "c1/2/0"]
    ahead = taken(asked, "anna", ahead=True)
    assert ahead != "c1/2/0"
    assert submit(asked, "anna", "c1/2/0") == "accepted"
    assert taken(asked, "anna") == ahead


def test_a_slice_of_the_same_case_comes_first_where_that_costs_little() -> None:
    queue = [Wanted("b/2/0", "b", 1.0), Wanted("c/2/0", "c", 0.9), Wanted("a/2/4", "a", 0.8)]
    assert [choose(queue, "a", cost).slice_id for cost in (0.1, 0.25)] == ["b/2/0", "a/2/4"]  # type: ignore[union-attr]
    assert choose([], "a", 1.0) is None


def test_another_tab_of_the_same_person_is_told_and_may_take_over(asked: Store) -> None:
    slice_id = taken(asked, "anna", "one")
    given = asked.desk.next("anna", "two")
    assert given is not None
    assert given.elsewhere
    asked.desk.adopt("anna", "two")
    with pytest.raises(LeaseError, match="another tab") as caught:
        asked.desk.save_draft(slice_id, "anna", "one", {0: labels(0)})
    assert caught.value.kind == "other_tab"
    asked.desk.save_draft(slice_id, "anna", "two", {0: labels(0)})


def test_a_lapsed_lease_goes_back_and_its_draft_and_answer_are_kept(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    let_lapse(asked)
    assert taken(asked, "ben") == slice_id
    asked.desk.save_draft(slice_id, "anna", "t", {0: labels(3)})
    assert np.array_equal(asked.desk.draft(slice_id, "anna")[0], labels(3))
    assert submit(asked, "ben", slice_id, 1) == "accepted"
    assert submit(asked, "anna", slice_id, 2) == "late"
    versions = asked.desk.versions(slice_id)
    assert [one.author for one in versions] == ["ben", "anna", "ben"]
    assert np.array_equal(asked.read_annotation(versions[-1]), labels(1))


def test_of_what_lapsed_a_slice_that_was_begun_comes_first_to_who_began_it(asked: Store) -> None:
    first, begun = taken(asked, "anna"), taken(asked, "anna", ahead=True)
    asked.desk.save_draft(begun, "anna", "t", {0: labels(3)})
    let_lapse(asked)
    assert taken(asked, "ben") == first, "a draft of anna's changes nothing for others"
    asked.desk.give_back(first, "ben", "t")
    assert taken(asked, "anna") == begun
    assert np.array_equal(asked.desk.draft(begun, "anna")[0], labels(3))


def test_a_late_answer_stands_where_nobody_else_answered(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    let_lapse(asked)
    asked.desk.next("ben", "t")
    asked.desk.give_back(slice_id, "ben", "t")
    assert submit(asked, "anna", slice_id) == "accepted"


def test_a_slice_that_was_never_given_takes_no_answer(asked: Store) -> None:
    with pytest.raises(LeaseError, match="not given"):
        submit(asked, "anna", "c2/2/1")


def test_an_answer_can_be_reopened_and_lapses_back(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    submit(asked, "anna", slice_id, 1)
    asked.desk.reopen(slice_id, "anna", "t")
    assert asked.state(slice_id) == "leased"
    let_lapse(asked)
    taken(asked, "ben")
    assert asked.state(slice_id) == "accepted"
    asked.desk.reopen(slice_id, "anna", "t")
    submit(asked, "anna", slice_id, 2)
    assert [one.version for one in asked.desk.versions(slice_id)] == [1, 2]
    with pytest.raises(LeaseError):
        asked.desk.reopen(slice_id, "ben", "t")


@pytest.mark.parametrize("how", ["lapsed", "given back"])
def test_a_reopened_answer_that_was_in_review_goes_back_to_it(how: str, tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = read_by_both(store, dice=0.5)
        store.desk.reopen(slice_id, "anna", "t")
        if how == "lapsed":
            let_lapse(store)
            assert store.desk.lapse() == 1
        else:
            store.desk.give_back(slice_id, "anna", "t")
        assert store.state(slice_id) == "in_review"
        given = store.desk.next_review("rita", "t")
        assert given is None, "an admin sees to what two people read differently"
        assert [one.slice_id for one in store.desk.disagreements()] == [slice_id]


def test_skipping_needs_a_reason_and_can_be_taken_back(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    with pytest.raises(StudyError, match="reason"):
        asked.desk.set_aside(slice_id, "skipped", " ", "anna", "t")
    asked.desk.set_aside(slice_id, "skipped", "motion", "anna", "t")
    assert asked.set_asides()[slice_id].reason == "motion"
    asked.desk.reopen(slice_id, "anna", "t")
    assert submit(asked, "anna", slice_id) == "accepted"
    assert asked.set_asides() == {}
    assert [one.how for one in asked.desk.done_by("anna")] == ["answered"]


def test_a_slice_drawn_on_beside_is_kept_as_a_version(asked: Store) -> None:
    slice_id, theirs = taken(asked, "anna"), taken(asked, "ben")
    others = (Answer("c1/2/4", labels(4), "anna"), Answer(theirs, labels(5), "anna"))
    submit(asked, "anna", slice_id, others=others)
    assert (asked.state("c1/2/4"), asked.state(theirs)) == ("accepted", "leased")
    assert submit(asked, "ben", theirs, 6) == "accepted"
    newest = asked.annotation(theirs)
    assert newest is not None
    assert (newest.author, newest.version) == ("ben", 2)


@pytest.mark.parametrize("reading", [{"review": True}, {"second_reader": 1.0}])
def test_a_slice_drawn_on_beside_waits_as_any_answer_does(
    tmp_path: Path, new_database: NewDatabase, reading: dict[str, object]
) -> None:
    with made(tmp_path / "study", new_database(), **reading) as store:
        slice_id, pool, asked_too = taken(store, "anna"), "c1/2/4", IDS[-1]
        for seed in (4, 5):  # drawn on again while it waits, it waits still
            store.desk.keep([Answer(pool, labels(seed), "anna")])
        assert store.state(pool) == "answered"
        submit(store, "anna", slice_id, others=(Answer(pool, labels(6), "anna"), Answer(asked_too, labels(7), "anna")))
        assert {store.state(one) for one in (slice_id, pool, asked_too)} == {"answered"}
        newest = store.annotation(pool)
        assert newest is not None
        assert np.array_equal(store.read_annotation(newest), labels(6))
        assert [one.author for one in store.desk.visible([pool], "ben")] == ([] if "second_reader" in reading else ["anna"])
        store.desk.keep([Answer(pool, labels(8), "ben")])
        assert np.array_equal(store.read_annotation(store.desk.newest([pool])[0]), labels(6)), "what waits goes on standing"


def test_what_was_accepted_waits_anew_where_its_author_draws_on_it(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), review=True) as store:
        slice_id = taken(store, "anna")
        submit(store, "anna", slice_id)
        store.desk.next_review("rita", "t")
        store.desk.accept(slice_id, "rita", "t")
        store.desk.keep([Answer(slice_id, labels(1), "anna")])
        assert store.state(slice_id) == "answered"


def test_nobody_reviews_what_was_given_to_them_to_read(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0) as store:
        first = taken(store, "rita")
        second = taken(store, "anna")
        submit(store, "anna", second)
        change(store, "UPDATE slices SET state = 'pool' WHERE state = 'queried'")
        store.desk.give_back(first, "rita", "t")
        change(store, "UPDATE slices SET state = 'pool' WHERE state = 'queried'")
        given = store.desk.next("rita", "t")
        assert given is not None
        assert (given.lease.slice_id, given.lease.purpose) == (second, "second")
        for review in (
            lambda: store.desk.accept(second, "rita", "t"),
            lambda: store.desk.correct(Handing("rita", "t", Answer(second, labels(9), "rita"))),
        ):
            with pytest.raises(LeaseError, match="to read, not to review"):
                review()
        assert [one.author for one in store.desk.versions(second)] == ["anna"]


def test_what_was_given_to_be_reviewed_is_not_answered_in_the_place_of_a_review(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with made(tmp_path / "study", new_database(), review=True) as store:
        slice_id = taken(store, "anna")
        submit(store, "anna", slice_id)
        store.desk.next_review("rita", "t")
        with pytest.raises(LeaseError, match="to review, not to answer"):
            submit(store, "rita", slice_id)
        assert [one.author for one in store.desk.versions(slice_id)] == ["anna"]


def test_two_readers_who_agree_are_done_and_who_do_not_are_settled(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        for dice, state in ((0.9, "accepted"), (0.5, "in_review")):
            slice_id = taken(store, "anna")
            assert submit(store, "anna", slice_id, 1) == "answered"
            while (given := store.desk.next("ben", "t")) and given.lease.purpose == "answer":
                store.desk.set_aside(given.lease.slice_id, "skipped", "later", "ben", "t")
            assert given is not None
            assert given.lease.slice_id == slice_id
            assert submit(store, "ben", slice_id, 2, dice=dice) == state
            for one in [one for one, now in store.states().items() if now == "skipped"]:
                store.desk.reopen(one, "ben", "t")
                store.desk.give_back(one, "ben", "t")
            if state == "accepted":
                change(store, "UPDATE slices SET state = 'queried' WHERE state = 'skipped'")
        (open_one,) = store.desk.disagreements()
        assert (open_one.version, open_one.other, open_one.dice) == (2, 1, 0.5)
        saved = store.desk.settle(open_one.slice_id, 1, "ada")
        assert (saved.author, saved.version, store.state(open_one.slice_id)) == ("ada", 3, "accepted")
        assert np.array_equal(store.read_annotation(saved), labels(1))


def test_a_reviewer_accepts_or_corrects_what_others_answered(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), review=True) as store:
        slices = [taken(store, "anna") for _ in range(2) if submit(store, "anna", taken(store, "anna"), 1) == "answered"]
        submit(store, "anna", slices[-1], 1)
        first = store.desk.next_review("rita", "t")
        assert first is not None
        assert (store.state(first.lease.slice_id), store.desk.next_review("anna", "t")) == ("in_review", None)
        store.desk.accept(first.lease.slice_id, "rita", "t")
        left = store.desk.next_review("rita", "t")
        assert left is not None
        store.desk.give_back(left.lease.slice_id, "rita", "t")
        second = store.desk.next_review("ben", "t")
        assert second is not None, "what a reviewer gave back is another's to review"
        store.desk.correct(Handing("ben", "t", Answer(second.lease.slice_id, labels(9), "ben"), dice=0.7))
        assert {store.state(one.lease.slice_id) for one in (first, second)} == {"accepted"}
        assert [one.kind for one in store.desk.reviews()] == ["accepted", "corrected"]


def test_what_a_reviewer_draws_on_beside_a_correction_is_kept(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), review=True) as store:
        corrected, waiting = taken(store, "anna"), store.desk.head(1)[0]
        submit(store, "anna", corrected, 1)
        store.desk.next_review("rita", "t")
        beside = Answer(waiting, labels(7), "rita")
        saved = store.desk.correct(Handing("rita", "t", Answer(corrected, labels(9), "rita"), (beside,)))
        assert [(one.slice_id, one.author) for one in saved] == [(corrected, "rita"), (waiting, "rita")]
        assert np.array_equal(store.read_annotation(saved[1]), labels(7))
        assert (store.state(corrected), store.state(waiting)) == ("accepted", "answered")
        assert store.desk.next_review("rita", "t") is None, "nobody reviews their own answer"
        audited = [one for one in store.desk.audit(waiting) if one.what == "answered"]
        assert [one.detail["to"] for one in audited] == ["beside"]


def test_a_draft_that_comes_after_the_answer_is_refused_and_no_ghost(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    submit(asked, "anna", slice_id)
    with pytest.raises(LeaseError, match="handed in") as caught:
        asked.desk.save_draft(slice_id, "anna", "t", {0: labels(3)})
    assert caught.value.kind == "answered"
    assert asked.desk.draft(slice_id, "anna") == {}
    aside = taken(asked, "anna")
    asked.desk.set_aside(aside, "skipped", "motion", "anna", "t")
    asked.desk.save_draft(aside, "anna", "t", {0: labels(3)})
    assert list(asked.desk.draft(aside, "anna")) == [0], "what was set aside may be taken up again"


def test_of_one_persons_late_answers_the_last_stands_and_no_draft_comes_after_it(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    let_lapse(asked)
    asked.desk.lapse()
    asked.desk.take(slice_id, "ben", "t")
    assert [submit(asked, "anna", slice_id, label) for label in (1, 2)] == ["late", "late"]
    assert [(one.author, one.version) for one in asked.desk.versions(slice_id)] == [("anna", 1), ("anna", 2)]
    assert asked.desk.lapsed("anna") == set()
    with pytest.raises(LeaseError, match="is handed in"):
        asked.desk.save_draft(slice_id, "anna", "t", {0: labels(3)})
    assert asked.desk.draft(slice_id, "anna") == {}


def test_what_a_reviewer_gave_back_comes_last_to_that_one(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), review=True) as store:
        for _ in range(2):
            submit(store, "anna", taken(store, "anna"), 1)
        first = store.desk.next_review("rita", "t")
        assert first is not None
        store.desk.give_back(first.lease.slice_id, "rita", "t")
        second = store.desk.next_review("rita", "t")
        assert second is not None
        assert second.lease.slice_id != first.lease.slice_id
        store.desk.accept(second.lease.slice_id, "rita", "t")
        again = store.desk.next_review("rita", "t")
        assert again is not None
        assert again.lease.slice_id == first.lease.slice_id


def test_who_waits_is_told_when_something_comes_up(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0) as store:
        first = taken(store, "anna")
        change(store, "UPDATE slices SET state = 'pool' WHERE state = 'queried'")
        assert not store.desk.waits("ben", review=False), "what is left is in Anna's hands"
        let_lapse(store)
        assert (store.desk.lapse(), store.desk.lapse()) == (1, 0)
        assert store.desk.waits("ben", review=False)
        submit(store, "anna", taken(store, "anna"))
        assert not store.desk.waits("anna", review=False)
        assert store.desk.waits("ben", review=False), "the second reading"
        assert not store.desk.waits("rita", review=True)
        change(store, "UPDATE slices SET state = 'in_review' WHERE state = 'answered'")
        assert store.desk.waits("rita", review=True)
        assert not store.desk.waits("anna", review=True)
        assert store.state(first) == "in_review", "to ask changes nothing"


def test_second_readings_are_a_share_that_hangs_on_the_slice_alone() -> None:
    reading = settings(reading={"second_reader": 0.3}).reading
    chosen = [one for one in (f"c/2/{k}" for k in range(1000)) if wants_second(one, reading)]
    assert 250 < len(chosen) < 350
    assert not wants_second("c/2/0", settings().reading)


def test_the_audit_log_says_who_did_what_from_which_version_and_refuses_changes(asked: Store) -> None:
    slice_id = taken(asked, "anna")
    submit(asked, "anna", slice_id, 1)
    asked.desk.reopen(slice_id, "anna", "t")
    submit(asked, "anna", slice_id, 2)
    told = [(one.who, one.what, one.from_version) for one in asked.desk.audit(slice_id)]
    answered = [line for line in told if line[1] == "answered"]
    assert answered == [("anna", "answered", None), ("anna", "answered", 1)]
    truncate = ["TRUNCATE audit"] if (asked.folder / "database.toml").exists() else []
    for statement in ("UPDATE audit SET who = 'x'", "DELETE FROM audit", *truncate):
        with pytest.raises(StudyError, match="append-only"):
            change(asked, statement)
    assert asked.desk.audit(slice_id)[-1].who == "anna"


def test_one_job_at_a_time_and_what_ended_stays_ended(asked: Store) -> None:
    job = asked.jobs.add("cycle", "ada")
    with pytest.raises(StudyBusy):
        asked.jobs.add("cycle", "ada")
    asked.jobs.begin(job.id, "1234")
    assert not asked.jobs.report(job.id, {"stage": "train"})
    asked.jobs.cancel(job.id, "ada")
    assert asked.jobs.report(job.id, {"stage": "train", "done": 3})
    asked.jobs.end(job.id, "cancelled", "as wanted")
    asked.jobs.end(job.id, "done", "too late")
    assert asked.jobs.one(job.id).message == "as wanted"
    assert asked.jobs.add("cycle", "ada").state == "queued"


def test_the_time_per_slice_counts_from_the_answer_before(asked: Store) -> None:
    first, second = taken(asked, "anna"), taken(asked, "anna", ahead=True)
    change(asked, "UPDATE leases SET taken_at = '2020-01-01T00:00:00.000+00:00'")
    submit(asked, "anna", first)
    submit(asked, "anna", second)
    newest, oldest = asked.desk.seconds_per_slice("anna")
    assert newest < 60 < oldest


def read_by_both(store: Store, dice: float = 0.9) -> str:
    """A slice that anna answered and ben read again."""
    slice_id = with_ben_after_anna(store)
    submit(store, "ben", slice_id, 2, dice=dice)
    return slice_id


def with_ben_after_anna(store: Store) -> str:
    """A slice that anna answered and ben has in hand, for a second reading."""
    slice_id = taken(store, "anna")
    submit(store, "anna", slice_id, 1)
    with_ben(store, slice_id)
    return slice_id


def with_ben(store: Store, slice_id: str) -> None:
    """Put an answered slice into ben's hands, for a second reading."""
    change(store, "UPDATE slices SET state = 'pool' WHERE state = 'queried'")
    given = store.desk.next("ben", "t")
    assert given is not None
    assert (given.lease.slice_id, given.lease.purpose) == (slice_id, "second")


def test_a_reader_sees_of_a_slice_that_two_people_read_their_own_answer_only(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = taken(store, "anna")
        submit(store, "anna", slice_id, 1)
        assert store.desk.visible([slice_id], "ben") == [], "as a neighbour neither: ben may be its second reader"
        with_ben(store, slice_id)
        submit(store, "ben", slice_id, 2, dice=0.9)
        for user in ("anna", "ben"):
            assert store.desk.reopen(slice_id, user, "t").purpose == "second"
            assert [one.author for one in store.desk.visible([slice_id], user)] == [user]
            store.desk.give_back(slice_id, user, "t")
        assert [one.author for one in store.desk.visible([slice_id], "carl")] == ["ben"], "accepted: nobody is asked again"


def test_a_second_reader_who_put_the_slice_back_reopens_it_without_the_first_answer(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = with_ben_after_anna(store)
        store.desk.give_back(slice_id, "ben", "t")
        store.desk.reopen(slice_id, "ben", "t")
        assert store.desk.visible([slice_id], "ben") == []
        assert submit(store, "ben", slice_id, 2, dice=0.5) == "in_review"


def test_a_second_reader_who_skips_leaves_the_first_answer_to_a_reviewer(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = with_ben_after_anna(store)
        with pytest.raises(StudyError, match="reason"):
            store.desk.set_aside(slice_id, "unreadable", " ", "ben", "t")
        store.desk.set_aside(slice_id, "unreadable", "motion", "ben", "t")
        assert store.state(slice_id) == "in_review"
        assert store.set_asides() == {}
        given = store.desk.next_review("rita", "t")
        assert given is not None
        store.desk.accept(given.lease.slice_id, "rita", "t")
        assert [one.author for one in store.annotations()] == ["anna"]


def test_a_reopened_answer_is_compared_anew_with_the_other_readers(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = read_by_both(store, dice=0.5)
        store.desk.reopen(slice_id, "anna", "t")
        assert submit(store, "anna", slice_id, 3, dice=0.6) == "in_review", "nobody talks a difference away by reopening"
        (open_one,) = store.desk.disagreements()
        assert (open_one.version, open_one.other, open_one.dice) == (3, 2, 0.6)
        store.desk.reopen(slice_id, "ben", "t")
        assert submit(store, "ben", slice_id, 4, dice=0.95) == "accepted"
        assert store.desk.disagreements() == []
        assert [one.dice for one in store.desk.read_twice()] == [0.95]
        assert [one.dice for one in store.desk.reviews()] == [0.5, 0.6, 0.95]


def test_what_an_admin_settled_is_no_readers_answer(tmp_path: Path, new_database: NewDatabase) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = read_by_both(store, dice=0.5)
        store.desk.settle(slice_id, 1, "ada")
        other = store.desk.other_reading(slice_id, "anna")
        assert other is not None
        assert (other.author, other.version) == ("ben", 2)


def test_a_second_reading_that_comes_late_counts_while_the_slice_waits_for_one(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with made(tmp_path / "study", new_database(), second_reader=1.0, agreement=0.8) as store:
        slice_id = with_ben_after_anna(store)
        let_lapse(store)
        store.desk.next("rita", "t")
        store.desk.give_back(slice_id, "rita", "t")
        assert submit(store, "ben", slice_id, 2, dice=0.5) == "in_review"
        assert [one.dice for one in store.desk.disagreements()] == [0.5]


def test_the_only_admin_whose_link_works_cannot_be_revoked(asked: Store) -> None:
    asked.desk.add_user("zoe", "admin", AT_ONCE, "ada")  # expired: no admin at work
    with pytest.raises(UsageError, match=r"ada is the only admin whose link works.*add another admin first"):
        asked.desk.revoke_user("ada", "ada")
    token = asked.desk.add_user("zoe", "admin", 1, "ada")
    assert asked.desk.revoke_user("ada", "zoe") == 1
    with pytest.raises(UsageError, match="zoe is the only admin"):
        asked.desk.revoke_user("zoe", "zoe")
    assert asked.desk.user_of(token).may("admin")
    asked.desk.revoke_user("anna", "zoe")
