"""Write the pages that are made: cli.md from --help, benchmarks.md from benchmarks/results/."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from askance.cli import make_parser
from askance.report.benchmarks import benchmark_table, read_jsonl, summarise
from askance.report.paired_tables import against_random, with_and_without_d
from askance.report.paper_page import groups, name_of, sections
from askance.report.paper_plots import budget_curves, trust_clouds
from askance.report.plots import benchmark_curves
from askance.report.tables import markdown

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"

_HEAD = "<!-- made by docs/generate.py: do not edit -->\n\n"


_INTRODUCTION = """# Benchmarks

Made from `benchmarks/results/*.jsonl`; each file's recipe has its name. Machine: 2 cores, no GPU. Dice is the mean over
classes, per volume at original resolution; mean ± sd over seeds (number of seeds).
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


def benchmarks_page() -> str:
    """A section a file of results, tables from its lines."""
    sections = {
        "budget_curve": ("Dice over the budget", _curve),
        "out_of_distribution": ("Slices that a model has no business with", _unlike),
        "gan_step": ("Speed of a training step", _speed),
        "ranking_speed": ("What ranking a pool costs", _ranking),
        "phantom_difficulty": ("How hard the phantom is", _difficulty),
        "serve_load": ("What an expert waits for the next slice", _waits),
        "large_study": ("A study larger than memory", _large),
        "atlas_fold": ("The multi-atlas rival on a fold inside learn", _atlas),
    }
    parts = [_HEAD, _INTRODUCTION]
    for name, (title, section) in sections.items():
        path = RESULTS / f"{name}.jsonl"
        if path.exists():
            lines = read_jsonl(path)
            parts.append(f"\n## {title}\n\n`benchmarks/{name}.py`, `benchmarks/results/{name}.jsonl`\n\n{section(lines)}")
    return "".join([*parts, *_experiments()])


def _experiments() -> Iterator[str]:
    """The paper's experiments, from every paper_*.jsonl."""
    lines = _experiment_lines()
    if lines:
        yield "\n## The paper's experiments\n\n"
        yield "`askance bench paper` ([experiments.md](experiments.md)), `benchmarks/results/paper_*.jsonl`\n"
    for (dataset, tag), text in sections(lines):
        yield f"\n{text}\n"
        for kind, alt in (("shares", "Dice over the share of labels"), ("trust", "Dice against the score")):
            yield f"![{alt}](images/{_picture(kind, dataset, tag)})\n"


def _experiment_lines() -> list[dict[str, Any]]:
    return [line for path in sorted(RESULTS.glob("paper_*.jsonl")) for line in read_jsonl(path)]


def _picture(kind: str, dataset: str, tag: str) -> str:
    return f"paper-{kind}-{name_of(dataset, tag)}.svg"


_PAIRED = "Differences in Dice points, paired by seed, with Student's 95 % interval."


def _curve(lines: list[dict[str, Any]]) -> str:
    parts = []
    for dataset in sorted({line["dataset"] for line in lines}):
        for tag in sorted({line["tag"] or "" for line in lines if line["dataset"] == dataset}):
            mine = [line for line in lines if line["dataset"] == dataset and (line["tag"] or "") == tag]
            summaries = summarise(mine)
            image = _curve_name(dataset, tag)
            parts.append(f"### {dataset}{f' ({tag})' if tag else ''}\n\n{markdown(benchmark_table(summaries))}\n")
            parts.append(f"![Dice over the budget](images/{image})\n")
            parts += [f"{_PAIRED}\n\n{markdown(rows)}\n" for rows in [against_random(mine)] if rows]
            parts.append(f"{_trust(mine)}\n")
        both = with_and_without_d([line for line in lines if line["dataset"] == dataset])
        parts += [f"### {dataset}: what the adversarial term is worth\n\n{_PAIRED}\n\n{markdown(both)}\n"] if both else []
    return "\n".join(parts)


def write_curves() -> None:
    """The pictures of the budget curves and of the paper's experiments."""
    path = RESULTS / "budget_curve.jsonl"
    lines = read_jsonl(path) if path.exists() else []
    for dataset, tag in sorted({(line["dataset"], line["tag"] or "") for line in lines}):
        mine = [line for line in lines if (line["dataset"], line["tag"] or "") == (dataset, tag)]
        (DOCS / "images" / _curve_name(dataset, tag)).write_bytes(benchmark_curves(summarise(mine), dataset))

    for (dataset, tag), mine in groups(_experiment_lines()).items():
        for kind, draw in (("shares", budget_curves), ("trust", trust_clouds)):
            (DOCS / "images" / _picture(kind, dataset, tag)).write_bytes(draw(mine, dataset))


def _curve_name(dataset: str, tag: str) -> str:
    return f"budget_curve-{dataset}{'-' + tag if tag else ''}.svg"


def _trust(lines: list[dict[str, Any]]) -> str:
    """How the score and its rivals go with Dice on test slices, run by run."""
    rows = [
        {
            "Run": line["run"],
            "Seed": str(line["seed"]),
            "Labelled": str(line["labelled_slices"]),
            "Dice": _figure(line["dice"]),
            "r of the score": _figure(line["score_r"]),
            "r of d_raw": _figure(line["d_raw_r"]),
            "r of entropy": _figure((line["measures_r"] or {}).get("entropy")),
            "r of agreement": _figure((line["measures_r"] or {}).get("agreement")),
            "Score error": _figure(line["mae"]),
            "Seconds": f"{line['seconds']:.0f}",
            "Peak MB": f"{line['peak_mb']:.0f}",
        }
        for line in lines
    ]
    return f"<details><summary>Every run</summary>\n\n{markdown(rows)}\n\n</details>\n"


def _speed(lines: list[dict[str, Any]]) -> str:
    columns = {
        "Loop": "method",
        "Precision": "precision",
        "Threads": "threads",
        "Slices/s": "slices_per_s",
        "To textbook": "processor_ratio_to_textbook",
        "To MONAI": "processor_ratio_to_monai",
        "To textbook fp32": "processor_ratio_to_textbook_fp32",
    }
    rows = [{title: _figure(line.get(key)) for title, key in columns.items()} for line in lines]
    return "The same networks trained three ways in one run; ratios of processor time.\n\n" + markdown(rows) + "\n"


def _ranking(lines: list[dict[str, Any]]) -> str:
    """Ranking beside baal's, and as a share of the training."""
    rows = [
        {
            "Data set": line["dataset"],
            "Views": str(line["views"]),
            "ms a slice": f"{1000 * line['seconds']:.0f}",
            "baal, 20 passes": f"{1000 * line['baal_seconds']:.0f}",
            "Ratio": _figure(line["ratio"]),
            "Pool": str(line["pool_slices"]),
            "Steps of the training": str(line["steps"]),
            "Share of its time": f"{100 * line['share_of_training']:.0f} %",
        }
        for line in lines
    ]
    return f"Processor time of one thread.\n\n{markdown(rows)}\n"


def _difficulty(lines: list[dict[str, Any]]) -> str:
    rows = [
        {
            "Seed": str(line["seed"]),
            "Method": line["method"],
            "State": line["state"] or "–",
            "Dice": _figure(line["dice"]),
            "Per class": ", ".join(_figure(value) for value in _values(line["dice_per_class"])),
        }
        for line in lines
    ]
    return markdown(rows) + "\n"


def _large(lines: list[dict[str, Any]]) -> str:
    keys = [key for key in ("gb", "slices", "peak_anonymous_mb", "peak_mb", "seconds", "commit") if key in lines[-1]]
    return markdown([{key: _figure(line.get(key)) for key in keys} for line in lines]) + "\n"


def _waits(lines: list[dict[str, Any]]) -> str:
    """How long the next slice and its view take, with and without a training beside the server."""
    rows = [
        {
            "Experts": str(line["experts"]),
            "A training beside": "yes" if line["training"] else "no",
            "Slices": str(line["requests"]),
            "p50 (ms)": f"{line['p50_ms']:.0f}",
            "p95 (ms)": f"{line['p95_ms']:.0f}",
            "Server (MB)": str(line["server_mb"]),
        }
        for line in lines
    ]
    what = f"A study of {lines[-1]['cases']:,} cases and {lines[-1]['slices']:,} slices, {lines[-1]['cores']} cores"
    return f"{what}; first request to last byte on loopback, cold caches included.\n\n{markdown(rows)}\n"


def _atlas(lines: list[dict[str, Any]]) -> str:
    """What fusion and level sets give, and what a case costs."""
    rows = [
        {
            "Data set": line["dataset"],
            "Fold": line["fold"],
            "Labels": line["method"].removeprefix("atlas-") if line["method"] != "atlas" else "majority",
            "Dice": _figure(line["dice"]),
            "Per class": ", ".join(_figure(value) for value in line["dice_per_class"]),
            "Cases": str(len(line["dice_per_case"])),
            "Hearts not found": str(len(line["failed_localisations"])),
            "Processor s a case": f"{line['processor_seconds']:.1f}",
            "Peak MB": f"{line['peak_mb']:.0f}",
        }
        for line in lines
    ]
    return f"Majority and STAPLE, `-fused` before the level sets; one thread.\n\n{markdown(rows)}\n"


def _unlike(lines: list[dict[str, Any]]) -> str:
    """What share of spoilt and foreign slices scores below the 5th percentile of the model's own."""
    rows = [
        {
            "Model": line["dataset"],
            "Slices": f"{line['kind']}{'' if line['strength'] is None else ' ' + format(line['strength'], 'g')}",
            "Number": str(line["slices"]),
            "Below": f"{line['below']:.3f}",
            "Without novelty": f"{line['below_without']:.3f}",
            "Novel": f"{line['novel']:.3f}",
            "Slice Dice": _figure(line["slice_dice"]),
            "Code": str(line["commit"])[:7],
        }
        for line in lines
    ]
    sound = [line for line in lines if line["kind"] == "sound"]
    kept = [
        f"{line['dataset']}: r = {line['score_r']:.3f} with the novelty in it, {line['score_r_without']:.3f} without; "
        f"error {line['mae']:.3f} and {line['mae_without']:.3f}."
        for line in sound
    ]
    return (
        "The share of slices that scores below the 5th percentile of the model's own test slices (`sound`), with the "
        "novelty in the score and without it. Strengths are defined in `benchmarks/artefacts.py`.\n\n"
        f"{markdown(rows)}\n\nSound test slices. {' '.join(kept)}\n"
    )


def _values(per_class: Any) -> list[Any]:
    return list(per_class.values()) if isinstance(per_class, dict) else list(per_class or [])


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write both pages and their pictures."""
    write_curves()
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(benchmarks_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
