"""What pseudo-labels add: the same training with them, without them, and with the scores of the slices shuffled.

    python benchmarks/pseudo_gain.py --data DATASET --work FOLDER --bases 0.025 0.05

For each budget and seed a base is spread over learn and a model trained on it, the teacher. It ranks the pool, and three
further models are trained from scratch on the same labels, with the same seed and steps: on the labels alone, on labels and
pseudo-labels as triage weighs them, and on labels and pseudo-labels whose slices have changed scores among each other (what
a slice's own patches weigh stays). No answers come in, so that nothing is doubted (``belief``). With
``--fold 0/5`` a fifth of learn's patients stands in the place of the test set. Studies stay in FOLDER and go on where
they were stopped; what stands in the results is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from folds import fold_said, found_in, names_of, parse_fold
from studies import blank_line, copied, digest_of

from askance import api
from askance.active.environment import describe_environment, peak_mb
from askance.active.measuring import measure
from askance.active.ranking import rank_pool
from askance.active.study import Study
from askance.active.training import train_cycle
from askance.active.triage import triage
from askance.records import Prediction
from askance.report.benchmarks import read_jsonl
from askance.terminal import Bars

RESULTS = Path(__file__).parent / "results" / "pseudo_gain.jsonl"
VARIANTS = ("without", "with", "shuffled")
_TEACHER = "cycle-000"
_KEY = ("dataset", "fold", "base", "seed", "tag", "settings", "method")


def main() -> None:
    """Run what is missing, budget by budget, and append a line a training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--bases", type=float, nargs="+", default=[0.025, 0.05, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fold", type=parse_fold, help="K/N: hold out a part of learn's patients in the place of test")
    parser.add_argument("--training", type=json.loads, default={}, help='settings of [training], as {"max_steps": 300}')
    parser.add_argument("--grid", type=json.loads, default={}, help="settings of [grid]")
    parser.add_argument("--pseudo", type=json.loads, default={}, help="settings of [pseudo]")
    parser.add_argument("--tag", help="what differs from the defaults, kept in the lines")
    options = parser.parse_args()
    options.training = {"warm_start": False, **options.training}  # going on from the teacher, all would be near it
    known = read_jsonl(options.out) if options.out.exists() else []
    done = {tuple(line[key] for key in _KEY) for line in known}
    for seed in options.seeds:
        for base in options.bases:
            for variant in VARIANTS:
                key = {
                    "dataset": options.data.name,
                    "fold": fold_said(options.fold),
                    "base": base,
                    "seed": seed,
                    "tag": options.tag,
                    "settings": _digest(options),
                }
                if (*key.values(), variant) not in done:
                    line = {**blank_line("pseudo_gain", options.data.name), **key, "method": variant}
                    line |= _trained(options, base, seed, variant)
                    print(json.dumps({name: line[name] for name in (*_KEY, "dice", "slice_dice")}), flush=True)
                    with options.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")


def _digest(options: argparse.Namespace) -> str:
    return digest_of(options.training, options.grid, options.pseudo)


def _trained(options: argparse.Namespace, base: float, seed: int, variant: str) -> dict[str, Any]:
    """What the model is worth that is trained as ``variant`` says, from the teacher's study."""
    teacher = _teacher(options, base, seed)
    with Study.open(copied(teacher, teacher.with_name(f"{teacher.name}-{variant}"))) as study, Bars() as bars:
        began = time.perf_counter()
        study.store.predictions.save_triage(_triage(study, variant, seed))
        model = train_cycle(study, 1, bars.training)
        measured = measure(study, model.id, bars.count)
        entries = study.store.label_set(model.label_set).entries
        before = study.store.cycles()[0].record
        return {
            "acquisition": None,
            "labelled_slices": before["labelled_slices"],
            "pool_slices": before["learn_slices"],
            "budget": before["budget"],
            "pseudo": sum(entry.kind == "pseudo" for entry in entries),
            "teacher_dice": before["dice"],
            "teacher_slice_dice": before["slice_dice"],
            **{key: measured[key] for key in ("dice", "dice_per_class", "slice_dice", "per_volume")},
            "score_r": None if math.isnan(r := measured["correlation"]["slice"]["pearson"]) else r,
            "steps": model.info["steps"],
            "seconds": time.perf_counter() - began,
            "peak_mb": peak_mb(),
            **describe_environment(),
        }


def _teacher(options: argparse.Namespace, base: float, seed: int) -> Path:
    """The folder of a study whose base is answered and learnt, and whose pool is ranked."""
    names = [options.data.name, *names_of(options.fold), options.tag or "default", _digest(options), f"{base:g}", str(seed)]
    folder: Path = options.work / "-".join(names)
    if not (folder / "study.toml").exists():
        settings = {
            "expert": "simulated",
            "seed": seed,
            "budget": {"base": base, "total": base, "cycles": 0},
            "training": options.training,
            "grid": options.grid,
            "pseudo": options.pseudo,
        }
        api.init(folder, found_in(options.data, options.fold), settings=settings).store.close()
    with Study.open(folder) as study, Bars() as bars:
        api.run(study, bars)
        rank_pool(study, _TEACHER, progress=bars.count)
    return folder


def _triage(study: Study, variant: str, seed: int) -> list[Prediction]:
    """What becomes of each slice of the pool."""
    rule, pool = study.config.pseudo, {one.id for one in study.pool()}
    said = sorted(
        (one for one in study.store.predictions.of(_TEACHER) if one.slice_id in pool), key=lambda one: one.slice_id
    )
    if variant == "without":
        return [replace(one, triage="hold", weight=0.0) for one in said]
    judged = triage(said, (), rule)
    if variant == "with":
        return judged
    places = np.random.default_rng(seed).permutation(len(judged))
    return [replace(one, triage=judged[at].triage, weight=judged[at].weight) for one, at in zip(said, places)]


if __name__ == "__main__":
    main()
