"""A new study's settings, what it will ask for and be measured by, what may be added to one: told before it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from askance.active.acquisition import require_answer_to
from askance.active.querying import base_of, base_rng, require_room
from askance.active.study import Study
from askance.config import BudgetConfig, GridConfig, StudyConfig, from_preset
from askance.errors import DataError, UsageError
from askance.learning.architecture import Shape, crop_size, require_halvable
from askance.records import Case, Slice, slice_id
from askance.volumes.found import Found
from askance.volumes.geometry import default_context, default_grid

_PAPER_PIXELS = 128  # preset paper sees the whole slice at once; more pixels take minutes a cycle on a CPU
_MOST_VALIDATION = 30  # slices that tell the Dice to about +- 0.05; more cost more than they tell
_MOST_LABELLED = 0.5  # share of the slices from which their neighbours are seen, too
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
