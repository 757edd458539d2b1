"""When to stop, on curves made by hand."""

import pytest

from askance.metrics.learning_curve import WORTH_DICE
from askance.server.advice import Advisor, advice_of, curve_of


def records(dice: list[float], step: int = 20, spread: float = 0.02, volumes: int = 5) -> list[dict]:
    """One record a training, on test volumes ``spread`` apart."""
    return [
        {
            "cycle": cycle,
            "labelled_slices": step * 2**cycle,
            "budget": 0.1,
            "dice": value,
            "per_volume": {f"v{k}": {"a": value + spread * (k - volumes // 2), "b": None} for k in range(volumes)},
            "estimate": None,
        }
        for cycle, value in enumerate(dice)
    ]


def estimates(dice: list[float], slices: bool = True) -> list[dict]:
    """The same without test volumes: estimates on five validation slices."""
    made = records(dice)
    for one in made:
        by_slice = {name: by_class["a"] for name, by_class in one["per_volume"].items()}
        found = {"dice": one["dice"], "low": 0.0, "high": 1.0, "n": 5, **({"slices": by_slice} if slices else {})}
        one.update(dice=None, per_volume={}, estimate=found)
    return made


def advice(made: list[dict], left: int = 30, more: int = 30) -> dict:
    return advice_of(curve_of(made), left, more)


def test_advice_is_worked_out_again_only_where_what_it_rests_on_has_changed() -> None:
    asked: list[int] = []
    advisor = Advisor(lambda: asked.append(1) or {}, seed=0)
    dice = [0.60, 0.72, 0.80, 0.86]
    for made, left, more, times in (
        (dice[:3], 30, 30, 1),
        (dice[:3], 29, 30, 1),
        (dice[:3], 29, 20, 2),
        (dice, 29, 20, 3),
        (dice, 0, 20, 4),
    ):
        assert advisor.advice(curve_of(records(made)), left, more) == advice(records(made), left, more)
        assert len(asked) == times


def test_a_curve_that_climbs_says_go_on_with_gain_and_interval() -> None:
    told = advice(records([0.60, 0.72, 0.80, 0.86]))
    assert (told["verdict"], told["stop"]) == ("go on", False)
    assert told["low"] <= told["gain"] <= told["high"]
    assert f"add {told['gain']:.3f} Dice" in told["sentence"]
    assert "5 test volumes" in told["how"]


def test_a_curve_that_is_flat_says_stop_and_why() -> None:
    told = advice(records([0.70, 0.84, 0.840, 0.840, 0.840, 0.840], spread=0.0), more=5)
    assert told["gain"] < WORTH_DICE
    assert (told["verdict"], told["stop"]) == ("stop", True)
    assert "less than half a Dice point" in told["sentence"]


def test_a_gain_smaller_than_its_uncertainty_is_called_so_and_is_no_reason_to_stop() -> None:
    told = advice(records([0.60, 0.78, 0.62, 0.74], spread=0.1))
    assert told["gain"] > WORTH_DICE
    assert told["low"] < 0
    assert (told["verdict"], told["stop"]) == ("unclear", False)
    assert "less than its uncertainty" in told["sentence"]


def test_two_trainings_never_say_stop_and_one_says_nothing() -> None:
    falling = advice(records([0.80, 0.79]))
    assert falling["verdict"] == "unclear"
    assert "add nothing" in falling["sentence"]
    assert "two trainings are too few" in falling["sentence"]
    assert "expected to add nothing; two" in falling["sentence"]
    assert advice(records([0.60, 0.80]))["verdict"] == "go on"
    assert advice(records([0.60]))["verdict"] == "early"
    assert advice([])["gain"] is None


def test_validation_slices_stand_in_for_test_volumes_and_are_paired() -> None:
    told = advice(estimates([0.60, 0.72, 0.80, 0.86]))
    assert told["verdict"] == "go on"
    assert told["gain"] == pytest.approx(advice(records([0.60, 0.72, 0.80, 0.86]))["gain"])
    assert "5 validation slices" in told["how"]
    assert advice(estimates([0.60, 0.72, 0.80, 0.86], slices=False))["verdict"] == "go on"


def test_validation_slices_are_not_taken_for_what_was_learnt_from() -> None:
    made = records([0.60, 0.72, 0.80, 0.86])
    held_out = [{**one, "labelled_slices": one["labelled_slices"] + 15, "validation_slices": 15} for one in made]
    assert curve_of(held_out) == curve_of(made)


def test_volumes_of_one_patient_are_drawn_together() -> None:
    curve = curve_of(records([0.60, 0.72, 0.80, 0.86], spread=0.05, volumes=8))
    apart = advice_of(curve, 30, 30)
    together = advice_of(curve, 30, 30, patients={f"v{k}": f"p{k // 4}" for k in range(8)})
    assert together["gain"] == apart["gain"]
    assert together["high"] - together["low"] > apart["high"] - apart["low"]


def test_a_used_up_budget_ends_it_whatever_the_curve() -> None:
    told = advice(records([0.60, 0.72, 0.80]), left=0)
    assert (told["verdict"], told["stop"]) == ("used up", True)


def test_a_training_without_more_slices_and_one_without_a_figure_are_left_out() -> None:
    made = records([0.60, 0.70, 0.78])
    twice = [*made, {**made[-1], "cycle": 3, "dice": 0.1}, {**made[-1], "cycle": 4, "dice": None}]
    assert advice(twice) == advice(made)
