"""What a job's process does: the loop as far as it goes without its expert, told to the store as it goes. Then it leaves."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from askance import api
from askance.active.study import Study
from askance.errors import OUT_OF_MEMORY, AskanceError, WaitingForExpert, is_out_of_memory
from askance.learning.task import Step
from askance.server.answering import said
from askance.server.jobs import NICENESS, process_name
from askance.store.jobs import Jobs

_REPORT_S = 0.5
_LOG = logging.getLogger("askance.worker")


class _Cancelled(BaseException):
    """Somebody wants the job ended."""


class JobWatcher:
    """Tells the store how far the loop is, at most twice a second, and ends it where that is wanted."""

    def __init__(self, jobs: Jobs, job_id: int) -> None:
        self._jobs, self._job_id = jobs, job_id
        self._told, self._progress = 0.0, dict[str, Any]()

    @contextmanager
    def stage(self, cycle: int, name: str) -> Iterator[None]:
        """Say that a stage begins."""
        _LOG.warning("cycle %s: %s", cycle, name)
        self._tell({"cycle": cycle, "stage": name}, at_once=True)
        yield

    def training(self, step: Step) -> None:
        """Say how far the training is."""
        losses = {name: round(float(value), 4) for name, value in step.losses.items()}
        self._tell({**self._stage(), "done": step.number, "total": step.steps, "losses": losses})

    def count(self, done: int, total: int) -> None:
        """Say how many cases are done."""
        self._tell({**self._stage(), "done": done, "total": total})

    def _stage(self) -> dict[str, Any]:
        return {key: self._progress[key] for key in ("cycle", "stage") if key in self._progress}

    def _tell(self, progress: dict[str, Any], at_once: bool = False) -> None:
        self._progress = progress
        if at_once or time.monotonic() - self._told >= _REPORT_S:
            self._told = time.monotonic()
            if self._jobs.report(self._job_id, progress):
                raise _Cancelled


def work(folder: Path, job_id: int) -> None:
    """Do the job: run the loop, and note how it ended.

    Raises:
        AskanceError: what the loop raised, once it is noted with the job; WaitingForExpert is no failure.
    """
    signal.signal(signal.SIGTERM, _cancel)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    with Study.open(folder) as study:
        jobs = study.store.jobs
        jobs.begin(job_id, process_name(os.getpid()))
        try:
            api.run(study, JobWatcher(jobs, job_id))
            api.report(study)
            jobs.end(job_id, "done", "the loop is at its end; the report is written")
        except WaitingForExpert as waiting:
            jobs.end(job_id, "waiting", str(waiting).split(";", maxsplit=1)[0])
        except _Cancelled:
            jobs.end(job_id, "cancelled", "ended as wanted; what was done is kept, the next start goes on")
        except AskanceError as error:
            jobs.end(job_id, "failed", said(error))
            raise
        except BaseException as error:
            found = OUT_OF_MEMORY if is_out_of_memory(error) else f"{type(error).__name__}; its log says more"
            jobs.end(job_id, "failed", found)
            raise


def _cancel(_number: int, _frame: FrameType | None) -> None:
    raise _Cancelled
