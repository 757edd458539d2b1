"""Jobs: each is a row in the store and a process of its own, which goes on when the server is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psutil

from askance.errors import StudyError
from askance.store.jobs import Job, JobState
from askance.store.store import Store

_LOG_LINES = 300
#: Added to the worker's niceness: the page answers first, the training takes what is left.
NICENESS = 10


def process_name(pid: int) -> str:
    """A process, told apart from a later one with the same number."""
    return f"{pid} {psutil.Process(pid).create_time():.2f}"


def as_told(job: Job) -> dict[str, Any]:
    """A job as the API tells it."""
    return {key: value for key, value in asdict(job).items() if key != "process"}


class Jobs:
    """Starts, watches and ends the workers of one study."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def tend(self) -> None:
        """Start what is queued and has no process; call those failed whose process is gone."""
        with self._lock:
            for job in self._store.jobs.newest():
                if job.state == "queued" and not self._is_starting(job.id):
                    self._launch(job)
                elif job.state == "running" and not self._is_alive(job):
                    ended: JobState = "cancelled" if job.cancel else "failed"
                    text = "ended as wanted" if job.cancel else "its process ended without a word; start it again to go on"
                    self._store.jobs.end(job.id, ended, text)

    def start(self, user: str) -> Job:
        """The next cycle, under way; StudyBusy where a job is already."""
        self.tend()
        job = self._store.jobs.add("cycle", user)
        self.tend()
        return self._store.jobs.one(job.id)

    def cancel(self, job_id: int, user: str) -> Job:
        """Ask the job to end, and its process to stop at once."""
        job = self._store.jobs.cancel(job_id, user)
        if job.state == "running" and self._is_alive(job) and job.process is not None:
            with suppress(ProcessLookupError):
                os.kill(int(job.process.split()[0]), signal.SIGTERM)
        return self._store.jobs.one(job_id)

    def listed(self) -> list[Job]:
        """The newest jobs, newest first."""
        self.tend()
        return self._store.jobs.newest()

    def newest(self) -> Job | None:
        """The newest job."""
        return next(iter(self.listed()), None)

    def log(self, job_id: int) -> str:
        """The last lines that the job printed, without the study's path."""
        self._store.jobs.one(job_id)
        try:
            with self._log_path(job_id).open(encoding="utf-8", errors="replace") as file:
                text = "".join(deque(file, _LOG_LINES))
        except OSError:
            return ""
        return text.replace(str(self._store.folder.resolve()), "STUDY").replace(str(self._store.folder), "STUDY")

    def _launch(self, job: Job) -> None:
        path = self._log_path(job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "askance", "work", str(self._store.folder), "--job", str(job.id)]
        try:
            with path.open("ab") as log:
                self._started[job.id] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        except OSError as error:
            self._store.jobs.end(job.id, "failed", "the worker could not be started")
            raise StudyError(f"the worker could not be started ({error.strerror})") from None

    def _log_path(self, job_id: int) -> Any:
        return self._store.folder / "log" / f"job-{job_id}.log"

    def _is_starting(self, job_id: int) -> bool:
        process = self._started.get(job_id)
        if process is None:
            return False
        if process.poll() is None:
            return True
        if self._store.jobs.one(job_id).state == "queued":  # else an earlier server's worker was the one that began it
            self._store.jobs.end(job_id, "failed", "the worker ended before it began; its log says why")
        return True

    def _is_alive(self, job: Job) -> bool:
        started = self._started.get(job.id)
        with suppress(psutil.Error, AttributeError, ValueError):
            pid = int(str(job.process).split()[0])
            if started is not None and started.pid == pid:
                return started.poll() is None
            return process_name(pid) == job.process and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return False
