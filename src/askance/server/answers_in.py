"""What a person hands in, turned back from the display to the file, compared with the proposal, ready for the store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from askance.errors import AnswerError
from askance.metrics.dice import slice_dice
from askance.metrics.effort import count_effort
from askance.records import Annotation, slice_id
from askance.server.views import Place, Seen, Views
from askance.store.answers import Answer
from askance.store.store import Store


def answers_of(
    views: Views, place: Place, seen: Seen, planes: Mapping[int, NDArray[np.uint8]]
) -> tuple[Answer, tuple[Answer, ...]]:
    """The answer for the slice in hand, and those for the slices drawn on beside it.

    Raises:
        AnswerError: the slice in hand is missing, or one is none of the case's.
    """
    check_indices(place, planes)
    if place.index not in planes:
        raise AnswerError(f"the upload does not hold slice {place.index}, which was asked; hand that one in")
    given = {index: _answer(views, place, seen, index, plane) for index, plane in planes.items()}
    return given[place.index], tuple(one for index, one in given.items() if index != place.index)


def check_indices(place: Place, planes: Mapping[int, NDArray[np.uint8]]) -> None:
    """Let planes pass that are slices of the case.

    Raises:
        AnswerError: one is not.
    """
    wrong = [index for index in planes if not 0 <= index < place.depth]
    if wrong:
        raise AnswerError(f"case {place.case.id!r} has no slice {wrong[0]}; wanted 0 to {place.depth - 1}")


def agreement(store: Store, labels: NDArray[np.uint8], other: Annotation | None) -> float | None:
    """Dice between two people's labels of one slice; None where there is no other, or both drew nothing."""
    if other is None:
        return None
    dice = slice_dice(labels, store.read_annotation(other), len(store.config.classes))
    return None if np.isnan(dice) else float(dice)


def agreement_of_readers(store: Store, answer: Answer) -> float | None:
    """Dice with the other reader's answer, where two people read the slice and the other one has answered."""
    return agreement(store, answer.labels, store.desk.other_reading(answer.slice_id, answer.author))


def _answer(views: Views, place: Place, seen: Seen, index: int, plane: NDArray[np.uint8]) -> Answer:
    name = slice_id(place.case.id, place.display.file_axis, index)
    there = Place(name, index, place.case, place.display)
    labels, proposal = place.display.from_plane(plane), views.proposal(there, seen.teacher)
    shown = seen.teacher if proposal is not None else None
    return Answer(name, labels, seen.user.name, count_effort(labels, proposal), shown)
