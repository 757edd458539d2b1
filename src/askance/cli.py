"""The command line: what can be said. ``commands/`` has a module a topic.

Exit codes: 0 done, 1 failed, 2 misused, 3 waiting for the expert. argparse and late imports keep ``--help`` at the cost of
Python's own start; typer with its imports took five times that (docs/dependencies.md).
"""

from __future__ import annotations

import argparse
import os
import sys

from askance import __version__
from askance.commands import bench, data, loop, results, serving
from askance.errors import OUT_OF_MEMORY, AskanceError, is_out_of_memory

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from collections.abc import Sequence

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
    # Threads that wait for one another sleep: beside others, a step takes a third to three quarters (docs/log.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch loads OpenMP
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
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(f"askance: {OUT_OF_MEMORY}", file=sys.stderr)
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
    for topic in (data, loop, results, bench, serving):
        topic.add_commands(group)
    return parser
