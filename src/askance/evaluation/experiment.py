"""All trials of a plan through a runner, a line each as they come; what stands in the results is not run again."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from askance.active.loop import Unwatched, Watcher
from askance.errors import (
    OUT_OF_MEMORY,
    AskanceError,
    StudyError,
    TrainingError,
    UsageError,
    WorkerLost,
    is_out_of_memory,
)
from askance.evaluation.collaborating import is_ranked
from askance.evaluation.material import Material
from askance.evaluation.plan import Plan, Trial
from askance.evaluation.results import Results, alone_in
from askance.evaluation.trials import perform
from askance.execution import Runner

_log = logging.getLogger(__name__)

#: Told of each line: how many trials are done, of how many, the line.
Told = Callable[[int, int, dict[str, Any]], None]


def run(
    material: Material,
    plan: Plan,
    results: Results,
    runner: Runner,
    *,
    watcher: Watcher | None = None,
    told: Told | None = None,
    keep: bool = False,
) -> list[dict[str, Any]]:
    """The lines of every trial of ``plan``, old and new. A run that was stopped goes on where it was.

    Bases stay in ``material.work``, so that more shares or acquisitions can be asked of them later; what else a trial made
    is removed once its line is written, unless ``keep``. ``watcher`` sees into trials that run in this process.

    Raises:
        UsageError: what plan or settings name is not there, or results of other settings. StudyBusy: it runs already.
        AskanceError: what trials say of their own accord, after all others are done and written.
    """
    material.require(plan)
    stages = plan.stages()
    methods = {trial.method for stage in stages for trial in stage}
    results.require_same(material.dataset, material.data_digest, {one: material.digest(one) for one in methods})
    names = {trial.name for stage in stages for trial in stage}
    todo = [[trial for trial in stage if not _is_done(material, results, trial)] for stage in stages]
    done, failed = len(names) - sum(map(len, todo)), list[_Failed]()
    todo[0] += _lost_bases(material, todo)
    with alone_in(material.folder):
        if any(todo):
            seeing = watcher or Unwatched()
            with seeing.stage(0, "prepare"):
                material.prepare(seeing.count)
        for stage in todo:
            without = {one.trial for one in failed}  # a base that failed has nobody who could ask
            stage = [trial for trial in stage if trial.is_base or trial.its_base().name not in without]
            by_name = {trial.name: trial for trial in stage}
            for line in runner.map(partial(_tried, material, watcher=watcher), stage, _lost):
                if isinstance(line, _Failed):
                    failed.append(line)
                    _log.error("%s failed: %s\n%s", line.trial, line.error, line.trace)
                    continue
                if _is_done(material, results, by_name[line["trial"]]):
                    continue
                written, done = results.append(line), done + 1
                if not (keep or by_name[line["trial"]].is_base):
                    shutil.rmtree(material.folder_of(by_name[line["trial"]]), ignore_errors=True)
                if told:
                    told(done, len(names), written)
    if failed:
        raise type(failed[0].error)(
            f"{len(failed)} of {len(names)} trials failed, the first {failed[0].trial}: {failed[0].error}\n"
            f"What the others gave is kept; the same command runs these alone"
        )
    return [line for line in results.mine(material.dataset) if line["trial"] in names]


@dataclass(frozen=True)
class _Failed:
    """``trace``: where, of an error that nobody here raised; as text, for it may come from another machine."""

    trial: str
    error: AskanceError
    trace: str = ""


def _tried(material: Material, trial: Trial, watcher: Watcher | None = None) -> dict[str, Any] | _Failed:
    """The line of ``trial``, or why there is none: a night's other trials need not wait for it to be mended.

    Raises:
        UsageError: the command asks for what cannot be, in other trials too.
    """
    try:
        return perform(material, trial, watcher)
    except UsageError:
        raise
    except AskanceError as error:
        return _Failed(trial.name, error)
    except Exception as error:
        return _Failed(trial.name, _said(error, material), traceback.format_exc())


def _said(error: Exception, material: Material) -> AskanceError:
    """What is told of an ``error`` that nobody here raised; where the log has to say more, its type."""
    if isinstance(error, OSError):
        told = f"{error.filename or material.work}: {error.strerror or error}; see to the disk, its room and your rights"
        return StudyError(told)
    if is_out_of_memory(error):
        return TrainingError(OUT_OF_MEMORY)
    return TrainingError(f"{type(error).__name__}: {error}; the log says where")


def _lost(trial: Trial, error: WorkerLost) -> _Failed:
    return _Failed(trial.name, error)


def _lost_bases(material: Material, todo: Sequence[Sequence[Trial]]) -> list[Trial]:
    """Bases whose line is written and whose study is gone, as in a new ``work``, but of whom shares are to be asked."""
    bases = dict.fromkeys(trial.its_base() for stage in todo for trial in stage if trial.base is not None)
    return [base for base in bases if base not in todo[0] and not is_ranked(material.folder_of(base))]


def _is_done(material: Material, results: Results, trial: Trial) -> bool:
    return results.holds(material.dataset, trial.name, material.digest(trial.method))
