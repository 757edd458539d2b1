import dataclasses
import json

import numpy as np
import pytest
import torch
from made_volumes import CUBE, THICK, make_case, truth_of

from askance.baselines.densevoxnet import windows
from askance.baselines.densevoxnet.method import DenseVoxNetMethod
from askance.baselines.densevoxnet.training import NETWORK, DenseVoxNetSettings, training_task
from askance.errors import ConfigError, FormatError, TrainingError, UsageError
from askance.learning.batches import Batch
from askance.networks.densevoxnet import DenseVoxNet
from askance.records import IGNORE

TINY = DenseVoxNetSettings(patch=8, voxels=3_000, steps=4, batch=2, save_every_s=0)


class Stopped(KeyboardInterrupt):
    """Somebody's Ctrl-C."""


def _method(channels=1, **changes):
    return DenseVoxNetMethod(3, channels, dataclasses.replace(TINY, **changes))


def _hash(folder):
    return json.loads((folder / "model" / "model.json").read_text())["weights_sha256"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return [make_case(folder, name, CUBE, seed) for seed, name in enumerate("ab")]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, cases):
    folder = tmp_path_factory.mktemp("fit")
    _method().fit(cases, truth_of, folder, seed=1)
    return folder


@pytest.mark.parametrize(("geometry", "channels"), [(CUBE, 1), (THICK, 2), (((5, 6, 3), (1.0, 1.0, 1.0)), 1)])
def test_a_case_is_predicted_in_the_shape_of_its_file(tmp_path, geometry, channels):
    case = make_case(tmp_path, "a", geometry, channels=channels)
    method = _method(channels, steps=1)
    method.fit([case], truth_of, tmp_path / "fit", seed=1)
    labels = method.predict(case, tmp_path / "fit")
    assert (labels.shape, labels.dtype) == (case.shape, np.uint8)
    assert labels.max() < 3


def test_a_fit_leaves_its_model_alone_and_says_how_it_came_about(fitted, cases):
    assert [path.name for path in fitted.iterdir()] == ["model"]
    assert sorted(path.name for path in (fitted / "model").iterdir()) == [f"{NETWORK}.safetensors", "model.json"]
    info = json.loads((fitted / "model" / "model.json").read_text())
    assert (info["classes"], info["channels"], info["steps"], info["flat_at"]) == (3, 1, 4, None)
    assert info["plan"]["patch"] == [8, 8, 8]
    assert info["settings"]["learning_rate"] == 0.05
    assert set(info["losses"]) == {"main", "auxiliary"}


def test_stages_are_reported_with_their_progress(tmp_path, cases):
    heard = []
    _method().fit(cases, truth_of, tmp_path, seed=1, report=lambda *said: heard.append(said))
    assert heard == [("prepare", 1, 2), ("prepare", 2, 2), *(("train", step, 4) for step in (1, 2, 3, 4))]


@pytest.mark.parametrize("stop", [("prepare", 2), ("train", 3)])
def test_a_fit_that_was_stopped_ends_with_the_same_weights(tmp_path, cases, fitted, stop):
    def report(stage, done, total):
        if (stage, done) == stop:
            raise Stopped

    with pytest.raises(Stopped):
        _method().fit(cases, truth_of, tmp_path, seed=1, report=report)
    assert not (tmp_path / "prepared").exists()
    heard = []
    _method().fit(cases, truth_of, tmp_path, seed=1, report=lambda *said: heard.append(said))
    assert _hash(tmp_path) == _hash(fitted)
    assert ("train", 1, 4) not in heard or stop[0] == "prepare"


def test_a_finished_fit_is_not_made_again_and_one_of_other_labels_or_seed_is(tmp_path, cases):
    def none_heard(*said):
        pytest.fail(f"made again: {said}")

    method = _method(steps=1)
    method.fit(cases, truth_of, tmp_path, seed=1)
    method.fit(cases, truth_of, tmp_path, seed=1, report=none_heard)
    first = _hash(tmp_path)
    method.fit(cases, lambda case: np.minimum(truth_of(case), 1), tmp_path, seed=1)
    second = _hash(tmp_path)
    method.fit(cases, truth_of, tmp_path, seed=2)
    assert len({first, second, _hash(tmp_path)}) == 3


def test_slices_that_nobody_labelled_teach_nothing(tmp_path, cases):
    def half(case):
        labels = truth_of(case)
        labels[:, :, ::2] = IGNORE
        return labels

    def other_half(case):
        labels = half(case)
        labels[labels == IGNORE] = 2
        labels[:, :, ::2] = IGNORE
        return labels

    hashes = set()
    for number, truth in enumerate((half, other_half, truth_of)):
        _method(steps=2).fit(cases, truth, tmp_path / str(number), seed=1)
        hashes.add(_hash(tmp_path / str(number)))
    assert len(hashes) == 2


def test_without_any_label_there_is_nothing_to_learn_from(tmp_path, cases):
    with pytest.raises(TrainingError, match="2 cases to learn from, no voxel of them labelled"):
        _method().fit(cases, lambda case: np.full(case.shape, IGNORE, np.uint8), tmp_path, seed=1)


def test_a_folder_without_a_model_and_a_model_of_other_classes_are_errors(tmp_path, cases, fitted):
    with pytest.raises(FormatError, match="no model can be read here"):
        _method().predict(cases[0], tmp_path)
    with pytest.raises(UsageError, match="found a model of 3 classes and 1 channels, wanted 4 and 1"):
        DenseVoxNetMethod(4, 1, TINY).predict(cases[0], fitted)


@pytest.mark.parametrize(
    ("name", "value"), [("patch", 2), ("steps", 0), ("overlap", 1.0), ("near", -0.1), ("learning_rate", float("nan"))]
)
def test_a_setting_out_of_its_range_is_an_error_that_names_it(name, value):
    with pytest.raises(ConfigError, match=f"DenseVoxNet's {name} is {value}; wanted"):
        DenseVoxNetSettings(**{name: value})


def _batch(side=8, count=2):
    labels = torch.zeros((count, side, side, side), dtype=torch.uint8)
    labels[:, 2:6, 2:6, 2:6] = 1
    images = 2 * labels[:, None].float() + 0.3 * torch.randn((count, 1, side, side, side))
    return Batch(images, labels, torch.ones(count, 1, 1, 1), torch.ones(count, dtype=torch.bool))


def _task(**changes):
    settings = dataclasses.replace(TINY, **changes)
    return training_task(settings, lambda: DenseVoxNet(1, 2), lambda step: _batch(), seed=1)


def test_the_loss_is_both_heads_cross_entropies_the_second_at_its_weight():
    task, batch = _task(), _batch()
    batch.labels[:, 0] = IGNORE
    network = DenseVoxNet(1, 2).eval()
    losses = task.losses({NETWORK: network}, batch)
    known = batch.labels != IGNORE
    by_hand = [
        -logits.log_softmax(1).gather(1, (batch.labels.long() * known)[:, None])[:, 0][known].mean()
        for logits in network(batch.images)
    ]
    torch.testing.assert_close(losses.by_network[NETWORK], by_hand[0] + 0.33 * by_hand[1])
    assert [float(part) for part in losses.parts.values()] == pytest.approx([float(one.detach()) for one in by_hand])


def test_the_optimiser_is_the_published_one():
    network = DenseVoxNet(1, 2)
    others, biases = _task().optimizer(network).param_groups
    assert (others["momentum"], others["weight_decay"], others.get("rate_share", 1.0)) == (0.9, 5e-4, 1.0)
    assert (biases["weight_decay"], biases["rate_share"]) == (0.0, 2.0)
    assert {id(one) for one in biases["params"]} == {id(network.head.bias), id(network.auxiliary[1].bias)}
    assert len(others["params"]) + 2 == len(list(network.parameters()))


def test_the_rate_falls_polynomially_from_its_base_to_zero():
    rate = _task(steps=15_000).rate
    assert (rate(0), rate(15_000)) == (0.05, 0)
    assert rate(7_500) == pytest.approx(0.05 * 0.5**0.9)


def test_windows_that_overlap_cover_a_volume_and_sum_to_one():
    torch.manual_seed(0)
    images = np.random.default_rng(0).normal(size=(1, 13, 9, 5)).astype(np.float32)
    probs = windows.predict_windows(DenseVoxNet(1, 3), images, (8, 8, 8), 0.5, "32-true")
    assert (probs.shape, probs.dtype) == ((3, 13, 9, 5), np.float32)
    np.testing.assert_allclose(probs.sum(0), 1, atol=1e-5)


def test_a_volume_of_one_patch_is_predicted_as_the_network_does():
    torch.manual_seed(0)
    network = DenseVoxNet(1, 3).eval()
    images = torch.randn(1, 8, 8, 8)
    with torch.inference_mode():
        alone = network.predict(images[None]).softmax(1)[0]
    probs = windows.predict_windows(network, images.numpy(), (8, 8, 8), 0.5, "32-true")
    np.testing.assert_allclose(probs, alone.numpy(), atol=1e-5)


@pytest.mark.slow
def test_it_learns_to_find_the_ball(tmp_path):
    cases = [make_case(tmp_path, str(seed), CUBE, seed) for seed in range(3)]
    method = _method(patch=16, voxels=20_000, steps=150, save_every_s=60.0)
    method.fit(cases[:2], truth_of, tmp_path / "fit", seed=1)
    predicted, truth = method.predict(cases[2], tmp_path / "fit"), truth_of(cases[2])
    for label in (
        1,
        2,
    ):  # the shell is three voxels thick, and nothing in the network works at full size but its last layers
        overlap = 2 * ((predicted == label) & (truth == label)).sum() / ((predicted == label).sum() + (truth == label).sum())
        assert overlap > 0.5
