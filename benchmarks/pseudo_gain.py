"""What pseudo-labels add: the same training with them, without them, and with them taught as if they were sure.

    python benchmarks/pseudo_gain.py --data DATASET --work FOLDER --bases 0.025 0.05

For each budget and seed a base is spread over learn and a model trained on it three times with the same seed and steps: in
the last part on experts' labels alone, on these and on its own of the rest, pixel by pixel as sure as it is of them (what
`askance run` does), and on the likeliest class of each pixel. With ``--fold 0/5`` a fifth of learn's patients stands in the
place of the test set. Studies stay in FOLDER and go on where they were stopped; what stands in the results is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from folds import fold_said, found_in, names_of, parse_fold
from studies import blank_line, digest_of, known_lines

from askance import api
from askance.active.environment import describe_environment, peak_mb
from askance.active.study import Study
from askance.learning.outcome import Outcome
from askance.terminal import Bars

RESULTS = Path(__file__).parent / "results" / "pseudo_gain.jsonl"
VARIANTS = ("without", "with", "sure")
_NO_PLACE = 0.001  # a share of the batch too small for one slice: as many steps, all on experts' labels
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
    done = {tuple(line[key] for key in _KEY) for line in known_lines(options.out)}
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
    """What the model is worth that is trained on the base as ``variant`` says."""
    began = time.perf_counter()
    with _study(options, base, seed, variant) as study, Bars() as bars:
        doubts = mock.patch.object(Outcome, "doubts", _no_doubts) if variant == "sure" else mock.MagicMock()
        with doubts:
            (record,) = api.run(study, bars)
        model = study.store.model(record["model"])
        return {
            "acquisition": None,
            "labelled_slices": record["labelled_slices"],
            "pool_slices": record["learn_slices"],
            "budget": record["budget"],
            "pseudo": record["triage"]["pseudo"] if variant != "without" else 0,
            **{key: record[key] for key in ("dice", "dice_per_class", "slice_dice", "per_volume")},
            "score_r": record["correlation"]["slice"]["pearson"] if record["correlation"] else None,
            "steps": model.info["steps"],
            "seconds": time.perf_counter() - began,
            "peak_mb": peak_mb(),
            **describe_environment(),
        }


def _study(options: argparse.Namespace, base: float, seed: int, variant: str) -> Study:
    """The study of a training, as far as it has come."""
    names = [options.data.name, *names_of(options.fold), options.tag or "default", _digest(options), f"{base:g}", str(seed)]
    folder: Path = options.work / "-".join([*names, variant])
    if (folder / "study.toml").exists():
        return Study.open(folder)
    settings = {
        "expert": "simulated",
        "seed": seed,
        "budget": {"base": base, "total": base, "cycles": 0},
        "training": options.training,
        "grid": options.grid,
        "pseudo": {**options.pseudo, **({"share": _NO_PLACE} if variant == "without" else {})},
    }
    return api.init(folder, found_in(options.data, options.fold), settings=settings)


def _no_doubts(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """In the place of ``Outcome.doubts``: none."""
    return np.zeros_like(outcome.labels()), np.zeros_like(outcome.labels())


if __name__ == "__main__":
    main()
