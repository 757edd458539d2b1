"""Folds inside ``learn``: where settings are chosen, so that ``test`` is read once per published figure."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from askance.records import Split
from askance.volumes.found import Found
from askance.volumes.layouts import find_dataset
from askance.volumes.patients import WHAT_THE_DATA_SAYS, divide

Fold = tuple[int, int]  # its number from 0 on, and how many there are

_DRAW = 2016  # seed of the draw of patients into folds, the same for every recipe


def parse_fold(text: str) -> Fold:
    """``1/5`` as (1, 5): the second of five folds."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of) and int(of) > 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no fold; wanted K/N with K from 0 to N - 1, as 0/5")
    return int(number), int(of)


def fold_said(fold: Fold | None) -> str | None:
    """As lines of results have it: 1/5, or None for learn and test as the data set says."""
    return None if fold is None else "{}/{}".format(*fold)


def names_of(fold: Fold | None) -> list[str]:
    """What of a folder's name says which fold is worked on in it."""
    return [] if fold is None else ["fold{}of{}".format(*fold)]


def found_in(data: Path, fold: Fold | None) -> Found:
    """The data set in ``data``; of a fold without its test set, a part of learn's patients held out in its place."""
    found = find_dataset(data)
    return found if fold is None else _held_out(found, *fold)


def _held_out(found: Found, number: int, of: int) -> Found:
    patients, sides = divide(found, WHAT_THE_DATA_SAYS, seed=0)
    learn = sorted({patients[case] for case, side in sides.items() if side == "learn"})
    held_out = set(np.random.default_rng(_DRAW).permutation(learn)[number::of].tolist())
    cases = tuple(case for case in found.cases if sides[case.id] == "learn")
    splits: dict[str, Split] = {case.id: "test" if patients[case.id] in held_out else "learn" for case in cases}
    return replace(found, cases=cases, splits=splits, patients={case.id: patients[case.id] for case in cases})
