"""DenseVoxNet against its publication, layer by layer; counts are written out, so that they can be read beside it."""

import pytest
import torch
from torch import nn

from askance.networks.densevoxnet import DenseVoxNet

THICK = ((2, 2, 1), (2, 2, 1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DenseVoxNet(channels=1, classes=3)


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def _shapes(network, patch):
    """(channels, *sides) after each stage."""
    stages = ("first", "block1", "transition", "pool", "block2", "bottom", "up1", "up2", "head", "auxiliary")
    seen = {}

    def note(name):
        return lambda *call: seen.update({name: tuple(call[2].shape[1:])})

    hooks = [getattr(network, name).register_forward_hook(note(name)) for name in stages]
    with torch.no_grad():
        network(torch.randn(1, network.first.in_channels, *patch))
    for hook in hooks:
        hook.remove()
    return seen


def test_each_stage_has_the_channels_and_sides_of_the_publication(network):
    assert _shapes(network, (32, 32, 32)) == {
        "first": (16, 16, 16, 16),
        "block1": (160, 16, 16, 16),
        "transition": (160, 16, 16, 16),
        "pool": (160, 8, 8, 8),
        "block2": (304, 8, 8, 8),
        "bottom": (304, 8, 8, 8),
        "up1": (128, 16, 16, 16),
        "up2": (64, 32, 32, 32),
        "head": (3, 32, 32, 32),
        "auxiliary": (3, 32, 32, 32),
    }


@pytest.mark.parametrize(
    ("stage", "parameters"),
    [
        ("first", 27 * 16),
        # Layer i reads 16 + 12 i channels: two numbers of batch norm for each, and 27 weights to each of 12 outputs.
        ("block1", sum((16 + 12 * i) * (2 + 27 * 12) for i in range(12))),
        ("transition", 2 * 160 + 160 * 160),
        ("pool", 0),
        ("block2", sum((160 + 12 * i) * (2 + 27 * 12) for i in range(12))),
        ("bottom", 2 * 304 + 304 * 304),
        ("up1", 8 * 304 * 128 + 128),
        ("up2", 8 * 128 * 64 + 64),
        ("head", 64 * 3 + 3),
        ("auxiliary", 8 * 160 * 64 + 64 + 64 * 3 + 3),
    ],
)
def test_each_stage_has_the_parameters_of_its_layers(network, stage, parameters):
    assert _count(getattr(network, stage)) == parameters


def test_there_are_about_one_point_eight_million_parameters(network):
    assert _count(network) == 1_783_670


@pytest.mark.parametrize("block", ["block1", "block2"])
def test_a_dense_layer_is_batch_norm_relu_convolution_dropout_and_keeps_what_it_read(network, block):
    layers = getattr(network, block)
    assert len(layers) == 12
    for joined in layers:
        norm, _, convolution, dropout = joined.layer
        assert [type(part) for part in joined.layer] == [nn.BatchNorm3d, nn.ReLU, nn.Conv3d, nn.Dropout]
        assert (convolution.kernel_size, convolution.padding, convolution.out_channels) == ((3, 3, 3), (1, 1, 1), 12)
        assert (convolution.bias, dropout.p, norm.num_features) == (None, 0.2, convolution.in_channels)
    x = torch.randn(2, layers[0].layer[0].num_features, 4, 4, 4)
    assert torch.equal(layers(x)[:, : x.shape[1]], x)


def _weights(*stages):
    parts = (part for stage in stages for part in stage.modules() if isinstance(part, nn.Conv3d | nn.ConvTranspose3d))
    return torch.cat([part.weight.detach().flatten() for part in parts])


def test_weights_before_a_batch_norm_start_as_published_and_the_others_keep_the_signals_size(network):
    published = _weights(network.first, network.block1, network.transition, network.block2)
    assert float(published.mean()) == pytest.approx(0, abs=1e-4)
    assert float(published.std()) == pytest.approx(0.01, rel=0.01)
    for stage, inputs in ((network.bottom, 304), (network.up1, 304), (network.up2, 128)):
        assert float(_weights(stage).std()) == pytest.approx((2 / inputs) ** 0.5, rel=0.02)
    assert not any(part.bias.any() for part in network.modules() if isinstance(part, nn.ConvTranspose3d))
    assert 0.1 < float(network(torch.randn(2, 1, 16, 16, 16))[0].detach().std()) < 10


def _reach(logits, image, centre):
    """Along each axis, first and last voxel of the image that the logits at ``centre`` depend on."""
    (gradient,) = torch.autograd.grad(logits[(0, slice(None), *centre)].sum(), image, retain_graph=True)
    touched = gradient[0, 0].nonzero()
    return [(int(low), int(high)) for low, high in zip(touched.min(0).values, touched.max(0).values)]


def test_the_second_head_sees_the_first_block_alone_and_the_first_head_further():
    network = DenseVoxNet(channels=1, classes=2, strides=((2, 1, 1), (2, 1, 1))).eval().double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.01)  # positive throughout: no ReLU hides a voxel, no two paths cancel
    network.pool[1] = nn.AvgPool3d((2, 1, 1))  # a maximum sends its gradient to one voxel of the two it looked at
    image = torch.rand((1, 1, 256, 2, 2), requires_grad=True, dtype=torch.float64)
    main, auxiliary = network(image)
    # 12 convolutions on the grid halved once, and the first one at full size.
    assert _reach(auxiliary, image, (128, 1, 1))[0] == (128 - (2 * 12 + 1), 128 + (2 * 12 + 1))
    # 12 more on the grid halved twice, where the second of two pooled voxels adds one on the finer grid.
    assert _reach(main, image, (128, 1, 1))[0] == (128 - (4 * 12 + 2 * 12 + 1), 128 + (4 * 12 + 2 + 2 * 12 + 1))


def test_an_axis_that_is_not_halved_keeps_its_side_and_adds_no_parameters_but_in_smaller_deconvolutions():
    network = DenseVoxNet(channels=2, classes=4, strides=THICK)
    assert network.stride == (4, 4, 1)
    shapes = _shapes(network, (24, 16, 9))
    assert (shapes["first"], shapes["pool"]) == ((16, 12, 8, 9), (160, 6, 4, 9))
    assert shapes["head"] == shapes["auxiliary"] == (4, 24, 16, 9)
    assert _count(network.up1) == 4 * 304 * 128 + 128


def test_the_head_that_predicts_is_the_first_of_both():
    network, image = DenseVoxNet(channels=1, classes=3).eval(), torch.randn(1, 1, 16, 16, 8)
    main, auxiliary = network(image)
    assert torch.equal(network.predict(image), main)
    assert main.shape == auxiliary.shape == (1, 3, 16, 16, 8)


def test_dropout_makes_it_noisy_in_training_alone():
    network, image = DenseVoxNet(channels=1, classes=3), torch.randn(2, 1, 8, 8, 8)
    assert not torch.equal(network.predict(image), network.predict(image))
    network.eval()
    assert torch.equal(network.predict(image), network.predict(image))


def test_both_heads_send_gradients_to_the_first_convolution():
    network, image = DenseVoxNet(channels=1, classes=3), torch.randn(2, 1, 4, 4, 8)
    for number in range(2):
        network.zero_grad()
        network(image)[number].square().mean().backward()
        assert network.first.weight.grad.abs().sum() > 0
        assert (network.block2[0].layer[2].weight.grad is not None) == (number == 0)
