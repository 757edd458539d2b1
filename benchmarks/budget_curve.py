"""Dice over the budget: acquisitions paired by seed from one base, full supervision, and preset paper from one patient.

    python benchmarks/budget_curve.py --data DATASET --out benchmarks/results/budget_curve.jsonl --work FOLDER

Every run is a study in FOLDER and goes on where it was stopped; what stands in the results is not run again. The base of a
seed is trained once and copied, so that acquisitions differ in nothing but what they ask. With ``--fold 0/5`` a fifth of
learn's patients stands in the place of the test set: that is how settings are chosen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from folds import fold_said, found_in, names_of, parse_fold
from studies import copied, digest_of, known_lines

from askance import api
from askance.active.acquisition import acquisition
from askance.active.study import Study
from askance.config import BudgetConfig, StudyConfig
from askance.errors import UsageError
from askance.terminal import Bars

_SHOWN = ("score", "d_raw", "random", "full", "paper")
DEFAULT = StudyConfig.model_fields["acquisition"].default
_OTHER_STARTS = ("full", "paper", "base")  # every other method is an acquisition that asks from a seed's base
_SECTIONS = ("training", "network", "grid", "pseudo")


def main() -> None:
    """Run what is missing, seed by seed, and append a line a cycle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="studies live here until the results are in")
    parser.add_argument("--methods", nargs="+", type=_method, default=list(_SHOWN), help="acquisitions, full, paper, base")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fold", type=parse_fold, help="K/N: hold out a part of learn's patients in the place of test")
    parser.add_argument("--base", type=float, default=0.025)
    parser.add_argument(
        "--start", choices=("spread", "random"), default="spread", help="how the base is chosen; name it in --tag"
    )
    parser.add_argument("--total", type=float, default=0.10)
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--training", type=json.loads, default={}, help='settings of [training], as {"max_steps": 300}')
    parser.add_argument("--network", type=json.loads, default={}, help="settings of [network]")
    parser.add_argument("--grid", type=json.loads, default={}, help="settings of [grid]")
    parser.add_argument("--pseudo", type=json.loads, default={}, help="settings of [pseudo]")
    parser.add_argument("--tag", help="what differs from the defaults, kept in the lines")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for method in options.methods:
            if not _done(options, method, seed):
                _write(options, method, seed, _study(options, method, seed))


def _method(name: str) -> str:
    """``name`` if it can be run: told before anything is trained."""
    try:
        if name not in _OTHER_STARTS:
            acquisition(name)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def _study(options: argparse.Namespace, method: str, seed: int) -> Study:
    """The finished study of one method and seed."""
    folder = options.work / _name(options, method, seed)
    if not (folder / "study.toml").exists():
        if method not in _OTHER_STARTS:
            _copy_of_base(options, method, seed, folder)
        else:
            _init(options, folder, method, seed)
    study = Study.open(folder)
    with Bars() as bars:
        api.run(study, bars)
    return study


def _copy_of_base(options: argparse.Namespace, method: str, seed: int, folder: Path) -> None:
    """A study whose base is trained, ready to ask with another acquisition."""
    base = options.work / _name(options, "base", seed)
    if not (base / "study.toml").exists():
        _init(options, base, "base", seed)
    with Study.open(base) as study, Bars() as bars:
        api.run(study, bars)

    def asked_otherwise(draft: Path) -> None:
        with Study.open(draft) as study:
            config, budget = study.config, study.config.budget.model_copy(update={"cycles": options.cycles})
            changes = {"acquisition": method, "budget": budget, "name": folder.name}
            study.store.save_config(config.model_copy(update=changes))

    copied(base, folder, asked_otherwise)


def _name(options: argparse.Namespace, method: str, seed: int) -> str:
    names = [options.data.name, *names_of(options.fold), options.tag or "default", _digest(options, method), method]
    return "-".join([*names, str(seed)])


def _digest(options: argparse.Namespace, method: str) -> str:
    """Of all that the run of ``method`` depends on beside data and seed."""
    budget = {"full": (), "paper": (options.total,), "base": (options.base, options.total, options.start)}
    asked = budget.get(method, (options.base, options.total, options.start, options.cycles))
    return digest_of(asked, *(getattr(options, name) for name in _SECTIONS))


def _init(options: argparse.Namespace, folder: Path, method: str, seed: int) -> None:
    budget: dict[str, Any] = {"base": options.base, "total": options.total, "cycles": 0, "start": options.start}
    if method == "full":
        budget = {"base": 10**9, "total": 10**9, "cycles": 0, "start": "random"}
    if method == "paper":
        budget = {"total": options.total, "cycles": 1}  # the base is one patient's slices
    settings = {"expert": "simulated", "seed": seed, "budget": budget}
    settings |= {name: getattr(options, name) for name in _SECTIONS}
    preset = "paper" if method == "paper" else "askance"
    api.init(folder, found_in(options.data, options.fold), preset=preset, settings=settings).store.close()


def _done(options: argparse.Namespace, method: str, seed: int) -> bool:
    """Whether the run stands in the results. Lines of before settings were noted are taken for it.

    Raises:
        SystemExit: it is there with other settings, and would be taken for the same.
    """
    same = [
        line
        for line in known_lines(options.out)
        if (line["run"], line["seed"], line["dataset"], line["tag"], line["fold"])
        == (method, seed, options.data.name, options.tag, fold_said(options.fold))
    ]
    if any(line.get("settings", _digest(options, method)) != _digest(options, method) for line in same):
        raise SystemExit(f"{options.out}: holds {method} with seed {seed} with other settings; name another --tag")
    return bool(same)


def _write(options: argparse.Namespace, method: str, seed: int, study: Study) -> None:
    """One JSON line a cycle, all at once, so that a run stands in the results whole or not at all."""
    with study:
        lines = [_line(options, method, seed, study, record) for record in api.records(study)]
    with options.out.open("a") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def _line(options: argparse.Namespace, method: str, seed: int, study: Study, record: Any) -> dict[str, Any]:
    trust = {key: (record[key] or {}).get("slice") for key in ("correlation", "correlation_d_raw")}
    return {
        "bench": "budget_curve",
        "dataset": options.data.name,
        "method": method if method in ("full", "paper") else "askance",
        "acquisition": study.config.acquisition if method not in ("full", "base") else None,
        "seed": seed,
        "fold": fold_said(options.fold),
        "budget": record["budget"],
        "labelled_slices": record["labelled_slices"],
        "pool_slices": record["learn_slices"],
        "dice": record["dice"],
        "dice_per_class": record["dice_per_class"],
        "slice_dice": record["slice_dice"],
        "score_r": trust["correlation"]["pearson"],
        "score_spearman": trust["correlation"]["spearman"],
        "d_raw_r": trust["correlation_d_raw"]["pearson"] if trust["correlation_d_raw"] else None,
        "mae": record["mae"],
        "measures_r": {name: value["pearson"] for name, value in record["correlation_measures"].items()},
        "dice_without_repeats": _without_repeats(study, record),
        "dice_by_patient": _by_patient(study, record),
        "effort": record["effort"],
        "triage": record["triage"],
        "seconds": sum(record["seconds"].values()),
        "seconds_by_step": record["seconds"],
        "peak_mb": record["peak_mb"],
        "threads": record["environment"]["threads"],
        "commit": record["commit"],
        "default": method == DEFAULT and not options.fold and _is_plain(options),
        "state": "full" if method == "full" else None,
        "run": method,
        "tag": options.tag,
        "settings": _digest(options, method),
        "cycle": record["cycle"],
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _is_plain(options: argparse.Namespace) -> bool:
    """Whether all is as ``askance run`` does it without options."""
    budget = {"base": options.base, "total": options.total, "cycles": options.cycles, "start": options.start}
    return not any(getattr(options, name) for name in _SECTIONS) and budget.items() <= BudgetConfig().model_dump().items()


def _without_repeats(study: Study, record: Any) -> float | None:
    """Mean Dice over the test volumes whose image does not stand in learn too (ACDC's patient074 does)."""
    learnt = {image.sha256 for case in study.store.cases("learn") for image in case.images}
    repeated = {case.id for case in study.store.cases("test") if learnt & {image.sha256 for image in case.images}}
    means = [dice for case, dice in _by_volume(record).items() if case not in repeated]
    return sum(means) / len(means) if means else None


def _by_patient(study: Study, record: Any) -> dict[str, list[float | None]]:
    """Mean Dice over the classes of every test volume, patient by patient; None, in its place, for one that has none."""
    known, found = _by_volume(record), dict[str, list[float | None]]()
    for case in record["per_volume"]:
        found.setdefault(study.store.case(case).patient, []).append(round(known[case], 4) if case in known else None)
    return found


def _by_volume(record: Any) -> dict[str, float]:
    """Mean Dice over the classes of every test volume that has one."""
    known = {case: [dice for dice in of.values() if dice is not None] for case, of in record["per_volume"].items()}
    return {case: sum(dice) / len(dice) for case, dice in known.items() if dice}


if __name__ == "__main__":
    main()
