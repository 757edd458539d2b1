"""docs/generate.py makes an experiment's section and pictures from nothing but its lines."""

import json
from pathlib import Path

import pytest
from made_lines import made_experiment, made_line


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The generator, whose results and pictures lie in ``tmp_path``."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "docs")
    import generate

    (tmp_path / "images").mkdir()
    monkeypatch.setattr(generate, "RESULTS", tmp_path)
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    return generate


def write_lines(path: Path, lines) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_every_paper_file_becomes_a_section_with_table_1_and_two_pictures(tmp_path, generate) -> None:
    assert "The paper's experiments" not in generate.benchmarks_page()
    for name in ("paper_a", "paper_b"):
        write_lines(tmp_path / f"{name}.jsonl", [{**line, "dataset": name} for line in made_experiment()])
    page = generate.benchmarks_page()
    assert page.count("Table 1, average:") == 2
    assert "| paper, d_raw | 0.460 ± 0.010 (0.071) |" in page
    generate.write_curves(tmp_path)
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert pictures == [f"paper-{kind}-paper_{data}.svg" for kind in ("shares", "trust") for data in "ab"]
    assert all(f"images/{picture})" in page for picture in pictures)


def test_earlier_pictures_do_not_take_the_place_of_todays(tmp_path, generate) -> None:
    for folder in (tmp_path, tmp_path / "earlier"):
        write_lines(folder / "paper_a.jsonl", made_experiment())
        (tmp_path / "images" / f"{'earlier-' * (folder != tmp_path)}paper-figure2-made.png").touch()
        generate.write_curves(folder)
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    todays = ["paper-figure2-made.png", "paper-shares-made.svg", "paper-trust-made.svg"]
    assert pictures == [*(f"earlier-{name}" for name in todays), *todays]
    assert all(f"images/{name})" in generate.benchmarks_page() for name in todays)
    assert all(f"images/earlier-{name})" in generate.earlier_page() for name in todays)


def test_lines_of_rivals_alone_show_nothing_of_a_score_that_they_lack(tmp_path, generate) -> None:
    lines = [made_line("atlas", 1.0, fold, slices={f"v{fold}": {"dice": [0.8]}}) for fold in range(3)]
    write_lines(tmp_path / "paper_a.jsonl", lines)
    generate.write_curves(tmp_path)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["paper-shares-made.svg"]
    page = generate.benchmarks_page()
    assert "paper-trust" not in page
    assert "What the score tells" not in page
