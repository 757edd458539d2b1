"""Losses over logits (N, K, H, W) and labels (N, H, W) uint8 with IGNORE left out; each is a mean over the batch.

``weights`` weigh its pixels: one for each, or for each slice, (N, 1, 1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from askance.records import IGNORE


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Pixel-wise cross-entropy of slices, or of patches (N, K, X, Y, Z) of volumes.

    The sum is divided by the number of labelled pixels, not by the weights: a batch of doubtful labels counts less.
    """
    known = labels != IGNORE
    losses = functional.cross_entropy(logits, labels.long().where(known, 0), reduction="none")
    return (losses * known * weights).sum() / known.sum().clamp(min=1)


def soft_dice(logits: Tensor, labels: Tensor, weights: Tensor, smooth: float = 1.0) -> Tensor:
    """1 - soft Dice of the foreground classes, over the batch as one volume (Milletari 2016; batch Dice as in nnU-Net)."""
    pixel_weights = ((labels != IGNORE) * weights)[:, None]
    probs, truth = logits.softmax(1)[:, 1:] * pixel_weights, onehot(labels, logits.shape[1])[:, 1:]
    overlap = (probs * truth).sum((0, 2, 3))
    total = (probs + truth * pixel_weights).sum((0, 2, 3))
    return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


def absolute(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """L1 between probabilities and one-hot truth (Isola 2017, eq. 3)."""
    known = labels != IGNORE
    distance = (logits.softmax(1) - onehot(labels, logits.shape[1])).abs().mean(1)
    return (distance * known * weights).sum() / known.sum().clamp(min=1)


def looks_real(patch_logits: Tensor) -> Tensor:
    """Cross-entropy of D's patches against "real": D's loss on truths, and the non-saturating loss of G."""
    return functional.softplus(-patch_logits).mean()


def looks_fake(patch_logits: Tensor) -> Tensor:
    """Cross-entropy of D's patches against "fake": D's loss on predictions."""
    return functional.softplus(patch_logits).mean()


def agrees(patch_logits: Tensor, agreement: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of D's patches (N, 1, h, w) with the share of each that is right, weighted by what is known of it."""
    losses = functional.binary_cross_entropy_with_logits(patch_logits, agreement, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def onehot(labels: Tensor, classes: int) -> Tensor:
    """(N, K, H, W) float32 of labels (N, H, W); a pixel that is IGNORE is zero in every class."""
    ids = torch.arange(classes, device=labels.device, dtype=labels.dtype)
    return (labels[:, None] == ids[None, :, None, None]).float()
