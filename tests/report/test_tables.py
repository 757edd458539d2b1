import math

import pytest
from made_reports import correlation, report_data, without_truth

from askance.report import tables, wording
from askance.report.data import ScoredSlice


def test_the_budget_table_has_a_row_a_cycle():
    rows = tables.budget_table(report_data().cycles)
    assert [row["Dice"] for row in rows] == ["0.741", "0.822", "0.856", "0.872"]
    assert rows[-1] == {
        "Cycle": "3",
        "Labelled": "113",
        "Budget": "10.0 %",
        "Queried": "7.5 %",
        "Dice": "0.872",
        "Slice Dice": "0.822",
        "Score r": "0.84",
        "Score error": "0.077",
        "Pseudo-labelled": "821",
        "Time": "7 min",
    }


def test_the_budget_table_shows_estimates_where_nothing_else_is_known():
    row = tables.budget_table(without_truth().cycles)[0]
    assert row["Estimated slice Dice"] == "0.720 (0.67 to 0.76)"
    assert "Dice" not in row


def test_a_step_that_one_cycle_did_not_take_is_a_dash():
    first, second, *_ = report_data().cycles
    rows = tables.time_table([first, {**second, "seconds": {**second["seconds"], "query": 3.0}}])
    assert [row["Query"] for row in rows] == ["–", "3 s"]


def test_an_expert_who_labelled_nothing_corrected_no_share_of_it():
    cycle = {**report_data().cycles[0], "effort": {"slices": 0, "changed_voxels": 0, "area_voxels": 0}}
    assert tables.effort_table([cycle])[0]["Corrected / labelled"] == "–"


def test_the_trust_table_sorts_slices_by_score_and_leaves_out_those_without_a_dice():
    scored = [ScoredSlice(str(s), 0, s, d) for s, d in [(1.0, 0.9), (0.8, 0.5), (0.5, 0.6), (0.1, None)]]
    rows = tables.trust_table(scored)
    assert [row["Slices"] for row in rows] == ["2", "1", "0"]
    assert [row["Mean true Dice"] for row in rows] == ["0.700", "0.600", "–"]
    assert rows[0]["Dice below 0.7"] == "50.0 %"


def test_markdown_keeps_every_column_and_escapes_bars():
    text = tables.markdown([{"A": "x|y", "B": "1"}, {"A": "z", "C": "2"}])
    assert text.splitlines() == ["| A | B | C |", "| --- | ---: | ---: |", "| x\\|y | 1 | – |", "| z | – | 2 |"]
    assert tables.markdown([]) == ""


@pytest.mark.parametrize(
    ("r", "verdict"), [(0.9, "close"), (0.7, "useful guide"), (0.4, "weak"), (-0.3, "guessing"), (None, "cannot be said")]
)
def test_the_sentence_on_trust_follows_the_correlation(r, verdict):
    cycle = {**report_data().cycles[0], "correlation": {"slice": correlation(r), "volume": correlation(r)}}
    assert verdict in wording.trust(cycle)


def test_a_correlation_has_its_interval_over_patients_or_owns_up_to_its_p():
    found = correlation(0.84)
    assert wording.correlation(found) == "r = 0.84 (95 % interval over patients 0.80 to 0.88), ρ = 0.84"
    told = wording.correlation({**found, "interval": None})
    assert told.startswith("r = 0.84 (p < 0.001), ρ = 0.84 (p < 0.001), p as if")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "< 1 s"), (42, "42 s"), (119, "2 min"), (3599, "1 h 00 min"), (3900, "1 h 05 min")]
)
def test_durations_are_said_as_people_do(seconds, words):
    assert wording.duration(seconds) == words


def test_what_has_no_value_is_a_dash():
    assert wording.decimal(None) == wording.decimal(math.nan) == wording.percent(None) == "–"
    assert wording.p_value(0.0) == "p < 0.001"
    assert wording.p_value(None) == "p not defined"


def test_a_study_with_nothing_to_measure_on_says_so():
    data = without_truth()
    last = {**data.cycles[-1], "estimate": None}
    assert "cannot be said" in wording.headline(type(data)(study=data.study, cycles=(last,)))
