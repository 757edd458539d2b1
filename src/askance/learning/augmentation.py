"""Augmentation of a whole batch as tensors: one resampling for crop, rotation, scale and flip, then intensities.

Every random number comes from the generator that is passed in, one draw a slice, so that a training step can be made again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Strength:
    """Ranges of a set of augmentations; ``rotation`` in degrees, ``scale`` as a factor's largest logarithm."""

    rotation: float = 0.0
    scale: float = 0.0
    flip: bool = False
    gamma: float = 0.0
    contrast: float = 0.0
    bias_field: float = 0.0
    noise: float = 0.0


#: ``none``: crops alone. ``jitter``: Isola 2017's random jitter and mirroring. ``strong``: nnU-Net's intensities,
#: but neither mirrored nor turned around: with that ACDC fell from 0.83 to 0.78, Hippocampus more (log.md).
STRENGTHS = {
    "none": Strength(),
    "jitter": Strength(scale=0.06, flip=True),
    "strong": Strength(rotation=30.0, scale=0.2, gamma=0.4, contrast=0.3, bias_field=0.3, noise=0.15),
}


def crop_and_turn(
    images: Tensor,
    labels: Tensor,
    weights: Tensor,
    centres: Tensor,
    size: tuple[int, int],
    strength: Strength,
    generator: Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops of ``size`` around ``centres``, turned, scaled and flipped at random.

    Args:
        images: (N, C, H, W) float32; sampled linearly, 0 outside.
        labels: (N, H, W) uint8; sampled at the nearest pixel, 0 outside.
        weights: (N, h, w) float32, of equal patches of the slices; sampled at the nearest patch, outside too.
        centres: (N, 2) float32, row and column in pixels; pixel k lies between k and k + 1.
        size: rows and columns of the crops.
        strength: the ranges.
        generator: of all that is random here.

    Returns:
        Images (N, C, *size) float32, channels last, labels (N, *size) uint8 and weights (N, *size) float32.
    """
    grid = _sampling_grid(centres, images.shape[-2:], size, strength, generator)
    crops = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    turned = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)[:, 0]
    weighed = functional.grid_sample(weights[:, None], grid, mode="nearest", padding_mode="border", align_corners=False)[
        :, 0
    ]
    return crops.contiguous(memory_format=torch.channels_last), turned.to(torch.uint8), weighed


def change_intensities(images: Tensor, strength: Strength, generator: Generator, context: int = 0) -> Tensor:
    """``images`` (N, C, H, W), of unit deviation over 0, the darkest, with other gamma, contrast, bias field and noise.

    With ``context`` slices on either side among the channels, a slice's neighbours change as it does, but for the noise.
    """
    n, together = len(images), 2 * context + 1
    c = images.shape[1] // together

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1

    if strength.gamma:
        low = images.amin((2, 3), keepdim=True)
        span = (images.amax((2, 3), keepdim=True) - low).clamp(min=1e-3)
        images = ((images - low) / span).pow((draw(n, 1, 1, 1) * strength.gamma).exp()) * span + low
    if strength.contrast:
        factor, shift = (draw(n, c, 1, 1) * strength.contrast).exp(), draw(n, c, 1, 1) * strength.contrast
        images = images * factor.repeat(1, together, 1, 1) + shift.repeat(1, together, 1, 1)
    if strength.bias_field:
        coarse = (draw(n, 1, 4, 4) * strength.bias_field).exp()
        images = images * functional.interpolate(coarse, images.shape[-2:], mode="bicubic", align_corners=True)
    if strength.noise:
        spread = torch.rand((n, 1, 1, 1), generator=generator) * strength.noise
        images = images + torch.randn(images.shape, generator=generator) * spread
    return images


def _sampling_grid(
    centres: Tensor, source: torch.Size, size: tuple[int, int], strength: Strength, generator: Generator
) -> Tensor:
    """Where each pixel of the crops is sampled, (N, *size, 2) in grid_sample's x, y in [-1, 1]."""
    n = len(centres)
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.radians(strength.rotation)
    scale = ((torch.rand(n, generator=generator) * 2 - 1) * strength.scale).exp()
    flips = torch.randint(0, 2, (n, 2), generator=generator).float() * 2 - 1 if strength.flip else torch.ones(n, 2)
    rows, columns = torch.meshgrid(
        torch.arange(size[0]) + (1 - size[0]) / 2, torch.arange(size[1]) + (1 - size[1]) / 2, indexing="ij"
    )
    offsets = torch.stack([rows, columns], -1)[None] * (flips * scale[:, None])[:, None, None]
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    row = cosine * offsets[..., 0] - sine * offsets[..., 1] + centres[:, 0, None, None]
    column = sine * offsets[..., 0] + cosine * offsets[..., 1] + centres[:, 1, None, None]
    return torch.stack([2 * column / source[1] - 1, 2 * row / source[0] - 1], -1)
