"""Tables of paired runs, from lines made by hand."""

from __future__ import annotations

from typing import Any

from askance.report.paired_tables import (
    against,
    by_objective,
    by_start,
    share_of_full,
    warm_and_from_scratch,
    with_and_without_d,
)

OBJECTIVES = (("plain", 0.0), ("luc", -0.02))


def line(run: str, seed: int, budget: float, dice: float, tag: str | None = None) -> dict[str, Any]:
    asks = run not in ("full", "base")
    return {
        "method": "askance" if asks else "full", "acquisition": run if asks else None, "run": run, "seed": seed,
        "budget": budget, "dice": dice, "slice_dice": dice - 0.1, "tag": tag,
    }  # fmt: skip


def test_acquisitions_are_compared_with_random_seed_by_seed() -> None:
    lines = [line(run, seed, b, 0.8 + seed / 100) for run in ("random", "score") for seed in (0, 1) for b in (0.1, 0.2)]
    lines = [one | {"dice": one["dice"] + (0.02 if one["run"] == "score" and one["budget"] == 0.2 else 0)} for one in lines]
    (row,) = against(lines, "random")
    assert row == {
        "Against random": "score", "Seeds": "2", "AUBC": "+1.00 (+1.00 to +1.00)",
        "AUBC, over seeds and patients": "–", "Final Dice": "+2.00 (+2.00 to +2.00)",
        "AUBC over voxels corrected": "–", "AUBC over voxels asked": "–",
    }  # fmt: skip


def test_a_seed_that_random_lacks_or_reached_other_budgets_in_is_no_pair() -> None:
    lines = [line("random", 0, 0.1, 0.8), line("score", 1, 0.1, 0.9), line("d_raw", 0, 0.2, 0.9)]
    assert against(lines, "random") == []
    assert against([line("score", 0, 0.1, 0.9)], "random") == []


def test_full_supervision_with_and_without_d_is_paired_by_the_tag() -> None:
    lines = [line("full", s, 1.0, 0.91 - s / 1000, tag) for s in (0, 1, 2) for tag in (None, "noadv", "short")]
    lines[1]["dice"] += 0.03
    (row,) = with_and_without_d(lines)
    assert row["Seeds"] == "3"
    assert row["Dice"].startswith("-1.00 (")
    assert row["Slice Dice"] == "+0.00 (+0.00 to +0.00)"
    assert with_and_without_d(lines[:1]) == []


def test_dice_is_compared_over_what_the_expert_corrected_too() -> None:
    """The same curve over the budget for half of the corrections: ahead wherever both have spent as much."""
    lines = []
    for run, corrected in (("random", 200), ("score", 100)):
        for number, (budget, dice) in enumerate(((0.1, 0.8), (0.2, 0.82), (0.3, 0.84))):
            effort = {"slices": 4, "changed_voxels": corrected if number else 999, "area_voxels": 500}
            lines.append(line(run, 0, budget, dice) | {"effort": effort})
    (row,) = against(lines, "random")
    assert (row["AUBC"], row["AUBC over voxels asked"]) == ("+0.00", "+0.00")
    assert row["AUBC over voxels corrected"] == "+1.00", "0.82 on the mean where random has 0.81"
    assert row["Corrected, of the other's"] == "50.0 %"


def test_cycles_are_paired_with_the_same_ones_trained_from_scratch() -> None:
    lines = []
    for tag, better, seconds in (("cold", 0.0, 300.0), (None, 0.01, 100.0), ("short-cold", 0.5, 1.0)):
        for seed in (0, 1):
            for cycle, budget in enumerate((0.1, 0.2)):
                made = line("random", seed, budget, 0.8 + better * bool(cycle), tag)
                lines.append(made | {"cycle": cycle, "seconds_by_step": {"train": seconds}})
    (row,) = warm_and_from_scratch(lines)
    assert row == {
        "Settings": "default", "Asked by": "random", "Labelled": "20.0 %", "Seeds": "2",
        "Dice, warm - from scratch": "+1.00 (+1.00 to +1.00)", "Slice Dice": "+1.00 (+1.00 to +1.00)",
        "Time of the training": "33.3 %",
    }  # fmt: skip


def test_a_budget_is_told_as_a_share_of_full_supervision() -> None:
    lines = [line("full", seed, 1.0, 0.9) for seed in (0, 1)] + [
        line("random", seed, 0.05, 0.85 + seed / 50) for seed in (0, 1)
    ]
    (row,) = share_of_full(lines)
    assert (row["Labelled"], row["Seeds"], row["Dice"], row["Of full supervision"]) == ("5.0 %", "2", "0.860", "95.6 %")
    assert share_of_full(lines[2:]) == []


def test_objectives_stand_beside_plain_supervision_of_the_same_bases() -> None:
    lines = [line("base", s, 0.05, 0.85 + s / 100 + more, f"objective-{o}") for o, more in OBJECTIVES for s in (0, 1)]
    rows = {row["Objective"]: row for row in by_objective([*lines, line("base", 0, 0.05, 0.1, "short")])}
    assert rows["plain"]["Dice"] == "0.855 ± 0.007"
    assert rows["plain"]["Dice - plain"] == "–"
    assert rows["luc"]["Dice - plain"] == "-2.00 (-2.00 to -2.00)"
    assert rows["luc"]["Labelled"] == "5.0 %"


def test_the_first_slices_are_held_against_random_ones_seed_by_seed() -> None:
    ways = (("random", 0.0), ("spread", 0.01))
    lines = [line("base", s, 0.025, 0.8 + s / 100 + more, f"start-{way}") for way, more in ways for s in (0, 1)]
    random, spread = by_start([*lines, line("base", 0, 0.05, 0.1, "objective-plain")])
    assert (random["First slices"], random["Dice - random"]) == ("random", "–")
    assert spread["Slice Dice - random"] == "+1.00 (+1.00 to +1.00)"


def test_the_interval_over_patients_is_wide_where_they_disagree() -> None:
    """Two patients gain and lose the same with every seed: seeds alone agree, patients do not."""

    def lines(gains: dict[str, float]) -> list[dict[str, Any]]:
        made = []
        for run in ("random", "cover"):
            for seed in range(20):
                for budget in (0.1, 0.2):
                    dice = {who: [0.8 + (gain if run == "cover" else 0)] for who, gain in gains.items()}
                    mean = sum(of[0] for of in dice.values()) / len(dice)
                    made.append(line(run, seed, budget, mean) | {"dice_by_patient": dice})
        return made

    (row,) = against(lines({"a": 0.02, "b": 0.02}), "random")
    assert row["AUBC, over seeds and patients"] == "+2.00 (+2.00 to +2.00)"
    some = lines({"a": 0.02, "b": 0.02})
    for number, one in enumerate(some):  # a volume without a Dice at some budgets, which is no one's gain
        one["dice_by_patient"] = {**one["dice_by_patient"], "b": [None if number % 2 else 0.1, *one["dice_by_patient"]["b"]]}
    (row,) = against(some, "random")
    assert row["AUBC, over seeds and patients"] == "+2.00 (+2.00 to +2.00)"
    (row,) = against(
        [{**one, "dice_by_patient": {"a": [0.5], **({} if one["budget"] > 0.1 else {"b": [0.5]})}} for one in some], "random"
    )
    assert row["AUBC, over seeds and patients"] == "–"
    (row,) = against(lines({"a": 0.08, "b": -0.04}), "random")
    assert row["AUBC"] == "+2.00 (+2.00 to +2.00)"
    low, high = (float(one) for one in row["AUBC, over seeds and patients"].split("(")[1].rstrip(")").split(" to "))
    assert (low, high) == (-4, 8), "however many seeds: they don't say more of two patients"
