"""The conditional PatchGAN (Isola 2017, sec. 6.1.2): does this label map belong to this image, patch by patch?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Strided layers -> receptive field in pixels of a PatchGAN of 4x4 convolutions that ends in two of stride 1.
RECEPTIVE_FIELDS = {0: 7, 1: 16, 2: 34, 3: 70}


class PatchGAN(nn.Module):
    """Patch logits (N, 1, h, w) of an image (N, C, H, W) with a label map (N, K, H, W), probabilities or one-hot.

    Its receptive field is 70 pixels where the slice is 210 or more (Isola's at 256), else at most a third of the slice's
    shorter side.
    """

    def __init__(self, channels: int, classes: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        strided = strided_layers(min(size))
        self.receptive_field = RECEPTIVE_FIELDS[strided]
        layers: list[nn.Module] = []
        inputs = channels + classes
        for level in range(strided + 1):
            outputs = min(width * 2**level, width * 8)
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2 if level < strided else 1, padding=1, bias=level == 0))
            if level:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(0.2))
            inputs = outputs
        layers.append(nn.Conv2d(inputs, 1, 4, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor, label_map: Tensor) -> Tensor:
        """Logits, high where the pair looks real."""
        patch_logits: Tensor = self.layers(torch.cat([image, label_map], dim=1))
        return patch_logits


def strided_layers(side: int) -> int:
    """Strided layers of the PatchGAN for a slice whose shorter side has ``side`` pixels."""
    return max((n for n, field in RECEPTIVE_FIELDS.items() if 3 * field <= side), default=0)
