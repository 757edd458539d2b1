"""Souly 2017: a segmenter of K + 1 classes, the last of which is held at 0, against images made for it."""

import pytest
import torch
from made_trainings import make_config, make_run

from askance.learning.batches import Batch
from askance.learning.semi_supervised import (
    IMAGER,
    MADE,
    losses_with_made_images,
    made_images,
    reality,
)
from askance.learning.training import train
from askance.networks.generator import UNet
from askance.networks.imager import NOISE, Imager
from askance.records import IGNORE


def _networks():
    torch.manual_seed(0)
    return {"G": UNet(1, 2, 4, depth=2), IMAGER: Imager(1, 4, (16, 16))}


def _batch(labelled: int = 1):
    labels = torch.zeros(4, 16, 16, dtype=torch.uint8)
    labels[labelled:] = IGNORE
    weights = (torch.arange(4) < labelled).float()
    return Batch(torch.randn(4, 1, 16, 16), labels, weights[:, None, None], weights > 0)


def _gradients(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)


def test_reality_is_the_chance_of_any_class_but_the_last_of_k_plus_1():
    logits = torch.randn(3, 4, 5, 5)
    of_all = torch.cat([logits, torch.zeros(3, 1, 5, 5)], 1).softmax(1)
    assert torch.allclose(reality(logits).sigmoid(), of_all[:, :4].sum(1), atol=1e-6)


def test_g_learns_from_slices_without_label_and_their_labels_say_nothing():
    networks = _networks()
    batch = _batch(labelled=0)
    losses = losses_with_made_images(networks, batch, make_config(objective="souly", adversarial=1.0))
    assert losses.parts["pixelwise"] == 0
    assert any(one is not None and one.abs().max() > 0 for one in _gradients(losses.by_network["G"], networks["G"]))


def test_g_and_the_imager_want_the_opposite_of_made_images():
    networks, batch = _networks(), _batch()
    losses = losses_with_made_images(networks, batch, make_config(objective="souly", adversarial=1.0, pixelwise=0.0))
    of_g, of_imager = (_gradients(losses.by_network[name], networks[IMAGER]) for name in ("G", IMAGER))
    along = sum(float((a * b).sum()) for a, b in zip(of_g, of_imager))
    assert along < 0


def test_made_images_leave_no_trace_in_the_statistics_that_prediction_goes_by():
    networks, batch = _networks(), _batch()
    alone = _networks()["G"]
    alone(batch.images)
    losses_with_made_images(networks, batch, make_config(objective="souly"))
    for (name, kept), (_, wanted) in zip(networks["G"].named_buffers(), alone.named_buffers()):
        if "running" in name:
            assert torch.equal(kept, wanted), name


@pytest.mark.parametrize(
    ("size", "smallest"), [((96, 96), (6, 6)), ((48, 64), (3, 4)), ((36, 20), (9, 5)), ((15, 16), (15, 16))]
)
def test_the_imager_makes_images_of_the_size_it_was_made_for(size, smallest):
    imager = Imager(2, 4, size)
    assert imager(torch.randn(3, NOISE)).shape == (3, 2, *size)
    assert imager.first.out_features == smallest[0] * smallest[1] * 4 * min(8, size[0] // smallest[0])


def test_a_trained_imager_gives_the_same_images_to_be_shown_every_time():
    run = make_run(steps=3, config=make_config(objective="souly"))
    imager = Imager(1, 4, (16, 16))
    imager.load_state_dict(train(run).states[IMAGER])
    first, again = (made_images(imager, seed=5)[MADE]["images"] for _ in range(2))
    assert first.shape == (16, 1, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])


def test_without_the_adversarial_term_it_is_plain_supervision():
    trained = train(make_run(steps=2, config=make_config(objective="souly", adversarial=0)))
    assert set(trained.states) == {"G"}
