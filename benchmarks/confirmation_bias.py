"""Does a slice that was pseudo-labelled get too high a score from the model that learnt from it?

    python benchmarks/confirmation_bias.py STUDY [STUDY ...] --dataset NAME

Studies with a simulated expert, two cycles or more, run with pseudo-labels. For each model that ranked after it had
learnt from pseudo-labels, slices of the pool that it learnt from stand beside slices of the test patients that it would
have learnt from, had they been in learn: with ``pseudo.by`` "last" the teacher gave both a score above the threshold,
with "itself" it may be any. What is compared is the score less the true Dice (on the working grid), and the same for
slices that were held. Truths are read when everything is over. A model that learns from its own labels takes cases that
the next query does not look at, where there are enough: then none of the ranked slices was learnt from, and there is no
line.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from studies import blank_line

from askance.active.environment import describe_environment
from askance.active.study import Study, by_case, model_name
from askance.metrics.bootstrap import hierarchical_bootstrap
from askance.metrics.correlation import correlate
from askance.metrics.dice import slices_dice
from askance.records import parse_slice_id, slice_id

RESULTS = Path(__file__).parent / "results" / "confirmation_bias.jsonl"

#: By patient, (n, 2): score and Dice of its slices.
Groups = dict[str, NDArray[np.float64]]


def main() -> None:
    """Append a line for each study and cycle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+", metavar="STUDY")
    parser.add_argument("--dataset", required=True, help="what the studies were made from, for the results")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    for folder in options.studies:
        with Study.open(folder) as study:
            for line in _lines(study):
                text = json.dumps({**blank_line("confirmation_bias", options.dataset), **line})
                print(text, flush=True)
                with options.out.open("a") as file:
                    file.write(text + "\n")


def _lines(study: Study) -> Iterator[dict[str, Any]]:
    """One for each model that learnt from pseudo-labels and ranked."""
    learn = {one.id for one in study.store.slices("learn")}
    records = {cycle.number: cycle.record for cycle in study.store.cycles()}
    for model in study.store.models():
        judged = _scores(study, model.id)
        own = set(model.info["own_labels"]["cases"])
        taught = {entry.slice_id for entry in study.store.label_set(model.label_set).entries if entry.kind == "pseudo"}
        labelled = {entry.slice_id for entry in study.store.label_set(model.label_set).entries if entry.kind == "annotation"}
        taught |= {name for name in judged.keys() - labelled if parse_slice_id(name)[0] in own}
        ranked = judged.keys() & learn
        if not taught or not ranked:
            continue
        before = judged if own else _scores(study, model_name(model.cycle - 1))
        tests = judged.keys() & before.keys() - learn
        above = tests if own else {one for one in tests if before[one] >= study.config.pseudo.threshold}
        sides = {"pseudo": ranked & taught, "held": ranked - taught, "test_pseudo": above, "test_held": tests - above}
        groups = {name: _pairs(study, model.id, judged, ids) for name, ids in sides.items()}
        yield {
            "method": study.config.preset,
            "acquisition": study.config.acquisition,
            "seed": study.config.seed,
            **{key: records[model.cycle][key] for key in ("budget", "labelled_slices", "dice", "dice_per_class", "peak_mb")},
            "pool_slices": records[model.cycle]["learn_slices"],
            "seconds": sum(records[model.cycle]["seconds"].values()),
            "score_r": _summary(_pairs(study, model.id, judged, judged.keys() - learn)).get("r"),
            "cycle": model.cycle,
            **{name: _summary(pairs) for name, pairs in groups.items()},
            "too_high_pseudo": _difference(groups["pseudo"], groups["test_pseudo"]),
            "too_high_held": _difference(groups["held"], groups["test_held"]),
            **describe_environment(),
        }


def _scores(study: Study, model: str) -> dict[str, float]:
    return {one.slice_id: one.score for one in study.store.predictions.of(model)}


def _pairs(study: Study, model: str, scores: dict[str, float], ids: set[str]) -> Groups:
    """Score and Dice by patient; slices that are empty in prediction and truth have no Dice and are left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for case_id, indices in by_case(sorted(ids)).items():
        case = study.store.case(case_id)
        labels, truth = study.store.predictions.labels(model, case_id), study.to_grid(study.truth(case), case)
        dice = slices_dice(labels, truth, len(study.config.classes))
        for index in indices:
            if np.isfinite(dice[index]):
                name = slice_id(case_id, study.config.grid.axis, index)
                found.setdefault(case.patient, []).append((scores[name], float(dice[index])))
    return {patient: np.array(pairs) for patient, pairs in found.items()}


def _summary(groups: Groups) -> dict[str, Any]:
    if not groups:
        return {"slices": 0}
    score, dice = np.concatenate(list(groups.values())).T
    return {
        "slices": len(dice),
        "dice": float(dice.mean()),
        "too_high": float((score - dice).mean()),
        "mae": float(np.abs(score - dice).mean()),
        "r": correlate(score, dice).pearson,
    }


def _difference(pool: Groups, test: Groups) -> dict[str, float] | None:
    """How much higher above the truth the first's scores lie than the second's, with a 95 % interval over patients."""
    if not pool or not test:
        return None
    rng = np.random.default_rng(0)

    def drawn(groups: Groups) -> float:
        return hierarchical_bootstrap(groups, lambda rows: float((rows[:, 0] - rows[:, 1]).mean()), rng, n=1)[0]

    draws = [drawn(pool) - drawn(test) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"mean": _summary(pool)["too_high"] - _summary(test)["too_high"], "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
