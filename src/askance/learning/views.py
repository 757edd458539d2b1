"""Other looks at a slice: turned by a few degrees, a little larger or smaller, as training shows slices too.

Never mirrored nor turned around: left and right, front and back mean something in a body.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class View:
    """Turned by ``degrees`` and magnified by ``scale``; beyond the edge the slice is mirrored."""

    degrees: float = 0.0
    scale: float = 1.0

    def of(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) as this view shows them."""
        return images if self == VIEWS[0] else _resampled(images, self.degrees, self.scale)

    def back(self, probs: Tensor) -> Tensor:
        """Probabilities (N, K, H, W) of what the view shows, where they belong in the slice; they still sum to 1 over K."""
        return probs if self == VIEWS[0] else _resampled(probs, -self.degrees, 1 / self.scale)


#: The first is the slice as it is; what follows stays well within what ``strong`` augmentation shows in training.
VIEWS = (
    View(),
    View(degrees=12),
    View(degrees=-12),
    View(scale=1.1),
    View(scale=0.9),
    View(degrees=20, scale=1.05),
    View(degrees=-20, scale=0.95),
    View(degrees=6, scale=1.15),
)


def _resampled(images: Tensor, degrees: float, scale: float) -> Tensor:
    """Turned about the middle, which is the same pixel distance in rows and columns, and magnified."""
    height, width = images.shape[2:]
    cosine, sine = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    theta = torch.tensor([[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]], device=images.device)
    grid = functional.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    turned = functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return turned.contiguous(memory_format=torch.channels_last)
