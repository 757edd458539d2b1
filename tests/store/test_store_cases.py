from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from store_studies import case, labels, query

from askance.errors import SplitError, StudyError
from askance.records import Source
from askance.store import schema
from askance.store.cases import natural
from askance.store.slices import TRANSITIONS, advance
from askance.store.store import Store


def test_cases_come_in_the_order_a_person_would_write_them(store: Store) -> None:
    assert [one.id for one in store.cases()] == ["c1", "c2", "c10", "t1"]
    assert [one.id for one in store.cases("test")] == ["t1"]
    assert store.case("c2") == case("c2")


def test_natural_order_is_total() -> None:
    assert sorted(["a10", "a2", "b", "a02", "7", "A2", ""], key=natural) == ["", "7", "A2", "a02", "a2", "a10", "b"]


def test_slices_come_by_case_and_index_with_their_patient(store: Store) -> None:
    found = store.slices("learn")
    assert [one.id for one in found[:7]] == [*(f"c1/2/{k}" for k in range(6)), "c2/2/0"]
    assert {one.patient for one in found} == {"patient-c1", "patient-c2", "patient-c10"}
    assert len(store.slices()) == 24


def test_slices_of_test_have_no_state_and_are_never_in_the_pool(store: Store) -> None:
    assert len(store.states()) == 18
    assert {one.split for one in store.slices(states=["pool"])} == {"learn"}
    with pytest.raises(StudyError, match="'t1/2/0' belongs to test or validation"):
        store.state("t1/2/0")


def test_an_unknown_slice_or_case_is_told(store: Store) -> None:
    with pytest.raises(StudyError, match="'c1/2/99' is not in the study"):
        store.state("c1/2/99")
    with pytest.raises(StudyError, match="'c99' is not in the study"):
        store.case("c99")


def test_cases_can_be_added_later_and_again(store: Store) -> None:
    for _ in range(2):
        store.add_cases([case("c3"), case("c1")])
    assert len(store.slices("learn")) == 24
    assert store.state("c3/2/5") == "pool"


def test_adding_is_all_or_none(store: Store) -> None:
    with pytest.raises(StudyError, match="'c1' is there already with other content"):
        store.add_cases([case("c3"), case("c1", patient="somebody else")])
    assert [one.id for one in store.cases()] == ["c1", "c2", "c10", "t1"]


def test_a_patient_never_straddles_the_splits(store: Store) -> None:
    with pytest.raises(SplitError, match=r"'patient-t1' is on two sides: case 't1' in test, case 'c3' in learn"):
        store.add_cases([case("c3", patient="patient-t1")])


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "a:b", "a\nb", " a", "ä" * 101, "a\udcff"])
def test_a_case_that_cannot_name_a_folder_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StudyError, match="cannot name a folder"):
        store.add_cases([case(name, patient="p")])


def test_a_case_may_have_a_name_of_any_script(store: Store) -> None:
    store.add_cases([case("Fall 07 µ-心", patient="p")])
    store.save_query(query(["Fall 07 µ-心/2/0"]))
    store.save_answer("Fall 07 µ-心/2/0", labels(0), "simulated")
    assert store.budget()["labelled"] == 1


def test_a_source_with_a_path_that_is_no_text_is_refused(store: Store) -> None:
    odd = Source(Path("data/a\udcff.nii"), "0" * 64, 1)
    with pytest.raises(StudyError, match="not valid Unicode"):
        store.add_cases([replace(case("c3"), label=odd)])


def test_a_case_can_be_relocated_but_not_reshaped(store: Store) -> None:
    moved = replace(case("c1"), images=(Source(Path("moved/x.nii.gz"), "0" * 64, 1000),), label=None)
    store.replace_case(moved)
    assert store.case("c1") == moved
    for other in (case("c1", shape=(1, 2, 3)), case("c1", "test"), case("c1", patient="p")):
        with pytest.raises(StudyError, match="wanted"):
            store.replace_case(other)
    with pytest.raises(StudyError, match="'new' is not in the study"):
        store.replace_case(case("new"))


def test_every_transition_in_the_table_is_taken_and_no_other(store: Store) -> None:
    for state, onward in TRANSITIONS.items():
        for to in TRANSITIONS:
            with store._database.writing() as connection:
                connection.execute(sa.update(schema.slices).where(schema.slices.c.id == "c1/2/0").values(state=state))
            if to in onward:
                store._database.write(advance, ["c1/2/0"], to)
            else:
                with pytest.raises(StudyError, match=f"is {state} and cannot become {to}"):
                    store._database.write(advance, ["c1/2/0"], to)
