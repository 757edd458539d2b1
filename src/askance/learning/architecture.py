"""Which G and D a grid asks for: made from settings, with the sizes that they can work on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from askance.config import NetworkConfig, StudyConfig, TrainingConfig
from askance.errors import ConfigError
from askance.learning.objectives import OBJECTIVES
from askance.learning.semi_supervised import IMAGER
from askance.networks.discriminator import PatchGAN, strided_layers
from askance.networks.generator import Generator, Pix2PixUNet, UNet
from askance.networks.imager import Imager

_LARGE = 96  # pixels from which a slice is worked on in blocks of 2 x 2
_NARROWEST = 4  # channels at full size
_HALVINGS = 4  # of a slice on its way down, the unet's stem included
_WHOLE = 3  # pixels that must be left there


@dataclass(frozen=True)
class Shape:
    """What networks are made for: channels of what they see, classes, and the working grid's rows and columns."""

    channels: int
    classes: int
    size: tuple[int, int]

    @classmethod
    def of(cls, config: StudyConfig) -> Shape:
        """As a study's settings say: a slice's channels with those of its context."""
        channels = len(config.channels) * (2 * config.network.context + 1)
        return cls(channels, len(config.classes), config.grid.size)


def make_networks(shape: Shape, network: NetworkConfig, training: TrainingConfig) -> dict[str, nn.Module]:
    """Untrained G, and where the objective is adversarial D or what it has in D's place, from torch's global generator.

    Raises:
        ConfigError: a grid or crop that G cannot be made for.
    """
    require_halvable(shape.size)
    crop_size(shape, network, training)
    networks: dict[str, nn.Module] = {"G": make_generator(shape, network)}
    if training.adversarial > 0 and OBJECTIVES[training.objective].semi:
        networks[IMAGER] = make_imager(shape, network, training)
    elif training.adversarial > 0:
        networks["D"] = make_discriminator(shape, network)
    if network.generator == "pix2pix":
        for module in networks.values():
            module.apply(_isola_weights)
    return networks


def make_generator(shape: Shape, network: NetworkConfig) -> Generator:
    """G for weights that were trained, at torch's own start.

    Raises:
        ConfigError: a grid that pix2pix's G cannot be made for.
    """
    if network.generator == "unet":
        return _unet(shape, network)
    return Pix2PixUNet(shape.channels, shape.classes, network.width, shape.size)


def make_discriminator(shape: Shape, network: NetworkConfig) -> PatchGAN:
    """D for weights that were trained, at torch's own start."""
    return PatchGAN(shape.channels, shape.classes, network.discriminator_width, shape.size)


def make_imager(shape: Shape, network: NetworkConfig, training: TrainingConfig) -> Imager:
    """What makes images as large as the crops that G trains on."""
    return Imager(shape.channels, network.discriminator_width, crop_size(shape, network, training))


def crop_size(shape: Shape, network: NetworkConfig, training: TrainingConfig) -> tuple[int, int]:
    """Rows and columns that G and D train on: ``training.crop`` within the grid; pix2pix, made for one size, the whole grid.

    Raises:
        ConfigError: a grid or crop that G's poolings cannot halve, that is smaller than a patch of D's, or of which a batch
            leaves batch norm a single value.
    """
    if network.generator == "pix2pix":
        return shape.size
    crop = (min(training.crop[0], shape.size[0]), min(training.crop[1], shape.size[1]))
    stride = 2 ** unet_depth(shape.size)
    for name, sides in (("grid.size", shape.size), ("training.crop", crop)):
        if min(sides) < stride or any(side % stride for side in sides):
            raise ConfigError(f"{name} {sides}: the unet halves it to a {stride}th; wanted multiples of {stride}")
    least = patch_pixels(shape)
    if training.adversarial > 0 and not OBJECTIVES[training.objective].semi and min(crop) < least:
        raise ConfigError(f"training.crop {crop}: D judges patches of {least} pixels on this grid; wanted that or more")
    if training.batch * math.prod(side // stride for side in crop) < 2:
        raise ConfigError(
            f"training.batch 1 of training.crop {crop}: one value a channel is left; wanted a larger one of both"
        )
    return crop


def patch_pixels(shape: Shape) -> int:
    """Sides of the smallest image that D can judge."""
    return 3 << strided_layers(min(shape.size))


def require_halvable(size: tuple[int, int]) -> None:
    """Refuse a working grid that is large enough to be halved four times, but no multiple: its networks would be toys.

    Models that were trained on such a grid can still be used.

    Raises:
        ConfigError: naming the nearest sizes.
    """
    unit = 2**_HALVINGS
    below, above = (
        tuple(side if side < _WHOLE * unit else way(side / unit) * unit for side in size) for way in (math.floor, math.ceil)
    )
    if below != above:
        raise ConfigError(
            f"grid.size {size}: the networks halve a slice {_HALVINGS} times; wanted multiples of {unit} from "
            f"{_WHOLE * unit} pixels on: {below} or {above}"
        )


def unet_depth(size: tuple[int, int]) -> int:
    """How often the unet halves a slice, its stem included: four times, or as often as leaves three whole pixels."""
    depth = _HALVINGS
    while depth > 1 and (size[0] % 2**depth or size[1] % 2**depth or min(size) < _WHOLE * 2**depth):
        depth -= 1
    return depth


def _unet(shape: Shape, network: NetworkConfig) -> UNet:
    stem = network.stem or (2 if min(shape.size) >= _LARGE else 1)
    width = network.width if stem == 2 else max(_NARROWEST, network.width // 2)
    return UNet(shape.channels, shape.classes, width, unet_depth(shape.size) - stem // 2, stem, network.dropout)


def _isola_weights(module: nn.Module) -> None:
    """Normal, mean 0, deviation 0.02 (Isola 2017, sec. 6.2)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
