"""How far the score can be trusted: with the Dice of slices never trained on, beside what is cheap, on the same predictions.

    python benchmarks/score_quality.py --data DATASET --out benchmarks/results/score_quality.jsonl --work FOLDER

Three states of knowledge: all slices of one patient, of three patients, and 5 % of the slices spread over all patients, half
of them asked at random in a cycle, so that answers have taught the score. No pseudo-labels. Slices are those of learn that
carry no label, and those of test. A line a state, seed, side and measure; what stands in the results is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from askance import api
from askance.active.environment import describe_environment
from askance.active.measures import MEASURES
from askance.active.ranking import rank_pool
from askance.active.study import Study, by_case
from askance.metrics.bootstrap import hierarchical_bootstrap
from askance.metrics.correlation import correlate
from askance.metrics.dice import slices_dice
from askance.records import Prediction, parse_slice_id, slice_id
from askance.terminal import Bars
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import WHAT_THE_DATA_SAYS, given_splits, patients_of

STATES = ("1patient", "3patients", "spread5")
SCALED = ("score", "expected_dice", "continued_dice", "agreement")  # in the units of Dice, so that an error has a meaning
SIGN = {"entropy": -1, "bald": -1}  # high where Dice is low


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="studies live here until the results are in")
    parser.add_argument("--states", nargs="+", choices=STATES, default=list(STATES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--training", type=json.loads, default={}, help='settings of [training], as {"max_steps": 300}')
    parser.add_argument("--tag", help="what differs from the defaults, kept in the lines")
    options = parser.parse_args()
    for seed in options.seeds:
        for state in options.states:
            if not _done(options, state, seed):
                with _study(options, state, seed) as study:
                    lines = _lines(options, state, seed, study)
                with options.out.open("a") as file:
                    file.write("".join(json.dumps(line) + "\n" for line in lines))


def _done(options: argparse.Namespace, state: str, seed: int) -> bool:
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    wanted = (state, seed, options.data.name, options.tag)
    return any((one["state"], one["seed"], one["dataset"], one["tag"]) == wanted for one in map(json.loads, lines))


def _study(options: argparse.Namespace, state: str, seed: int) -> Study:
    """The study of one state and seed, trained."""
    folder = options.work / f"score-{options.data.name}-{options.tag or 'default'}-{state}-{seed}"
    if not (folder / "study.toml").exists():
        found = find_dataset(options.data)
        budget: dict[str, Any] = {"base": 0.025, "total": 0.05, "cycles": 1}
        if state != "spread5":
            sides, patients = given_splits(found, WHAT_THE_DATA_SAYS) or {}, patients_of(found, WHAT_THE_DATA_SAYS)
            learn = sorted({who for case, who in patients.items() if sides.get(case, sides.get(who)) == "learn"})
            drawn = np.random.default_rng(seed).permutation(learn)[: int(state[0])].tolist()
            budget = {"start": "patients", "patients": drawn, "total": 10**9, "cycles": 0}
        settings = {"expert": "simulated", "seed": seed, "budget": budget, "acquisition": "random"}
        settings |= {"training": options.training, "pseudo": {"share": 0.0}}
        api.init(folder, found, settings=settings).store.close()
    study = Study.open(folder)
    with Bars() as bars:
        api.run(study, bars)
    return study


def _lines(options: argparse.Namespace, state: str, seed: int, study: Study) -> list[dict[str, Any]]:
    model = study.store.latest_model()
    assert model is not None
    record = api.records(study)[-1]
    about = {
        "bench": "score_quality", "dataset": options.data.name, "method": "askance", "acquisition": None, "seed": seed,
        "fold": None, "budget": record["budget"], "labelled_slices": record["labelled_slices"],
        "pool_slices": record["learn_slices"], "dice": record["dice"], "dice_per_class": record["dice_per_class"],
        "seconds": sum(record["seconds"].values()), "peak_mb": record["peak_mb"], "default": False, "state": state,
        "pairs": model.info["calibration"]["pairs"], "tag": options.tag, "commit": describe_environment()["commit"],
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    rank_pool(study, model.id, MEASURES)
    predictions = study.store.predictions(model.id)
    split = {case.id: case.split for case in study.store.cases()}
    lines = []
    for side in ("learn", "test"):
        chosen = [one for one in predictions if split[parse_slice_id(one.slice_id)[0]] == side]
        dice = _dice(study, model.id, chosen)
        lines += [
            {**about, "side": side, "measure": measure, **_trust(study, chosen, dice, measure, seed)}
            for measure in ("score", "d_raw", *MEASURES)
        ]
    return lines


def _dice(study: Study, model: str, predictions: list[Prediction]) -> dict[str, float]:
    """Dice by slice, on the working grid."""
    found = {}
    for case_id, indices in by_case([one.slice_id for one in predictions]).items():
        case = study.store.case(case_id)
        truth = study.to_grid(study.truth(case), case)
        values = slices_dice(study.store.prediction_labels(model, case_id), truth, len(study.config.classes))
        found |= {slice_id(case_id, study.config.grid.axis, index): float(values[index]) for index in indices}
    return found


def _trust(study: Study, predictions: list[Prediction], dice: dict[str, float], measure: str, seed: int) -> dict[str, Any]:
    """Correlation per slice and per volume, error, and the share of the worst tenth found in the first tenth."""
    sign = SIGN.get(measure, 1)
    rows = [
        (one, sign * float(getattr(one, measure) if measure in ("score", "d_raw") else one.measures[measure]))
        for one in predictions
        if np.isfinite(dice[one.slice_id])
    ]
    values, truth = np.array([value for _, value in rows]), np.array([dice[one.slice_id] for one, _ in rows])
    patients, volumes = defaultdict(list), defaultdict(list)
    for (one, value), true in zip(rows, truth):
        case = parse_slice_id(one.slice_id)[0]
        patients[study.store.case(case).patient].append((value, true))
        volumes[case].append((value, true))
    low, high = hierarchical_bootstrap(patients, _pearson, np.random.default_rng(seed))
    by_slice, means = correlate(values, truth), np.array([np.mean(pairs, axis=0) for pairs in volumes.values()])
    tenth = max(1, len(truth) // 10)
    worst, first = set(np.argsort(truth, kind="stable")[:tenth]), set(np.argsort(values, kind="stable")[:tenth])
    return {
        "score_r": by_slice.pearson, "low": low, "high": high, "spearman": by_slice.spearman,
        "volume_r": _pearson(means), "mae": float(np.abs(values - truth).mean()) if measure in SCALED else None,
        "worst_found": len(worst & first) / tenth, "n": len(truth), "left_out": len(predictions) - len(rows),
    }  # fmt: skip


def _pearson(rows: Any) -> float:
    if len(rows) < 3 or np.std(rows, axis=0).min() == 0:
        return float("nan")
    return float(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1])


if __name__ == "__main__":
    main()
