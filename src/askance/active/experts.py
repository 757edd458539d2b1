"""Who answers: a simulated expert that knows the data set's labels, or a human whose answers come in by other doors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from askance.active.study import Study, by_case
from askance.errors import LabelError
from askance.metrics.effort import count_effort
from askance.records import OPEN, Case, Query, slice_id
from askance.store.answers import Answer


class Expert(Protocol):
    """Answers queries, at once or some day."""

    def answers(self, query: Query) -> Iterator[list[Answer]]:
        """The answers it has so far that are not in the store yet, a case at a time: all at once may not fit in memory."""
        ...


class SimulatedExpert:
    """Answers at once with the data set's own labels, and counts what a human would have had to change."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def answers(self, query: Query) -> Iterator[list[Answer]]:
        """All open slices of ``query``, a case at a time.

        Raises:
            LabelError: the data set labels one of them not at all; none is answered then.
        """
        states, cases = self._study.store.states(), self._study.cases_by_id()
        waiting = by_case([one for one in query.slice_ids if states[one] in OPEN])
        unassisted = {one.slice_id for one in query.asked if one.role == "validation"}
        for case_id, indices in waiting.items():
            _require_labels(cases[case_id], indices)
        for case_id, indices in waiting.items():
            yield self._answers_of_case(cases[case_id], indices, query, unassisted)

    def _answers_of_case(self, case: Case, indices: list[int], query: Query, unassisted: set[str]) -> list[Answer]:
        truth, axis = self._study.truth(case), self._study.config.grid.axis
        proposals, answers = proposals_of(self._study, query.model, case, indices), []
        for index in indices:
            name, labels = slice_id(case.id, axis, index), np.ascontiguousarray(truth[index])
            model, proposal = (None, None) if name in unassisted else (query.model, proposals.get(index))
            answers.append(Answer(name, labels, "simulated", count_effort(labels, proposal), model))
        return answers


class HumanExpert:
    """A human answers through ``askance answer`` or the page, which write to the store; here there is nothing to add."""

    def answers(self, query: Query) -> Iterator[list[Answer]]:
        """None: what has come in is in the store."""
        del query
        return iter(())


def accept_given(study: Study) -> None:
    """Where a human answers, take the labels that came with learn's cases as annotations by ``dataset``, once a case."""
    if study.config.expert != "human":
        return
    done: list[str] = list((study.store.marked(0, "given") or {}).get("cases", []))
    fresh = [case for case in study.store.cases("learn") if case.label is not None and case.id not in set(done)]
    for case in fresh:
        truth, axis = study.truth(case), study.config.grid.axis
        study.store.save_given([Answer(slice_id(case.id, axis, i), truth[i], "dataset") for i in case.labelled])
    if fresh:
        study.store.mark(0, "given", {"cases": done + [case.id for case in fresh]})


def expert_of(study: Study) -> Expert:
    """The expert that the study's settings name."""
    return SimulatedExpert(study) if study.config.expert == "simulated" else HumanExpert()


def proposals_of(study: Study, model: str | None, case: Case, indices: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """``model``'s predictions of slices of ``case``, (h, w) uint8 of the file's pixels, by index; none without a model."""
    if model is None or not indices or case.id not in study.store.predictions.cases(model):
        return {}
    labels = study.store.predictions.labels(model, case.id)  # the whole case is unpacked: asked for once, not once a slice
    return {index: study.from_grid(labels[index], case) for index in indices}


def _require_labels(case: Case, indices: list[int]) -> None:
    unlabelled = sorted(set(indices) - set(case.labelled))
    if case.label is None or unlabelled:
        raise LabelError(
            f"{case.id}: the simulated expert has no label for slices {unlabelled or indices}; "
            f"label them, or set expert = 'human' in study.toml"
        )
