"""What an experiment's tables and pictures say is what its lines hold."""

import pytest
from made_lines import made_experiment, made_line
from matplotlib.figure import Figure
from scipy import stats

from askance.metrics.correlation import correlate
from askance.report import experiment as ex
from askance.report import paper_plots
from askance.report.paper_page import groups, sections
from askance.report.paper_plots import budget_curves, trust_clouds
from askance.report.paper_tables import budget_row, comparison_table, figures_table, reached_table, table1, trust_rows
from askance.report.published import CORRELATION, PROPOSED, SUPERVISED

D_RAW, RANDOM = ex.Variant("paper", "d_raw", False, 1), ex.Variant("paper", "random", False, 1)


def test_curves_are_told_apart_and_their_ends_found() -> None:
    lines = made_experiment()
    assert ex.variants(lines) == [D_RAW, RANDOM]
    assert ex.shares(lines) == [0.2, 0.8]
    assert {line["method"] for line in ex.of_variant(lines, D_RAW, 1.0)} == {"isola"}
    assert {line["share"] for line in ex.of_variant(lines, D_RAW, 0.0)} == {0.0}
    assert len(ex.of_variant(lines, D_RAW, 0.2)) == 6


def test_a_fold_is_one_number_and_the_spread_of_its_bases_is_kept_apart() -> None:
    found = ex.spread(ex.of_variant(made_experiment(), D_RAW, 0.0))
    assert found is not None
    assert found.mean == pytest.approx(0.46)  # (0.4 + 0.5) / 2, and 0.01 a fold
    assert found.folds == pytest.approx(0.01)
    assert found.bases == pytest.approx(0.1 / 2**0.5)
    assert found.n == 3
    assert ex.spread([]) is None
    assert ex.spread([made_line(dice=0.5, abd_mm=None)], lambda line: line["abd_mm"]) is None


def test_an_acquisition_is_paired_with_random_of_the_same_folds() -> None:
    compared = ex.against_random(made_experiment())
    assert [(one.first, one.share) for one in compared] == [("paper, d_raw", 0.2), ("paper, d_raw", 0.8)]
    assert all(one.paired.mean == pytest.approx(0.02) and one.paired.n == 3 for one in compared)


def test_bases_and_seeds_that_only_one_side_has_are_in_no_difference() -> None:
    """A run that was stopped half way: fold 2 has a second base of random alone, and it is a lucky one."""
    asked = {"share": 0.2, "pseudo": False, "cycles": 1}
    lines = [
        made_line(fold=fold, dice=0.5 + better + 0.3 * base, acquisition=name, base=base, **asked)
        for fold in range(3)
        for base in range(2)
        for name, better in (("d_raw", 0.02), ("random", 0.0))
        if (fold, base, name) != (2, 1, "d_raw")
    ]
    (compared,) = ex.against_random(lines)
    assert compared.paired.mean == pytest.approx(0.02)
    assert compared.paired.low == pytest.approx(0.02)
    full = [made_line("isola", 1.0, fold, 0.8, seed=seed) for fold in range(3) for seed in range(fold, 2)]
    assert {one.paired.n for one in ex.against_full([*lines, *full])} == {1}  # seed 0 of fold 0 is all that they share


def test_a_distance_that_one_side_lacks_is_in_no_difference() -> None:
    """Base 1 has a distance of random alone, and a long one."""
    asked = {"share": 0.1, "pseudo": True, "cycles": 1}
    far = {("d_raw", 0): 2.0, ("d_raw", 1): None, ("random", 0): 2.0, ("random", 1): 10.0}
    lines = [
        made_line(fold=fold, acquisition=name, base=base, abd_mm=abd_mm, **asked)
        for fold in range(2)
        for (name, base), abd_mm in far.items()
    ]
    (compared,) = ex.against_random(lines)
    assert compared.others["abd_mm"].mean == 0


def test_tests_over_folds_allow_for_what_these_share() -> None:
    asked = {"share": 0.1, "pseudo": True, "cycles": 1}
    gains = (0.01, 0.02, 0.03)
    lines = [
        made_line(fold=fold, dice=0.5 + (gain if name == "d_raw" else 0.0), acquisition=name, folds=10, **asked)
        for fold, gain in enumerate(gains)
        for name in ("d_raw", "random")
    ]
    (compared,) = ex.against_random(lines)
    reach = stats.t.ppf(0.975, 2) * 0.01 * (1 / 3 + 1 / 9) ** 0.5  # three folds of ten were run
    assert compared.paired.high - compared.paired.mean == pytest.approx(reach)


def test_the_smallest_share_that_reaches_full_supervision_is_named_or_none() -> None:
    rows = reached_table(ex.against_full(made_experiment()))
    assert [(row["Who"], row["Smallest share"]) for row in rows] == [
        ("paper, d_raw", "80 %"),
        ("paper, random", "none of those tried"),
    ]
    assert rows[0]["Full supervision"] == "isola"


def test_a_curve_is_compared_with_its_own_full_supervision_and_with_the_cgans_and_these_with_one_another() -> None:
    ours = [made_line("full", 1.0, fold, 0.9) for fold in range(3)]
    asked = {"acquisition": "score", "pseudo": True, "cycles": 1}
    ours += [made_line("askance", 0.2, fold, 0.87, **asked) for fold in range(3)]
    found = [one for one in ex.against_full([*made_experiment(), *ours]) if one.first.startswith("askance")]
    assert [(one.second, round(one.paired.mean, 3)) for one in found] == [("full", -0.03), ("isola", 0.01)]
    assert list(ex.reached(found)) == [("askance, score, pseudo-labels", "isola")]
    among = {(one.first, one.second): one.paired for one in ex.among_full([*made_experiment(), *ours])}
    assert among["full", "isola"].mean == pytest.approx(0.04)
    assert among["densevoxnet", "full"].n == 1


def test_table_1_has_the_papers_rows_over_ours_and_a_dash_where_nothing_was_tried() -> None:
    rows = {row["Dice"]: row for row in table1(made_experiment(), "average")}
    assert rows["*published: proposed*"]["80 %"] == "0.85"
    assert rows["*published: Yu 2017*"]["100 %"] == "0.88"
    assert rows["paper, d_raw"]["20 %"] == "0.620 ± 0.010 (0.014)"
    assert rows["paper, d_raw"]["50 %"] == "–"
    assert rows["paper, d_raw"]["100 %"] == rows["isola"]["100 %"] == "0.860 ± 0.010"
    assert rows["densevoxnet"]["100 %"] == "0.880, 1 fold"
    (myocardium,) = [row for row in table1(made_experiment(), "blood_pool") if row["Dice"] == "*published: proposed*"]
    assert myocardium["10 %"] == "0.86"
    assert not any("published" in row["Dice"] for row in table1(made_experiment(), "ventricle"))


def test_the_published_table_is_consistent_with_itself() -> None:
    """Their averages are rounded means of the two structures, as printed in the paper's Table 1."""
    for share, average in PROPOSED["average"].items():
        assert abs(average - (PROPOSED["myocardium"][share] + PROPOSED["blood pool"][share]) / 2) <= 0.0101
    for figures in SUPERVISED.values():
        assert abs(figures["average"] - (figures["myocardium"] + figures["blood pool"]) / 2) <= 0.0101


def test_in_the_papers_own_table_dice_goes_with_the_share_of_labels_as_its_sentence_says_of_the_score() -> None:
    """Why r = 0.98 can have been meant per budget (docs/experiments.md)."""
    for name in ("average", "myocardium"):
        assert round(correlate(list(PROPOSED[name]), list(PROPOSED[name].values())).pearson, 2) == CORRELATION


def test_the_budget_with_the_base_stands_under_the_shares() -> None:
    (row,) = budget_row(made_experiment())
    assert {key: row[key] for key in ("0 %", "20 %", "80 %", "100 %")} == {
        "0 %": "10.0 %", "20 %": "30.0 %", "80 %": "90.0 %", "100 %": "100.0 %"
    }  # fmt: skip


def test_all_figures_have_a_row_a_share_with_distances_and_what_has_none() -> None:
    rows = {(row["Method"], row["Share"]): row for row in figures_table(made_experiment())}
    row = rows["paper, d_raw", "20 %"]
    assert (row["Dice"], row["ABD (mm)"], row["Missed a trial"]) == ("0.620 ± 0.010", "2.00 ± 0.00", "1.0")
    assert (row["Folds"], row["Lines"], row["Not found"]) == ("3", "6", "–")
    assert (row["blood_pool: Dice"], row["blood_pool: ABD"]) == ("0.720 ± 0.010", "–")
    assert ("paper, base", "0 %") in rows
    assert ("isola", "100 %") in rows


def test_correlations_say_what_their_pairs_are() -> None:
    lines = made_experiment()
    found = {(one.who, one.of, one.level): one.found for one in ex.trusts(lines)}
    assert found["paper, base", "score", "slice"].n == 12  # two slices with a Dice in each of six lines
    assert found["paper, base", "score", "slice"].pearson == pytest.approx(1.0)
    assert found["paper, base", "d_raw", "volume"].n == 6
    assert found["paper, d_raw", "score", "budget"].n == 4  # the base, two shares, full supervision
    assert not any(who == "densevoxnet" for who, *_ in found)
    first, *others = trust_rows(ex.trusts(lines))
    assert first["Pearson"].startswith("0.98"), "the paper's own, beside which ours stand"
    assert {row["A pair is a"] for row in others} == {"slice", "volume", "budget"}


def test_points_of_one_curve_are_of_the_same_folds_and_cells_of_fewer_say_so() -> None:
    """A stopped run has its bases and ends over more folds than its shares."""
    lines = [one for one in made_experiment() if not (one["share"] == 0.2 and one["fold"] > 0)]
    lines += [made_line("paper", 0.0, 3, 0.9, base=0), made_line("isola", 1.0, 3, 0.1)]
    curve = ex.curve(lines, D_RAW)
    assert {share: {one["fold"] for one in found} for share, found in curve.items()} == {
        share: {0, 1, 2} for share in (0.0, 0.8, 1.0)
    }
    found = {(one.who, one.of, one.level): one.found for one in ex.trusts(lines)}
    assert found["paper, d_raw", "score", "budget"].n == 3
    rows = {row["Dice"]: row for row in table1(lines, "average")}
    assert rows["paper, d_raw"]["20 %"].endswith(", 1 fold")
    assert rows["paper, d_raw"]["80 %"].endswith(", 3 folds"), "both ends have four"
    assert reached_table(ex.against_full(lines))[0]["Folds"] == "3"


def test_other_figures_are_compared_beside_the_dice() -> None:
    (row, *_) = comparison_table(ex.against_random(made_experiment()))
    assert row["Slice Dice"].startswith("+0.020 (p ")
    assert row["ABD (mm)"].startswith("+0.000")


def test_hearts_that_were_not_found_are_named() -> None:
    lines = [made_line("atlas", 1.0, 0, 0.7, failures=[{"case": "v0", "agreement": 0.1, "correlation": 0.2}])]
    assert figures_table(lines)[0]["Not found"] == "v0"


def test_per_budget_a_pair_is_a_share() -> None:
    lines = made_experiment()
    by_share = [ex.of_variant(lines, D_RAW, share) for share in (0.0, 0.2, 0.8)]
    pairs = ex.budget_pairs(by_share, "score")
    assert len(pairs) == 3
    assert [dice for _, dice in pairs] == pytest.approx([0.46, 0.62, 0.87])


def test_data_sets_and_tags_have_sections_of_their_own_and_other_benches_none() -> None:
    lines = [*made_experiment(), made_line(tag="short"), {"bench": "budget_curve"}]
    assert list(groups(lines)) == [("made", ""), ("made", "short")]
    text = dict(sections(lines))["made", ""]
    assert text.startswith("### made\n\n3 of 3 folds, up to 90 slices")
    assert text.index("Table 1, average") < text.index("Table 1, myocardium") < text.index("Table 1, blood pool")
    assert "Against random, paired by fold" in text
    assert "published rows are HVSMR 2016" in text
    assert "all its shares together" in text
    assert "p takes pairs for independent" in text
    assert "Against random" not in dict(sections(lines))["made", "short"]


def test_pictures_are_svg_and_the_same_each_time() -> None:
    lines = made_experiment()
    for picture in (budget_curves, trust_clouds):
        svg = picture(lines, "made")
        assert svg.startswith(b"<?xml")
        assert svg == picture(lines, "made")
    assert b"paper, d_raw" in budget_curves(lines, "made") or b"<g id=" in budget_curves(lines, "made")


def test_no_words_over_a_cloud_reach_out_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def overhang(figure: Figure) -> float:
        figure.canvas.draw()
        titles = [axes.title if axes.title.get_text() else axes._left_title for axes in figure.axes]
        return max(title.get_window_extent().x1 for title in titles) - figure.bbox.x1

    monkeypatch.setattr(paper_plots, "as_svg", overhang)
    asked = {"acquisition": "foreground-random", "pseudo": True, "cycles": 4}
    lines = [made_line(method, share, fold, 0.7 + share / 10, **asked) for method in ("paper", "askance")
             for share in (0.2, 0.8) for fold in range(3)]  # fmt: skip
    assert trust_clouds(lines, "made") < 0


def test_pictures_of_a_single_line_are_drawn_too() -> None:
    for picture in (budget_curves, trust_clouds):
        assert picture([made_line(share=0.0)], "made").startswith(b"<?xml")
