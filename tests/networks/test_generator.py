import pytest
import torch

from askance.errors import ConfigError
from askance.networks.generator import Pix2PixUNet, UNet, pix2pix_depth


@pytest.mark.parametrize("size", [(48, 48), (64, 96), (96, 32)])
@pytest.mark.parametrize(("depth", "stem"), [(4, 1), (3, 2)])
def test_a_unet_gives_logits_of_every_class_at_the_size_it_was_shown(size, depth, stem):
    network = UNet(channels=2, classes=3, width=4, depth=depth, stem=stem)
    assert network.stride == 16
    assert network(torch.randn(2, 2, *size)).shape == (2, 3, *size)


def test_a_unet_that_trained_on_crops_sees_whole_slices():
    network = UNet(channels=1, classes=2, width=4, depth=2).eval()
    slices = torch.randn(1, 1, 64, 64)
    whole, part = network(slices), network(slices[..., 16:48, 16:48])
    torch.testing.assert_close(whole[..., 31:33, 31:33], part[..., 15:17, 15:17])


def test_a_stem_loses_no_pixel_and_moves_none():
    network = UNet(channels=1, classes=3, width=4, depth=1, stem=2)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.zeros_(module.weight)
    torch.nn.init.zeros_(network.head.bias)
    with torch.no_grad():  # a path of ones from each pixel of a block through its own channel back to its own place
        for number in range(4):
            network.down[0][0].weight[number, number, 1, 1] = 1
            network.down[0][3].weight[number, number, 1, 1] = 1
            network.merge[0][0].weight[number, 4 + number, 1, 1] = 1
            network.merge[0][3].weight[number, number, 1, 1] = 1
            network.head.weight[4 + number, number] = 1  # of class 1
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 3, 6] = 5
    logits = network.eval()(image)
    assert (logits[0, 1] > 1).nonzero().tolist() == [[3, 6]]
    assert not logits[0, [0, 2]].any()


def test_a_unet_doubles_its_channels_up_to_sixteen_times():
    network = UNet(channels=1, classes=2, width=4, depth=6)
    assert max(parameter.shape[0] for parameter in network.parameters() if parameter.ndim == 4) == 64


@pytest.mark.parametrize("size", [(32, 32), (64, 32), (96, 96), (48, 80)])
def test_pix2pix_gives_logits_of_every_class_at_the_size_it_was_made_for(size):
    network = Pix2PixUNet(channels=1, classes=4, width=4, size=size)
    assert network(torch.randn(2, 1, *size)).shape == (2, 4, *size)


@pytest.mark.parametrize(
    ("size", "depth"), [((256, 256), 8), ((128, 128), 7), ((256, 128), 7), ((96, 96), 5), ((80, 48), 4), ((10, 9), 0)]
)
def test_pix2pix_halves_a_slice_down_to_one_pixel_or_its_odd_factor(size, depth):
    assert pix2pix_depth(size) == depth


def test_pix2pix_ends_in_a_bottom_of_one_pixel():
    network = Pix2PixUNet(channels=1, classes=2, width=4, size=(64, 64))
    seen = []
    network.down[-1].register_forward_hook(lambda *call: seen.append(call[2].shape))
    network(torch.randn(2, 1, 64, 64))
    assert seen == [(2, 32, 1, 1)]


def test_pix2pix_refuses_a_slice_that_it_cannot_halve():
    with pytest.raises(ConfigError, match=r"grid\.size \(50, 64\).*halves it 1 times"):
        Pix2PixUNet(channels=1, classes=2, width=4, size=(50, 64))


def test_pix2pix_is_noisy_in_training_and_not_in_prediction():
    network, slices = Pix2PixUNet(channels=1, classes=2, width=4, size=(32, 32)), torch.randn(2, 1, 32, 32)
    assert not torch.equal(network(slices), network(slices))
    network.eval()
    assert torch.equal(network(slices), network(slices))


def test_a_unet_with_dropout_is_noisy_in_training_and_not_in_prediction():
    torch.manual_seed(0)
    net, image = UNet(1, 3, 4, depth=2, dropout=0.5), torch.randn(1, 1, 16, 16)
    assert not torch.equal(net.train()(image), net(image))
    assert torch.equal(net.eval()(image), net(image))
    assert net.state_dict().keys() == UNet(1, 3, 4, depth=2).state_dict().keys()


@pytest.mark.parametrize(
    "network", [UNet(1, 2, 4, depth=2, stem=2), Pix2PixUNet(1, 2, 4, (32, 32))], ids=["unet", "pix2pix"]
)
def test_a_generator_decodes_what_it_encodes_finest_first(network):
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        levels = network.eval().encode(image)
        torch.testing.assert_close(network.decode(levels), network(image))
    assert [level.shape[2] for level in levels] == sorted((level.shape[2] for level in levels), reverse=True)
