"""A study's results made up whole: three cycles of a cardiac study, drawn from one seed."""

from __future__ import annotations

import dataclasses

import numpy as np

from askance.cycle_record import CorrelationRecord, CycleRecord
from askance.report.data import AskedSlice, Counts, Panel, ReportData, ScoredSlice, StudyFacts

CLASSES = ("background", "right ventricle", "myocardium", "left ventricle")
CASES = [f"case{number:03d}" for number in range(1, 41)]


def report_data(seed: int = 0) -> ReportData:
    """A finished study: 113 of 1,126 slices, truth known, D on board."""
    rng = np.random.default_rng(seed)
    cycles = tuple(cycle_record(rng, number, dice) for number, dice in enumerate((0.741, 0.822, 0.856, 0.872)))
    return ReportData(
        study=study_facts(),
        cycles=cycles,
        slices_scored=tuple(_scored(rng)),
        asked=tuple(_asked(rng)),
        figure2=tuple(_panels(rng)),
        full_supervision=0.897,
    )


def without_truth(seed: int = 0) -> ReportData:
    """The clinic's case: no test volumes with labels; the Dice is estimated, no panel has a truth."""
    data = report_data(seed)
    cycles = []
    for number, cycle in enumerate(data.cycles):
        middle = 0.72 + 0.04 * number
        estimate = {"dice": middle, "low": middle - 0.05, "high": middle + 0.04, "n": 30}
        nothing = {"dice": None, "slice_dice": None, "mae": None, "correlation": None, "correlation_d_raw": None}
        cycles.append({**cycle, **nothing, "per_volume": {}, "dice_per_class": {}, "estimate": estimate})
    return dataclasses.replace(
        data,
        cycles=tuple(cycles),
        study=dataclasses.replace(data.study, expert="human"),
        slices_scored=tuple(dataclasses.replace(one, dice=None) for one in data.slices_scored),
        asked=tuple(dataclasses.replace(one, dice=None) for one in data.asked),
        figure2=tuple(dataclasses.replace(panel, truth=None, dice=None) for panel in data.figure2),
        full_supervision=None,
    )


def study_facts() -> StudyFacts:
    return StudyFacts(
        name="cine-heart",
        preset="askance",
        expert="simulated",
        acquisition="score",
        classes=CLASSES,
        seed=0,
        counts={"learn": Counts(120, 60, 1126), "test": Counts(40, 20, 396)},
        grid="224 x 224 pixels of 1.37 x 1.37 mm, along axis 2",
        version="0.1.0",
        commit="9ce74dd",
        environment={"Python": "3.11.7", "PyTorch": "2.9.0", "processor": "2 cores, AVX-512", "system": "Linux"},
    )


def cycle_record(rng: np.random.Generator, number: int, dice: float) -> CycleRecord:
    """One cycle whose figures fit one another."""
    labelled = (28, 56, 85, 113)[number]
    offsets = {"right ventricle": -0.03, "myocardium": -0.02, "left ventricle": 0.05}
    per_volume: dict[str, dict[str, float | None]] = {
        case: {name: float(np.clip(dice + offset + rng.normal(0, 0.04), 0, 1)) for name, offset in offsets.items()}
        for case in CASES
    }
    per_volume[CASES[3]]["right ventricle"] = None
    return {
        "cycle": number,
        "model": f"m{number}",
        "acquisition": "score",
        "labelled_slices": labelled,
        "learn_slices": 1126,
        "budget": labelled / 1126,
        "queried_share": (labelled - 28) / 1126,
        "per_volume": per_volume,
        "dice": dice,
        "dice_per_class": {name: dice + offset for name, offset in offsets.items()},
        "slice_dice": dice - 0.05,
        "correlation": {"slice": correlation(0.84), "volume": correlation(0.71, n=40, left_out=0)},
        "correlation_d_raw": {"slice": correlation(-0.06), "volume": correlation(0.02, n=40, left_out=0)},
        "mae": 0.077,
        "effort": {"slices": 28, "changed_voxels": 21_340 - 4_000 * number, "area_voxels": 61_200},
        "triage": {"pseudo": 701 + 40 * number, "hold": 1126 - labelled - 701 - 40 * number, "pool": 1126 - labelled},
        "seconds": {"train": 212.0 + 30 * number, "predict": 41.0, "score": 63.0, "select": 0.4},
        "peak_mb": 1380.0,
        "label_set": "5f2b8a1c9d3e4f70",
        "seed": 0,
        "commit": "9ce74dd",
        "environment": {"python": "3.11.7"},
        "estimate": None,
    }


def correlation(r: float | None, n: int = 384, left_out: int = 12) -> CorrelationRecord:
    p = None if r is None else (1e-12 if abs(r) > 0.3 else 0.24)
    interval = None if r is None else (max(-1.0, r - 0.04), min(1.0, r + 0.04))
    shared = {"n": n, "left_out": left_out, "interval": interval}
    return {"pearson": r, "pearson_p": p, "spearman": r, "spearman_p": p, **shared}


def _scored(rng: np.random.Generator) -> list[ScoredSlice]:
    found = []
    for number in range(396):
        dice = float(np.clip(1 - rng.gamma(1.2, 0.12), 0, 1))
        score = float(np.clip(dice + rng.normal(0, 0.08), 0, 1))
        known = None if number % 33 == 0 else dice
        found.append(ScoredSlice(f"{CASES[number % 40]}/2/{number // 40}", 3, score, known, float(rng.normal(0.1, 1.2))))
    return found


def _asked(rng: np.random.Generator) -> list[AskedSlice]:
    reasons = {0: "spread over the patients", 1: "low score, clear foreground", 2: "low score", 3: "low score"}
    return [
        AskedSlice(
            cycle=cycle,
            slice_id=f"case{rng.integers(41, 160):03d}/2/{rng.integers(0, 10)}",
            reason=reason,
            score=None if cycle == 0 else float(rng.uniform(0.1, 0.6)),
            dice=None if cycle == 0 else float(rng.uniform(0.0, 0.8)),
        )
        for cycle, reason in reasons.items()
        for _ in range(28)
    ]


def _panels(rng: np.random.Generator) -> list[Panel]:
    kinds = (("Most certain", 0.96, 0.95, 0.0), ("Least certain", 0.22, 0.31, 1.0))
    return [
        _panel(rng, f"case{number:03d}/2/{number}", title, score, dice, wrong)
        for title, score, dice, wrong in kinds
        for number in (2, 7)
    ]


def _panel(rng: np.random.Generator, slice_id: str, title: str, score: float, dice: float, wrong: float) -> Panel:
    """A short-axis slice: crescent, ring and cavity; ``wrong`` in [0, 1] spoils the prediction's right side."""
    rows, columns = np.mgrid[:128, :112]
    radius = np.hypot(rows - 66, columns - 64)
    truth = np.zeros(radius.shape, np.uint8)
    truth[np.hypot((rows - 64) / 1.3, columns - 40) < 22] = 1
    truth[radius < 25] = 2
    truth[radius < 16] = 3
    brightness = np.array([0.25, 0.75, 0.4, 0.85])[truth] + 0.12 * np.sin(rows / 9) * np.cos(columns / 14)
    prediction = truth.copy()
    if wrong:
        prediction[(truth > 0) & (columns < 48)] = 0
        prediction[np.hypot(rows - 30, columns - 90) < 8] = 3
    error = (prediction != truth).astype(float)
    doubt = np.zeros(radius.shape)
    for row in range(0, 128, 8):
        for column in range(0, 112, 8):
            doubt[row : row + 8, column : column + 8] = error[row : row + 8, column : column + 8].mean()
    return Panel(
        slice_id=slice_id,
        image=brightness + rng.normal(0, 0.05, radius.shape),
        truth=truth,
        prediction=prediction,
        score_map=1 - np.clip(2 * doubt, 0, 1),
        score=score,
        dice=dice,
        aspect=1.0,
        title=title,
    )
