"""A generator of images, for the objective that trains against them: noise (N, NOISE) -> images (N, C, H, W).

Radford 2016's DCGAN: a linear layer to a small map, then levels of twice the size with half the channels and batch norm.
Pixels are repeated and convolved where DCGAN has transposed convolutions, whose output is checkered (Odena 2016). The last
layer is linear, since intensities of slices are standardised and not bounded.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

#: Numbers drawn from N(0, 1) that an image is made of.
NOISE = 64

_LEVELS = 4  # at most: from 6 x 6 to 96 x 96
_WIDEST = 8  # channels of the smallest map, in multiples of the width


class Imager(nn.Module):
    """Makes images of ``channels`` and ``size`` (H, W); ``width``: channels at full size."""

    def __init__(self, channels: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        levels = _halvings(size)
        widths = [width * min(2**level, _WIDEST) for level in range(levels, -1, -1)]
        self._smallest = (widths[0], size[0] >> levels, size[1] >> levels)
        self.first = nn.Linear(NOISE, widths[0] * self._smallest[1] * self._smallest[2])
        self.up = nn.ModuleList(_larger(a, b) for a, b in pairwise(widths))
        self.head = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, noise: Tensor) -> Tensor:
        """Images (N, C, H, W) of ``noise`` (N, NOISE)."""
        x = self.first(noise).unflatten(1, self._smallest)
        for block in self.up:
            x = block(x)
        made: Tensor = self.head(x)
        return made


def _halvings(size: tuple[int, int]) -> int:
    levels = 0
    while levels < _LEVELS and not any(side % 2 ** (levels + 1) for side in size):
        levels += 1
    return levels


def _larger(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
    )
