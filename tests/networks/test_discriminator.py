import pytest
import torch

from askance.networks.discriminator import PatchGAN, strided_layers


def _measured_field(network, side=160):
    """Width in pixels of what the middle patch's logit has a gradient from."""
    network.eval()
    image = torch.randn(1, 1, side, side, requires_grad=True)
    label_map = torch.randn(1, 2, side, side)
    patches = network(image, label_map)
    middle = patches.shape[-1] // 2
    (gradient,) = torch.autograd.grad(patches[0, 0, middle, middle], image)
    rows = gradient[0, 0].abs().sum(1).nonzero()
    return int(rows.max() - rows.min() + 1)


@pytest.mark.parametrize("side", [16, 24, 64, 128, 256])
def test_the_receptive_field_is_what_the_gradients_measure(side):
    network = PatchGAN(channels=1, classes=2, width=4, size=(side, side))
    assert _measured_field(network) == network.receptive_field


def test_the_receptive_field_is_isolas_70_at_256():
    assert PatchGAN(channels=1, classes=2, width=4, size=(256, 256)).receptive_field == 70


@pytest.mark.parametrize("side", [*range(48, 256, 7), 101, 102, 209, 210, 255])
def test_the_receptive_field_is_at_most_a_third_of_the_shorter_side(side):
    network = PatchGAN(channels=1, classes=2, width=4, size=(256, side))
    assert 3 * network.receptive_field <= side or (network.receptive_field == 70 and side >= 210)


def test_a_longer_slice_has_the_layers_of_its_shorter_side():
    assert strided_layers(min(64, 256)) == strided_layers(64) < strided_layers(256)


def test_a_patch_logit_depends_on_the_image_and_on_the_label_map():
    network = PatchGAN(channels=1, classes=2, width=4, size=(64, 64)).eval()
    image, label_map = torch.randn(1, 1, 64, 64), torch.randn(1, 2, 64, 64)
    patches = network(image, label_map)
    assert patches.ndim == 4
    assert patches.shape[:2] == (1, 1)
    assert not torch.allclose(patches, network(image, -label_map))
    assert not torch.allclose(patches, network(-image, label_map))
