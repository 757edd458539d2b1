"""How commands open a study, show progress and print: tables for people, JSON for scripts."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

    from askance.active.study import Study

Arguments = argparse.Namespace


def opened(arguments: Arguments) -> Study:
    """The study that the command names."""
    from askance.active.study import Study

    return Study.open(arguments.study)


def progress_bars() -> Any:
    """Bars on stderr, to be entered."""
    from askance.terminal import Bars

    return Bars()


def print_cycles(study: Study, as_json: bool) -> None:
    """What was measured after each cycle."""
    from askance import api
    from askance.terminal import print_table

    records = api.records(study)
    if as_json:
        print_json(records)
        return
    from askance.report.tables import budget_table

    if not records:
        print("nothing is measured yet: `askance run` trains the first model and measures it")
        return
    print_table(budget_table(records))


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """A row a line, or JSON."""
    if as_json:
        print_json(rows)
        return
    from askance.terminal import print_table

    print_table(rows)


def print_json(value: Any) -> None:
    """``value`` as a script reads it."""
    import json

    print(json.dumps(value, indent=1, default=str))
