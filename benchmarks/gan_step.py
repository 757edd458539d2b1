"""Slices a second of one cGAN step, written three ways: a textbook loop, MONAI's GanTrainer, and askance's loop.

All three train the same generator and PatchGAN (32 channels, slices of 128 x 128, batches of 8) with the same losses on the
same memory-mapped slices, loaded and augmented on the way (rotation, scale, flips, gamma, contrast, bias field, noise). They
take turns in one process with the same threads, so that whatever else the machine does falls on all; a figure is the
median over the rounds, and a ratio is taken within a round, on the clock and in processor time. Processor time at one
thread is what to trust on a busy machine: threads that wait for one another there cost bf16 most.

Run ``python benchmarks/gan_step.py``; each loop and precision appends one line to ``results/gan_step.jsonl``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from gan_step_loops import BATCH, CHANNELS, CLASSES, LOOPS, SIDE, Precision, Slices, Task, Turn
from numpy.typing import NDArray

RESULTS = Path(__file__).parent / "results" / "gan_step.jsonl"
PRECISIONS: tuple[Precision, ...] = ("32-true", "bf16-mixed")
COUNT = 256  # slices in the memory-mapped files

Turns = dict[tuple[str, str], list[Turn]]  # by loop and precision


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    with _mapped_slices() as slices:
        turns = take_turns(slices, options)
    with RESULTS.open("a") as file:
        for line in lines(turns, options):
            print(json.dumps(line))
            file.write(json.dumps(line) + "\n")


def take_turns(slices: Slices, options: argparse.Namespace) -> Turns:
    """Every loop at every precision, ``options.repeats`` times; whoever was first in a round is last in the next."""
    pairs = [(name, precision) for precision in PRECISIONS for name in LOOPS]
    turns: Turns = {pair: [] for pair in pairs}
    for repeat in range(options.repeats):
        for name, precision in pairs if repeat % 2 == 0 else reversed(pairs):
            task = Task(slices, precision, options.warm_up, options.steps, options.workers, seed=repeat)
            turn = LOOPS[name](task)
            turns[name, precision].append(turn)
            print(f"{repeat} {name:9s} {precision:10s} {turn.seconds:7.2f} s", file=sys.stderr, flush=True)
    return turns


def lines(turns: Turns, options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One record a loop and precision."""
    for (name, precision), mine in turns.items():
        textbook, monai = turns["textbook", precision], turns["monai", precision]
        seconds = statistics.median(turn.seconds for turn in mine)
        yield {
            "bench": "gan_step",
            "dataset": "random",
            "method": name,
            **dict.fromkeys(("acquisition", "fold", "budget", "dice", "dice_per_class", "score_r", "state")),
            "seed": 0,
            "labelled_slices": COUNT,
            "pool_slices": 0,
            "seconds": seconds,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "commit": _commit(),
            "default": False,
            "loop": name,
            "precision": precision,
            "slices_per_s": options.steps * BATCH / seconds,
            "processor_s": statistics.median(turn.processor_s for turn in mine),
            "ratio_to_textbook": _ratio(textbook, mine, "seconds"),
            "ratio_to_monai": _ratio(monai, mine, "seconds"),
            "ratio_to_textbook_fp32": _ratio(turns["textbook", "32-true"], mine, "seconds"),
            "processor_ratio_to_textbook": _ratio(textbook, mine, "processor_s"),
            "processor_ratio_to_monai": _ratio(monai, mine, "processor_s"),
            "processor_ratio_to_textbook_fp32": _ratio(turns["textbook", "32-true"], mine, "processor_s"),
            "turns_s": [turn.seconds for turn in mine],
            "steps": options.steps,
            "repeats": options.repeats,
            "threads": options.threads,
            "workers": options.workers,
            "load": os.getloadavg()[0],
            "torch": torch.__version__,
        }


def _ratio(theirs: list[Turn], mine: list[Turn], clock: str) -> float:
    """How many times faster than ``theirs``: the median over the rounds."""
    return statistics.median(getattr(a, clock) / getattr(b, clock) for a, b in zip(theirs, mine))


@contextmanager
def _mapped_slices() -> Iterator[Slices]:
    """Random slices with nested discs, in files that are mapped into memory as the slice cache's are."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        images = _mapped(Path(folder) / "images.npy", np.float32, (COUNT, CHANNELS, SIDE, SIDE))
        labels = _mapped(Path(folder) / "labels.npy", np.uint8, (COUNT, SIDE, SIDE))
        rows, columns = np.mgrid[:SIDE, :SIDE]
        for image, label in zip(images, labels):
            centre, radius = rng.uniform(50, SIDE - 50, 2), rng.uniform(20, 40)
            distance = np.hypot(rows - centre[0], columns - centre[1])
            for number in range(1, CLASSES):
                label[distance < radius / number] = number
            image[0] = label + rng.normal(0, 0.5, label.shape)
        yield Slices(images, labels)


def _mapped(path: Path, kind: type, shape: tuple[int, ...]) -> NDArray[np.generic]:
    return np.lib.format.open_memmap(path, "w+", kind, shape)


def _commit() -> str | None:
    call = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return call.stdout.strip() or None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="steps that are measured in a turn")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before them")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each loop at each precision")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch, the same for all")
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoaders of the other two loops")
    return parser.parse_args()


if __name__ == "__main__":
    main()
