"""Figures in words: how a number is printed, and the sentences that a radiologist reads first."""

from __future__ import annotations

import math

from askance.cycle_record import CorrelationRecord, CycleRecord
from askance.report.data import ReportData

NOTHING = "–"


def decimal(value: float | None, digits: int = 3) -> str:
    """A plain figure, a dash where there is none."""
    return NOTHING if value is None or math.isnan(value) else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share as "10.0 %"."""
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def whole(number: int) -> str:
    """A count as "1,126"."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """A count with its noun: "1 slice", "1,126 slices"."""
    return f"{whole(number)} {noun}{'' if number == 1 else 's'}"


def p_value(p: float | None) -> str:
    """A p value as "p < 0.001" or "p = 0.012"."""
    if p is None or math.isnan(p):
        return "p not defined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def duration(seconds: float) -> str:
    """A time as "< 1 s", "42 s", "12 min" or "1 h 05 min"."""
    if seconds < 0.95:
        return "< 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def headline(data: ReportData) -> str:
    """The result in one sentence: what was labelled, and how good the labels are."""
    last = data.cycles[-1]
    share = f"{whole(last['labelled_slices'])} of {counted(last['learn_slices'], 'slice')}"
    return f"With {share} labelled ({percent(last['budget'])}), {_quality(data, last)}"


def _quality(data: ReportData, last: CycleRecord) -> str:
    if last["dice"] is not None:
        volumes = counted(len(last["per_volume"]), "frozen test volume")
        return f"the mean Dice on the {volumes} is {decimal(last['dice'], 2)}."
    if last["estimate"] is not None:
        return f"the slice Dice is {estimate(last)}."
    return "the model is trained; how good it is cannot be said, because nothing was kept to measure it on."


def estimate(cycle: CycleRecord) -> str:
    """The estimated Dice with where it comes from; a dash where there is none."""
    found = cycle["estimate"]
    if found is None:
        return NOTHING
    return (
        f"{decimal(found['dice'], 2)}, estimated from {counted(found['n'], 'unassisted slice')} "
        f"(95 % interval {decimal(found['low'], 2)} to {decimal(found['high'], 2)})"
    )


#: Pearson's r from which a word applies, with what it means for the reader.
_TRUST = (
    (0.8, "That is close: a low score is a good reason to look at a slice, a high one a fair reason not to."),
    (0.6, "That is a useful guide: low scores are worth a look first, but a high score is no proof of a good label."),
    (0.3, "That is weak: use the score to sort slices, not to accept them."),
    (-1.0, "That is no better than guessing: do not use this score to decide which labels to keep."),
)


def trust(cycle: CycleRecord) -> str:
    """How far the score can be trusted, from its correlation with Dice over the test slices."""
    found = cycle["correlation"] and cycle["correlation"]["slice"]
    if not found or found["pearson"] is None or math.isnan(found["pearson"]):
        return (
            "How far the score can be trusted cannot be said: there are too few test slices with a known label, or they "
            "are all alike. Treat it as a way to sort slices, not as a measure."
        )
    off = "" if cycle["mae"] is None else f" On average it is off by {decimal(cycle['mae'], 2)}."
    verdict = next(words for limit, words in _TRUST if found["pearson"] >= limit)
    slices = counted(found["n"], "test slice")
    return f"On {slices} the correlation of score and true Dice is {correlation(found)}.{off} {verdict}"


def correlation(found: CorrelationRecord) -> str:
    """Pearson's r with its interval and Spearman's rho; where there are too few patients for one, both with their p."""
    pearson, spearman = decimal(found["pearson"], 2), decimal(found["spearman"], 2)
    if found["interval"] is not None:
        low, high = (decimal(end, 2) for end in found["interval"])
        return f"r = {pearson} (95 % interval over patients {low} to {high}), ρ = {spearman}"
    told = f"r = {pearson} ({p_value(found['pearson_p'])}), ρ = {spearman} ({p_value(found['spearman_p'])})"
    return f"{told}, p as if slices of a patient were independent"
