"""A study's models know what is usual in learn: what is not scores near 0, and the reason is told."""

import csv
import json
import shutil

import numpy as np
import pytest

from askance.active.experts import expert_of
from askance.active.loop import collaborate
from askance.active.measures import MEASURES
from askance.active.outside import predict_files
from askance.active.scores import slice_scores, trust
from askance.active.study import Study
from askance.active.usual import usual_in_learn
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.novelty import NOVELTY
from askance.learning.outcome import Outcome
from askance.learning.prediction import FORMER
from made_studies import AFFINE, make_study, truth_of, write_volume

LEARN, TEST = [f"p{number}" for number in range(1, 13)], ["p13"]


def image_of(case):
    noise = np.random.default_rng(int(case[1:])).normal(0, 8, truth_of(case).shape)
    return (truth_of(case) * 60.0 + noise).astype(np.float32)


def write_many(folder):
    """Twelve patients to learn from, enough to tell what is usual, and one to test."""
    for case in LEARN + TEST:
        write_volume(folder / "imagesTr" / f"{case}_0000.nii.gz", image_of(case))
        write_volume(folder / "labelsTr" / f"{case}.nii.gz", truth_of(case))
    labels = {"background": 0, "muscle": 1, "blood pool": 2}
    header = {"channel_names": {"0": "MR"}, "labels": labels, "numTraining": 13, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(header))
    (folder / "splits.json").write_text(json.dumps({"learn": LEARN, "test": TEST}))
    return folder


def trained(folder, dataset, **settings):
    settings = {"expert": "simulated", "budget": {"base": 6, "total": 8, "cycles": 1}, **settings}
    with make_study(folder, dataset, **settings) as study:
        collaborate(study, expert_of(study))
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_many(tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def study_folder(dataset, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("usual") / "study", dataset)


@pytest.fixture
def model(study_folder):
    return study_folder / "models" / "cycle-001"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def striped(case):
    """The image with a spike in its k-space, stripes all over, and with rows that are lost."""
    image = image_of(case)
    x, y, _ = np.indices(image.shape)
    image = image + 60 * np.cos(2 * np.pi * (0.3 * x + 0.2 * y))
    image[9:12] = image.min()
    return image.astype(np.float32)


def test_spoilt_and_foreign_slices_score_near_zero_and_are_told_from_doubtful_ones(model, dataset, tmp_path):
    write_volume(tmp_path / "stripes.nii.gz", striped("p13"))
    write_volume(tmp_path / "foreign.nii.gz", np.random.default_rng(0).normal(0, 1, (30, 30, 4)).astype(np.float32), AFFINE)
    files = [tmp_path / "stripes.nii.gz", tmp_path / "foreign.nii.gz", dataset / "imagesTr" / "p13_0000.nii.gz"]
    predict_files(model, files, tmp_path / "out", threshold=1.0)
    rows = rows_of(tmp_path / "out" / "scores.csv")
    novelty = {
        case: [float(row["novelty"]) for row in rows if row["case"] == case] for case in ("stripes", "foreign", "p13")
    }
    assert min(novelty["stripes"] + novelty["foreign"]) > 1.2
    assert max(novelty["p13"]) <= 1
    assert all(float(row["score"]) < 0.1 for row in rows if row["case"] != "p13")
    why = {row["case"]: row["why"] for row in rows_of(tmp_path / "out" / "to_check.csv")}
    assert why["stripes"].startswith("unlike anything in learn")
    assert why["p13"] == "the model is in doubt"


def test_sound_slices_of_the_study_keep_their_scores(study_folder):
    with Study.open(study_folder) as study:
        known = study.store.predictions.of("cycle-001")
        assert np.mean([one.measures["novelty"] <= 1 for one in known]) >= 0.95


def test_a_model_without_it_still_predicts_and_finds_nothing_novel(model, tmp_path):
    states, info = load_weights(model)
    assert set(states) == {"G", "D", FORMER, NOVELTY}
    save_weights(tmp_path / "old", {"G": states["G"], "D": states["D"]}, info)
    write_volume(tmp_path / "stripes.nii.gz", striped("p13"))
    predict_files(tmp_path / "old", [tmp_path / "stripes.nii.gz"], tmp_path / "out")
    assert {row["novelty"] for row in rows_of(tmp_path / "out" / "scores.csv")} == {"0.0000"}


def test_what_is_usual_is_the_same_when_the_training_is_made_again(study_folder, model, tmp_path):
    shutil.copytree(study_folder, tmp_path / "again")
    kept = load_weights(model)[0][NOVELTY]
    with Study.open(tmp_path / "again") as study:
        made = usual_in_learn(study, study.predictor("cycle-001")).state()
    assert made.keys() == kept.keys()
    assert all((made[key] == kept[key]).all() for key in kept)


def test_a_slice_that_is_unreadable_says_nothing_of_what_is_usual(asking_study, monkeypatch):
    looked_at = []
    images_of = asking_study.cache.images_of

    def noted(case_id, indices):
        looked_at.extend(f"{case_id}/2/{index}" for index in indices)
        return images_of(case_id, indices)

    monkeypatch.setattr(asking_study.cache, "images_of", noted)
    spoilt = asking_study.store.queries()[-1].slice_ids[0]
    asking_study.store.set_aside(spoilt, "unreadable", "stripes", "anna")
    usual_in_learn(asking_study, asking_study.predictor("cycle-000"))
    assert set(looked_at) == {one.id for one in asking_study.store.slices("learn")} - {spoilt}


def test_preset_paper_does_without(dataset, tmp_path):
    folder = trained(tmp_path / "paper", dataset, preset="paper")
    assert NOVELTY not in load_weights(folder / "models" / "cycle-001")[0]


def test_the_expert_is_told_that_a_slice_is_unlike_the_others(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(MEASURES, "novelty", lambda outcome: np.full(len(outcome.probs), 1.5, np.float32))
    with Study.open(trained(tmp_path / "study", dataset)) as study:
        assert all(asked.reason.endswith("unlike the rest of learn") for asked in study.store.queries()[1].asked)


def test_trust_is_whole_up_to_the_limit_and_falls_steadily_beyond():
    steps = trust(np.array([0, 0.9, 1, 1.01, 1.05, 1.1, 1.2], np.float32))
    assert steps[:3].tolist() == [1, 1, 1]
    assert (np.diff(steps[2:]) < 0).all()
    assert steps[3] > 0.5  # a hair beyond the limit is not the end
    assert steps[4] < 0.25
    assert steps[-1] < 5e-3


@pytest.mark.parametrize(("preset", "changes"), [("askance", True), ("paper", False)])
def test_novelty_lowers_the_score_but_for_preset_paper_s(preset, changes):
    probs = np.full((2, 2, 16, 16), 0.5, np.float32)
    logits = np.zeros((2, 2, 2), np.float32)
    plain, novel = (
        Outcome(probs, np.ones(2, np.float32), np.zeros((2, 16, 16), np.float32), logits, novelty=novelty)
        for novelty in (None, np.array([0.5, 2.0], np.float32))
    )
    before, after = slice_scores(plain, preset), slice_scores(novel, preset)
    assert before[0] == after[0]
    assert bool(after[1] < before[1] / 100) is changes
