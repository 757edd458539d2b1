import json

import pytest
from made_lines import made_experiment

from askance.errors import FormatError
from askance.report.benchmarks import benchmark_table, read_jsonl, summarise
from askance.report.paper_page import sections
from askance.report.plots import benchmark_curves


def line(method="askance", seed=0, budget=0.1, dice=0.87, **more):
    return {
        "dataset": "phantom", "method": method, "acquisition": "score", "seed": seed, "budget": budget, "dice": dice, **more
    }  # fmt: skip


def test_results_are_read_back_as_written(tmp_path):
    path = tmp_path / "active.jsonl"
    path.write_text("\n".join([json.dumps(line()), "", json.dumps(line(seed=1))]) + "\n")
    assert read_jsonl(path) == [line(), line(seed=1)]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not a line of JSON"), ("[1]", "found list"), ('{"dataset": "a"}', "lacks method")]
)
def test_a_broken_line_is_named_by_file_and_number(tmp_path, text, message):
    path = tmp_path / "active.jsonl"
    path.write_text(json.dumps(line()) + "\n" + text + "\n")
    with pytest.raises(FormatError, match=rf"active\.jsonl:2: .*{message}"):
        read_jsonl(path)


def test_lines_of_bench_paper_that_lack_what_its_tables_read_are_named_by_file_and_number(tmp_path):
    path, lines, optional = tmp_path / "paper.jsonl", made_experiment(), set()
    for key in lines[0]:
        less = [*lines[1:], {name: value for name, value in lines[0].items() if name != key}]
        path.write_text("\n".join(map(json.dumps, less)))
        try:
            assert sections(read_jsonl(path))
        except FormatError as error:
            assert f"paper.jsonl:{len(lines)}: lacks {key};" in str(error)  # noqa: PT017
        else:
            optional.add(key)
    assert optional == {"bench", "tag", "trial"}


def test_a_file_that_is_no_text_is_a_format_error(tmp_path):
    path = tmp_path / "active.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match=r"active\.jsonl"):
        read_jsonl(path)


def test_the_folds_of_a_seed_are_averaged_before_the_spread_over_seeds():
    results = [line(seed=0, fold=0, dice=0.8), line(seed=0, fold=1, dice=0.9), line(seed=1, dice=0.87)]
    (one,) = summarise(results)
    assert one.mean == pytest.approx(0.86)
    assert one.sd == pytest.approx(0.01 * 2**0.5)
    assert (one.seeds, one.lines) == (2, 3)


def test_lines_without_a_dice_are_left_out_and_one_seed_has_no_spread():
    (one,) = summarise([line(dice=None), line()])
    assert one.sd is None


def test_the_table_has_a_column_a_budget():
    results = [line(seed=s, dice=0.86 + 0.02 * s) for s in (0, 1)]
    results += [line(budget=0.05, dice=0.8), line(method="full", budget=1.0, dice=0.9), line(method="x", budget=None)]
    rows = benchmark_table(summarise(results))
    assert rows[0] == {
        "Data set": "phantom",
        "Method": "askance",
        "Acquisition": "score",
        "No budget": "–",
        "5 %": "0.800 (1)",
        "10 %": "0.870 ± 0.014 (2)",
        "100 %": "–",
    }
    assert rows[1]["100 %"] == "0.900 (1)"
    assert rows[2]["No budget"] == "0.870 (1)"
    for row in rows:
        assert list(row)[3:] == ["No budget", "5 %", "10 %", "100 %"]


def test_the_curves_are_svg_and_the_same_each_time():
    summaries = summarise([line(), line(seed=1, dice=0.9), line(budget=0.2), line(method="isola")])
    svg = benchmark_curves(summaries, "phantom")
    assert svg.startswith(b"<?xml")
    assert svg == benchmark_curves(summaries, "phantom")
