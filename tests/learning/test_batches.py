from dataclasses import replace

import numpy as np
import pytest
import torch
from made_trainings import SIDE, ArraySource, make_config, make_data

from askance.errors import TrainingError
from askance.learning.batches import Batches, TrainingData
from askance.records import IGNORE

LEFT, RIGHT = slice(SIDE // 2), slice(SIDE // 2, None)


class CountingSource(ArraySource):
    """Notes which slices were asked for."""

    def images(self, slice_ids):
        self.__dict__.setdefault("asked", []).extend(slice_ids)
        return super().images(slice_ids)


def _same(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("images", "labels", "weights", "annotated"))


def _batches(count=8, pseudo=0, share=0.0, seed=5, bare=0, **settings):
    data, source = make_data(count, pseudo, bare=bare)
    counting = CountingSource(source.by_id)
    return Batches(data, counting, make_config(**settings), share, seed), counting


def test_a_batch_is_a_function_of_seed_and_step_alone():
    batches, _ = _batches(augment="strong")
    seventh = batches[7]
    for step in (3, 0, 7):
        batches[step]
    assert _same(seventh, batches[7])
    assert _same(seventh, _batches(augment="strong")[0][7])
    assert not _same(seventh, batches[8])
    assert not _same(seventh, _batches(augment="strong", seed=6)[0][7])


def test_a_batch_has_the_shapes_and_kinds_that_the_losses_want():
    batch = _batches(pseudo=3, share=0.5)[0][0]
    assert batch.images.shape == (4, 1, 16, 16)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.shape == (4, 16, 16)
    assert batch.labels.dtype == torch.uint8
    assert batch.annotated.tolist() == [True, True, False, False]
    assert batch.weights.shape == (4, 16, 16)
    assert batch.weights[:, 8, 8].tolist() == [1.0, 1.0, 0.5, 0.5]


def test_doubtful_pixels_of_pseudo_labels_are_drawn_anew_by_their_chance_and_an_experts_never():
    data, source = make_data(8, pseudo=4)
    doubts = np.zeros_like(data.labels)
    doubts[:, :, SIDE // 2 :] = 255  # the right half may as well be class 3, the left is sure
    data = replace(data, seconds=np.full_like(data.labels, 3), doubts=doubts)
    settings = make_config(augment="none", crop=(SIDE, SIDE), batch=8)
    drawn = [Batches(data, source, settings, 0.5, seed)[0] for seed in range(8)]
    left, right = (torch.stack([batch.labels[..., half] for batch in drawn]) == 3 for half in (LEFT, RIGHT))
    annotated = drawn[0].annotated
    assert not left.any()
    assert not right[:, annotated].any()
    assert right[:, ~annotated].float().mean() == pytest.approx(0.5, abs=0.02)
    assert not torch.equal(right[0], right[1])
    assert _same(drawn[0], Batches(data, source, settings, 0.5, 0)[0])


@pytest.mark.parametrize("augment", ["none", "strong"])
def test_a_patch_keeps_its_weight_wherever_the_crop_and_its_turn_put_it(augment):
    data, source = make_data(8)
    weights = np.full((8, 4, 4), 0.25, np.float32)
    for number, label in enumerate(data.labels):
        weights[number][label.reshape(4, 8, 4, 8).any((1, 3))] = 0.75
    data = replace(data, weights=weights)
    batches = Batches(data, source, make_config(augment=augment), 0.0, 1)
    for step in range(4):
        batch = batches[step]
        assert (batch.weights[batch.labels > 0] == 0.75).all()
        assert (batch.weights == 0.25).any()


@pytest.mark.parametrize(("count", "batch"), [(8, 4), (7, 3), (3, 8)])
def test_every_labelled_slice_is_seen_once_an_epoch(count, batch):
    batches, source = _batches(count, batch=batch)
    for step in range(3 * count):
        batches[step]
    for epoch in range(3 * batch):
        seen = source.asked[epoch * count : (epoch + 1) * count]
        assert len(set(seen)) == len(seen) == count


def test_epochs_come_in_other_orders():
    batches, source = _batches(8)
    for step in range(4):
        batches[step]
    assert source.asked[:8] != source.asked[8:]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 1), (0.5, 2), (1.0, 3)])
def test_the_pseudo_share_is_held_and_leaves_one_expert_label(share, expected):
    batch = _batches(pseudo=3, share=share)[0][0]
    assert int((~batch.annotated).sum()) == expected


def test_from_the_step_it_is_told_a_training_learns_from_experts_labels_alone():
    data, source = make_data(8, 3)
    batches = Batches(data, source, make_config(batch=4), share=0.5, seed=5, until=3)
    assert [int((~batches[step].annotated).sum()) for step in range(6)] == [2, 2, 2, 0, 0, 0]
    assert _same(batches[4], batches[4])


def test_unlabelled_slices_come_in_their_share_and_teach_no_label():
    batches, source = _batches(pseudo=3, bare=5, share=0.25, batch=8, unlabelled=0.5)
    batch = batches[0]
    bare = (batch.labels == IGNORE).all(2).all(1)
    assert (int(bare.sum()), int(batch.annotated.sum())) == (3, 3), "half of the six that pseudo-labels leave"
    assert not batch.annotated[bare].any()
    assert not batch.weights[bare].any()
    for step in range(1, 5):
        batches[step]
    assert set(source.asked) == {f"case/2/{number}" for number in range(13)}
    all_but_one = _batches(pseudo=3, bare=5, share=1.0, batch=4, unlabelled=1.0)[0][0]
    assert int(all_but_one.annotated.sum()) == 1


def test_without_pseudo_labels_the_whole_batch_is_the_experts():
    assert _batches(pseudo=0, share=0.5)[0][0].annotated.all()


def test_nothing_labelled_is_an_error_that_says_so():
    with pytest.raises(TrainingError, match="8 slices to learn from, none with an expert's label"):
        _batches(count=8, pseudo=8)


@pytest.mark.parametrize("extent", [(10, 32), (20, 27), (32, 32)])
def test_crops_stay_inside_the_slices_extent(extent):
    side, crop = 32, 16
    inside = np.zeros((side, side), np.float32)
    low = [(side - length) / 2 for length in extent]
    inside[int(low[0]) : side - int(low[0]), int(low[1]) : side - int(low[1])] = 1.0
    data, _ = make_data(8)
    data = TrainingData(data.slice_ids, data.labels, data.weights, data.pseudo, np.array([extent] * 8))
    source = ArraySource(dict.fromkeys(data.slice_ids, inside[None]))
    batches = Batches(data, source, make_config(augment="none", crop=(crop, crop)), 0.0, 1)
    expected = min(extent[0], crop) * crop
    for step in range(12):
        covered = batches[step].images.sum((1, 2, 3))
        assert (covered >= expected - 1e-2).all()


def test_half_of_the_crops_are_placed_over_foreground_even_where_it_is_small():
    data, source = make_data(8, side=64)
    labels = np.zeros_like(data.labels)
    labels[:, 5:9, 50:54] = 1
    data = TrainingData(data.slice_ids, labels, data.weights, data.pseudo, data.extents)
    batches = Batches(data, source, make_config(augment="none"), 0.0, 1)
    held = torch.cat([(batches[step].labels > 0).flatten(1).any(1) for step in range(50)])
    assert 0.45 < held.float().mean() < 0.7


def test_a_crop_larger_than_the_grid_is_the_grid():
    batches, _ = _batches(crop=(128, 128), augment="none")
    assert batches[0].images.shape == (4, 1, 32, 32)
