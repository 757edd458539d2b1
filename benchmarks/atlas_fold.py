"""The multi-atlas rival on a fold inside ``learn``: what fusion and level sets give, case by case, and what a case costs.

    python benchmarks/atlas_fold.py --data DATASET --out benchmarks/results/atlas_fold.jsonl --work FOLDER --hvsmr

Each case is laid under its atlases once, and labelled in four ways from that: both fusions, with and without level sets.
What is measured of a case stands in FOLDER and is not measured again, and several processes may share the cases
(``--part 0/2``). The lines, one a way, are written when no case is missing. ``--hvsmr``: ACDC in the paper's three labels.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from folds import fold_said, found_in, names_of, parse_fold
from numpy.typing import NDArray
from studies import digest_of, known_lines

from askance.active.environment import describe_environment
from askance.baselines.atlas.library import read_json, write_json
from askance.baselines.atlas.method import MultiAtlas
from askance.baselines.atlas.settings import AtlasSettings
from askance.metrics.dice import dice_per_class
from askance.records import IGNORE, Case
from askance.volumes.dataset import study_cases
from askance.volumes.files import read_labels
from askance.volumes.found import Found

_HVSMR = np.array([0, 2, 1, 2, *[IGNORE] * 252], np.uint8)  # right cavity, left muscle, left cavity -> blood, muscle, blood
_PLAIN = AtlasSettings()
_KEY = ("dataset", "fold", "method", "settings")
WAYS = {
    "atlas": _PLAIN,
    "atlas-majority-fused": replace(_PLAIN, levelset=replace(_PLAIN.levelset, steps=0)),
    "atlas-staple": replace(_PLAIN, fusion="staple"),
    "atlas-staple-fused": replace(_PLAIN, fusion="staple", levelset=replace(_PLAIN.levelset, steps=0)),
}


def main() -> None:
    """Fit, measure what is missing, and write the lines when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="atlases and each case's figures live here")
    parser.add_argument("--fold", type=parse_fold, default=(0, 6), help="K/N: the patients of learn that are held out")
    parser.add_argument("--part", type=parse_fold, help="K/N: measure every N-th held-out case only, from the K-th on")
    parser.add_argument("--hvsmr", action="store_true", help="ACDC's four labels as HVSMR's three")
    options = parser.parse_args()
    found = found_in(options.data, options.fold)
    cases, _ = study_cases(found)
    classes, truth = (3, _as_hvsmr(found)) if options.hvsmr else (len(found.classes), _own_labels(found))
    folder = options.work / "-".join(
        [options.data.name, *names_of(options.fold), *(["hvsmr"] if options.hvsmr else []), _digest()]
    )
    folder.mkdir(parents=True, exist_ok=True)
    MultiAtlas(classes).fit([case for case in cases if case.split == "learn"], truth, folder, 0, _tell)
    held_out = [case for case in cases if case.split == "test"]
    number, of = options.part or (0, 1)
    for case in held_out[number::of]:
        path = folder / f"measured-{case.id}.json"
        if not path.exists():
            write_json(path, _measured(case, truth, classes, folder))
            print(json.dumps(read_json(path)), flush=True)
    paths = [folder / f"measured-{case.id}.json" for case in held_out]
    if all(path.exists() for path in paths):
        _write(options, cases, [read_json(path) for path in paths])


def _digest() -> str:
    return digest_of({way: asdict(settings) for way, settings in WAYS.items()})


def _measured(case: Case, truth: Callable[[Case], NDArray[np.uint8]], classes: int, folder: Path) -> dict[str, Any]:
    """Dice per class of each way, processor and clock seconds of the default one, and how well the heart was found."""
    clock, processor = time.perf_counter(), time.process_time()
    laid = MultiAtlas(classes).lay(case, folder)
    default = MultiAtlas(classes).draw(laid)
    seconds = {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}
    labels = {way: default if way == "atlas" else MultiAtlas(classes, 1, WAYS[way]).draw(laid) for way in WAYS}
    return {
        "case": case.id,
        "dice": {way: dice_per_class(one, truth(case), classes).tolist() for way, one in labels.items()},
        "found": laid.found,
        "agreement": laid.place.agreement,
        "correlation": laid.place.correlation,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **seconds,
    }


def _write(options: argparse.Namespace, cases: list[Case], measured: list[dict[str, Any]]) -> None:
    """A line a way; what stands in the results with these settings is not written again."""
    learn = [case for case in cases if case.split == "learn"]
    slices = sum(len(case.labelled) for case in learn)
    done = {tuple(line.get(key) for key in _KEY) for line in known_lines(options.out)}
    with options.out.open("a") as file:
        for way, settings in WAYS.items():
            per_class = np.nanmean([one["dice"][way] for one in measured], axis=0)
            line = {
                "bench": "atlas_fold",
                "dataset": options.data.name + "-hvsmr" * options.hvsmr,
                "method": way,
                "acquisition": None,
                "seed": 0,
                "fold": fold_said(options.fold),
                "budget": 1.0,
                "labelled_slices": slices,
                "pool_slices": slices,
                "dice": float(np.mean([np.nanmean(one["dice"][way]) for one in measured])),
                "dice_per_class": per_class.tolist(),
                "dice_per_case": {one["case"]: one["dice"][way] for one in measured},
                "score_r": None,
                "seconds": float(np.mean([one["seconds"] for one in measured])),
                "processor_seconds": float(np.mean([one["processor_seconds"] for one in measured])),
                "peak_mb": max(one["peak_mb"] for one in measured),
                "commit": describe_environment()["commit"],
                "default": settings == _PLAIN,
                "settings": _digest(),
                "state": "full",
                "atlases": len(learn),
                "threads": 1,
                "failed_localisations": [one["case"] for one in measured if not one["found"]],
                "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            if tuple(line[key] for key in _KEY) not in done:
                file.write(json.dumps(line) + "\n")


def _as_hvsmr(found: Found) -> Callable[[Case], NDArray[np.uint8]]:
    own = _own_labels(found)
    return lambda case: _HVSMR[own(case)]


def _own_labels(found: Found) -> Callable[[Case], NDArray[np.uint8]]:
    def labels(case: Case) -> NDArray[np.uint8]:
        if case.label is None:
            raise SystemExit(f"{case.id} has no labels; wanted a data set that is labelled throughout")
        array: NDArray[np.uint8] = read_labels(case.label.path, len(found.classes), found.ignore).array
        return array

    return labels


def _tell(what: str, done: int, of: int) -> None:
    if done % 20 == 0 or done == of:
        print(f"{what} {done}/{of}", flush=True)


if __name__ == "__main__":
    main()
