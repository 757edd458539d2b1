import math

import pytest
import torch

from askance.networks.losses import absolute, cross_entropy, looks_fake, looks_real, onehot, soft_dice
from askance.records import IGNORE

PIXELWISE = [cross_entropy, soft_dice, absolute]


@pytest.fixture
def batch():
    """Logits (2, 3, 4, 5), labels with some pixels unknown, a weight for each pixel, those of the second slice small."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    labels = torch.randint(0, 3, (2, 4, 5), generator=generator, dtype=torch.uint8)
    labels[0, 0, :3] = IGNORE
    weights = torch.rand(2, 4, 5, generator=generator) * torch.tensor([1.0, 0.25])[:, None, None]
    return logits, labels, weights


def _known_pixels(labels):
    return [(n, row, column) for n, row, column in torch.cartesian_prod(*map(torch.arange, labels.shape)).tolist()]


def test_cross_entropy_is_the_mean_of_a_naive_loop(batch):
    logits, labels, weights = batch
    total = count = 0.0
    for n, row, column in _known_pixels(labels):
        label = int(labels[n, row, column])
        if label != IGNORE:
            exponentials = [math.exp(value) for value in logits[n, :, row, column].tolist()]
            total -= float(weights[n, row, column]) * math.log(exponentials[label] / sum(exponentials))
            count += 1
    assert float(cross_entropy(*batch)) == pytest.approx(total / count, rel=1e-5)


def test_absolute_is_the_mean_of_a_naive_loop(batch):
    logits, labels, weights = batch
    probs, total, count = logits.softmax(1), 0.0, 0
    for n, row, column in _known_pixels(labels):
        label = int(labels[n, row, column])
        if label != IGNORE:
            distances = [abs(float(probs[n, k, row, column]) - (k == label)) for k in range(3)]
            total, count = total + float(weights[n, row, column]) * sum(distances) / 3, count + 1
    assert float(absolute(*batch)) == pytest.approx(total / count, rel=1e-5)


def test_soft_dice_is_the_dice_of_a_naive_loop(batch):
    logits, labels, weights = batch
    probs, dices = logits.softmax(1), []
    for k in (1, 2):
        overlap = total = 0.0
        for n, row, column in _known_pixels(labels):
            label = int(labels[n, row, column])
            if label != IGNORE:
                p, weight = float(probs[n, k, row, column]), float(weights[n, row, column])
                overlap, total = overlap + weight * p * (label == k), total + weight * (p + (label == k))
        dices.append((2 * overlap + 1) / (total + 1))
    assert float(soft_dice(*batch)) == pytest.approx(1 - sum(dices) / 2, rel=1e-5)


def test_soft_dice_is_monais_where_all_is_known(batch):
    losses = pytest.importorskip("monai.losses", reason="MONAI is not installed")
    logits, labels, _ = batch
    labels[labels == IGNORE] = 0
    monais = losses.DiceLoss(include_background=False, softmax=True, to_onehot_y=True, batch=True, smooth_nr=1, smooth_dr=1)
    ours = soft_dice(logits, labels, torch.ones(2, 1, 1))
    assert float(ours) == pytest.approx(float(monais(logits, labels[:, None])), rel=1e-5)


def test_soft_dice_is_zero_on_a_perfect_answer():
    labels = torch.tensor([[[0, 1], [2, 2]]], dtype=torch.uint8)
    assert float(soft_dice(onehot(labels, 3) * 50, labels, torch.ones(1, 1, 1))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", PIXELWISE)
def test_a_pixel_that_nobody_labelled_has_no_gradient(loss, batch):
    logits, labels, weights = batch
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, labels, weights), logits)
    unknown = (labels == IGNORE)[:, None].expand_as(gradient)
    assert gradient[unknown].abs().max() == 0
    assert gradient[~unknown].abs().max() > 0


@pytest.mark.parametrize("loss", PIXELWISE)
def test_a_batch_that_nobody_labelled_has_a_finite_loss_and_no_gradient(loss, batch):
    logits, labels, weights = batch
    logits.requires_grad_()
    value = loss(logits, torch.full_like(labels, IGNORE), weights)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert gradient.abs().max() == 0


@pytest.mark.parametrize("loss", [cross_entropy, absolute])
def test_half_the_weight_is_half_the_loss(loss, batch):
    logits, labels, weights = batch
    assert float(loss(logits, labels, weights / 2)) == pytest.approx(float(loss(logits, labels, weights)) / 2)


@pytest.mark.parametrize("loss", PIXELWISE)
def test_a_slice_without_weight_does_not_count(loss, batch):
    logits, labels, _ = batch
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, labels, torch.tensor([1.0, 0.0])[:, None, None]), logits)
    assert gradient[1].abs().max() == 0


def test_the_verdicts_are_binary_cross_entropies():
    patches = torch.tensor([[-2.0, 0.0, 3.0]])
    reference = torch.nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(looks_real(patches), reference(patches, torch.ones_like(patches)))
    torch.testing.assert_close(looks_fake(patches), reference(patches, torch.zeros_like(patches)))


def test_onehot_is_zero_in_every_class_where_nobody_labelled():
    encoded = onehot(torch.tensor([[[0, 2, IGNORE]]], dtype=torch.uint8), 3)
    assert encoded[0, :, 0].T.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
