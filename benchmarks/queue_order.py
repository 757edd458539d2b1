"""What keeping slices of one case together costs in priority and saves in changes of case.

Reads no study: queries of 200 slices over 40 cases with random places, one expert. Prints a line a setting of
``reading.same_case`` and appends it to results/queue_order.jsonl.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from askance.store.queue import Wanted, choose

#: Keys of every benchmark's lines that have no meaning here.
NO_MEANING = (
    "dataset", "method", "acquisition", "seed", "fold", "budget", "labelled_slices", "pool_slices", "dice", "dice_per_class",
    "score_r", "seconds", "peak_mb", "commit", "state",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results" / "queue_order.jsonl"


def walk(queue: list[Wanted], cost: float) -> tuple[int, list[float]]:
    """Changes of case on the way through ``queue``, and the places by which each slice came early or late."""
    left, case, changes, moved = list(queue), None, 0, []
    for place in range(len(queue)):
        chosen = choose(left, case, cost)
        assert chosen is not None
        moved.append(abs(queue.index(chosen) - place))
        changes += chosen.case_id != case
        case = chosen.case_id
        left.remove(chosen)
    return changes, moved


def main() -> None:
    """Measure every setting over ten queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--cases", type=int, default=40)
    arguments = parser.parse_args()
    for cost in (0.0, 0.1, 0.25, 0.5, 1.0):
        changes, moved = [], []
        for seed in range(10):
            cases = np.random.default_rng(seed).integers(0, arguments.cases, arguments.slices)
            queue = [Wanted(f"{case}/2/{k}", str(case), 1 - k / arguments.slices) for k, case in enumerate(cases)]
            found = walk(queue, cost)
            changes.append(found[0])
            moved += found[1]
        line = dict.fromkeys(NO_MEANING) | {
            "bench": "queue_order", "default": cost == 0.25, "same_case": cost, "slices": arguments.slices,
            "cases": arguments.cases, "case_changes": float(np.mean(changes)), "places_moved": float(np.mean(moved)),
        }  # fmt: skip
        print(line)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
