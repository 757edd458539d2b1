"""Generators: image (N, C, H, W) -> class logits (N, K, H, W).

``UNet`` is preset askance's: 3x3 convolutions and poolings, fully convolutional, so that it trains on crops and predicts
whole slices. ``Pix2PixUNet`` is preset paper's (Isola 2017, sec. 6.1.1): strided 4x4 convolutions down to one pixel.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from askance.errors import ConfigError

_WIDEST = 16  # channels at the bottom, in multiples of the width at full size


class UNet(nn.Module):
    """Ronneberger 2015 with batch norm: two 3x3 convolutions a level, max-pooling, transposed 2x2 convolutions.

    With a ``stem`` of 2, every 2 x 2 pixels become channels of one at the start, and channels pixels at the end (Shi 2016's
    sub-pixel convolution): nothing is lost, and no layer runs at full size, where a U-Net spends most of its time.
    Sides of the input must be multiples of ``stride``, the halvings (``depth``) and the stem together. ``dropout`` leaves
    out whole channels of the two deepest levels, where Bayesian SegNet has it, too (Kendall 2015).
    """

    def __init__(self, channels: int, classes: int, width: int, depth: int = 4, stem: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [min(width * 2**level, width * _WIDEST) for level in range(depth + 1)]
        self.stem, self.stride = stem, stem * 2**depth
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([channels * stem**2, *widths], widths))
        # No bias: batch norm takes it out again, and its gradient, a sum in bf16, was 4 % of a step on a CPU.
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2, bias=False) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(_double(2 * a, a) for a in widths[:-1])
        self.head = nn.Conv2d(widths[0], classes * stem**2, 1)
        self.drop = nn.Dropout2d(dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, K, H, W) of ``image`` (N, C, H, W)."""
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Feature maps of ``image`` (N, C, H, W), the finest first."""
        levels: list[Tensor] = []
        x = nn.functional.pixel_unshuffle(image, self.stem)
        for level, block in enumerate(self.down):
            x = block(nn.functional.max_pool2d(x, 2) if level else x)
            x = self.drop(x) if level >= len(self.down) - 2 else x
            levels.append(x)
        return levels

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Logits (N, K, H, W) of what ``encode`` gave."""
        x = levels[-1]
        for level in reversed(range(len(self.up))):
            x = self.merge[level](torch.cat([self.up[level](x), levels[level]], dim=1))
        return nn.functional.pixel_shuffle(self.head(x), self.stem)


class Pix2PixUNet(nn.Module):
    """Isola 2017's U-Net: 4x4 convolutions of stride 2 until one pixel is left, so its depth follows the slice size.

    Leaky ReLU 0.2 going down, ReLU going up, dropout 0.5 in the three levels above the bottom (their noise z), batch norm
    but for the first level and the bottom. Two things Isola leaves to the task: the last layer gives K logits in place of
    tanh, and a side that is no power of two stops at its odd factor (96 pixels: bottom of 3).
    """

    def __init__(self, channels: int, classes: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        depth = pix2pix_depth(size)
        if depth < 2:
            raise ConfigError(f"grid.size {size}: the pix2pix generator halves it {depth} times; wanted sides of 4 x n")
        widths = [min(width * 2**level, width * 8) for level in range(depth)]
        self.stride = 2**depth
        self.down = nn.ModuleList(
            _strided(a, b, norm=0 < level < depth - 1) for level, (a, b) in enumerate(zip([channels, *widths], widths))
        )
        outputs = [classes, *widths[:-1]]
        self.up = nn.ModuleList(
            _widened(
                widths[level] * (1 if level == depth - 1 else 2),
                outputs[level],
                last=level == 0,
                dropout=depth - 4 <= level < depth - 1 and level > 0,
            )
            for level in range(depth)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N, K, H, W) of ``image`` (N, C, H, W), H and W as the network was made for."""
        return self.decode(self.encode(image))

    def encode(self, image: Tensor) -> list[Tensor]:
        """Feature maps of ``image`` (N, C, H, W), the finest first."""
        levels: list[Tensor] = []
        x = image
        for block in self.down:
            x = block(x)
            levels.append(x)
        return levels

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Logits (N, K, H, W) of what ``encode`` gave."""
        x = levels[-1]
        for level in reversed(range(len(self.up))):
            x = self.up[level](x if level == len(self.up) - 1 else torch.cat([x, levels[level]], dim=1))
        return x


#: Either, as who predicts with it sees it: ``encode``, ``decode`` and ``stride``.
Generator = UNet | Pix2PixUNet


def pix2pix_depth(size: tuple[int, int]) -> int:
    """How often both sides can be halved before one of them is odd or 1."""
    depth = 0
    height, width = size
    while height % 2 == 0 and width % 2 == 0 and min(height, width) > 1:
        height, width, depth = height // 2, width // 2, depth + 1
    return depth


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((inputs, outputs), (outputs, outputs)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _strided(inputs: int, outputs: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))


def _widened(inputs: int, outputs: int, last: bool, dropout: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=last)]
    if not last:
        layers.append(nn.BatchNorm2d(outputs))
    if dropout:
        layers.append(nn.Dropout(0.5))
    return nn.Sequential(*layers) if last else nn.Sequential(*layers, nn.ReLU(inplace=True))
