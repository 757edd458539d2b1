"""Volumes for clients that think in volumes: a case's labels gathered from its slices, and slices taken from a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.errors import AnswerError
from askance.metrics.effort import count_effort
from askance.records import IGNORE, Annotation, Case, slice_id
from askance.server.answers_in import agreement_of_readers
from askance.server.monai.client import TAB, Client
from askance.store.answers import Answer
from askance.store.handing_in import Handing
from askance.volumes.geometry import split


@dataclass(frozen=True)
class Wanted:
    """What of a label is handed in beyond the asked slices that were drawn on.

    ``everything``: slices that nobody asked as well; ``unchanged``: those that hold what was shown, a proposal or nothing.
    """

    everything: bool = False
    unchanged: bool = False


@dataclass(frozen=True)
class Taken:
    """Ids of the slices that were stored, and of those that were asked and ``left_out``, since nobody drew on them."""

    slices: list[str]
    left_out: list[str]


def annotated(client: Client, case: Case) -> NDArray[np.uint8]:
    """(X, Y, Z): the labels that people gave; 0 where nobody labelled."""
    return _gathered(client, case, None)


def proposed(client: Client, case: Case) -> NDArray[np.uint8]:
    """(X, Y, Z): people's labels, and the model's elsewhere, but for slices that are asked without a proposal."""
    return _gathered(client, case, client.store.latest_model())


def has_labels(client: Client, case: Case) -> bool:
    """Whether anybody labelled a slice of the case."""
    return any(one.version is not None for one in client.store.desk.standing(case.id).values())


def renumbered(labels: NDArray[np.uint8], label_info: Any, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Class ids for a label exported by Slicer, which numbers its segments 1 to n in the order of ``label_info``.

    Raises:
        AnswerError: a segment whose name, or a value that, is no class of the study; a value that is no segment's.
    """
    table = np.arange(256, dtype=np.uint8)
    segments = label_info[: IGNORE - 1] if isinstance(label_info, list) else None
    if segments is not None and (beyond := set(np.unique(labels).tolist()) - set(range(len(segments) + 1)) - {IGNORE}):
        raise AnswerError(
            f"the label holds the value {min(beyond)}, and label_info names {len(segments)} segments, numbered from 1 in "
            "its order; export all that are named, or send the label without label_info"
        )
    for place, one in enumerate(segments or [], start=1):
        name = one.get("name") if isinstance(one, dict) else None
        if name not in classes:
            raise AnswerError(f"segment {str(name)[:80]!r} is no class of this study; wanted {', '.join(classes[1:])}")
        table[place] = classes.index(name)
    renamed: NDArray[np.uint8] = table[labels]
    wrong = set(np.unique(renamed).tolist()) - set(range(len(classes))) - {IGNORE}
    if wrong:
        raise AnswerError(
            f"the label holds the value {min(wrong)}; wanted 0 to {len(classes) - 1}, or {IGNORE} for unlabelled"
        )
    return renamed


def take_answers(client: Client, case: Case, volume: NDArray[np.uint8], wanted: Wanted) -> Taken:
    """Store the slices of ``volume`` that were asked, or all, as far as somebody drew on them.

    A proposal in this person's hands that comes back as it was is approved; a slice that nobody took in hand, or that comes
    back as empty as it was shown, may not have been looked at. What was in this person's hands until the time was over is
    taken where they drew on it: it stands where nobody else has the slice, and is a version beside theirs otherwise.

    Raises:
        AnswerError: nothing of this case is asked, or nothing was drawn, and that is not what was wanted.
    """
    desk, axis = client.store.desk, client.store.config.grid.axis
    planes = split(volume, axis)
    ids = [slice_id(case.id, axis, index) for index in range(len(planes))]
    mine, beside, left_out = _chosen(client, case, ids, planes, wanted)
    for index in mine:
        if client.store.state(ids[index]) == "queried":
            desk.take(ids[index], client.user.name, TAB)
        answer = _answer(client, ids[index], planes[index])
        desk.submit(Handing(client.user.name, None, answer, (), agreement_of_readers(client.store, answer)))
    desk.keep([_answer(client, ids[index], planes[index]) for index in beside])
    return Taken([ids[index] for index in mine + beside], [ids[index] for index in left_out])


def _chosen(
    client: Client, case: Case, ids: Sequence[str], planes: NDArray[np.uint8], wanted: Wanted
) -> tuple[list[int], list[int], list[int]]:
    """Indices of the planes that are this person's answers, of those kept beside them, and of those asked and left out.

    Raises:
        AnswerError: as of :func:`take_answers`.
    """
    standing = client.store.desk.standing(case.id)
    asked = [index for index, name in enumerate(ids) if standing[index].state == "queried" or _reads(client, name)]
    lapsed = _lapsed(client, ids, asked)
    if not asked and not lapsed and not wanted.everything:
        raise AnswerError(
            f"no slice of {case.id!r} is asked of {client.user.name} now; get the next sample, or send "
            '{"slices": "all"} with the label to hand in all that was drawn'
        )
    answered = np.array([standing[index].version is not None for index in range(len(planes))])
    drawn, kept = _drawn_and_kept(planes, split(proposed(client, case), client.store.config.grid.axis), answered)
    done = [index for index in asked if wanted.unchanged or drawn[index] or (kept[index] and _reads(client, ids[index]))]
    late = [index for index in lapsed if drawn[index] and _is_own(client, ids[index], planes[index])]
    labelled = np.flatnonzero(planes.any((1, 2)) | answered) if wanted.everything else ()
    beside = [k for k in map(int, labelled) if k not in asked + lapsed and (wanted.unchanged or drawn[k])]
    if not done and not late and not beside:
        raise AnswerError(
            f"nothing was drawn on the slices of {case.id!r} that are asked; where they are right as they are, send "
            '{"accept_unchanged": true} with the label'
        )
    return sorted(done + late), beside, [index for index in asked if index not in done]


def _drawn_and_kept(
    planes: NDArray[np.uint8], shown: NDArray[np.uint8], answered: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(D,) each: which planes differ from what was shown, and which are it and hold labels.

    Where none of the model's proposals came back as it was, the drawing began from nothing: what it leaves empty was not
    drawn. People's labels, on the slices ``answered``, tell nothing of that, as a drawing that is sent again holds its own.
    """
    same = (planes == shown).all((1, 2))
    kept = same & shown.any((1, 2))
    began_from_proposal = (kept & ~answered).any()
    return ~same & (planes.any((1, 2)) | began_from_proposal), kept


def _lapsed(client: Client, ids: Sequence[str], asked: Sequence[int]) -> list[int]:
    """Indices of the slices that this person had in hand until the time was over, and that are not ``asked`` now."""
    lapsed = client.store.desk.lapsed(client.user.name)
    return [index for index, name in enumerate(ids) if name in lapsed and index not in asked]


def _is_own(client: Client, name: str, plane: NDArray[np.uint8]) -> bool:
    """Whether this person drew ``plane`` since they were last heard: it is neither what they were shown nor their answer."""
    answer = _answer(client, name, plane)
    if answer.effort is not None and answer.effort.changed_voxels == 0:
        return False
    before = [one for one in client.store.desk.versions(name) if one.author == client.user.name]
    newest = max(before, key=lambda one: one.version, default=None)
    return newest is None or not np.array_equal(client.store.read_annotation(newest), plane)


def _answer(client: Client, name: str, plane: NDArray[np.uint8]) -> Answer:
    place = client.views.place(name)
    asked, _, model = client.store.desk.asked(name) or (None, None, None)
    shown = None if asked is not None and asked.role == "validation" else model
    labels, proposal = np.ascontiguousarray(plane), client.views.proposal(place, shown)
    return Answer(name, labels, client.user.name, count_effort(labels, proposal), shown if proposal is not None else None)


def _gathered(client: Client, case: Case, model: Any) -> NDArray[np.uint8]:
    axis = client.store.config.grid.axis
    volume = np.zeros(case.shape, np.uint8)
    planes = split(volume, axis)
    ids = [slice_id(case.id, axis, index) for index in range(len(planes))]
    newest = {one.slice_id: one for one in _readable(client, ids)}
    for index, name in enumerate(ids):
        if name in newest:
            planes[index] = client.store.read_annotation(newest[name])
        elif model is not None and not _is_unassisted(client, name):
            proposal = client.views.proposal(client.views.place(name), _teacher(client, name, case, model.id))
            planes[index] = 0 if proposal is None else proposal
    return volume


def _readable(client: Client, ids: Sequence[str]) -> list[Annotation]:
    """The newest label of each of these slices that this person may see, as on the page (``Seen.reads_all``)."""
    desk, user = client.store.desk, client.user
    blind = [name for name in ids if not user.may("reviewer") or _reads(client, name)]
    return desk.newest([name for name in ids if name not in blind]) + desk.visible(blind, user.name)


def _reads(client: Client, name: str) -> bool:
    """Whether this person has the slice in hand to answer it, be it as the first or the second reader."""
    lease = client.store.desk.held(name, client.user.name)
    return lease is not None and lease.purpose != "review"


def _is_unassisted(client: Client, name: str) -> bool:
    asked = client.store.desk.asked(name)
    return asked is not None and asked[0].role == "validation"


def _teacher(client: Client, name: str, case: Case, newest: str) -> str | None:
    """The newest model that predicted the case; for a slice that was asked, the model that asked it."""
    asked = client.store.desk.asked(name)
    if asked is not None and asked[2] is not None:
        return asked[2]
    return newest if client.store.desk.is_predicted(newest, case.id) else client.store.desk.last_teacher()
