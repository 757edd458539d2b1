"""Experiments: the paper's protocol on any data set, its tables, and Figure 2 of any study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance.commands.printing import opened, print_json, progress_bars
from askance.errors import UsageError
from askance.options import command, data_options, division_of, found_of, json_option, study_argument

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

    from askance.evaluation.material import Material
    from askance.evaluation.plan import Plan
    from askance.execution import Runner
    from askance.volumes.found import Found

Arguments = argparse.Namespace


def add_commands(group: Any) -> None:
    """Experiments."""
    bench = group.add_parser("bench", help="the paper's experiments on any data set", description="Experiments.")
    which = bench.add_subparsers(title="experiments", metavar="EXPERIMENT", required=True)
    paper = command(which, "paper", _paper, "Table 1 of the paper: folds x base patients x shares x methods, a line a trial")
    data_options(paper, draws=False)
    _material_options(paper)
    _plan_options(paper)
    paper.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="JSON lines, appended to; what is there is done"
    )
    paper.add_argument("--tag", help="tells experiments with other settings apart in one file")
    paper.add_argument(
        "--workers", choices=["here", "ray"], default="here", help="this process, or every core of Ray's (here)"
    )
    paper.add_argument(
        "--keep", action="store_true", help="keep the studies of finished trials, as for `askance bench figure`"
    )
    json_option(paper)

    tables = command(which, "tables", _tables, "what the lines of an experiment say, as Markdown")
    tables.add_argument("file", type=Path, help="what `askance bench paper` wrote")

    figure = command(which, "figure", _figure, "Figure 2 of the paper: slices of a study, a row each")
    study_argument(figure)
    figure.add_argument("--out", type=Path, required=True, metavar="PNG")
    figure.add_argument("--slices", nargs="+", metavar="ID", help="their ids, as CASE/2/17 (the least and most certain)")


def _material_options(paper: Any) -> None:
    paper.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="studies are made here, and bases stay")
    paper.add_argument("--name", help="what the data set is called in the lines (its folder's name)")
    paper.add_argument("--map", metavar="OLD:NEW,...", help="number classes anew: 2:1,1:2,3:2 is ACDC in HVSMR's form")
    paper.add_argument("--all-sides", action="store_true", help="fold every patient, also those kept to test on")
    paper.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="working resolution in plane (from the data)")
    paper.add_argument(
        "--size", type=int, nargs=2, metavar="PX", help="field of view in pixels, multiples of 16 (from the data, <= 128)"
    )
    paper.add_argument("--training", default="{}", metavar="JSON", help='[training] of every 2D network: {"max_steps": 300}')
    paper.add_argument("--settings", default="{}", metavar="JSON", help='by method: {"askance": {"pseudo": {"share": 0.3}}}')


def _plan_options(paper: Any) -> None:
    paper.add_argument("--folds", type=int, default=10, metavar="N", help="folds by patient (10)")
    paper.add_argument("--run-folds", metavar="N,N", help="those of them to run (all)")
    paper.add_argument("--shares", default="10,20,...,90", metavar="PERCENT", help="asked for after the base (10,20,...,90)")
    paper.add_argument(
        "--methods", default="paper,askance", help="paper, askance, isola, full, densevoxnet, atlas (the first two)"
    )
    paper.add_argument(
        "--acquisitions", default="d_raw", help="in the discriminator's place; random is always there (d_raw)"
    )
    paper.add_argument("--seeds", default="0", metavar="N,N", help="of base patients and training (0)")
    paper.add_argument("--base-patients", type=int, default=3, metavar="N", help="bases a fold and seed, a patient each (3)")
    paper.add_argument("--cycles", default="1", metavar="N,N", help="queries; more than one update incrementally (1)")
    paper.add_argument(
        "--pseudo", choices=["both", "with", "without"], default="both", help="pseudo-labels for the rest (both)"
    )


def _paper(arguments: Arguments) -> None:
    """Run what is missing and print the tables."""
    from askance.evaluation.experiment import run
    from askance.evaluation.results import Results

    plan, runner = _plan(arguments), _runner(arguments.workers)
    with progress_bars() as bars:
        material = _material(arguments, bars)
        results = Results(arguments.out, arguments.tag)
        watcher = bars if arguments.workers == "here" else None
        lines = run(material, plan, results, runner, watcher=watcher, told=_tell, keep=arguments.keep)
    if arguments.json:
        print_json(lines)
    else:
        print(_text(lines))


def _tell(done: int, total: int, line: dict[str, Any]) -> None:
    dice = "no Dice" if line["dice"] is None else f"Dice {line['dice']:.3f}"
    print(f"{done} of {total}: {line['trial']}: {dice}, {line['seconds']:.0f} s", file=sys.stderr, flush=True)


def _plan(arguments: Arguments) -> Plan:
    from askance.evaluation.plan import Plan

    folds = _counts("--run-folds", arguments.run_folds) if arguments.run_folds else tuple(range(arguments.folds))
    return Plan(
        methods=_names(arguments.methods),
        folds=folds,
        shares=tuple(share / 100 for share in _numbers("--shares", arguments.shares) if share not in (0, 100)),
        acquisitions=_names(arguments.acquisitions),
        seeds=_counts("--seeds", arguments.seeds),
        base_patients=arguments.base_patients,
        cycles=_counts("--cycles", arguments.cycles),
        pseudo={"both": (True, False), "with": (True,), "without": (False,)}[arguments.pseudo],
    )


def _material(arguments: Arguments, bars: Any) -> Material:
    from askance.commands.methods import RIVALS
    from askance.evaluation.gathering import Wanted, gather_material

    wanted = Wanted(
        folds=arguments.folds,
        work=arguments.work,
        axis=arguments.axis,
        division=division_of(arguments),
        spacing_mm=tuple(arguments.spacing) if arguments.spacing else None,
        size=tuple(arguments.size) if arguments.size else None,
        all_sides=arguments.all_sides,
        training=_table("--training", arguments.training),
        settings=_tables_by_method("--settings", arguments.settings),
        rivals=RIVALS,
    )
    with bars.stage(None, "read and check"):
        return gather_material(_found(arguments, bars), wanted, bars.count)


def _found(arguments: Arguments, bars: Any) -> Found:
    """The data set, with its classes numbered anew where the user maps them; --classes then names the new ones."""
    from dataclasses import replace

    from askance.volumes.mapping import mapped, parse_mapping

    mapping = parse_mapping(arguments.map) if arguments.map else None
    found = found_of(arguments, None if mapping else arguments.classes)
    name = arguments.name or found.name
    if mapping:
        is_hvsmr = max(mapping.values()) == 2  # background, myocardium, blood pool
        name = arguments.name or f"{found.name}-{'hvsmr' if is_hvsmr else 'mapped'}"
        found = mapped(found, mapping, arguments.work.absolute() / name, arguments.classes, bars.count)
    return replace(found, name=name)


def _runner(name: str) -> Runner:
    from askance.execution import Here, OnRay

    return OnRay() if name == "ray" else Here()


def _tables(arguments: Arguments) -> None:
    """Print the tables of a file of lines."""
    from askance.report.benchmarks import read_jsonl

    if not arguments.file.is_file():
        raise UsageError(f"{arguments.file}: is no file; wanted the lines that `askance bench paper` wrote")
    text = _text(read_jsonl(arguments.file))
    if not text:
        raise UsageError(f"{arguments.file}: holds no line of `askance bench paper`; wanted its --out")
    print(text)


def _text(lines: list[dict[str, Any]]) -> str:
    from askance.report.paper_page import sections

    return "\n".join(text for _, text in sections(lines))


def _figure(arguments: Arguments) -> None:
    """Draw the slices and print the picture's path.

    Raises:
        UsageError: there is none to draw.
    """
    from askance.report.figure2 import figure2_png
    from askance.summary import figure2

    with opened(arguments) as study:
        panels = figure2(study, arguments.slices)
        if not panels:
            raise UsageError(f"{study.store.folder}: no model yet that predicted a slice; run `askance run` first")
        arguments.out.write_bytes(figure2_png(panels, study.config.classes))
    print(arguments.out.resolve())


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(option: str, text: str) -> list[float]:
    """``10,20,...,90`` in full: after two numbers, ``...`` goes on by their step up to the next.

    Raises:
        UsageError: not of that form.
    """
    parts, numbers = [part.strip() for part in text.split(",")], list[float]()
    try:
        for place, part in enumerate(parts):
            if part != "...":
                numbers.append(float(part))
                continue
            step, last = numbers[-1] - numbers[-2], float(parts[place + 1])
            if step <= 0 or last <= numbers[-1]:
                raise ValueError
            while numbers[-1] + step < last - step / 1000:
                numbers.append(numbers[-1] + step)
    except (ValueError, IndexError):
        raise UsageError(f"{option} {text}: wanted numbers, as 10,20,50 or 10,20,...,90") from None
    return numbers


def _counts(option: str, text: str) -> tuple[int, ...]:
    """Whole numbers, as ``_numbers`` reads them.

    Raises:
        UsageError: not of that form, or not whole.
    """
    numbers = _numbers(option, text)
    if broken := [number for number in numbers if not number.is_integer()]:
        raise UsageError(f"{option} {text}: {broken[0]:g} is not a whole number; wanted such as 0,1,2")
    return tuple(int(number) for number in numbers)


def _table(option: str, text: str) -> dict[str, Any]:
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise UsageError(f'{option} {text}: is no table; wanted {{"KEY": VALUE}}')
    return value


def _tables_by_method(option: str, text: str) -> dict[str, dict[str, Any]]:
    tables = _table(option, text)
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise UsageError(f'{option} {text}: {name} is no table; wanted {{"METHOD": {{"KEY": VALUE}}}}')
    return tables
