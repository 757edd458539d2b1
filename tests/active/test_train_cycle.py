"""What a training is given: annotations as they are, pseudo-labels as far as they are believed."""

import errno
import os

import numpy as np
import pytest

from askance.active import training
from askance.active.crossing import halves_of
from askance.active.experts import expert_of
from askance.active.label_sets import file_of, label_entries, seen_in, training_data
from askance.active.loop import collaborate
from askance.active.ranking import predict_case
from askance.api import report
from askance.errors import StudyError
from askance.records import IGNORE, parse_slice_id
from askance.store.store import Store
from made_studies import TINY, advance, answer, make_study, write_dataset


def _trained_on(folder, monkeypatch, **pseudo):
    """The data of the last training of a simulated study."""
    given = []
    train = training.train

    def note(run):
        given.append((run.data.pseudo.copy(), np.array(run.data.labels), np.array(run.data.weights)))
        return train(run)

    monkeypatch.setattr(training, "train", note)
    settings = {"expert": "simulated", "pseudo": {"by": "last", "threshold": 0.0, **pseudo}}
    with make_study(folder / "study", write_dataset(folder / "data"), **settings) as study:
        collaborate(study, expert_of(study))
    return given[-1]


@pytest.mark.parametrize(("threshold", "expected"), [(1.0, True), (0.0, False)])
def test_patches_of_pseudo_labels_that_may_be_wrong_are_left_out_and_annotations_are_whole(
    tmp_path, monkeypatch, threshold, expected
):
    pseudo, labels, _ = _trained_on(tmp_path, monkeypatch, patch_threshold=threshold)
    assert pseudo.any()
    assert bool((labels[pseudo] == IGNORE).any()) is expected
    assert not (labels[~pseudo] == IGNORE).any()


@pytest.mark.parametrize("power", [1.0, 0.0])
def test_each_patch_of_a_pseudo_label_weighs_its_own_score_and_an_annotation_is_whole(tmp_path, monkeypatch, power):
    pseudo, _, weights = _trained_on(tmp_path, monkeypatch, power=power)
    with Store.open(tmp_path / "study") as store:
        entries = store.label_set(store.models()[-1].label_set).entries
        for place in np.flatnonzero(pseudo):
            case, _, index = parse_slice_id(entries[place].slice_id)
            scores = store.predictions.maps(entries[place].model, case)[index].astype(float)
            assert weights[place] == pytest.approx(entries[place].weight * scores**power, abs=2e-3)
    assert (weights[~pseudo] == 1).all()
    assert (np.ptp(weights[pseudo], axis=(1, 2)) > 0).any() == (power > 0)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is not reserved here")
def test_a_full_disk_is_an_error_before_it_is_a_signal(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        with pytest.raises(StudyError, match=r"the disk is full: wanted \d+ MB to train"):
            collaborate(study, expert_of(study))
        assert not (study.store.folder / "cache" / "training").exists()


def test_room_that_is_reserved_is_there(tmp_path):
    file_of(tmp_path / "labels.npy", np.uint8, (50, 100, 100))
    assert (tmp_path / "labels.npy").stat().st_blocks * 512 >= 500_000


def test_the_store_is_not_asked_anew_for_the_case_of_every_slice(tmp_path, monkeypatch):
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data")) as study:
        monkeypatch.setattr(Store, "case", None)
        label_set = study.store.save_label_set(label_entries(study, 0))
        with training_data(study, label_set) as data:
            assert seen_in(study, data).patients == 3
            assert len(halves_of(study, data, seed=0)) == 2


def test_what_a_killed_training_left_in_the_cache_goes_and_nothing_of_the_next_stays(tmp_path):
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated") as study:
        left = study.store.folder / "cache" / "training" / "labels.npy"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"of a killed training")
        advance(study)
        assert study.store.models()
        assert not left.parent.exists()


def test_each_model_knows_of_how_many_patients_it_has_learnt_and_says_so_of_its_predictions(tmp_path):
    one = {"start": "patients", "patients": ["p1"], "total": 10, "cycles": 1}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), expert="simulated", budget=one) as study:
        collaborate(study, expert_of(study))
        first, last = study.store.models()
        learnt = study.store.label_set(last.label_set).entries
        cases = {parse_slice_id(entry.slice_id)[0] for entry in learnt if entry.kind == "annotation"}
        assert first.info["patients"] == 1 < last.info["patients"] == len(cases)
        said = study.store.predictions.of(first.id)
        assert {one.measures["scarcity"] for one in said} == {1.0}


def test_pseudo_labels_have_the_part_of_batches_and_steps_that_the_study_says(tmp_path, monkeypatch):
    given = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda run: given.append((run.pseudo_share, run.pseudo_until)) or train(run))
    settings = {"expert": "simulated", "pseudo": {"by": "last", "threshold": 0.0, "share": 0.25, "until": 0.75}}
    with make_study(tmp_path / "study", write_dataset(tmp_path / "data"), **settings) as study:
        collaborate(study, expert_of(study))
    assert set(given) == {(0.25, 0.75)}


def test_a_semi_supervised_study_learns_from_the_rest_of_learn_and_shows_what_its_imager_made(tmp_path, monkeypatch):
    given = []
    train = training.train
    monkeypatch.setattr(training, "train", lambda run: given.append(run.data) or train(run))
    settings = {"expert": "simulated", "pseudo": {"share": 0.0}}
    with make_study(
        tmp_path / "study", write_dataset(tmp_path / "data"), training=TINY["training"] | {"objective": "souly"}, **settings
    ) as study:
        collaborate(study, expert_of(study))
        learn = {one.id for one in study.store.slices("learn")}
        for data in given:
            assert set(data.unlabelled) == learn - set(data.slice_ids)
            assert len(data.unlabelled_extents) == len(data.unlabelled) > 0
        page = report(study).read_text(encoding="utf-8")
    assert "Images made in training" in page
    assert "16 images that the generator of images made from noise" in page


def test_what_is_found_unreadable_is_not_learnt_from_unlabelled_and_a_killed_training_begins_again(tmp_path, monkeypatch):
    given = []

    def killed(run):
        given.append((set(run.data.unlabelled), run.fingerprint))
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", killed)
    souly = {**TINY["training"], "objective": "souly"}
    data = write_dataset(tmp_path / "data", labelled=("p4",))
    with make_study(tmp_path / "study", data, training=souly, expert="human") as study:
        advance(study)
        spoilt, *base = study.store.queries()[0].slice_ids
        answer(study, base)
        for state in ("skipped", "skipped", "unreadable"):
            study.store.set_aside(spoilt, state, "stripes", "anna")
            with pytest.raises(KeyboardInterrupt):
                collaborate(study, expert_of(study))
    (skipped, before), again, (unreadable, after) = given
    assert again == (skipped, before)
    assert skipped - unreadable == {spoilt}
    assert before != after


def test_a_model_predicts_as_it_was_trained_whatever_the_settings_say_by_now(tmp_path):
    learnt = TINY["training"] | {"min_steps": 150, "max_steps": 150, "batch": 4, "views": 3}  # until foreground shows
    dataset = write_dataset(tmp_path / "data")
    with make_study(tmp_path / "study", dataset, expert="simulated", training=learnt) as study:
        advance(study)
        model, case = study.store.models()[-1].id, study.store.cases()[0]
        before = predict_case(study, study.predictor(model), case)
        config = study.config
        study.store.save_config(config.model_copy(update={"training": config.training.model_copy(update={"views": 1})}))
        after = predict_case(study, study.predictor(model), case)
    assert (before.agreement < 1).any()
    np.testing.assert_array_equal(before.agreement, after.agreement)
