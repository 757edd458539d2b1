"""docs/generate.py makes an experiment's section and pictures from nothing but its lines."""

import json
from pathlib import Path

import pytest
from made_lines import made_experiment


def test_every_paper_file_becomes_a_section_with_table_1_and_two_pictures(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    import generate

    (tmp_path / "images").mkdir()
    monkeypatch.setattr(generate, "RESULTS", tmp_path)
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert "The paper's experiments" not in generate.benchmarks_page()
    for name in ("paper_a", "paper_b"):
        lines = [{**line, "dataset": name} for line in made_experiment()]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = generate.benchmarks_page()
    assert page.count("Table 1, average:") == 2
    assert "| paper, d_raw | 0.460 ± 0.010 (0.071) |" in page
    generate.write_curves(tmp_path)
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert pictures == [f"paper-{kind}-paper_{data}.svg" for kind in ("shares", "trust") for data in "ab"]
    assert all(f"images/{picture})" in page for picture in pictures)
