"""A new study's settings, what it will ask for and be measured by, what may be added to one: told before it is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from askance.active.acquisition import require_answer_to
from askance.active.querying import base_of, base_rng, require_room
from askance.active.study import Study
from askance.config import BudgetConfig, GridConfig, StudyConfig, from_preset
from askance.errors import DataError, SplitError, UsageError
from askance.learning.architecture import Shape, crop_size, require_halvable
from askance.records import Case, Slice, Split, slice_id
from askance.volumes.found import Found, some
from askance.volumes.geometry import default_context, default_grid
from askance.volumes.patients import Division, patients_of

_log = logging.getLogger(__name__)

_LEARN: Split = "learn"
_PAPER_PIXELS = 128  # preset paper sees the whole slice at once; more pixels take minutes a cycle on a CPU
_MOST_VALIDATION = 30  # slices that tell the Dice to about +- 0.05; more cost more than they tell
_MOST_LABELLED = 0.5  # share of the slices from which their neighbours are seen, too
_UNSEEN = 0.001  # share of a slice beyond the grid that rounding may leave
_VALIDATION_SHARE = 4  # of what may still be asked, one slice in so many


def said_by_names(folder: Path, found: Found) -> dict[str, Any]:
    """The settings that the names of the data set say."""
    said = {"name": folder.absolute().name, "classes": found.classes, "channels": found.channels, "ignore": found.ignore}
    return {key: value for key, value in said.items() if value is not None}


def axis_said(settings: Mapping[str, Any], axis: str | None) -> str | None:
    """The axis by name or number, from either place that can say it.

    Raises:
        UsageError: both say one.
    """
    grid = settings.get("grid")
    of_grid = grid.get("axis") if isinstance(grid, Mapping) else None
    if of_grid is None:
        return axis
    if axis is not None:
        raise UsageError(f"the axis is said twice, as {axis} and as grid.axis = {of_grid}; say it once")
    return str(of_grid)


def settings_of(
    folder: Path, found: Found, preset: str, settings: dict[str, Any], cases: Sequence[Case], axis: int
) -> StudyConfig:
    """The settings: the user's over those taken from the data over the preset's."""
    grid = settings.get("grid", {})
    if isinstance(grid, Mapping):  # what is no table is refused with the other settings
        grid = {**_default_grid(cases, axis, preset).model_dump(), **grid}
    config = _whole_slices(from_preset(preset, {**said_by_names(folder, found), **settings, "grid": grid}))
    return config if "context" in (settings.get("network") or {}) else _with_context(config, cases)


def require_usable(config: StudyConfig, cases: Sequence[Case]) -> None:
    """Raise now what would otherwise be raised at the first query or training.

    Raises:
        UsageError: an unknown acquisition or one that cannot ask here, a grid or crop that the networks cannot take,
            or a base that is empty, not there or beyond the budget.
    """
    require_answer_to(config, config.acquisition)
    require_halvable(config.grid.size)
    crop_size(Shape.of(config), config.network, config.training)
    total, labelled = _slices(config, cases), _given(config, cases)
    asked = _base(config, cases) + config.budget.count(config.budget.validation, total)
    require_room(config.budget, total, labelled, asked)


def with_validation(config: StudyConfig, cases: Sequence[Case], said: Mapping[str, Any]) -> StudyConfig:
    """``config`` with slices to measure by, where no test volume is labelled and ``said`` (its budget) leaves it open.

    They are a quarter of what the budget allows beyond the base, and at most 30.
    """
    if "validation" in said or any(case.split == "test" and case.label is not None for case in cases):
        return config
    total, labelled, budget = _slices(config, cases), _given(config, cases), config.budget
    room = budget.count(budget.total, total) - labelled - _base(config, cases)
    validation = min(_MOST_VALIDATION, max(0, room) // _VALIDATION_SHARE)
    return config.model_copy(update={"budget": budget.model_copy(update={"validation": float(validation)})})


def outlook(study: Study) -> list[str]:
    """Lines that tell the user what the study will ask, and of what it can not do as it stands."""
    config, cases = study.config, study.store.cases()
    budget, total, labelled = config.budget, _slices(config, cases), _given(config, cases)
    limit = budget.count(budget.total, total)
    lines = [f"{labelled} slices of learn came labelled and are taken as answered"] if labelled else []
    if config.network.context:
        lines.insert(0, f"each slice is seen with {config.network.context} on either side (network.context)")
    if labelled >= limit:
        more = f"raise it (--total, or budget.total in {study.store.folder / 'study.toml'})" if labelled < total else (
            "to let these labels play the expert, make the study with --expert simulated"
        )  # fmt: skip
        lines.append(f"that uses up the budget of {limit} slices: the {config.expert} expert is asked nothing; {more}")
    else:
        queries = "one query" if budget.cycles == 1 else f"{budget.cycles} queries"
        lines.append(
            f"the {config.expert} expert labels up to {limit} of {total} slices ({limit / total:.1%}): "
            f"a base ({budget.start}), then {queries} by {config.acquisition}"
        )
    answerable = sum(len(case.labelled) for case in cases if case.split == "learn")
    if config.expert == "simulated" and answerable < total:
        lines.append(
            f"{total - answerable} slices of learn have no label: a run stops where its expert is asked for one; "
            f"leave their cases out, or let a human answer (--expert human)"
        )
    if not any(case.split == "test" and case.label is not None for case in cases):
        lines.append(_estimate(budget, total))
    return lines


def _default_grid(cases: Sequence[Case], axis: int, preset: str) -> GridConfig:
    if preset == "paper":
        return default_grid(cases, axis, limit_px=_PAPER_PIXELS)
    return default_grid(cases, axis)


def _with_context(config: StudyConfig, cases: Sequence[Case]) -> StudyConfig:
    """Neighbours are seen, too, where slices lie close and most will be labelled; few are learnt by heart (log.md)."""
    total, axis = _slices(config, cases), config.grid.axis
    few = config.budget.count(config.budget.total, total) < _MOST_LABELLED * total
    context = 0 if few or config.preset == "paper" else default_context(cases, axis)
    return config.model_copy(update={"network": config.network.model_copy(update={"context": context})})


def _whole_slices(config: StudyConfig) -> StudyConfig:
    """Preset paper's generator narrows to one pixel, so it trains on whole slices, not crops."""
    if config.network.generator != "pix2pix":
        return config
    return config.model_copy(update={"training": config.training.model_copy(update={"crop": config.grid.size})})


def _estimate(budget: BudgetConfig, total: int) -> str:
    count = budget.count(budget.validation, total)
    if not count:
        return "no test volume is labelled and budget.validation is 0: nothing will tell how good the model is"
    return (
        f"no test volume is labelled: {count} slices of learn, drawn at random and answered without a proposal, measure "
        f"the model (budget.validation)"
    )


def _slices(config: StudyConfig, cases: Sequence[Case]) -> int:
    return sum(case.shape[config.grid.axis] for case in cases if case.split == "learn")


def _given(config: StudyConfig, cases: Sequence[Case]) -> int:
    """Slices of learn whose labels came with the data; a simulated expert keeps them back."""
    return 0 if config.expert == "simulated" else sum(len(case.labelled) for case in cases if case.split == "learn")


def _base(config: StudyConfig, cases: Sequence[Case]) -> int:
    """How many slices the first query asks to learn from."""
    axis, learn = config.grid.axis, [case for case in cases if case.split == "learn"]
    slices = [Slice(one.id, axis, i, one.patient, one.split) for one in learn for i in range(one.shape[axis])]
    given = set() if config.expert == "simulated" else {slice_id(one.id, axis, i) for one in learn for i in one.labelled}
    pool = [one for one in slices if one.id not in given]
    return len(base_of(config.budget, slices, pool, len(given), base_rng(config.seed)))


def require_learn(cases: Sequence[Case]) -> None:
    """Refuse cases none of which is in learn.

    Raises:
        DataError: there is nothing to learn from.
    """
    if not any(case.split == "learn" for case in cases):
        raise DataError("no case is in learn; wanted patients to learn from, beside those to test on")


def require_same_kind(study: Study, found: Found) -> None:
    """Refuse to add what is not of the study's classes, channels and ignored label.

    Raises:
        DataError: naming both.
    """
    if (found.classes, found.channels) != (study.config.classes, study.config.channels):
        raise DataError(
            f"{found.name}: classes {found.classes} and channels {found.channels} are not the study's "
            f"{study.config.classes} and {study.config.channels}"
        )
    if found.ignore is not None and found.ignore != study.config.ignore:
        raise DataError(
            f"{found.name}: label value {found.ignore} stands for what nobody labelled, which the study does not know "
            f"(its `ignore` is {study.config.ignore}); make a new study of both data sets, or label the rest"
        )


def warn_of_cut(study: Study, cases: Sequence[Case]) -> None:
    """Say which of ``cases`` reach beyond the study's working grid, which was made for those it began with."""
    outside = {case.id: study.grid.share_outside(case) for case in cases}
    cut = [f"{name}: {share:.1%}" for name, share in outside.items() if share > _UNSEEN]
    if cut:
        _log.warning(
            "%d of %d new cases reach beyond the study's working grid of %s pixels (%s of each slice): networks don't see "
            "what is cut off, and label it background; make a new study of both data sets if it matters",
            len(cut), len(cases), " x ".join(map(str, study.config.grid.size)), some(cut),
        )  # fmt: skip


def sides_of_fresh(study: Study, found: Found, fresh: Found, division: Division) -> Division:
    """Patients of the new cases, told as those of the known ones were, and their side: learn, unless the user says another.

    Raises:
        SplitError: a known case would get another patient, so that one patient could stand on two sides; or a new case
            is one to test on.
    """
    patients = patients_of(found, division)
    stored = {case.id: case.patient for case in study.store.cases()}
    torn = sorted(case for case, patient in patients.items() if stored.get(case, patient) != patient)
    if torn:
        raise SplitError(
            f"{found.name}: {torn[0]} is of patient {patients[torn[0]]} here and of {stored[torn[0]]} in the study; "
            f"say how to tell patients as at `askance init` (--patients, --patients-csv, --each-case-a-patient)"
        )
    ids = [case.id for case in fresh.cases]
    named = {} if division.splits is not None else found.splits or {}
    kept_apart = [one for one in ids if (named.get(one) or named.get(patients[one]) or _LEARN) != _LEARN]
    if kept_apart:
        raise SplitError(
            f"{found.name} keeps {some(kept_apart)} to test on, and a study's test side is frozen: added, they would be "
            f"learnt from; take them out of the data set, or name them under learn there"
        )
    splits = division.splits if division.splits is not None else dict.fromkeys(ids, _LEARN)
    return Division(table={case: patients[case] for case in ids}, splits=splits)
