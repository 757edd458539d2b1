"""DenseVoxNet: a patch of a volume (N, C, X, Y, Z) -> class logits (N, K, X, Y, Z), with a second head in training.

Yu, Cheng, Dou, Yang, Chen, Qin, Heng: Automatic 3D cardiovascular MR segmentation with densely-connected volumetric
convnets, MICCAI 2017 (arXiv 1708.00573); checked layer by layer against the authors' DenseVoxNet/train_densenet.prototxt
(github.com/yulequan/HeartSeg).

Both give: a 3x3x3 convolution of stride 2 to 16 channels; two dense blocks of 12 layers (batch norm, ReLU, 3x3x3
convolution, dropout 0.2), each layer adding 12 channels; between the blocks batch norm, ReLU, a 1x1x1 convolution, dropout
and 2x2x2 max pooling; after them batch norm, ReLU, a 1x1x1 convolution, two deconvolutions and a 1x1x1 convolution to the
classes; a second head that starts before the pooling; weights drawn from N(0, 0.01).

One deviation: the layers that no batch norm follows start at He 2015's deviation. With 0.01 the last four of them shrink the
signal to nothing, and on a toy the main head gave the class frequencies after 150 steps (docs/log.md). Before a batch norm
the scale of weights changes nothing but their effective rate: there it is 0.01.

They differ where the volume is made large again, and the text says "about 1.8 million parameters" without the channels
there. The code: deconvolutions of 4x4x4 to 128 and 64 channels, a ReLU after each, and for the second head a 1x1x1
convolution to the classes, enlarged trilinearly: 4,339,990 parameters for one channel and three classes. The text's kernels
are 2x2x2; with the code's channels, and the second head's deconvolution to 64 channels before its 1x1x1 convolution, the
network has 1,783,670. That is the one here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

Sides = tuple[int, int, int]

_FIRST = 16  # channels of the first convolution
_GROWTH = 12
_LAYERS = 12  # of each block
_DROPOUT = 0.2
_ENLARGED = (128, 64)  # channels after each of the two deconvolutions
_DEVIATION = 0.01  # of the weights at the start
_HALVED: Sides = (2, 2, 2)


class DenseVoxNet(nn.Module):
    """The network of the module's docstring.

    ``strides``: of the first convolution and of the pooling. An axis with stride 1 in place of 2 is not halved there, and
    not enlarged by the deconvolution that undoes it: for volumes of few thick slices. Sides of the input must be multiples
    of ``stride``. Weights are drawn from torch's global generator.
    """

    #: Parameters that learn at twice the rate and do not decay (the authors' lr_mult and decay_mult).
    HEAD_BIASES = ("head.bias", "auxiliary.1.bias")

    def __init__(self, channels: int, classes: int, strides: tuple[Sides, Sides] = (_HALVED, _HALVED)) -> None:
        super().__init__()
        first, second = strides
        joined = _FIRST + _LAYERS * _GROWTH
        deepest = joined + _LAYERS * _GROWTH
        self.stride: Sides = (first[0] * second[0], first[1] * second[1], first[2] * second[2])
        self.first = nn.Conv3d(channels, _FIRST, 3, stride=first, padding=1, bias=False)
        self.block1 = _dense_block(_FIRST)
        self.transition = _normed(joined, joined, 1)
        self.pool = nn.Sequential(nn.Dropout(_DROPOUT), nn.MaxPool3d(second))
        self.block2 = _dense_block(joined)
        self.bottom = _normed(deepest, deepest, 1)
        self.up1 = nn.Sequential(nn.ConvTranspose3d(deepest, _ENLARGED[0], second, second), nn.ReLU(inplace=True))
        self.up2 = nn.Sequential(nn.ConvTranspose3d(_ENLARGED[0], _ENLARGED[1], first, first), nn.ReLU(inplace=True))
        self.head = nn.Conv3d(_ENLARGED[1], classes, 1)
        self.auxiliary = nn.Sequential(
            nn.ConvTranspose3d(joined, _ENLARGED[1], first, first), nn.Conv3d(_ENLARGED[1], classes, 1)
        )
        self.apply(_authors_weights)
        for layer in (self.bottom, self.up1, self.up2, self.head, self.auxiliary):
            layer.apply(_he_weights)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Both heads' logits (N, K, X, Y, Z) of ``image`` (N, C, X, Y, Z); the second head sees the first block alone."""
        shallow = self._shallow(image)
        return self._deep(shallow), self.auxiliary(shallow)

    def predict(self, image: Tensor) -> Tensor:
        """Logits (N, K, X, Y, Z) of the head that predicts."""
        return self._deep(self._shallow(image))

    def _shallow(self, image: Tensor) -> Tensor:
        features: Tensor = self.transition(self.block1(self.first(image)))
        return features

    def _deep(self, shallow: Tensor) -> Tensor:
        deep = self.bottom(self.block2(self.pool(shallow)))
        logits: Tensor = self.head(self.up2(self.up1(deep)))
        return logits


class _Joined(nn.Module):
    """A layer whose output is put behind its input's channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layer(x)], dim=1)


def _dense_block(channels: int) -> nn.Sequential:
    layers = (_normed(channels + number * _GROWTH, _GROWTH, 3) for number in range(_LAYERS))
    return nn.Sequential(*(_Joined(layer.append(nn.Dropout(_DROPOUT))) for layer in layers))


def _normed(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.BatchNorm3d(inputs), nn.ReLU(inplace=True), convolution)


def _authors_weights(module: nn.Module) -> None:
    """Normal, mean 0, deviation 0.01, and no bias (the authors' weight_filler)."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, 0.0, _DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _he_weights(module: nn.Module) -> None:
    """Normal, of deviation sqrt(2 / inputs of one output): of a deconvolution without overlap, its input channels."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_channels))
