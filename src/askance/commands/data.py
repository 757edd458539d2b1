"""A data set looked at, made into a study, added to, found again: check, init, add, relocate."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance.commands.printing import opened, print_json, progress_bars
from askance.options import (
    command,
    data_options,
    database_option,
    division_of,
    found_of,
    json_option,
    settings_of,
    study_argument,
)

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

    from askance.active.study import Study

Arguments = argparse.Namespace


def add_commands(group: Any) -> None:
    """What is done before the loop."""
    check = command(group, "check", _check, "list all problems of a data set")
    data_options(check, positional=True)
    json_option(check)

    init = command(group, "init", _init, "make a study of a data set")
    init.add_argument("study", type=Path, help="the study's folder, made anew")
    data_options(init)
    init.add_argument("--preset", default="askance", choices=["askance", "paper"])
    init.add_argument("--expert", choices=["human", "simulated"], help="who answers (human)")
    init.add_argument("--acquisition", help="how slices are chosen (cover; d_raw in preset paper)")
    init.add_argument("--seed", type=int, help="of everything random (0)")
    init.add_argument("--base", type=float, metavar="N", help="slices labelled first: a count, or a share below 1 (0.025)")
    init.add_argument("--total", type=float, metavar="N", help="slices labelled in the end: a count or a share (0.10)")
    init.add_argument("--cycles", type=int, metavar="N", help="queries between the two (3; 1 in preset paper)")
    init.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="working resolution in plane (from the data)")
    init.add_argument(
        "--size", type=int, nargs=2, metavar="PX", help="field of view in pixels, multiples of 16 (from the data)"
    )
    init.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, as training.epochs=40")
    database_option(init, "keep the study's state in this empty PostgreSQL database (SQLite in the folder)")

    add = command(group, "add", _add, "bring new cases of a data set into a study")
    study_argument(add)
    data_options(add, draws=False, slices=False)

    relocate = command(group, "relocate", _relocate, "find source files that were moved, by their bytes")
    study_argument(relocate)
    relocate.add_argument("folder", type=Path, help="where to look, with all folders below")


def _check(arguments: Arguments) -> None:
    """Print every problem of a data set."""
    from askance.errors import DataError
    from askance.volumes.check import check_dataset

    with progress_bars() as bars, bars.stage(None, "check"):
        problems = check_dataset(
            found_of(arguments, arguments.classes), axis=arguments.axis, division=division_of(arguments), progress=bars.count
        )
    if arguments.json:
        print_json([{"case": p.case, "path": str(p.path or ""), "kind": p.kind, "message": p.message} for p in problems])
    else:
        for problem in problems:
            print(f"warning: {problem.message}" if problem.is_warning else problem.message)
    warnings = sum(problem.is_warning for problem in problems)
    if count := len(problems) - warnings:
        raise DataError(f"{count} problem{'s' * (count > 1)} in {arguments.data}; mend them before `askance init`")
    seen = f"; {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
    print(f"no problem keeps it from being used{seen}", file=sys.stderr)


def _init(arguments: Arguments) -> None:
    """Make a study and print what it holds."""
    from askance.store.creation import require_free

    require_free(arguments.study)  # before PyTorch is loaded and the data's files are looked for
    from askance import api

    with progress_bars() as bars, bars.stage(None, "read and check"):
        study = api.init(
            arguments.study,
            found_of(arguments, arguments.classes),
            preset=arguments.preset,
            settings=settings_of(arguments),
            axis=arguments.axis,
            division=division_of(arguments),
            database=arguments.database,
            progress=bars.count,
        )
    with study:
        _print_study(study)


def _add(arguments: Arguments) -> None:
    """Bring new cases into a study."""
    from askance import api

    with opened(arguments) as study, progress_bars() as bars, bars.stage(None, "read and check"):
        added = api.add(study, found_of(arguments, arguments.classes), division_of(arguments), bars.count)
    print(f"{len(added)} cases added" + (f": {', '.join(added[:10])}" if added else ""))


def _relocate(arguments: Arguments) -> None:
    """Find moved source files again."""
    from askance import api

    with opened(arguments) as study:
        print(f"{len(api.relocate(study, arguments.folder))} cases have new paths")


def _print_study(study: Study) -> None:
    from askance.planning import outlook
    from askance.report.wording import counted

    config = study.config
    for side in ("learn", "test", "validation"):
        cases = study.store.cases(side)
        slices, patients = len(study.store.slices(side)), len({case.patient for case in cases})
        if cases:
            print(f"{side}: {counted(len(cases), 'case')} of {counted(patients, 'patient')}, {counted(slices, 'slice')}")
    rows, columns = config.grid.size
    height, width = config.grid.spacing_mm
    print(f"slices along file axis {config.grid.axis}, {rows} x {columns} pixels of {height:g} x {width:g} mm")
    for line in outlook(study):
        print(line)
    print(f"settings: {study.store.folder / 'study.toml'}")
