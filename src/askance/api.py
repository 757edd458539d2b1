"""askance from Python: the steps of the command line, one function each, in the order in which they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from askance.active.exchange import Taken, read_answers, write_query
from askance.active.experts import accept_given, expert_of
from askance.active.exporting import export_nifti, export_nnunet, export_onnx
from askance.active.loop import Turn, Unwatched, Watcher, collaborate
from askance.active.outside import predict_files
from askance.active.study import Study
from askance.adding import fresh_in, require_same_kind, sides_of_fresh, warn_of_cut
from askance.config import from_preset
from askance.cycle_record import CycleRecord
from askance.errors import UsageError
from askance.learning.architecture import require_halvable
from askance.planning import (
    axis_said,
    require_learn,
    require_usable,
    said_by_names,
    settings_of,
    with_validation,
)
from askance.records import OPEN, UNSEEN
from askance.report.page import write_report
from askance.store.creation import require_free
from askance.store.postgres import address
from askance.store.store import Store
from askance.summary import gather
from askance.volumes.dataset import relocate_all, study_cases
from askance.volumes.found import Found
from askance.volumes.patients import WHAT_THE_DATA_SAYS, Division

Progress = Callable[[int, int], None]

_ANY_GRID = {"axis": 0, "spacing_mm": (1.0, 1.0), "size": (64, 64)}  # until the data have been read


def init(
    folder: Path,
    found: Found,
    *,
    preset: str = "askance",
    settings: dict[str, Any] | None = None,
    axis: str | None = None,
    division: Division = WHAT_THE_DATA_SAYS,
    database: str | None = None,
    progress: Progress | None = None,
) -> Study:
    """A new study in ``folder`` of the data set ``found``; ``settings`` (as in study.toml) win over the preset's.

    Its state is in SQLite in the folder, or in the empty PostgreSQL database at the URL ``database``.

    Where a human answers, the labels that came with learn's cases are taken as answered; a simulated expert keeps them back.

    Raises:
        DataError: problems in the data set. UsageError: settings, or the URL. StudyError: the folder or the database.
    """
    settings = dict(settings or {})
    _refuse_early(folder, found, preset, settings, database)
    seed = settings.get("seed", 0)
    cases, number = study_cases(
        found,
        axis=axis_said(settings, axis),
        division=division,
        seed=seed if isinstance(seed, int) and seed >= 0 else 0,
        progress=progress,
    )
    require_learn(cases)
    config = with_validation(
        settings_of(folder, found, preset, settings, cases, number), cases, settings.get("budget") or {}
    )
    require_usable(config, cases)
    study = Study(Store.create(folder, config, cases, database))
    try:
        accept_given(study)
    except BaseException:
        study.store.destroy()
        raise
    return study


def _refuse_early(folder: Path, found: Found, preset: str, settings: dict[str, Any], database: str | None) -> None:
    """Raise before hours of reading what would be raised after them; a grid that nobody said waits for the data."""
    require_free(folder)
    if database is not None:
        address(database)
    grid = settings.get("grid", {})
    if isinstance(grid, Mapping):  # what is no table is refused with the other settings
        grid = {**_ANY_GRID, **grid}
    require_halvable(from_preset(preset, {**said_by_names(folder, found), **settings, "grid": grid}).grid.size)


def run(study: Study, watcher: Watcher | None = None) -> list[CycleRecord]:
    """Algorithm 1 to its end; every cycle's record.

    Raises:
        WaitingForExpert: a human's answers are missing; call again when they are in.
    """
    with study.store.lock():
        collaborate(study, expert_of(study), watcher)
        return records(study)


def train(study: Study, watcher: Watcher | None = None) -> CycleRecord:
    """The next model, from what is labelled now: the cycle of the last query.

    Raises:
        WaitingForExpert: the query is not answered yet. UsageError: nothing was asked since the last model.
    """
    with study.store.lock():
        turn, store = Turn(study, watcher or Unwatched()), study.store
        queries, model = store.queries(), store.latest_model()
        query = turn.ask_base() if model is None or not queries else queries[-1]
        if model is not None and query.cycle <= model.cycle and any(one.number == model.cycle for one in store.cycles()):
            raise UsageError(f"{store.folder}: nothing was asked since {model.id}; run `askance query` first")
        if model is not None and query.cycle > model.cycle:
            query = turn.ask(query.cycle, model)
        turn.answer(query, expert_of(study))
        turn.train(query.cycle)
        return records(study)[-1]


def rank(study: Study, watcher: Watcher | None = None) -> list[dict[str, Any]]:
    """The slices that the next query is chosen among as the newest model sees them, the least certain first.

    A row a slice: ``slice``, ``score``, ``d_raw`` and measures. All of the pool where ``budget.ranked`` is 0.

    Raises:
        UsageError: no model yet.
    """
    with study.store.lock():
        model = study.store.latest_model()
        if model is None:
            raise UsageError(f"{study.store.folder}: there is no model to rank with; run `askance train` first")
        predictions = Turn(study, watcher or Unwatched()).rank(model.cycle + 1, model)
    learn = {one.id for one in study.pool()}
    rows = [
        {"slice": one.slice_id, "score": one.score, "d_raw": one.d_raw, **one.measures}
        for one in predictions
        if one.slice_id in learn
    ]
    return sorted(rows, key=lambda row: (row["score"], row["slice"]))


def query(study: Study, watcher: Watcher | None = None) -> list[dict[str, Any]]:
    """What is asked now: the open query, or the next one. A row a slice: cycle, slice, state, score, role, why.

    Raises:
        UsageError: the budget or the cycles are used up.
    """
    with study.store.lock():
        turn, store = Turn(study, watcher or Unwatched()), study.store
        model, asked = store.latest_model(), store.queries()
        if model is not None:
            turn.train(model.cycle)  # a kill may have left it unmeasured
        if model is None:
            now = turn.ask_base()
        elif asked and asked[-1].cycle > model.cycle:
            now = turn.ask(asked[-1].cycle, model)
        elif nothing := turn.nothing_left(model.cycle + 1):
            raise UsageError(
                f"{store.folder}: {nothing}; raise budget.total and budget.cycles in study.toml to ask for more, or "
                f"`askance add` cases"
            )
        else:
            now = turn.ask(model.cycle + 1, model)
    states = store.states()
    return [
        {"cycle": now.cycle, "slice": one.slice_id, "state": states[one.slice_id], "score": one.score, "role": one.role,
         "why": one.reason}
        for one in now.asked
    ]  # fmt: skip


def hand_out(study: Study, folder: Path) -> Path:
    """Write what is open of the newest query to ``folder``, images and proposals, for the expert's own tools.

    Raises:
        UsageError: no query is open, or ``folder`` holds something else. SourceMissing, SourceChanged: an image file is not
            as the study knows it. StudyError: ``folder`` cannot be written.
    """
    return write_query(study, folder)


def answer(study: Study, folder: Path, author: str, accept_unchanged: bool = False) -> Taken:
    """Take the labels that ``author`` corrected in a folder of ``hand_out``; what came of its slices.

    ``accept_unchanged``: a proposal that nobody touched may be an answer, too.

    Raises:
        UsageError: no author. AnswerError: the folder is not of this study's query, nothing in it is marked, or something
            cannot be taken, as a label file that cannot be read or does not fit; nothing is, then.
    """
    with study.store.lock():
        return read_answers(study, folder, author, accept_unchanged)


def status(study: Study) -> dict[str, Any]:
    """Where the study stands: slices by state, budget, cycles done, and what comes next."""
    states, queries, model = study.store.states(), study.store.queries(), study.store.latest_model()
    counts = {state: list(states.values()).count(state) for state in sorted(set(states.values()))}
    waiting = [one for one, state in states.items() if state in (*OPEN, *UNSEEN)]
    if waiting:
        cycles = sorted({query.cycle for query in queries if set(waiting) & set(query.slice_ids)})
        of_cycles = f" of cycle {', '.join(map(str, cycles))}" if cycles else ""  # drawn beside, before anything was asked
        following = f"answer {len(waiting)} slices{of_cycles}"
    elif not queries:
        following = "ask cycle 0"
    elif model is None or queries[-1].cycle > model.cycle:
        following = f"train cycle {queries[-1].cycle}"
    elif nothing := Turn(study, Unwatched()).nothing_left(model.cycle + 1):
        following = f"done: {nothing}"
    else:
        following = f"ask cycle {model.cycle + 1}"
    budget = study.store.budget()
    return {"study": study.config.name, "next": following, "states": counts, "budget": budget, "cycles": len(records(study))}


def records(study: Study) -> list[CycleRecord]:
    """What was measured after each cycle, as in log/cycles.jsonl."""
    return [cast(CycleRecord, cycle.record) for cycle in study.store.cycles()]


def report(study: Study, path: Path | None = None, full_supervision: float | None = None) -> Path:
    """Write the HTML report and give back its path; report.html in the study's folder by default."""
    target = path or study.store.folder / "report.html"
    write_report(target, gather(study, full_supervision))
    return target


def export(study: Study, to: Literal["nifti", "nnunet", "onnx"], out: Path) -> Path:
    """Hand labels, or the network, to other tools: in the new folder ``out``, or as the new file ``out`` (.onnx).

    Raises:
        UsageError: nothing to export yet, ``out`` is there (an empty folder may be), image files that nnU-Net does not take,
            or ONNX without its extra. SourceMissing, SourceChanged: an image file is not as the study knows it.
            StudyError: ``out`` cannot be written. TrainingError: ONNX and PyTorch differ.
    """
    calls: dict[str, Callable[[Study, Path], Path]] = {"nifti": export_nifti, "nnunet": export_nnunet, "onnx": export_onnx}
    return calls[to](study, out)


def predict(model: Path, files: Sequence[Path], out: Path, progress: Progress | None = None) -> list[dict[str, Any]]:
    """Label volumes outside the study by the model in the folder ``model``, a study's ``models/cycle-NNN``; a row a case.

    Raises:
        UsageError, FormatError: no such model, or files that it cannot label.
    """
    return predict_files(model, files, out, progress)


def add(study: Study, found: Found, division: Division = WHAT_THE_DATA_SAYS, progress: Progress | None = None) -> list[str]:
    """Bring the cases of ``found`` that the study does not know into it; their ids.

    New cases go to learn unless ``division`` says otherwise: test and validation are frozen.

    Raises:
        DataError: problems, other classes, channels or ignored label than the study's; a known case with other images.
        SplitError: a new case that the data set names to test on, or that may be of a known patient and nobody says so.
    """
    require_same_kind(study, found)
    known, fresh = study.store.cases(), fresh_in(study, found)
    sides, axis = sides_of_fresh(study, found, fresh, division), str(study.config.grid.axis)
    added = study_cases(fresh, axis=axis, division=sides, beside=known, progress=progress)[0] if fresh.cases else []
    warn_of_cut(study, added)
    with study.store.lock():
        if added:
            study.store.add_cases(added)
        accept_given(study)
    return [case.id for case in added]


def relocate(study: Study, folder: Path) -> list[str]:
    """Find the source files that moved, by their bytes, under ``folder``; ids of the cases whose files were found.

    Raises:
        SourceMissing, SourceChanged: a file is not there, or has other bytes.
    """
    before = study.store.cases()
    after = relocate_all(before, folder)
    with study.store.lock():
        for case in after:
            study.store.replace_case(case)
    return [new.id for old, new in zip(before, after) if old != new]


__all__ = [
    "Study", "add", "answer", "export", "hand_out", "init", "predict", "query", "rank", "records", "relocate", "report",
    "run", "status", "train",
]  # fmt: skip
