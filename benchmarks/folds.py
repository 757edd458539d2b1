"""Folds inside ``learn``: where settings are chosen, so that ``test`` is read once per published figure."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from askance.records import Split
from askance.volumes.found import Found
from askance.volumes.patients import WHAT_THE_DATA_SAYS, divide

_DRAW = 2016  # seed of the draw of patients into folds, the same for every recipe


def parse_fold(text: str) -> tuple[int, int]:
    """``1/5`` as (1, 5): the second of five folds."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of) and int(of) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no fold; wanted K/N with K from 0 to N - 1, as 0/5")
    return int(number), int(of)


def fold_of(found: Found, fold: tuple[int, int]) -> Found:
    """``found`` without its test set: a part of learn's patients is held out as ``test`` in its place."""
    number, of = fold
    patients, sides = divide(found, WHAT_THE_DATA_SAYS, seed=0)
    learn = sorted({patients[case] for case, side in sides.items() if side == "learn"})
    held_out = set(np.random.default_rng(_DRAW).permutation(learn)[number::of].tolist())
    cases = tuple(case for case in found.cases if sides[case.id] == "learn")
    splits: dict[str, Split] = {case.id: "test" if patients[case.id] in held_out else "learn" for case in cases}
    return replace(found, cases=cases, splits=splits, patients={case.id: patients[case.id] for case in cases})
