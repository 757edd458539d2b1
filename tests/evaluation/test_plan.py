"""Which trials there are, who is tested on when, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_experiments import make_plan

from askance.errors import UsageError
from askance.evaluation import plan
from askance.evaluation.folds import draw_base_patients, draw_folds
from askance.evaluation.plan import Trial
from askance.report import experiment as report


@given(st.sets(st.text("abc", min_size=1), min_size=2, max_size=30), st.integers(2, 10), st.integers(0, 9))
def test_every_patient_is_tested_on_once_in_folds_of_nearly_one_size(patients, count, seed):
    if len(patients) < count:
        with pytest.raises(UsageError, match="at most a fold a patient"):
            draw_folds(patients, count, seed)
        return
    folds = draw_folds(patients, count, seed)
    assert sorted(patient for fold in folds for patient in fold) == sorted(patients)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert folds == draw_folds(sorted(patients, reverse=True), count, seed)


def test_more_base_patients_keep_the_first_and_another_fold_or_seed_draws_others():
    learn = [f"p{number}" for number in range(20)]
    three = draw_base_patients(learn, 3, fold=0, seed=0)
    assert len(set(three)) == 3
    assert draw_base_patients(learn, 2, fold=0, seed=0) == three[:2]
    assert len({draw_base_patients(learn, 3, fold, seed) for fold in range(3) for seed in range(3)}) > 5
    with pytest.raises(UsageError, match="fold 4 has 20 patients"):
        draw_base_patients(learn, 21, fold=4, seed=0)


def test_one_fold_is_refused():
    with pytest.raises(UsageError, match="at least 2"):
        draw_folds(["a", "b"], 1)


def test_a_plan_has_both_ends_and_random_beside_every_acquisition():
    plan = make_plan(
        methods=("paper", "constant"), acquisitions=("d_raw",), shares=(0.1, 0.2), folds=(0, 1), pseudo=(True, False)
    )
    first, second = plan.stages()
    assert [one.name for one in first if one.fold == 0] == ["paper-f0-s0-b0", "isola-f0-s0", "constant-f0-s0"]
    assert len(second) == 2 * 2 * 2 * 2  # folds, shares, acquisitions, pseudo
    asked = {(one.fold, one.share, one.pseudo, one.acquisition) for one in second}
    assert {(*key, "random") for key in {one[:3] for one in asked}} <= asked
    assert len({one.name for one in first + second}) == len(first + second)
    assert all(one.its_base() in first for one in second)


def test_a_trial_is_named_by_all_that_tells_it_apart():
    trial = Trial("askance", 3, 1, 2, "score-power", 0.125, 4, pseudo=True)
    assert trial.name == "askance-f3-s1-b2-score-power-k12.5-n4-pseudo"
    assert trial.its_base().name == "askance-f3-s1-b2"


def test_every_fold_seed_and_base_starts_from_weights_of_its_own_and_what_one_base_asks_from_the_same():
    plan = make_plan(methods=("paper", "constant"), folds=(0, 1), seeds=(0, 1), base_patients=2, shares=(0.1, 0.2))
    first, second = plan.stages()
    bases = [one for one in first if one.is_base]
    assert len({one.draw for one in bases}) == len(bases) == 8
    assert all(one.draw == one.its_base().draw for one in second)
    full = [one for one in first if one.base is None]
    assert len({one.draw for one in full}) == 4  # by fold and seed, the same for each method
    assert all(0 <= one.draw < 2**31 for one in first)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"shares": (0.5, 0.2)}, "the shares are 50, 20 %; wanted them rising"),
        ({"shares": (0.5, 0.5)}, "each once"),
        ({"shares": (0.5, 1.5)}, "between 0 and 100"),
        ({"acquisitions": ("best",)}, "acquisition 'best' is not known"),
        ({"methods": ()}, "methods are"),
        ({"seeds": (1, 1)}, "seeds are"),
        ({"cycles": (0,)}, "cycles from 1"),
        ({"folds": (-1,)}, "others from 0"),
    ],
)
def test_what_makes_no_plan_is_refused(said, message):
    with pytest.raises(UsageError, match=message):
        make_plan(**said)


def test_the_report_knows_the_same_ends_as_the_plan():
    """The report may not know the experiment's room, so it names them for itself."""
    assert report.ENDS == plan.ENDS
