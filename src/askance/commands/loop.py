"""The loop and each of its steps: run, train, rank, query, answer, status."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance.commands.printing import opened, print_cycles, print_json, print_rows, progress_bars
from askance.errors import UsageError
from askance.options import command, json_option, study_argument

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

Arguments = argparse.Namespace


def add_commands(group: Any) -> None:
    """Algorithm 1 at once and step by step."""
    run = command(group, "run", _run, "the whole loop, as far as it goes without the expert")
    study_argument(run)
    json_option(run)

    train = command(group, "train", _train, "train the next model on what is labelled")
    study_argument(train)
    json_option(train)

    rank = command(group, "rank", _rank, "what the newest model thinks of the slices that the next query is chosen among")
    study_argument(rank)
    rank.add_argument("--top", type=int, default=20, metavar="N", help="how many of them to print (20; 0: all)")
    json_option(rank)

    query = command(group, "query", _query, "which slices are asked now, and why; as files with --out")
    study_argument(query)
    query.add_argument("--out", type=Path, metavar="FOLDER", help="write images with proposals for ITK-SNAP or 3D Slicer")
    json_option(query)

    answer = command(group, "answer", _answer, "take corrected labels back")
    study_argument(answer)
    answer.add_argument("folder", type=Path, help="what `askance query --out` wrote, filled in")
    answer.add_argument("--author", required=True, metavar="NAME", help="who answered")
    answer.add_argument(
        "--accept-unchanged", action="store_true", help="a proposal that nobody touched is right, an empty slice is empty"
    )
    json_option(answer)

    status = command(group, "status", _status, "where the study stands")
    study_argument(status)
    json_option(status)


def _run(arguments: Arguments) -> None:
    """Run the loop as far as it goes, and print its cycles."""
    from askance import api
    from askance.errors import WaitingForExpert

    with opened(arguments) as study:
        try:
            with progress_bars() as bars:
                api.run(study, bars)
        except WaitingForExpert:
            print_cycles(study, arguments.json)
            raise
        print_cycles(study, arguments.json)
        print(f"report: {api.report(study).resolve()}", file=sys.stderr if arguments.json else sys.stdout)


def _train(arguments: Arguments) -> None:
    """Train the next model and print what it is worth."""
    from askance import api

    with opened(arguments) as study:
        with progress_bars() as bars:
            record = api.train(study, bars)
        if arguments.json:
            print_json(record)
        else:
            print_cycles(study, as_json=False)


def _rank(arguments: Arguments) -> None:
    """Print what the newest model thinks of the pool."""
    from askance import api

    if arguments.top < 0:
        raise UsageError(f"--top {arguments.top}: wanted how many slices to print, or 0 for all")
    with opened(arguments) as study, progress_bars() as bars:
        rows = api.rank(study, bars)
    print_rows(rows[: arguments.top or None], arguments.json)


def _query(arguments: Arguments) -> None:
    """Print what is asked now; write it as files where wanted."""
    from askance import api

    with opened(arguments) as study:
        with progress_bars() as bars:
            rows = api.query(study, bars)
        if arguments.out:
            written = api.hand_out(study, arguments.out)
            print(f"written to {written}; open it, correct, fill in query.csv, then askance answer", file=sys.stderr)
    print_rows(rows, arguments.json)


def _answer(arguments: Arguments) -> None:
    """Take corrected labels back."""
    from dataclasses import asdict

    from askance import api

    with opened(arguments) as study:
        taken = api.answer(study, arguments.folder, arguments.author, arguments.accept_unchanged)
        still_open = api.status(study)["next"]
    if arguments.json:
        print_json([asdict(taken)])
        return
    for what, slice_ids in asdict(taken).items():
        if slice_ids:
            print(f"{len(slice_ids)} {_TAKEN[what]}: {', '.join(slice_ids)}")
    print(f"next: {_with_command(still_open)}")


def _with_command(following: str) -> str:
    """What comes next with the command that does it."""
    doing = {"answer": "askance query --out FOLDER, askance answer", "train": "askance run", "ask": "askance run"}
    command = doing.get(following.split(maxsplit=1)[0])
    return f"{following} ({command})" if command else following


#: What became of the slices of a folder, in words.
_TAKEN = {
    "answered": "taken as answered",
    "skipped": "skipped, left to the model",
    "unreadable": "unreadable, never learnt from",
    "waiting": "without a status, still waiting",
    "ignored": "drawn on but not asked or not marked done, so not taken",
}


def _status(arguments: Arguments) -> None:
    """Print where the study stands."""
    from askance import api

    with opened(arguments) as study:
        where = api.status(study)
    if arguments.json:
        print_json(where)
        return
    print(f"{where['study']}: {_with_command(where['next'])}")
    print("slices: " + ", ".join(f"{count} {state}" for state, count in where["states"].items()))
    budget = where["budget"]
    print(f"labelled: {budget['labelled']} of {budget['slices']} slices of learn ({budget['share']:.1%})")
