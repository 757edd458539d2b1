"""What README and docs show is what the code does: their examples run, their commands exist."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from askance.active.acquisition import MEASURES, Candidate, acquisition
from askance.cli import make_parser

ROOT = Path(__file__).parents[1]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


PAGES = ["README.md", "docs/start.md", "docs/acquisition.md", "docs/expert.md", "docs/server.md", "docs/experiments.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_option_that_a_page_names_exists(page: str) -> None:
    text = re.sub(r"```python.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    text = text.replace("\\\n", " ")
    used = re.findall(
        r"askance ([a-z]+)((?: [^`\n#]*)?)", "\n".join(re.findall(r"`[^`]*`|^askance .*$", text, re.MULTILINE))
    )
    for command, rest in used:
        parser, words = make_parser(), [command, *rest.split()]
        while choices := next((a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None):
            if not words:
                break
            assert words[0] in choices, f"{page} names `askance {command}{rest}`"
            parser = choices[words.pop(0)]
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in parser._option_string_actions, f"{page}: askance {command} {option}"


def test_the_acquisition_of_the_docs_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs/acquisition.md"
    (tmp_path / "lab_active.py").write_text(blocks(page, "python")[0])
    metadata = tmp_path / "lab_active-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-active\nVersion: 1.0\n")
    name, value = re.findall(r'^([\w-]+) = "(.*)"', blocks(page, "toml")[0], re.MULTILINE)[0]
    (metadata / "entry_points.txt").write_text(f"[askance.acquisitions]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    chooser = acquisition(name)
    rows = [("a/2/0", "p", 0.1), ("a/2/1", "p", 0.2), ("b/2/0", "q", 0.9)]
    candidates = [Candidate(i, patient, i[0], int(i[-1]), {"agreement": value}) for i, patient, value in rows]
    assert chooser.select(candidates, 2, np.random.default_rng(0)) == ["a/2/0", "b/2/0"]


def test_the_docs_name_every_measure() -> None:
    text = (ROOT / "docs/acquisition.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in [*MEASURES, "score", "d_raw"])


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[:2] for line in ran.stdout.splitlines()[:2]] == [["0", "8"], ["1", "16"]]
    assert Path(ran.stdout.splitlines()[-1]).exists() or (tmp_path / "study/report.html").exists()


@pytest.mark.parametrize("page", ["cli", "python", "benchmarks", "earlier"])
def test_generated_pages_are_what_the_generator_writes_now(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    import generate

    written = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    assert written == getattr(generate, f"{page}_page")(), "run `make docs` and commit what it wrote"


def test_every_line_of_every_recipe_has_the_keys_that_all_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from studies import blank_line

    keys = blank_line("", "").keys()
    results = sorted((ROOT / "benchmarks" / "results").rglob("*.jsonl"))
    assert results
    for path in results:
        lacking = [keys - json.loads(line).keys() for line in path.read_text(encoding="utf-8").splitlines()]
        assert set().union(*lacking) == set(), path.name


def test_the_figures_of_the_readme_are_measured_ones() -> None:
    """Each Dice that it names stands in the page made from results."""
    readme, measured = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/benchmarks.md"))
    named = re.findall(r"\b0\.\d{3}\b", readme[readme.index("## How good is it?") : readme.index("## Cite")])
    assert named
    assert [one for one in named if one not in measured] == []
