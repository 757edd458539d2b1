"""A preset behind the seam of methods: it learns what is labelled and nothing else, goes on, and labels whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_experiments import NETWORK, TRAINING, make_material, write_patients
from numpy.typing import NDArray

from askance.active.study import Study
from askance.errors import ConfigError
from askance.evaluation.method import Judging, Method
from askance.evaluation.supervised import Supervised, SupervisedSettings
from askance.records import IGNORE, Case
from made_studies import SHAPE, truth_of

TINY = {"network": NETWORK, "training": TRAINING}


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return make_material(write_patients(tmp_path / "hearts"), tmp_path).cases_of(0)


def partly(case: Case) -> NDArray[np.uint8]:
    """The truth of p1 but for its fourth slice, of p2's first slice a corner, and nothing else."""
    labels = truth_of(case.id)
    if case.id == "p1":
        labels[:, :, 3] = IGNORE
    elif case.id == "p2":
        labels[:, :, 1:], labels[5:, :, 0] = IGNORE, IGNORE
    else:
        labels[:] = IGNORE
    return labels


def test_only_slices_of_which_something_is_labelled_are_learnt(cases: list[Case], tmp_path: Path) -> None:
    method: Method = Supervised(3, 1, SupervisedSettings("askance", study=TINY))
    told: list[tuple[str, int, int]] = []
    method.fit(cases, partly, tmp_path / "fit", 4, lambda *what: told.append(what))
    with Study.open(tmp_path / "fit") as study:
        annotated = {one.slice_id for one in study.store.annotations()}
        assert study.config.seed == 4
    assert annotated == {"p1/2/0", "p1/2/1", "p1/2/2", "p1/2/4", "p1/2/5", "p2/2/0"}
    assert ("train", 3, 3) in told
    labels = method.predict(cases[0], tmp_path / "fit")
    assert (labels.shape, labels.dtype) == (SHAPE, np.uint8)
    assert labels.max() <= 2


def test_the_truth_is_stored_case_by_case(cases: list[Case], tmp_path: Path) -> None:
    asked: list[str] = []

    def killed_at_the_second_answer(case: Case) -> NDArray[np.uint8]:
        asked.append(case.id)
        if len(asked) == len(cases) + 2:  # each is looked through for what it labels before
            raise KeyboardInterrupt
        return partly(case)

    method = Supervised(3, 1, SupervisedSettings("askance", study=TINY))
    with pytest.raises(KeyboardInterrupt):
        method.fit(cases, killed_at_the_second_answer, tmp_path / "fit", 4)
    with Study.open(tmp_path / "fit") as study:
        assert {one.slice_id for one in study.store.annotations()} == {"p1/2/0", "p1/2/1", "p1/2/2", "p1/2/4", "p1/2/5"}


def test_a_finished_fit_is_not_made_again_and_a_case_it_never_saw_is_judged(cases: list[Case], tmp_path: Path) -> None:
    method = Supervised(3, 1, SupervisedSettings("paper", study=TINY))
    seen, new = cases[:2], cases[2]
    method.fit(seen, lambda case: truth_of(case.id), tmp_path / "fit", 0)
    with Study.open(tmp_path / "fit") as study:
        before = study.store.models()
    method.fit(seen, lambda case: truth_of(case.id), tmp_path / "fit", 0)
    with Study.open(tmp_path / "fit") as study:
        assert study.store.models() == before
        assert new.id not in {case.id for case in study.store.cases()}
    assert isinstance(method, Judging)
    labels, predictions = method.judged(new, tmp_path / "fit")
    assert labels.shape == SHAPE
    assert [one.slice_id for one in predictions] == [f"{new.id}/2/{index}" for index in range(6)]
    assert all(0 <= one.score <= 1 and one.d_raw is not None for one in predictions)


def test_nothing_labelled_and_a_wrong_setting_are_told(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start is slices and none are named"):
        Supervised(3, 1).fit(cases, lambda case: np.full(case.shape, IGNORE, np.uint8), tmp_path / "a", 0)
    wrong = Supervised(3, 1, SupervisedSettings(study={"training": {"epoch": 1}}))
    with pytest.raises(ConfigError, match=r"training\.epoch"):
        wrong.fit(cases, lambda case: truth_of(case.id), tmp_path / "b", 0)
    assert not (tmp_path / "a").exists()
