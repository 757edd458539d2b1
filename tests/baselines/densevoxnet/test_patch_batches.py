import numpy as np
import pytest
import torch

from askance.baselines.densevoxnet.batches import PatchBatches, cut
from askance.baselines.densevoxnet.plan import PatchPlan
from askance.baselines.densevoxnet.prepared import Prepared
from askance.records import IGNORE

PLAN = PatchPlan((1.0, 1.0, 1.0), (False, False, False), ((2, 2, 2), (2, 2, 2)), (8, 8, 4), (0, 1))


def _volume(shape=(20, 22, 10), around=None):
    """Every voxel's image is its own number, from 1 on, and its label follows from it."""
    images = np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(1, *shape)
    return Prepared(images, (images[0] % 3).astype(np.uint8), around)


def _corner_of(patch, shape):
    """The volume's voxel that holds the patch's smallest number: its corner, however the patch was turned."""
    return np.unravel_index(int(patch[patch > 0].min()) - 1, shape)


def test_a_step_sees_the_same_patches_whenever_it_is_asked_and_another_seed_others():
    volumes = [_volume(), _volume()]
    first, again, other = (PatchBatches(volumes, PLAN, 3, 0.5, seed)[7] for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)


def test_patches_have_the_plans_sides_and_labels_lie_on_their_voxels():
    batch = PatchBatches([_volume()], PLAN, 3, 0.5, 1)[0]
    assert (batch.images.shape, batch.labels.shape) == ((3, 1, 8, 8, 4), (3, 8, 8, 4))
    assert (batch.images.dtype, batch.labels.dtype) == (torch.float32, torch.uint8)
    assert torch.equal(batch.labels, (batch.images[:, 0] % 3).to(torch.uint8))
    assert batch.annotated.all()


def test_every_volume_comes_once_before_any_comes_again():
    shapes = [(20, 22, 10 + number) for number in range(5)]
    volumes = [
        Prepared(np.full((1, *shape), number, np.float32), np.zeros(shape, np.uint8), None)
        for number, shape in enumerate(shapes)
    ]
    batches = PatchBatches(volumes, PLAN, 3, 0.0, 4)
    seen = [int(one) for step in range(5) for one in batches[step].images.mean((1, 2, 3, 4))]
    assert [sorted(seen[start : start + 5]) for start in (0, 5, 10)] == [[0, 1, 2, 3, 4]] * 3
    assert seen[:5] != seen[5:10]


def test_patches_are_the_eight_turns_and_mirror_images_of_the_plane_and_of_no_other():
    volume = _volume((8, 8, 4))  # one place for a patch
    batches = PatchBatches([volume], PLAN, 4, 0.0, 0)
    seen = {batches[step].images[number, 0].numpy().tobytes() for step in range(40) for number in range(4)}
    whole = volume.images[0]
    wanted = {
        np.ascontiguousarray(variant).tobytes()
        for quarters in range(4)
        for turned in [np.rot90(whole, quarters, (0, 1))]
        for variant in (turned, np.flip(turned, 0))
    }
    assert len(wanted) == 8
    assert seen == wanted


def test_patches_near_foreground_lie_in_its_box_and_the_others_anywhere():
    box = np.array([[3, 5, 2], [14, 16, 7]])
    shape = (20, 22, 10)
    corners = {
        near: np.array(
            [
                _corner_of(patch.numpy(), shape)
                for step in range(60)
                for patch in PatchBatches([_volume(shape, box)], PLAN, 2, near, 0)[step].images[:, 0]
            ]
        )
        for near in (0.0, 1.0)
    }
    np.testing.assert_array_equal(corners[1.0].min(0), [3, 5, 2])
    np.testing.assert_array_equal(corners[1.0].max(0), [14 - 8, 16 - 8, 7 - 4])
    np.testing.assert_array_equal(corners[0.0].min(0), [0, 0, 0])
    np.testing.assert_array_equal(corners[0.0].max(0), [20 - 8, 22 - 8, 10 - 4])


def test_a_box_smaller_than_the_patch_lies_in_its_middle():
    box = np.array([[8, 8, 3], [12, 12, 5]])
    patches = PatchBatches([_volume(around=box)], PLAN, 4, 1.0, 0)[0].images[:, 0]
    assert {tuple(_corner_of(patch.numpy(), (20, 22, 10))) for patch in patches} == {(6, 6, 2)}


def test_a_volume_smaller_than_the_patch_lies_in_its_middle_and_nobody_labelled_the_rest():
    batch = PatchBatches([_volume((4, 4, 2))], PLAN, 2, 0.0, 0)[0]
    known = batch.labels != IGNORE
    assert torch.equal(known, batch.images[:, 0] > 0)
    assert known[:, 2:6, 2:6, 1:3].all()
    assert known.sum() == 2 * 4 * 4 * 2


@pytest.mark.parametrize("corner", [(-2, -3, -1), (17, 20, 8), (0, 0, 0), (-30, 0, 0), (40, 0, 0)])
def test_a_cut_is_the_padded_volumes(corner):
    volume = _volume().images
    padded = np.pad(volume, [(0, 0), (50, 50), (50, 50), (50, 50)], constant_values=-1)
    start = [place + 50 for place in corner]
    wanted = padded[:, start[0] : start[0] + 8, start[1] : start[1] + 8, start[2] : start[2] + 4]
    np.testing.assert_array_equal(cut(volume, corner, (8, 8, 4), outside=-1), wanted)
