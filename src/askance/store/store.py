"""The door to a study on disk. Each method is one transaction; the work is in the modules beside this one.

Every method may raise StudyError: the folder cannot be written, the disk is full, the database is damaged, in use or out
of reach.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.config import StudyConfig
from askance.errors import StudyError
from askance.records import (
    Annotation,
    Asked,
    Case,
    Cycle,
    Effort,
    LabelEntry,
    LabelSet,
    Model,
    Query,
    Slice,
    Split,
    State,
)
from askance.store import answers, cases, creation, cycles, models, place, queries, slices
from askance.store import settings as study_toml
from askance.store.answers import Answer, SetAside, SetAsideState
from askance.store.copying import snapshot
from askance.store.database import Database, utc_now
from askance.store.desk import Desk
from askance.store.jobs import Jobs
from askance.store.lock import StudyLock
from askance.store.predictions import Predictions
from askance.store.sweeping import remove_orphans


class Store:
    """A study, open. ``folder`` holds it, ``config`` are its settings. Close it, or use it as a context manager.

    Doors of their own: ``desk`` for people at work, ``jobs`` for what processes do, ``predictions`` for what models said.
    """

    def __init__(self, folder: Path, settings: StudyConfig, database: Database) -> None:
        self.folder = folder
        self.config = settings
        self._database = database
        self._lock = StudyLock(folder, database)
        self.desk = Desk(folder, settings, database)
        self.jobs = Jobs(database)
        self.predictions = Predictions(folder, settings.grid.axis, database)

    @classmethod
    def create(cls, folder: Path, settings: StudyConfig, cases: Sequence[Case], database: str | None = None) -> Store:
        """A new study in ``folder``, which must be empty or absent. The slices of learn start in the pool.

        ``database`` is the URL of an empty PostgreSQL database for its state (None: SQLite in the folder).

        Raises:
            StudyError: the folder is in use or cannot be written, or a case cannot be taken; nothing is left behind.
            SplitError: a patient on two sides. UsageError: a URL that cannot be used.
        """
        creation.create(folder, settings, cases, database)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The study in ``folder``; an older database is migrated.

        Raises:
            StudyError: not a study, damaged, made by a newer askance, or study.toml no longer fits what is stored.
            ConfigError: study.toml cannot be used.
        """
        there = {study_toml.NAME: (folder / study_toml.NAME).is_file(), place.SQLITE: place.is_placed(folder)}
        missing = [name for name, is_there in there.items() if not is_there]
        if missing:
            todo = "restore it from a backup" if len(missing) < len(there) else "make one with `askance init`"
            raise StudyError(f"{folder}: not a study ({missing[0]} is missing); {todo}")
        settings = study_toml.load(folder)
        database = place.open_database(folder)
        try:
            study_toml.check_axis(folder, settings, database.read(cases.axis_of))
            study_toml.check_model(folder, settings, next(reversed(database.read(models.load)), None))
        except BaseException:
            database.close()
            raise
        return cls(folder, settings, database)

    def snapshot(self, target: Path) -> None:
        """The database as it is at one moment, as an SQLite file, while others go on writing."""
        snapshot(self._database, target)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def destroy(self) -> None:
        """Remove the study, folder and database, as if it had never been made; the store is closed."""
        if not isinstance(self._database.place, Path):
            self._database.drop()
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def lock(self, wait_s: float = 0) -> AbstractContextManager[None]:
        """Hold the study for this process inside a ``with``.

        Raises:
            StudyBusy: another process holds it after ``wait_s`` seconds.
        """
        return self._lock.held(wait_s)

    def save_config(self, settings: StudyConfig) -> None:
        """Write study.toml anew.

        Raises:
            StudyError: another axis or another number of classes: what is stored hangs on both.
        """
        study_toml.save(self.folder, settings, self.config)
        self.config = settings

    # Cases and slices

    def cases(self, split: Split | None = None) -> list[Case]:
        """The cases of ``split`` (None: all), in natural order."""
        return self._database.read(cases.load, split)

    def case(self, case_id: str) -> Case:
        """The case; StudyError if there is none."""
        return self._database.read(cases.load_one, case_id)

    def add_cases(self, given: Sequence[Case]) -> None:
        """Add cases, all or none; one that is there already, just so, stays. SplitError: a patient on two sides."""
        self._database.write(cases.add, given, self.config.grid.axis)

    def replace_case(self, case: Case) -> None:
        """Put ``case`` in the place of the one with its id: files that moved, a label that came later."""
        self._database.write(cases.replace, case)

    def slices(self, split: Split | None = None, states: Collection[State] | None = None) -> list[Slice]:
        """Slices by case and index: of ``split`` (None: all), in one of ``states`` (None: any; names learn's only)."""
        return self._database.read(slices.load, split, states)

    def state(self, slice_id: str) -> State:
        """State of a slice of learn; StudyError for any other."""
        return self._database.read(slices.states_of, [slice_id])[slice_id]

    def states(self) -> dict[str, State]:
        """State of every slice of learn, by id; those of test and validation have none."""
        return self._database.read(slices.states)

    def budget(self) -> dict[str, Any]:
        """``slices`` of learn, how many are ``labelled`` (an annotation exists), and their ``share``."""
        return self._database.read(slices.budget)

    # Queries and answers

    def save_query(self, query: Query) -> None:
        """Store a query and take its slices out of the pool, all or none; the same again changes nothing.

        Raises:
            StudyError: the cycle has another query, or a slice is not in the pool or listed twice.
        """
        self._database.write(queries.save, query)

    def extend_query(self, cycle: int, more: Sequence[Asked]) -> None:
        """Ask ``more`` slices of the pool in ``cycle`` beside those that its query has, all or none.

        Raises:
            StudyError: a slice is not in the pool or listed twice.
        """
        self._database.write(queries.extend, cycle, more)

    def query(self, cycle: int) -> Query | None:
        """The query of ``cycle``; None if there is none."""
        return next(iter(self._database.read(queries.load, cycle)), None)

    def queries(self) -> list[Query]:
        """All queries, by cycle."""
        return self._database.read(queries.load)

    def save_answer(
        self,
        slice_id: str,
        labels: NDArray[np.uint8],
        author: str,
        effort: Effort | None = None,
        proposal: str | None = None,
    ) -> Annotation:
        """The next version of the slice's label, accepted; the same bytes by the same author make no new one."""
        return self.save_answers([Answer(slice_id, labels, author, effort, proposal)])[0]

    def save_answers(self, given: Sequence[Answer]) -> list[Annotation]:
        """The annotation of each answer, in the same order; all are stored or none.

        Raises:
            AnswerError: wrong type, shape or class id.
            StudyError: an unknown slice, or one that was not asked.
        """
        return self._database.write(answers.save_asked, self.folder, given, self._encoded(given))

    def save_given(self, given: Sequence[Answer]) -> None:
        """Accept labels that came with the data, asked or not; a slice that has an annotation keeps it."""
        self._database.write(answers.save_given, self.folder, given, self._encoded(given))

    def _encoded(self, given: Sequence[Answer]) -> list[bytes]:
        return [answers.encode(answer, len(self.config.classes)) for answer in given]

    def set_aside(self, slice_id: str, state: SetAsideState, reason: str, author: str) -> None:
        """Mark a slice that was asked as ``skipped`` or ``unreadable``; a later answer lifts it."""
        self._database.write(answers.set_aside, SetAside(slice_id, state, reason, author, utc_now()))

    def set_asides(self) -> dict[str, SetAside]:
        """The slices set aside now, by id."""
        return self._database.read(answers.set_asides)

    def annotations(self, latest: bool = True) -> list[Annotation]:
        """The latest version of each annotated slice, or every version, by case, index and version."""
        return self._database.read(answers.load, latest=latest)

    def annotation(self, slice_id: str, version: int | None = None) -> Annotation | None:
        """The slice's annotation of ``version`` (None: the latest); None if there is none."""
        found = self._database.read(answers.load, [slice_id], latest=version is None)
        return next((one for one in found if version in (None, one.version)), None)

    def read_annotation(self, annotation: Annotation) -> NDArray[np.uint8]:
        """Its labels, uint8 (h, w) in the file's in-plane shape.

        Raises:
            StudyError: the file is gone or was changed, or study.toml names fewer classes than it holds.
        """
        return answers.decode(self.folder, annotation, len(self.config.classes))

    # Label sets and models

    def save_label_set(self, entries: Iterable[LabelEntry]) -> LabelSet:
        """The label set of these entries; the same entries make the same set, stored once."""
        return self._database.write(models.save_label_set, entries)

    def label_set(self, label_set_id: str) -> LabelSet:
        """The label set; StudyError if there is none."""
        return self._database.read(models.load_label_set, label_set_id)

    def model_folder(self, model_id: str) -> Path:
        """Where the model's files are, or are to be written."""
        cases.check_name(model_id, "model")
        return self.folder / "models" / model_id

    def save_model(self, model: Model) -> None:
        """Store a trained model's row, once its files are written; StudyError if the id has other weights already."""
        self._database.write(models.save, model)

    def model(self, model_id: str) -> Model:
        """The model; StudyError if there is none."""
        return self._database.read(models.load_one, model_id)

    def models(self) -> list[Model]:
        """All models, by cycle and time of making."""
        return self._database.read(models.load)

    def latest_model(self) -> Model | None:
        """The model of the highest cycle, the newest there; None before the first training."""
        return next(reversed(self.models()), None)

    # The loop's progress

    def save_cycle(self, cycle: Cycle) -> None:
        """Store a finished cycle and write log/cycles.jsonl anew; the same model again replaces the record."""
        self._database.write(cycles.save, cycle)
        self._database.write(cycles.write_log, self.folder / "log" / "cycles.jsonl")

    def cycles(self) -> list[Cycle]:
        """The finished cycles, by number."""
        return self._database.read(cycles.load)

    def mark(self, cycle: int, step: str, detail: Mapping[str, Any]) -> None:
        """Note that the loop has taken ``step`` of ``cycle``; marked again, the new detail stands."""
        self._database.write(cycles.mark, cycle, step, detail)

    def marked(self, cycle: int, step: str) -> dict[str, Any] | None:
        """The detail noted with the step; None while it was not taken."""
        return self._database.read(cycles.marked, cycle, step)

    def sweep(self) -> list[Path]:
        """Remove files that a kill left without a row, and unfinished ones; what comes back are their paths.

        For whoever is alone with the study and knows its database to be the newest: no command of ours calls it.
        """
        return self._database.write(remove_orphans, self.folder)
