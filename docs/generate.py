"""Write the pages that are made: cli.md from --help, python.md from docstrings, those of benchmarks from their results."""

from __future__ import annotations

import argparse
import inspect
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from recipe_sections import atlas, bias, difficulty, figure, large, pseudo, ranking, speed, unlike, waits
from score_section import quality

from askance import api
from askance.cli import make_parser
from askance.report.benchmarks import benchmark_table, read_jsonl, summarise
from askance.report.paired_tables import (
    OBJECTIVE,
    START,
    against,
    by_objective,
    by_start,
    share_of_full,
    warm_and_from_scratch,
    with_and_without_d,
)
from askance.report.paper_page import groups, name_of, sections
from askance.report.paper_plots import budget_curves, clouded, trust_clouds
from askance.report.plots import benchmark_curves
from askance.report.tables import markdown

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"

_HEAD = "<!-- made by docs/generate.py: do not edit -->\n\n"


_INTRODUCTION = """# Benchmarks

Made from `benchmarks/results/*.jsonl`; each file's recipe has its name. Machine: 2 cores, no GPU. Dice is the mean over
classes, per volume at original resolution; mean ± sd over seeds (number of seeds). Of a hundred intervals of 95 % over
seeds and patients (crossed bootstrap) 88 to 89 hold the truth with two seeds, 89 to 92 with three, 94 with four, so that
one that just leaves out 0 shows no difference before there are four. Results without a tag are of the defaults, but: full
supervision is of z-scored slices (now a volume's darkest is 0), without neighbours; what ranking costs and runs of `cover`,
ACDC's seed 0 apart, were measured before the score asked the model from before its own labels, which moves queries and its
r; out of distribution, Hippocampus's model learnt from 2.5 % in 800 steps; the paper's protocol has the shorter schedules
that the log names. What is older is in [earlier.md](earlier.md). All of it, and this, [log.md](log.md) tells.
"""

_EARLIER = """# Benchmarks of earlier defaults

Made from `benchmarks/results/earlier/*.jsonl`, as [benchmarks.md](benchmarks.md) is from what was measured since. Here
slices were z-scored, save where a tag says darkest-0 (now a volume's darkest is 0); pseudo-labels were those of the model
that asked; and probabilities were each slice's own ([log.md](log.md)). With the tag before-witness all was as it is now but
the score, which did not ask the model from before its own labels.
"""


_PYTHON = """`from askance import api`: a function a step of [the command line](cli.md). A study is opened with
`Study.open(folder)` of `askance.active.study`, and closed again by `with`; a data set is found with `find_dataset(folder)`
of `askance.volumes.layouts`. Whatever is wrong is raised as an `AskanceError` of `askance.errors`, which says what, where
and what to do.
"""


def cli_page() -> str:
    """Every command's help."""
    os.environ["COLUMNS"] = "110"
    parser = make_parser()
    helps = [("askance", parser), *commands_of(parser, "askance")]
    parts = [f"## {name}\n\n```\n{command.format_help().rstrip()}\n```\n" for name, command in helps]
    return _HEAD + "# The command line\n\n" + "\n".join(parts)


def commands_of(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command of ``parser``, those within commands too, by its full name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for own, command in action.choices.items():
                yield f"{name} {own}", command
                yield from commands_of(command, f"{name} {own}")


def python_page() -> str:
    """Every function of askance.api, in the order in which they are used."""
    functions = [one for one in vars(api).values() if inspect.isfunction(one) and one.__module__ == api.__name__]
    public = [one for one in functions if not one.__name__.startswith("_")]
    parts = [f"## {one.__name__}\n\n```\n{_signature(one)}\n\n{inspect.getdoc(one)}\n```\n" for one in public]
    return _HEAD + f"# From Python\n\n{_PYTHON}\n" + "\n".join(parts)


def _signature(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    told = [re.sub(r": '([^']*)'", r": \1", str(one)) for one in signature.parameters.values()]
    if any(one.kind is one.KEYWORD_ONLY for one in signature.parameters.values()):
        told.insert(next(at for at, one in enumerate(signature.parameters.values()) if one.kind is one.KEYWORD_ONLY), "*")
    line = f"{function.__name__}({', '.join(told)}) -> {signature.return_annotation}"
    return line if len(line) <= 110 else line.replace(", ".join(told), "\n    " + ",\n    ".join(told) + ",\n")


def benchmarks_page() -> str:
    """What was measured of askance as it is."""
    return _HEAD + _INTRODUCTION + _results_in(RESULTS)


def earlier_page() -> str:
    """What was measured of earlier defaults."""
    return _HEAD + _EARLIER + _results_in(RESULTS / "earlier")


def _results_in(folder: Path) -> str:
    """A section a file of results, tables from its lines."""
    sections = {
        "budget_curve": ("Dice over the budget", partial(_curve, _prefix(folder))),
        "score_quality": ("How far the score can be trusted", quality),
        "out_of_distribution": ("Slices that a model has no business with", unlike),
        "confirmation_bias": ("Does a model believe what it was taught by its forerunner", bias),
        "gan_step": ("Speed of a training step", speed),
        "ranking_speed": ("What ranking a pool costs", ranking),
        "pseudo_gain": ("What pseudo-labels add", pseudo),
        "phantom_difficulty": ("How hard the phantom is", difficulty),
        "serve_load": ("What an expert waits for the next slice", waits),
        "large_study": ("A study larger than memory", large),
        "atlas_fold": ("The multi-atlas rival on a fold inside learn", atlas),
    }
    parts = []
    for name, (title, section) in sections.items():
        path = folder / f"{name}.jsonl"
        if path.exists():
            parts.append(f"\n## {title}\n\n`benchmarks/{name}.py`, `{_said(path)}`\n\n{section(read_jsonl(path))}")
    return "".join([*parts, *_experiments(folder)])


def _experiments(folder: Path) -> Iterator[str]:
    """The paper's experiments, from every paper_*.jsonl."""
    lines = _experiment_lines(folder)
    if lines:
        yield "\n## The paper's experiments\n\n"
        yield f"`askance bench paper` ([experiments.md](experiments.md)), `{_said(folder / 'paper_*.jsonl')}`\n"
    for (dataset, tag), text in sections(lines):
        yield f"\n{text}\n"
        for kind in _kinds(groups(lines)[dataset, tag]):
            yield f"![{_KINDS[kind][1]}](images/{_picture(folder, kind, dataset, tag)})\n"
        figure = DOCS / "images" / f"{_prefix(folder)}paper-figure2-{name_of(dataset, tag)}.png"
        if figure.exists():  # drawn from a kept study, which lines alone do not hold
            yield "\nFigure 2 of the paper, by `askance bench figure` ([experiments.md](experiments.md#figure-2)):\n\n"
            yield f"![Slice, ground truth, prediction, unreliable regions](images/{figure.name})\n"


def _experiment_lines(folder: Path) -> list[dict[str, Any]]:
    return [line for path in sorted(folder.glob("paper_*.jsonl")) for line in read_jsonl(path)]


def _said(path: Path) -> str:
    return f"benchmarks/results/{path.relative_to(RESULTS).as_posix()}"


def _prefix(folder: Path) -> str:
    """What pictures of ``folder``'s results are called first, so that earlier ones don't take the place of today's."""
    return "" if folder == RESULTS else f"{folder.name}-"


#: An experiment's pictures: how they are drawn, and in words.
_KINDS = {
    "shares": (budget_curves, "Dice over the share of labels"),
    "trust": (trust_clouds, "Dice against the score"),
}


def _kinds(lines: list[dict[str, Any]]) -> list[str]:
    """The pictures that show something: rivals have no score."""
    return [kind for kind in _KINDS if kind != "trust" or clouded(lines)]


def _picture(folder: Path, kind: str, dataset: str, tag: str) -> str:
    return f"{_prefix(folder)}paper-{kind}-{name_of(dataset, tag)}.svg"


_PAIRED = "Differences in Dice points, paired by seed, with Student's 95 % interval."
#: What every acquisition is held against where it was run.
_REFERENCES = ("random", "foreground-random", "true-foreground-random")


def _curve(prefix: str, lines: list[dict[str, Any]]) -> str:
    parts = []
    for dataset in sorted({line["dataset"] for line in lines}):
        for tag in _shown_tags(lines, dataset):
            mine = [line for line in lines if line["dataset"] == dataset and (line["tag"] or "") == tag]
            summaries = summarise(mine)
            image = prefix + _curve_name(dataset, tag)
            parts.append(f"### {dataset}{f' ({tag})' if tag else ''}\n\n{markdown(benchmark_table(summaries))}\n")
            parts.append(f"![Dice over the budget](images/{image})\n")
            parts += [f"{markdown(rows)}\n" for rows in [share_of_full(mine)] if rows]
            against_each = [rows for other in _REFERENCES if (rows := against(mine, other))]
            parts += [f"{_PAIRED}\n\n" + "\n".join(map(markdown, against_each)) + "\n"] if against_each else []
            parts.append(f"{_trust(mine)}\n")
        mine = [line for line in lines if line["dataset"] == dataset]
        pairs = {
            "what the adversarial term is worth": with_and_without_d(mine),
            "objectives": by_objective(mine),
            "how the first slices are chosen": by_start(mine),
            "cycles that go on from the last one's networks": warm_and_from_scratch(mine),
        }
        for what, rows in pairs.items():
            parts += [f"### {dataset}: {what}\n\n{_PAIRED}\n\n{markdown(rows)}\n"] if rows else []
    return "\n".join(parts)


def write_curves(folder: Path) -> None:
    """The pictures of the budget curves and of the paper's experiments in ``folder``; a tag says whose they are."""
    path = folder / "budget_curve.jsonl"
    lines = read_jsonl(path) if path.exists() else []
    for dataset in sorted({line["dataset"] for line in lines}):
        for tag in _shown_tags(lines, dataset):
            mine = [line for line in lines if (line["dataset"], line["tag"] or "") == (dataset, tag)]
            name = _prefix(folder) + _curve_name(dataset, tag)
            (DOCS / "images" / name).write_bytes(benchmark_curves(summarise(mine), dataset))

    for (dataset, tag), mine in groups(_experiment_lines(folder)).items():
        for kind in _kinds(mine):
            draw, _ = _KINDS[kind]
            (DOCS / "images" / _picture(folder, kind, dataset, tag)).write_bytes(draw(mine, dataset))


def _shown_tags(lines: list[dict[str, Any]], dataset: str) -> list[str]:
    """Tags with a section of their own: objectives and first slices are one table each."""
    tags = {line["tag"] or "" for line in lines if line["dataset"] == dataset}
    return sorted(tag for tag in tags if not tag.startswith((OBJECTIVE, START)))


def _curve_name(dataset: str, tag: str) -> str:
    return f"budget_curve-{dataset}{'-' + tag if tag else ''}.svg"


def _trust(lines: list[dict[str, Any]]) -> str:
    """How the score and its rivals go with Dice on test slices, run by run."""
    rows = [
        {
            "Run": line["run"],
            "Seed": str(line["seed"]),
            "Labelled": str(line["labelled_slices"]),
            "Dice": figure(line["dice"]),
            "r of the score": figure(line["score_r"]),
            "r of d_raw": figure(line["d_raw_r"]),
            "r of entropy": figure((line["measures_r"] or {}).get("entropy")),
            "r of agreement": figure((line["measures_r"] or {}).get("agreement")),
            "Score error": figure(line["mae"]),
            "Seconds": f"{line['seconds']:.0f}",
            "Peak MB": f"{line['peak_mb']:.0f}",
        }
        for line in lines
    ]
    return f"<details><summary>Every run</summary>\n\n{markdown(rows)}\n\n</details>\n"


def main() -> None:
    """Write the pages and their pictures."""
    for folder in (RESULTS, RESULTS / "earlier"):
        write_curves(folder)
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "python.md").write_text(python_page(), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(benchmarks_page(), encoding="utf-8")
    (DOCS / "earlier.md").write_text(earlier_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
