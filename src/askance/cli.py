"""The command line: what can be said. ``options.py`` reads it, ``commands.py`` does it.

Exit codes: 0 done, 1 failed, 2 misused, 3 waiting for the expert. argparse and late imports keep ``--help`` at the cost of
Python's own start; typer with its imports took five times that (docs/dependencies.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance import __version__, commands
from askance.errors import AskanceError
from askance.options import data_options, database_option, json_option, study_argument

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_EPILOG = """\
A first study:
  askance check DATASET                       every problem of a data set in one go
  askance init STUDY --data DATASET           a study of it, with settings taken from the data in STUDY/study.toml
  askance run STUDY                           ask, learn, label the rest, repeat; stops (exit 3) where the expert is needed
  askance query STUDY --out FOLDER            the slices in question as files for ITK-SNAP or 3D Slicer
  askance answer STUDY FOLDER --author NAME   take the corrected labels back; then askance run STUDY again
  askance serve STUDY                         or: the expert answers in a browser, or in 3D Slicer
Without data at hand: askance demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    try:
        return _called(make_parser().parse_args(argv))
    except KeyboardInterrupt:
        print("askance: stopped; what was done is kept, the same command goes on", file=sys.stderr)
        return 130


def _called(arguments: argparse.Namespace) -> int:
    """Do what was said; errors become exit codes here and nowhere else."""
    import logging

    logging.basicConfig(format="askance: %(message)s", level=logging.WARNING)
    try:
        arguments.call(arguments)
    except AskanceError as error:
        print(f"askance: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
    except OSError as error:  # a disk or a folder that failed where nobody foresaw it: still a message, not a traceback
        where = f"{error.filename}: " if error.filename else ""
        print(f"askance: {where}{error.strerror or error}; check free space and permissions", file=sys.stderr)
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="askance",
        description="The expert labels the slices the model looks at askance; it labels the rest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"askance {__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _data_commands(group)
    _loop_commands(group)
    _result_commands(group)
    _server_commands(group)
    return parser


def _data_commands(group: Any) -> None:
    check = _command(group, "check", commands.check, "list all problems of a data set")
    data_options(check, positional=True)
    json_option(check)

    init = _command(group, "init", commands.init, "make a study of a data set")
    init.add_argument("study", type=Path, help="the study's folder, made anew")
    data_options(init)
    init.add_argument("--preset", default="askance", choices=["askance", "paper"])
    init.add_argument("--expert", choices=["human", "simulated"], help="who answers (human)")
    init.add_argument("--acquisition", help="how slices are chosen (score; d_raw in preset paper)")
    init.add_argument("--seed", type=int, help="of everything random (0)")
    init.add_argument("--base", type=float, metavar="N", help="slices labelled first: a count, or a share below 1 (0.025)")
    init.add_argument("--total", type=float, metavar="N", help="slices labelled in the end: a count or a share (0.10)")
    init.add_argument("--cycles", type=int, metavar="N", help="queries between the two (3; 1 in preset paper)")
    init.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="working resolution in plane (from the data)")
    init.add_argument("--size", type=int, nargs=2, metavar="PX", help="field of view in pixels of it (from the data)")
    init.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, as training.epochs=40")
    database_option(init, "keep the study's state in this empty PostgreSQL database (SQLite in the folder)")

    add = _command(group, "add", commands.add, "bring new cases of a data set into a study")
    study_argument(add)
    data_options(add)

    relocate = _command(group, "relocate", commands.relocate, "find source files that were moved, by their bytes")
    study_argument(relocate)
    relocate.add_argument("folder", type=Path, help="where to look, with all folders below")


def _loop_commands(group: Any) -> None:
    run = _command(group, "run", commands.run, "the whole loop, as far as it goes without the expert")
    study_argument(run)
    json_option(run)

    train = _command(group, "train", commands.train, "train the next model on what is labelled")
    study_argument(train)
    json_option(train)

    rank = _command(group, "rank", commands.rank, "what the newest model thinks of every pool slice")
    study_argument(rank)
    rank.add_argument("--top", type=int, default=20, metavar="N", help="how many of them to print (20; 0: all)")
    json_option(rank)

    query = _command(group, "query", commands.query, "which slices are asked now, and why; as files with --out")
    study_argument(query)
    query.add_argument("--out", type=Path, metavar="FOLDER", help="write images with proposals for ITK-SNAP or 3D Slicer")
    json_option(query)

    answer = _command(group, "answer", commands.answer, "take corrected labels back")
    study_argument(answer)
    answer.add_argument("folder", type=Path, help="what `askance query --out` wrote, filled in")
    answer.add_argument("--author", required=True, metavar="NAME", help="who answered")
    answer.add_argument(
        "--accept-unchanged", action="store_true", help="a proposal that nobody touched is right, an empty slice is empty"
    )
    json_option(answer)

    status = _command(group, "status", commands.status, "where the study stands")
    study_argument(status)
    json_option(status)


def _result_commands(group: Any) -> None:
    evaluate = _command(group, "evaluate", commands.evaluate, "what was measured after each cycle")
    study_argument(evaluate)
    json_option(evaluate)

    report = _command(group, "report", commands.report, "write one HTML page that shows it all")
    study_argument(report)
    report.add_argument("--out", type=Path, metavar="FILE", help="where to (STUDY/report.html)")
    report.add_argument("--full", type=float, metavar="DICE", help="Dice of full supervision, drawn as a line")

    predict = _command(group, "predict", commands.predict, "label volumes outside the study, with a score a slice")
    predict.add_argument("model", type=Path, help="a model's folder, STUDY/models/cycle-003, or a study: its newest model")
    predict.add_argument("files", type=Path, nargs="+", help="volumes; CASE_0000, CASE_0001 are channels of one case")
    predict.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    json_option(predict)

    export = _command(
        group, "export", commands.export, "labels with provenance, an nnU-Net data set, or the network as ONNX"
    )
    study_argument(export)
    export.add_argument("--to", required=True, choices=["nifti", "nnunet", "onnx"])
    export.add_argument("--out", type=Path, required=True, metavar="PATH")

    phantom = _command(group, "phantom", commands.phantom, "write the embedded study: a data set of phantom hearts")
    phantom.add_argument("folder", type=Path)
    phantom.add_argument("--seed", type=int, default=0)
    phantom.add_argument("--patients", type=int, default=10)
    phantom.add_argument("--render", type=Path, metavar="FOLDER", help="render HVSMR 2016 label volumes instead")

    demo = _command(group, "demo", commands.demo, "Algorithm 1 on the embedded study, with a table and a report")
    demo.add_argument("folder", type=Path, nargs="?", default=Path("askance-demo"), help="made anew (askance-demo)")
    demo.add_argument("--seed", type=int, default=0)
    json_option(demo)


def _server_commands(group: Any) -> None:
    serve = _command(group, "serve", commands.serve, "the expert's page, and the MONAI Label API for 3D Slicer")
    study_argument(serve)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen on (8000; 0: any free one)")
    serve.add_argument("--certificate", type=Path, metavar="PEM", help="speak TLS with this certificate")
    serve.add_argument("--key", type=Path, metavar="PEM", help="the certificate's key")
    serve.add_argument("--behind-proxy", action="store_true", help="a proxy that speaks TLS stands in front")
    serve.add_argument("--days", type=float, default=1, help="days that the printed link works (1)")
    database_option(serve, "where the study's PostgreSQL database is now, for this and every later command")

    users = _command(group, "users", commands.users, "who may work on a study: a link a person")
    users.add_argument("action", choices=["add", "list", "revoke"])
    study_argument(users)
    users.add_argument("name", nargs="?", help="the person; add again for a new link")
    users.add_argument("--role", choices=["expert", "reviewer", "admin"], default="expert", help="what they may (expert)")
    users.add_argument("--days", type=float, default=30, help="days that the link works (30)")
    users.add_argument("--url", default="http://127.0.0.1:8000", help="where they reach the server")
    json_option(users)

    backup = _command(group, "backup", commands.backup, "a study in one file, also while it is served")
    study_argument(backup)
    backup.add_argument("file", type=Path, help="the archive, made anew (.tar)")

    restore = _command(group, "restore", commands.restore, "a study from a backup, every label checked")
    restore.add_argument("file", type=Path, help="what `askance backup` wrote")
    restore.add_argument("study", type=Path, help="the study's folder, made anew")
    database_option(restore, "put its state into this empty PostgreSQL database (SQLite in the folder)")

    work = _command(group, "work", commands.work, "what a job of the server does; the server starts it")
    study_argument(work)
    work.add_argument("--job", type=int, required=True, metavar="N", help="the job's number")


def _command(group: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(call=call)
    return parser
