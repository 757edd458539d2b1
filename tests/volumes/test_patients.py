import pytest
from hypothesis import given
from hypothesis import strategies as st

from askance.errors import SplitError, UsageError
from askance.volumes.found import Found, FoundCase
from askance.volumes.patients import (
    Division,
    assign_patients,
    assign_splits,
    divide,
    require_clear_patients,
    require_patients_to_fold,
    resolve_splits,
)
from askance.volumes.tables import read_patients

PAIRS = ["p01_a", "p01_b", "p02_a", "p03_a"]


def found_with(ids, labelled=None, **fields):
    """A data set of names alone; every case labelled unless ``labelled`` names those that are."""
    cases = tuple(FoundCase(case, (), f"{case}.nii" if labelled is None or case in labelled else None) for case in ids)
    return Found("set", ("background", "x"), ("MRI",), None, cases, **fields)


def test_a_pattern_with_one_group_tells_the_patient():
    assert assign_patients(PAIRS, r"^(p\d+)_", None)["p01_b"] == "p01"


@pytest.mark.parametrize("pattern", ["(", r"p\d+", r"(p)(\d+)"])
def test_a_pattern_that_is_no_regex_of_one_group_is_refused(pattern):
    with pytest.raises(UsageError, match="pattern"):
        assign_patients(PAIRS, pattern, None)


def test_cases_that_the_pattern_does_not_fit_are_listed():
    with pytest.raises(SplitError, match="no patient in 2 cases: x, y"):
        assign_patients(["x", "p01_a", "y"], r"^(p\d+)_", None)


def test_a_table_tells_the_patient_and_must_know_every_case():
    table = {"a": "one", "b": "one", "more": "than needed"}
    assert assign_patients(["a", "b"], None, table) == {"a": "one", "b": "one"}
    with pytest.raises(SplitError, match="lacks 1 cases: c"):
        assign_patients(["a", "c"], None, table)


def test_split_names_that_begin_the_ids_are_patients():
    names = {"patient1", "patient10"}
    assert assign_patients(["patient1_ed", "patient10_ed", "patient10_es"], None, None, names) == {
        "patient1_ed": "patient1",
        "patient10_ed": "patient10",
        "patient10_es": "patient10",
    }


def test_a_case_is_not_the_patient_of_another_whose_name_it_begins():
    assert assign_patients(["la", "la_1"], None, None, {"la", "la_1"}) == {"la": "la", "la_1": "la_1"}


def test_where_nothing_is_said_each_case_is_a_patient():
    assert assign_patients(["a", "b"], None, None) == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    "ids", [PAIRS, ["s-1-x", "s-1-y", "s-2-x"], ["a.1", "a.2", "b.1"], ["patient1_ed", "patient1_es", "patient2_ed"]]
)
def test_ids_that_look_like_several_cases_a_patient_are_refused_for_a_draw(ids):
    with pytest.raises(SplitError, match=r"--patients REGEX.*--patients-csv.*--each-case-a-patient"):
        require_clear_patients(found_with(ids), Division())


@pytest.mark.parametrize("ids", [["heart_1", "heart_2", "heart_3"], ["a", "b"], ["a_x", "b_x"], ["sub-01_T1", "sub-02_T1"]])
def test_ids_that_all_begin_alike_or_all_apart_are_clear(ids):
    require_clear_patients(found_with(ids), Division())


@pytest.mark.parametrize(
    "division",
    [Division(pattern="^(p[0-9]+)"), Division(each_case=True), Division(table={case: case[:3] for case in PAIRS})],
)
def test_who_says_who_the_patients_are_gets_a_draw(division):
    patients, splits = divide(found_with(PAIRS), division, seed=0)
    assert set(splits) == set(PAIRS)
    assert list(splits.values()).count("test") >= 1
    for patient in set(patients.values()):
        assert len({splits[case] for case in PAIRS if patients[case] == patient}) == 1


def test_without_a_word_on_patients_unclear_ids_are_refused_unless_nothing_is_drawn():
    with pytest.raises(SplitError, match="p01"):
        divide(found_with(PAIRS), Division(), seed=0)
    assert set(divide(found_with(PAIRS), Division(test_share=0), seed=0)[1].values()) == {"learn"}
    assert divide(found_with(PAIRS, splits={"p01": "learn", "p02": "test", "p03": "learn"}), Division(), seed=0)


@pytest.mark.parametrize("splits", [None, {"p01_a": "learn", "p01_b": "learn", "p02_a": "test", "p03_a": "learn"}])
def test_unclear_ids_are_refused_for_folds_even_where_the_sides_are_named_case_by_case(splits):
    with pytest.raises(SplitError, match="no folds are drawn"):
        require_patients_to_fold(found_with(PAIRS, splits=splits), Division(test_share=0))


@pytest.mark.parametrize(
    "division", [Division(each_case=True), Division(splits={"p01": "learn", "p02": "test", "p03": "learn"})]
)
def test_patients_that_the_user_or_the_splits_name_can_be_folded(division):
    require_patients_to_fold(found_with(PAIRS), division)


def test_the_data_sets_own_patients_count_as_said():
    patients, _ = divide(found_with(PAIRS, patients={case: case[:3] for case in PAIRS}), Division(), seed=0)
    assert patients["p01_b"] == "p01"


def test_what_the_user_says_wins_over_the_data_set():
    found = found_with(["a", "b"], patients={"a": "one", "b": "one"}, splits={"one": "test"})
    patients, splits = divide(found, Division(each_case=True, splits={"a": "learn", "b": "test"}), seed=0)
    assert patients == {"a": "a", "b": "b"}
    assert splits == {"a": "learn", "b": "test"}


def test_patients_said_in_two_ways_or_a_share_out_of_range_are_refused():
    with pytest.raises(UsageError, match="more than one way"):
        Division(pattern="(a)", each_case=True)
    for share in (-0.1, 1.0):
        with pytest.raises(UsageError, match="test_share"):
            Division(test_share=share)


patients_of_cases = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4), st.sampled_from(["p", "q", "r", "s", "t"]), min_size=1
)


@given(patients_of_cases, st.sets(st.text("abcdef", min_size=1, max_size=4)), st.integers(0, 99), st.floats(0, 0.99))
def test_a_draw_never_tears_a_patient_never_tests_on_the_unlabelled_and_leaves_learn_a_patient(
    patients, unlabelled, seed, share
):
    labelled = set(patients) - unlabelled
    splits = assign_splits(patients, labelled, None, seed=seed, test_share=share)
    assert splits.keys() == patients.keys()
    for patient in set(patients.values()):
        assert len({splits[case] for case in patients if patients[case] == patient}) == 1
    assert all(case in labelled for case, side in splits.items() if side == "test")
    assert "learn" in splits.values()


def test_a_draw_takes_its_share_and_follows_the_seed_not_the_order():
    patients = {f"c{number}": f"c{number}" for number in range(20)}
    drawn = assign_splits(patients, set(patients), None, seed=3)
    assert list(drawn.values()).count("test") == 4
    assert drawn == assign_splits(dict(reversed(patients.items())), set(patients), None, seed=3)
    assert drawn != assign_splits(patients, set(patients), None, seed=4)


def test_everything_wrong_with_given_splits_is_told_at_once():
    patients = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    given_splits = {"a1": "learn", "a2": "test", "b1": "test", "b": "learn", "zz": "learn"}
    with pytest.raises(SplitError) as caught:
        assign_splits(patients, set(), given_splits, seed=0)
    for told in (
        "1 cases that no split names: c1; name each of them, or its patient, once",
        "1 patients on more than one side: a (a1 in learn, a2 in test); put all cases of a patient on one",
        "1 cases on another side than their patient: b1; name either the case or its patient",
        "1 names that are neither a case nor a patient: zz; correct or remove them",
    ):
        assert told in str(caught.value)


def test_splits_by_patient_reach_their_cases():
    splits, faults = resolve_splits({"a_1": "a", "a_2": "a", "b_1": "b"}, {"a": "learn", "b": "validation"})
    assert splits == {"a_1": "learn", "a_2": "learn", "b_1": "validation"}
    assert faults == []


def test_splits_by_the_beginning_of_ids_reach_cases_whose_patients_have_other_names():
    assert resolve_splits({"p1_a": "one", "p2_a": "two"}, {"p1": "learn", "p2": "test"})[1] == []


def test_an_empty_learn_is_refused():
    with pytest.raises(SplitError, match="learn is empty"):
        assign_splits({"a": "a"}, {"a"}, {"a": "test"}, seed=0)


def test_a_table_of_patients_is_read_from_csv(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("\ufeffgroup, patient ,case\nx,p1,a\n\ny,p2, b\n", encoding="utf-8")
    assert read_patients(path) == {"a": "p1", "b": "p2"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "names nothing; wanted case,patient"),
        (b"case;patient\na;p\n", "wanted case,patient"),
        (b"case,patient\na\n", "line 2 lacks"),
        (b"case,patient\na,\n", "line 2 lacks"),
        (b"case,patient\na,p\na,q\n", "1 cases stand there more than once: a"),
        (b"case,patient\n\xff,p\n", "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, content, told):
    path = tmp_path / "patients.csv"
    path.write_bytes(content)
    with pytest.raises(SplitError, match=told):
        read_patients(path)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SplitError, match="cannot be read"):
        read_patients(tmp_path / "nowhere.csv")
