"""D's two kinds: a binary one tells truths from predictions, a graded one how much of a prediction is right."""

import pytest
import torch
from made_trainings import make_config

from askance.learning import objectives
from askance.learning.batches import Batch
from askance.learning.objectives import compute_losses
from askance.records import IGNORE


class Fixed(torch.nn.Module):
    """A G that gives the same logits, or a D that gives a patch logit of its parameter, whatever it sees."""

    def __init__(self, output):
        super().__init__()
        self.output = torch.nn.Parameter(output)

    def forward(self, images, label_map=None):
        if label_map is None:
            return self.output
        return self.output.expand(len(images), 1, 2, 2)


def _batch(labels):
    """Two slices of 4 x 4, the second pseudo-labelled."""
    return Batch(torch.zeros(2, 1, 4, 4), labels, torch.ones(2, 1, 1), torch.tensor([True, False]))


def _logits(labels):
    """Sure of class 1 where ``labels`` are 1, of 0 elsewhere."""
    return torch.stack([(labels == 0).float(), (labels == 1).float()], 1) * 100


def _left_half_wrong():
    """G's map and labels that differ on the left half of the first slice and on all of the pseudo-labelled one."""
    said = torch.ones(2, 4, 4, dtype=torch.uint8)
    labels = said.clone()
    labels[0, :, :2] = 0
    labels[1] = 0
    return said, labels


@pytest.mark.parametrize(("side", "count"), [(48, 22), (64, 30), (96, 46), (96, 10), (7, 7), (9, 1)])
def test_patches_are_pooled_as_torch_does_where_it_can(side, count):
    images = torch.rand(2, 2, side, side + 3)
    pooled = objectives._means(images, (count, count))
    torch.testing.assert_close(pooled, torch.nn.functional.adaptive_avg_pool2d(images, count))


def test_a_graded_d_that_says_how_much_is_right_cannot_do_better():
    said, labels = _left_half_wrong()
    half = torch.logit(torch.tensor(0.5)).reshape(1)
    critic = Fixed(half)
    loss = compute_losses(Fixed(_logits(said)), critic, _batch(labels), make_config(objective="askance"))
    truths = torch.nn.functional.softplus(-half).item()
    fakes = 0.6931  # the mean over patches that are right (1) and wrong (0) of the cross-entropy with 0.5
    assert loss.discriminator.item() == pytest.approx((truths + fakes) / 4, abs=1e-3)
    loss.discriminator.backward(retain_graph=True)
    truths_alone = -torch.sigmoid(-half).item() / 4  # half of the patches pull up, half down: fakes do not move it
    assert critic.output.grad.item() == pytest.approx(truths_alone, abs=1e-3)


def test_a_pseudo_label_and_unknown_pixels_teach_a_graded_d_nothing():
    said, labels = _left_half_wrong()
    other = labels.clone()
    other[1] = 1
    known = labels.clone()
    known[0, :, :2] = IGNORE
    values = [
        compute_losses(Fixed(_logits(said)), Fixed(torch.ones(1)), _batch(one), make_config()).discriminator.item()
        for one in (labels, other, known)
    ]
    assert values[0] == values[1]
    assert values[2] < values[0]  # what is known of the map is right, as this D says


def test_a_binary_d_takes_every_prediction_for_a_fake():
    said, labels = _left_half_wrong()
    values = [
        compute_losses(Fixed(_logits(one)), Fixed(torch.ones(1)), _batch(labels), make_config(objective="luc"))
        for one in (said, labels)
    ]
    assert values[0].discriminator.item() == pytest.approx(values[1].discriminator.item())


def test_doubtful_parts_of_a_pseudo_label_do_not_tell_d_that_it_is_a_prediction():
    """What the expert left out is blank in truth and prediction; a pseudo-label has no truth that could be blank too."""
    said, labels = _left_half_wrong()
    labels[0, 0], labels[1, :2] = IGNORE, IGNORE
    seen = []

    class Noting(Fixed):
        def forward(self, images, label_map=None):
            seen.append(label_map)
            return super().forward(images, label_map)

    critic = Noting(torch.zeros(1))
    compute_losses(Fixed(_logits(said)), critic, _batch(labels), make_config(objective="luc"))
    truth, fake, pseudo = seen[0]
    assert not truth[:, 0].any()
    assert not fake[:, 0].any()
    assert pseudo.sum(0).allclose(torch.ones(4, 4))
