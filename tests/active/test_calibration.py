"""The score learns from answers how far predictions may be believed."""

import numpy as np
import pytest

from askance.active.answered import answered_pairs
from askance.active.calibration import FEATURES, LEAN, Calibration, estimate, fit
from askance.active.experts import expert_of
from askance.active.loop import collaborate
from made_studies import make_study, write_dataset


def _seen(count, seed=0, **given):
    """Features of ``count`` slices of a model of very many patients, at random but for those given."""
    rng = np.random.default_rng(seed)
    rows = [
        {name: float(middle + spread * rng.normal()) for name, (middle, spread) in FEATURES.items()} for _ in range(count)
    ]
    for row in rows:
        row |= {"continued_dice": float(rng.uniform(0.2, 0.9)), "scarcity": 0.0, **given}
        row |= {"borne_out": row["continued_dice"], **given}  # as of a model that never learnt from its own labels
    return rows


def test_without_answers_the_score_is_the_expected_dice():
    seen = _seen(20)
    assert fit([], []) == LEAN
    np.testing.assert_allclose(estimate(LEAN, seen), [row["continued_dice"] for row in seen], atol=1e-12)


def test_half_of_the_score_is_what_was_said_before_a_model_taught_itself():
    seen = _seen(20, continued_dice=0.9, borne_out=0.4)
    np.testing.assert_allclose(estimate(LEAN, seen), 0.65)


def test_a_model_that_is_too_sure_of_itself_is_believed_less():
    seen = _seen(40, agreement=0.9)
    dice = [max(0.0, row["continued_dice"] - 0.2) for row in seen]
    fresh = _seen(50, seed=1, agreement=0.9)
    off = estimate(fit(seen, dice), fresh) - [row["continued_dice"] - 0.2 for row in fresh]
    assert abs(float(np.mean(off))) < 0.05


def test_the_fewer_patients_a_model_has_learnt_from_the_less_it_is_believed():
    seen = _seen(20, continued_dice=0.8)
    means = [float(estimate(LEAN, [{**row, "scarcity": patients**-0.5} for row in seen]).mean()) for patients in (1, 9, 100)]
    assert means == pytest.approx([0.8 - 0.17, 0.8 - 0.17 / 3, 0.8 - 0.017])


def test_what_one_patient_s_model_got_wrong_says_less_of_a_model_of_nine():
    base = _seen(40, scarcity=1.0)
    learnt = fit(base, [max(0.0, row["continued_dice"] - 0.4) for row in base])
    fresh = _seen(50, seed=1, continued_dice=0.8)

    def taken_off(patients):
        return 0.8 - float(estimate(learnt, [{**row, "scarcity": patients**-0.5} for row in fresh]).mean())

    assert 0.3 < taken_off(1) < 0.45
    assert 0.1 < taken_off(9) < 0.25


def test_slices_that_were_missed_altogether_do_not_lower_all_others():
    seen = _seen(60)
    dice = [0.0 if place % 10 == 0 else row["continued_dice"] for place, row in enumerate(seen)]
    fresh = _seen(50, seed=1)
    off = estimate(fit(seen, dice), fresh) - [row["continued_dice"] for row in fresh]
    assert -0.03 < float(np.median(off)) < 0.01


def test_what_answers_show_to_matter_comes_to_count():
    seen = [{**row, "first": float(place % 2)} for place, row in enumerate(_seen(60))]
    dice = [row["continued_dice"] * (0.2 if row["first"] else 1.0) for row in seen]
    fresh = _seen(1)[0]
    low, high = estimate(fit(seen, dice), [{**fresh, "first": 1.0}, {**fresh, "first": 0.0}])
    assert low < high - 0.2


def test_a_slice_that_is_empty_in_prediction_and_answer_teaches_nothing():
    seen = _seen(4)
    assert fit(seen, [float("nan")] * 4) == LEAN
    assert fit(seen, [0.5, float("nan"), 0.7, float("nan")]) == fit([seen[0], seen[2]], [0.5, 0.7])
    assert fit(seen, [0.5, float("nan"), 0.7, float("nan")]).pairs == 2


def test_scores_stay_in_the_unit_interval_whatever_was_learnt():
    wild = Calibration((3.0, *(-5.0 for _ in FEATURES)), 1)
    scores = estimate(wild, _seen(100))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert estimate(wild, []).shape == (0,)


def test_each_cycle_s_model_knows_what_the_answers_before_it_showed(tmp_path):
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        collaborate(study, expert_of(study))
        models = [study.store.model(f"cycle-{number:03d}") for number in range(3)]
        assert [len(answered_pairs(study, number)[0]) for number in range(3)] == [0, 2, 4]
        assert Calibration.from_info(models[0].info) == LEAN
        seen, dice = answered_pairs(study, 2)
        assert Calibration.from_info(models[2].info) == fit(seen, dice)
        assert models[2].info["calibration"]["pairs"] == np.isfinite(dice).sum() > 0


@pytest.mark.parametrize("info", [{}, {"calibration": None}, {"calibration": {"weights": [0.1] * 7, "pairs": 9}}])
def test_a_model_that_says_nothing_of_it_has_the_lean(info):
    assert Calibration.from_info(info) == LEAN
