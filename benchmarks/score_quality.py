"""How far the score can be trusted: with the Dice of slices never trained on, beside its rivals, on the same predictions.

    python benchmarks/score_quality.py --data DATASET --out benchmarks/results/score_quality.jsonl --work FOLDER

Three states of knowledge: all slices of one patient, of three patients, and 5 % of the slices spread over all patients,
half of them asked at random in a cycle, so that answers have taught the score. No pseudo-labels. Slices are those of learn
that carry no label, and those of test. Rivals: ``d_raw``, what the views say, a three-member ensemble and MC-dropout of 20
passes, each member trained on the same labels. A line a state, side, measure and seed, and one with ``seed`` null over all
seeds, whose intervals are over seeds and patients. What stands in the results is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from folds import fold_said, found_in, names_of, parse_fold
from other_models import DROPOUT, ensemble, passes, said_by, trained_again
from score_figures import Patches, Row, figures, gain
from studies import digest_of, known_lines

from askance import api
from askance.active.environment import describe_environment
from askance.active.measures import MEASURES, measures_of, pixel_entropy
from askance.active.ranking import judge_of, predict_case
from askance.active.scores import confidence_map, d_raw, slice_scores
from askance.active.study import Study
from askance.learning.outcome import Outcome
from askance.metrics.dice import slices_dice
from askance.records import Case, Model, slice_id
from askance.terminal import Bars
from askance.volumes.patients import WHAT_THE_DATA_SAYS, divide
from askance.volumes.writing import replacing

STATES = ("1patient", "3patients", "spread5")
IN_UNITS_OF_DICE = ("score", "expected_dice", "continued_dice", "agreement")
HIGH_IS_BAD = ("entropy", "bald", "total_entropy", "expected_errors", "novelty", "missing_classes", "first", "last")
MEMBERS = 3


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="studies live here until the results are in")
    parser.add_argument("--states", nargs="+", choices=STATES, default=list(STATES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fold", type=parse_fold, help="K/N: hold out a part of learn's patients in the place of test")
    parser.add_argument("--training", type=json.loads, default={}, help='settings of [training], as {"max_steps": 300}')
    parser.add_argument("--grid", type=json.loads, default={}, help="settings of [grid]")
    parser.add_argument("--alone", action="store_true", help="without the rivals that need trainings of their own")
    parser.add_argument("--tag", help="what differs from the defaults, kept in the lines")
    options = parser.parse_args()
    _require_same(options)
    for state in options.states:
        together: dict[str, list[Row]] = {"learn": [], "test": []}
        abouts = []
        for seed in options.seeds:
            rows, about = _rows(options, state, seed)
            abouts.append(about)
            for side in together:
                together[side] += rows[side]
        if len(options.seeds) > 1:
            _write(options, _about_all(abouts), together, {})


def _rows(options: argparse.Namespace, state: str, seed: int) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """All rows of one state and seed by side, kept in the folder of work; their lines are written when they are made."""
    file = options.work / f"{_name(options, state, seed)}.rows.json"
    if file.exists():
        kept = json.loads(file.read_text())
        return {side: [Row(**row) for row in rows] for side, rows in kept["rows"].items()}, kept["about"]
    with _study(options, state, seed) as study:
        model = study.store.latest_model()
        assert model is not None
        about = _about(options, state, seed, study, model)
        rows, patches = _look(options, study, model, seed)
    _write(options, about, rows, {side: one.aurocs() for side, one in patches.items()})
    plain = {side: [asdict(row) for row in found] for side, found in rows.items()}
    with replacing(file) as draft:
        draft.write_text(json.dumps({"rows": plain, "about": about}))
    return rows, about


def _name(options: argparse.Namespace, state: str, seed: int) -> str:
    names = ["score", options.data.name, *names_of(options.fold), options.tag or "default"]
    return "-".join([*names, _digest(options), state, str(seed)])


def _digest(options: argparse.Namespace) -> str:
    return digest_of(options.training, options.grid)


def _require_same(options: argparse.Namespace) -> None:
    """Nothing, if lines of this data set, fold and tag have these settings. Lines of before these were noted pass.

    Raises:
        SystemExit: they have others, and would be taken for the same.
    """
    this = (options.data.name, fold_said(options.fold), options.tag)
    same = [line for line in known_lines(options.out) if (line["dataset"], line["fold"], line["tag"]) == this]
    if any(line.get("settings", _digest(options)) != _digest(options) for line in same):
        raise SystemExit(f"{options.out}: holds {options.data.name} with other settings; name another --tag")


def _study(options: argparse.Namespace, state: str, seed: int) -> Study:
    """The study of one state and seed, trained."""
    folder = options.work / _name(options, state, seed)
    if not (folder / "study.toml").exists():
        found = found_in(options.data, options.fold)
        budget: dict[str, Any] = {"base": 0.025, "total": 0.05, "cycles": 1}
        if state != "spread5":
            patients, sides = divide(found, WHAT_THE_DATA_SAYS, seed)
            learn = sorted({who for case, who in patients.items() if sides[case] == "learn"})
            drawn = np.random.default_rng(seed).permutation(learn)[: int(state[0])].tolist()
            budget = {"start": "patients", "patients": drawn, "total": 10**9, "cycles": 0}
        settings = {"expert": "simulated", "seed": seed, "budget": budget, "acquisition": "random"}
        settings |= {"training": options.training, "grid": options.grid, "pseudo": {"share": 0.0}}
        api.init(folder, found, settings=settings).store.close()
    study = Study.open(folder)
    with Bars() as bars:
        api.run(study, bars)
    return study


def _about(options: argparse.Namespace, state: str, seed: int, study: Study, model: Model) -> dict[str, Any]:
    """What every line of one state and seed holds."""
    record = api.records(study)[-1]
    return {
        "bench": "score_quality", "dataset": options.data.name, "method": "askance", "acquisition": None, "seed": seed,
        "fold": fold_said(options.fold), "budget": record["budget"],
        "labelled_slices": record["labelled_slices"], "pool_slices": record["learn_slices"], "dice": record["dice"],
        "dice_per_class": record["dice_per_class"], "seconds": sum(record["seconds"].values()),
        "peak_mb": record["peak_mb"], "default": False, "state": state, "pairs": model.info["calibration"]["pairs"],
        "tag": options.tag, "settings": _digest(options), "commit": describe_environment()["commit"],
    }  # fmt: skip


def _about_all(abouts: list[dict[str, Any]]) -> dict[str, Any]:
    """What a line over several seeds holds: the mean Dice, all the time, and else what they have in common."""
    first, dice = abouts[0], [about["dice"] for about in abouts]
    common = {key: value if all(about[key] == value for about in abouts) else None for key, value in first.items()}
    per_class = {
        name: sum(about["dice_per_class"][name] for about in abouts) / len(abouts) for name in first["dice_per_class"]
    }
    figures = {"dice": sum(dice) / len(dice), "dice_per_class": per_class}
    spent = {"seconds": sum(about["seconds"] for about in abouts), "peak_mb": max(about["peak_mb"] for about in abouts)}
    return {**common, **figures, **spent, "seed": None, "seeds": [about["seed"] for about in abouts]}


def _look(
    options: argparse.Namespace, study: Study, model: Model, seed: int
) -> tuple[dict[str, list[Row]], dict[str, Patches]]:
    """What everyone says of every slice that was never trained on, and of its patches, by side."""
    predictor, config = study.predictor(model.id), study.config
    with_dropout = config.network.model_copy(update={"dropout": DROPOUT})
    others = study.store.folder / "others"
    members, noisy = [], None
    if not options.alone:
        places = range(1, MEMBERS)
        members = [trained_again(study, model, others / f"{one}", 100 * one + seed, config.network) for one in places]
        noisy = trained_again(study, model, others / "dropout", seed, with_dropout)
    unlabelled = {one.id for one in study.store.slices("learn", {"pool"})}
    rows: dict[str, list[Row]] = {"learn": [], "test": []}
    patches = {side: Patches() for side in rows}
    for case in study.store.cases():
        names = [slice_id(case.id, config.grid.axis, index) for index in range(case.shape[config.grid.axis])]
        chosen = [index for index, name in enumerate(names) if case.split == "test" or name in unlabelled]
        if case.label is None or not chosen:
            continue
        outcome = predict_case(study, predictor, case)
        said, maps = _said(study, model, outcome)
        if noisy is not None:
            for name, probs in (
                ("ensemble", ensemble(study, model, members, case)),
                ("mc_dropout", passes(study, model, noisy, case, with_dropout, seed)),
            ):
                said |= {f"{name}_{what}": value for what, value in said_by(probs, outcome.labels(), len(config.classes))}
                maps[name] = -pixel_entropy(probs.mean(0))
        _add(study, case, chosen, outcome, said, rows[case.split], seed)
        truth = study.to_grid(study.truth(case), case)
        picked = {name: one[chosen] for name, one in maps.items()}
        patches[case.split].add(outcome.labels()[chosen], truth[chosen], picked)
    return rows, patches


def _turned(said: dict[str, Any]) -> dict[str, Any]:
    """What is said of slices, so that high stands for good throughout."""
    return {name: -values if name in HIGH_IS_BAD else values for name, values in said.items()}


def _said(study: Study, model: Model, outcome: Outcome) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the model itself says of each slice, and of each patch or pixel."""
    judge = judge_of(study, model.id)
    said = _turned(measures_of(outcome, MEASURES))
    said["score"] = slice_scores(outcome, judge.preset, judge.calibration)
    maps = {"score": confidence_map(outcome.probs).astype(np.float32), "entropy": -pixel_entropy(outcome.probs)}
    raw = d_raw(outcome)
    if raw is not None and outcome.patch_logits is not None and outcome.judged is not None:
        said["d_raw"] = raw
        verdicts = np.full((len(raw), *outcome.probs.shape[2:]), outcome.patch_logits.mean(), np.float32)
        part = outcome.judged.cut(verdicts)
        rows, columns = (np.arange(n) * k // n for n, k in zip(part.shape[1:], outcome.patch_logits.shape[1:]))
        part[...] = outcome.patch_logits[:, rows[:, None], columns]
        maps["d_raw"] = verdicts
    return said, maps


def _add(
    study: Study, case: Case, chosen: list[int], outcome: Outcome, said: dict[str, Any], rows: list[Row], seed: int
) -> None:
    labels, truth = outcome.labels(), study.to_grid(study.truth(case), case)
    dice = slices_dice(labels, truth, len(study.config.classes))
    for index in chosen:
        empty = (not labels[index].any(), not truth[index].any())
        values = {name: float(value[index]) for name, value in said.items()}
        rows.append(Row(seed, case.patient, case.id, float(dice[index]), empty, values))


def _write(
    options: argparse.Namespace, about: dict[str, Any], rows: dict[str, list[Row]], patch_aurocs: dict[str, dict[str, float]]
) -> None:
    """A line a side and measure; one of what stands in the results already is not written again."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    same = ("dataset", "state", "seed", "seeds", "tag", "fold")
    if any(all(line.get(key) == about.get(key) for key in same) for line in known_lines(options.out)):
        return
    lines = []
    for side, found in rows.items():
        for measure in found[0].said if found else ():
            rng = np.random.default_rng(0)
            better, low, high = gain(found, "score", measure, rng)
            line = {**about, "side": side, "measure": measure, **figures(found, measure, _scaled(measure), rng)}
            line |= {"score_gain": better, "gain_low": low, "gain_high": high}
            line["patch_auroc"] = patch_aurocs.get(side, {}).get(measure.removesuffix("_entropy"))
            if np.isnan(line["score_r"]):  # the same for all slices
                continue
            line = {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in line.items()}
            lines.append({**line, "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    with options.out.open("a") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def _scaled(measure: str) -> bool:
    return measure.removeprefix("ensemble_").removeprefix("mc_dropout_") in IN_UNITS_OF_DICE


if __name__ == "__main__":
    main()
