"""What a person sees in the terminal: progress bars on stderr, tables on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from askance.learning.task import Step


class Bars:
    """A progress bar a stage: losses, slices per second and time left in training, cases done elsewhere.

    Where stderr is no terminal, a line a stage and one every tenth of a training.
    """

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(30),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[more]}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._tenths = 0

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def stage(self, cycle: int | None, name: str) -> Iterator[None]:
        """A bar of its own for the stage called ``name``."""
        title = name if cycle is None else f"cycle {cycle}: {name}"
        self._task, self._tenths = self._progress.add_task(title, total=None, more=""), 0
        if self._progress.disable:
            print(title, file=sys.stderr, flush=True)
        yield
        self._progress.remove_task(self._task)
        self._task = None

    def training(self, step: Step) -> None:
        """Show a look into a training."""
        losses = ", ".join(f"{name} {value:.3f}" for name, value in step.losses.items())
        text = f"{losses}, {step.slices_per_s:.0f} slices/s"
        self._show(step.number, step.steps, text)
        tenths = 10 * step.number // step.steps
        if self._progress.disable and tenths > self._tenths:
            self._tenths = tenths
            print(f"  step {step.number} of {step.steps}: {text}", file=sys.stderr, flush=True)

    def count(self, done: int, total: int) -> None:
        """Show how many of ``total`` are done."""
        self._show(done, total, f"{done} of {total}")

    def _show(self, done: int, total: int, more: str) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total, more=more)


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """``rows`` with their keys as headings; nothing where there are none."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for key, value in rows[0].items():
        table.add_column(key, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
