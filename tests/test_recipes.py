"""Recipes of benchmarks and the sections made from their lines: what is done is known, what differs is told apart."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("benchmarks", "docs"):
        monkeypatch.syspath_prepend(ROOT / folder)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def score_options(out: Path, **more: Any) -> argparse.Namespace:
    said = {"out": out, "data": Path("d"), "fold": None, "tag": None, "training": {}, "grid": {}, **more}
    return argparse.Namespace(**said)


def write_scores(options: argparse.Namespace, seeds: list[int]) -> None:
    """The lines of ``score_quality`` over ``seeds``, of drawn rows."""
    import score_quality
    from score_figures import Row
    from studies import blank_line

    draws = np.random.default_rng(0)
    rows = [
        Row(seed, f"p{place % 6}", f"c{place % 6}", draws.random(), (False, False), {"score": draws.random()})
        for seed in seeds
        for place in range(12)
    ]
    about = {
        **blank_line("score_quality", "d"),
        **{"state": "spread5", "seeds": seeds, "tag": options.tag, "settings": score_quality._digest(options)},
    }
    score_quality._write(options, about, {"learn": [], "test": rows}, {})


def test_lines_over_more_seeds_are_written_and_shown_in_the_place_of_those_over_fewer(tmp_path: Path) -> None:
    from score_section import _shown

    options = score_options(tmp_path / "lines.jsonl")
    for seeds in ([0, 1], [0, 1, 2], [0, 1, 2]):
        write_scores(options, seeds)
    lines = read(options.out)
    assert [line["seeds"] for line in lines] == [[0, 1], [0, 1, 2]]
    assert _shown(lines) == lines[1:]


def test_scores_of_other_settings_under_the_same_tag_are_refused_and_kept_lines_without_settings_are_not(
    tmp_path: Path,
) -> None:
    import score_quality

    out = tmp_path / "lines.jsonl"
    write_scores(score_options(out), [0, 1])
    score_quality._require_same(score_options(out))
    longer = {"training": {"max_steps": 300}}
    score_quality._require_same(score_options(out, tag="long", **longer))
    with pytest.raises(SystemExit, match="holds d with other settings; name another --tag"):
        score_quality._require_same(score_options(out, **longer))
    kept = [{key: value for key, value in line.items() if key != "settings"} for line in read(out)]
    out.write_text("".join(json.dumps(line) + "\n" for line in kept))
    score_quality._require_same(score_options(out, **longer))


def test_measures_that_are_high_where_slices_are_bad_are_turned() -> None:
    import score_quality

    bad = ("missing_classes", "first", "last", "entropy")
    turned = score_quality._turned({name: np.array([0.0, 1.0]) for name in (*bad, "expected_dice")})
    assert {name: list(values) for name, values in turned.items()} == {
        **{name: [0.0, -1.0] for name in bad},
        "expected_dice": [0.0, 1.0],
    }


def test_trainings_of_other_settings_are_not_paired() -> None:
    from recipe_sections import pseudo

    same = {"dataset": "d", "fold": None, "tag": None, "base": 0.05, "seed": 0, "slice_dice": 0.7}
    lines = [
        {**same, "method": method, "settings": settings, "dice": dice}
        for method, settings, dice in (("without", "aaa", 0.80), ("with", "aaa", 0.81), ("without", "bbb", 0.60))
    ]
    assert pseudo(lines).count("| +1.00 (+1.00 to +1.00) |") == 1
    kept = [{key: value for key, value in line.items() if key != "settings"} for line in lines[:2]]
    assert "| +1.00 (+1.00 to +1.00) |" in pseudo(kept)


def test_the_side_of_a_line_stands_in_its_row() -> None:
    from recipe_sections import unlike

    lines = read(ROOT / "benchmarks/results/earlier/out_of_distribution.jsonl")[:2]
    assert "| test |" in unlike(lines)
    of_learn = unlike([{**line, "side": "learn"} for line in lines])
    assert "| learn |" in of_learn
    assert "test" not in of_learn


def test_the_section_of_a_large_study_shows_what_the_recipe_writes() -> None:
    from recipe_sections import large

    line = {"gb": 2.0, "pool_slices": 38400, "peak_mb": 119.4, "cache_seconds": 20.0, "seconds": 25.0, "commit": "abcdefgh"}
    assert large([line]).rstrip().splitlines()[-1] == "| 2.0 | 38,400 | 119 | 20 | 25 | abcdefg |"


def test_the_difference_of_two_groups_is_that_of_their_means() -> None:
    import confirmation_bias

    draws = np.random.default_rng(0)
    pool, test = ({f"p{n}": draws.random((2 + n, 2)) for n in range(4)} for _ in range(2))
    found = confirmation_bias._difference(pool, test)
    means = [confirmation_bias._summary(one)["too_high"] for one in (pool, test)]
    assert found is not None
    assert found["mean"] == means[0] - means[1]
    assert found["low"] < found["mean"] < found["high"]


def test_a_fold_of_atlases_is_written_once(tmp_path: Path) -> None:
    import atlas_fold

    options = argparse.Namespace(out=tmp_path / "lines.jsonl", data=Path("d"), hvsmr=False, fold=(0, 6))
    seen = {"case": "c", "dice": {way: [0.5] for way in atlas_fold.WAYS}, "found": True, "peak_mb": 1.0}
    for _ in range(2):
        atlas_fold._write(options, [], [{**seen, "seconds": 1.0, "processor_seconds": 1.0}])
    assert [line["method"] for line in read(options.out)] == list(atlas_fold.WAYS)


def test_other_settings_of_atlases_have_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import atlas_fold

    before = atlas_fold._digest()
    monkeypatch.setitem(atlas_fold.WAYS, "atlas", atlas_fold.WAYS["atlas-staple"])
    assert atlas_fold._digest() != before
