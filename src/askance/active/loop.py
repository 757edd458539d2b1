"""Algorithm 1 as one resumable step over the study's stored state.

``collaborate`` reads like the paper. Every line of it is done once: what the store says is done is not done again, so a run
that was killed, or one that waited for its expert, goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from askance.active.acquisition import acquisition, goes_by_model
from askance.active.environment import describe_environment, peak_mb
from askance.active.experts import Expert, accept_given
from askance.active.measuring import measure
from askance.active.querying import ask, ask_base, progress_of, query_size
from askance.active.ranking import rank_pool, slices_to_rank
from askance.active.study import Study, model_name
from askance.active.training import train_cycle
from askance.active.triage import triage
from askance.errors import WaitingForExpert
from askance.learning.task import Step
from askance.records import OPEN, UNSEEN, Cycle, Model, Prediction, Query, State


class Watcher(Protocol):
    """Sees what goes on; the terminal's progress bar is one."""

    def stage(self, cycle: int, name: str) -> AbstractContextManager[None]:
        """Entered while the stage called ``name`` of ``cycle`` runs."""
        ...

    def training(self, step: Step) -> None:
        """A look into a training."""
        ...

    def count(self, done: int, total: int) -> None:
        """Cases done in the present stage, or in what a training puts in between its steps."""
        ...


class Unwatched:
    """Nobody looks."""

    def stage(self, cycle: int, name: str) -> AbstractContextManager[None]:
        """Nothing to enter."""
        del cycle, name
        return nullcontext()

    def training(self, step: Step) -> None:
        """Nothing to show."""

    def count(self, done: int, total: int) -> None:
        """Nothing to show."""


#: What becomes a cycle's record: study, id of the model, progress (cases done, cases).
Measure = Callable[[Study, str, Callable[[int, int], None]], dict[str, Any]]


def collaborate(study: Study, expert: Expert, watcher: Watcher | None = None, measuring: Measure | None = None) -> Model:
    """Algorithm 1: train on the base; n times ask, learn the answers, train. The last model comes back.

    ``measuring`` says what a model is worth, after each training (None: ``measure``).

    Raises:
        WaitingForExpert: the query is out and not all of it is answered; call again when it is.
    """
    turn = Turn(study, watcher or Unwatched(), measuring)
    turn.answer(turn.ask_base(), expert)
    model = turn.train(0)
    for cycle in range(1, study.config.budget.cycles + 1):
        if turn.nothing_left(cycle):
            break
        query = turn.ask(cycle, model)
        turn.answer(query, expert)
        model = turn.train(cycle)
    return model


class Turn:
    """The steps of the loop, each timed and marked in the store."""

    def __init__(self, study: Study, watcher: Watcher, measuring: Measure | None = None) -> None:
        self._study, self._watcher, self._measuring = study, watcher, measuring

    def ask_base(self) -> Query:
        """Prepare the slices and choose the base."""
        with self._timed(0, "prepare"):
            self._study.prepare(self._watcher.count)
            accept_given(self._study)
        with self._timed(0, "ask"):
            return ask_base(self._study)

    def nothing_left(self, cycle: int) -> str | None:
        """What keeps ``cycle`` from asking, in words: the budget, with it the pool, or the cycles; None: nothing does."""
        if self._study.store.query(cycle) is None and query_size(self._study, cycle) == 0:
            return "the budget is used up"
        if cycle > self._study.config.budget.cycles:
            return "all cycles are done"
        return None

    def ask(self, cycle: int, model: Model) -> Query:
        """Rank the pool with ``model``, choose the query, and judge what is not asked."""
        store, config = self._study.store, self._study.config
        if store.marked(cycle, "triage") is None:
            looks = goes_by_model(self._needs(cycle))  # what is asked without a look is looked at afterwards
            if looks:
                self.rank(cycle, model)
            with self._timed(cycle, "ask"):
                query = ask(self._study, cycle, model.id)
            if not looks:
                self.rank(cycle, model)
            with self._timed(cycle, "triage"):
                rest = {one.id for one in self._study.store.slices("learn", {"pool", "skipped"})}
                ranked = [one for one in store.predictions.of(model.id) if one.slice_id in rest]
                store.predictions.save_triage(triage(ranked, set(query.slice_ids), config.pseudo))
        return ask(self._study, cycle, model.id)

    def rank(self, cycle: int, model: Model) -> list[Prediction]:
        """What ``model`` says of the slices that a query is chosen among, as far as the acquisition wants to know.

        Once it was triaged, what stands in the store stays: it is what the query and the pseudo-labels came of.
        """
        if self._study.store.marked(cycle, "triage") is not None:
            return self._study.store.predictions.of(model.id)
        self._study.prepare()
        with self._timed(cycle, "rank"):
            chosen = slices_to_rank(self._study, cycle)
            return rank_pool(self._study, model.id, self._needs(cycle), self._watcher.count, chosen)

    def answer(self, query: Query, expert: Expert) -> None:
        """Take the answers there are.

        Raises:
            WaitingForExpert: some are not there yet.
        """
        store = self._study.store
        with self._timed(query.cycle, "answer"):
            for answers in expert.answers(query):
                store.save_answers(answers)
        store.desk.lapse()
        if waiting := _waiting(query, store.states()):
            raise WaitingForExpert(f"cycle {query.cycle}: {waiting}")

    def train(self, cycle: int) -> Model:
        """Train the model of ``cycle``, measure it and write the cycle's record."""
        self._study.prepare()
        done = self._study.store.marked(cycle, "train") is not None  # else it may be the mark that a kill left out
        with nullcontext() if done else self._timed(cycle, "train"):
            model = train_cycle(self._study, cycle, self._watcher.training, self._watcher.count)
        if all(known.number != cycle for known in self._study.store.cycles()):
            with self._timed(cycle, "measure"):
                measured = (self._measuring or measure)(self._study, model.id, self._watcher.count)
            self._study.store.save_cycle(Cycle(cycle, model.id, self._record(cycle, model, measured)))
        return model

    def _needs(self, cycle: int) -> frozenset[str]:
        """What the study's acquisition wants to know of a slice in ``cycle``."""
        config = self._study.config
        return acquisition(config.acquisition, progress_of(config.budget, cycle)).needs

    @contextmanager
    def _timed(self, cycle: int, name: str) -> Iterator[None]:
        """Runs a stage and marks it with its seconds; a stage that goes on after a kill adds to what is there."""
        before = (self._study.store.marked(cycle, name) or {}).get("seconds", 0.0)
        began = time.perf_counter()
        with self._watcher.stage(cycle, name):
            yield
        self._study.store.mark(cycle, name, {"seconds": before + time.perf_counter() - began})

    def _record(self, cycle: int, model: Model, measured: dict[str, Any]) -> dict[str, Any]:
        store, config = self._study.store, self._study.config
        budget, base = store.budget(), store.query(0)
        stages = {name: store.marked(cycle, name) for name in STAGES}
        queries = [query for query in store.queries() if query.cycle > 0]
        return {
            "cycle": cycle,
            "model": model.id,
            "acquisition": config.acquisition if cycle else (base.acquisition if base else None),
            "labelled_slices": budget["labelled"],
            "validation_slices": len(self._study.validation_ids() & {one.slice_id for one in self._study.answers()}),
            "learn_slices": budget["slices"],
            "budget": budget["share"],
            "queried_share": sum(len(query.asked) for query in queries) / max(1, budget["slices"]),
            **measured,
            "effort": _effort(self._study, cycle),
            "triage": _triage_counts(self._study, cycle, model),
            "belief": model.info.get("belief"),
            "seconds": {name: round(mark["seconds"], 3) for name, mark in stages.items() if mark},
            "peak_mb": peak_mb(),
            "label_set": model.label_set,
            "weights_sha256": model.weights_sha256,
            "losses": model.info["losses"],
            "slices_per_s": model.info["slices_per_s"],
            "precision": model.info.get("precision"),  # None: an older model's
            "seed": config.seed,
            **describe_environment(),
        }


STAGES = ("prepare", "rank", "ask", "triage", "answer", "train", "measure")


def _waiting(query: Query, states: Mapping[str, State]) -> str:
    """What of ``query`` is not done, and who has to do it; nothing where all is."""
    unread = sum(states[one] in OPEN for one in query.slice_ids)
    unseen = sum(states[one] in UNSEEN for one in query.slice_ids)
    said = []
    if unread:
        said.append(
            f"{unread} of {len(query.asked)} slices wait for the expert; `askance query` writes them to a folder, "
            f"`askance answer` takes them back, `askance serve` shows them in the browser"
        )
    if unseen:
        said.append(f"{unseen} of {len(query.asked)} slices wait for a second person to see the answer, on the page")
    return "; ".join(said)


def _effort(study: Study, cycle: int) -> dict[str, int]:
    """Expert effort on the slices answered in ``cycle``."""
    query = study.store.query(cycle)
    asked = set(query.slice_ids) if query else set()
    efforts = [one.effort for one in study.store.annotations() if one.slice_id in asked and one.effort]
    return {
        "slices": len(efforts),
        "changed_voxels": sum(one.changed_voxels for one in efforts),
        "area_voxels": sum(one.area_voxels for one in efforts),
    }


def _triage_counts(study: Study, cycle: int, model: Model) -> dict[str, int]:
    """How many pool slices went into this cycle's training as pseudo-labels and how many were held back."""
    if study.config.pseudo.by == "itself":
        own = model.info["own_labels"]
        return {"pseudo": own["slices"], "hold": own["pool"] - own["slices"], "pool": own["pool"]}
    known = {one.id for one in study.store.models()}
    teacher = model_name(cycle - 1)
    judged = study.store.predictions.of(teacher) if cycle and teacher in known else []
    pool = sum(one.triage is not None for one in judged)
    taught = sum(entry.kind == "pseudo" for entry in study.store.label_set(model.label_set).entries)
    return {"pseudo": taught, "hold": pool - taught, "pool": pool}
