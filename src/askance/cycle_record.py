"""What is measured in one cycle, as JSON: ``Cycle.record``, a line of it, and what that line holds."""

from __future__ import annotations

from typing import TypedDict


class CorrelationRecord(TypedDict):
    """``metrics.correlation.Correlation`` as JSON; None where a figure has no meaning.

    ``interval``: of 95 % of Pearson's r over patients; None for too few of them, and of volumes.
    """

    pearson: float | None
    pearson_p: float | None
    spearman: float | None
    spearman_p: float | None
    n: int
    left_out: int
    interval: tuple[float, float] | None


class CorrelationsRecord(TypedDict):
    """Correlation with Dice over the test slices, and over the test volumes."""

    slice: CorrelationRecord
    volume: CorrelationRecord


class EffortRecord(TypedDict):
    """Expert effort in one cycle: slices answered, voxels that differed from the proposals, foreground voxels."""

    slices: int
    changed_voxels: int
    area_voxels: int


class TriageRecord(TypedDict):
    """Slices of the pool: pseudo-labelled, held back by triage or not drawn, and both together (``pool``)."""

    pseudo: int
    hold: int
    pool: int


class BeliefRecord(TypedDict):
    """What answers said of pseudo-labels: ``slices`` asked that were trusted, their mean ``dice``, the verdict."""

    slices: int
    dice: float | None
    holds: bool


class _EstimateRecord(TypedDict):
    """What every estimate holds."""

    dice: float
    low: float
    high: float
    n: int


class EstimateRecord(_EstimateRecord, total=False):
    """Slice Dice estimated on ``n`` validation slices answered without a proposal, with its 95 % interval.

    ``slices``: slice id -> Dice, so that two trainings can be compared slice by slice.
    """

    slices: dict[str, float]


class _CycleRecord(TypedDict):
    """What every cycle's record holds."""

    cycle: int
    model: str
    acquisition: str
    labelled_slices: int
    learn_slices: int
    budget: float
    queried_share: float
    per_volume: dict[str, dict[str, float | None]]
    dice: float | None
    dice_per_class: dict[str, float | None]
    slice_dice: float | None
    correlation: CorrelationsRecord | None
    correlation_d_raw: CorrelationsRecord | None
    mae: float | None
    effort: EffortRecord
    triage: TriageRecord
    seconds: dict[str, float]
    peak_mb: float
    label_set: str
    seed: int
    commit: str | None
    environment: dict[str, str]
    estimate: EstimateRecord | None


class CycleRecord(_CycleRecord, total=False):
    """``Cycle.record``: everything measured in one cycle, as JSON. None stands for what has no value (never NaN).

    ``budget`` = ``labelled_slices / learn_slices``; ``queried_share`` is the share queried after the base (the paper's
    k). ``per_volume``: test case -> class name -> Dice; ``dice``: the mean over volumes and classes; ``slice_dice``:
    the mean over test slices. ``correlation``: of the score, ``correlation_d_raw``: of D's raw output; ``mae``: mean
    |score - Dice| over test slices. ``seconds``: step -> time. ``estimate``: where no labelled test volumes exist.
    ``adversarial``: D's figures by name, where there is a D. ``belief``: whether its pseudo-labels were learnt from.
    """

    adversarial: dict[str, float]
    belief: BeliefRecord
