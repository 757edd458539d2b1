"""What G and D are trained for. One forward pass of each serves both steps; a choice by name is an entry of OBJECTIVES.

G's loss is ``pixelwise`` x a pixel-wise loss + ``adversarial`` x D's verdict on its output (Isola 2017, eq. 4, the
non-saturating form); D's is the mean of its losses on truths and on predictions, halved as in Isola 2017, sec. 3.3. Both
are taken from the same activations: textbook code runs D a second time on the fakes after D's step, here G sees D as it was
before it. Only annotated slices are truths to D; a pseudo-label is not.

A binary D says whether a map looks drawn by G. A graded D says, patch by patch, how much of G's map agrees with the truth:
that is what a score of unseen slices needs, and still a critic that G learns to please.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from askance.config import TrainingConfig
from askance.learning.batches import Batch
from askance.networks.losses import absolute, agrees, cross_entropy, looks_fake, looks_real, onehot, soft_dice
from askance.records import IGNORE

Pixelwise = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """A pixel-wise loss of (logits, labels, weights), Adam's betas, the part of the steps at a constant rate, D's kind.

    ``semi``: it learns from slices without label, too, against images made for it in D's place (``semi_supervised``).
    """

    pixelwise: Pixelwise
    betas: tuple[float, float]
    constant: float
    graded: bool = False
    semi: bool = False


def _overlap_and_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy + Dice, as nnU-Net: the first for calibrated pixels, the second for small classes."""
    return cross_entropy(logits, labels, weights) + soft_dice(logits, labels, weights)


OBJECTIVES = {
    "askance": Objective(_overlap_and_entropy, betas=(0.9, 0.99), constant=0.0, graded=True),
    # Isola 2017, sec. 3.3: Adam (0.5, 0.999), a constant rate for half of the epochs, then linear to zero.
    "pix2pix": Objective(absolute, betas=(0.5, 0.999), constant=0.5),
    # Isola's cGAN with nnU-Net's loss in L1's place, which sees a thin class early on.
    "cgan": Objective(_overlap_and_entropy, betas=(0.5, 0.999), constant=0.5),
    # Luc 2016: cross-entropy in L1's place; L1 between class maps has hardly a gradient where G is surely wrong.
    "luc": Objective(cross_entropy, betas=(0.5, 0.999), constant=0.5),
    # Souly 2017 has cross-entropy alone; with preset askance's loss it shows what the unlabelled slices add to that.
    "souly": Objective(_overlap_and_entropy, betas=(0.9, 0.99), constant=0.0, semi=True),
}


def learns_from_unlabelled(config: TrainingConfig) -> bool:
    """Whether a training reads slices without label."""
    return OBJECTIVES[config.objective].semi and config.adversarial > 0 and config.unlabelled > 0


@dataclass(frozen=True)
class Losses:
    """G's loss, D's loss (None without D), and the parts to show, each a scalar tensor."""

    generator: Tensor
    discriminator: Tensor | None
    parts: dict[str, Tensor]


def compute_losses(generator: nn.Module, discriminator: nn.Module | None, batch: Batch, config: TrainingConfig) -> Losses:
    """Both networks' losses on one batch."""
    logits = generator(batch.images).float()
    pixelwise = OBJECTIVES[config.objective].pixelwise(logits, batch.labels, batch.weights)
    loss = config.pixelwise * pixelwise
    parts = {"pixelwise": pixelwise.detach()}
    if discriminator is None:
        return Losses(loss, None, parts)
    real, fake = _patches(discriminator, logits, batch)
    # A process of many may hold no truth in its share of the batch; a mean over none is not a number.
    truths = looks_real(real) if len(real) else real.sum()
    graded = OBJECTIVES[config.objective].graded
    fakes = (
        agrees(fake[batch.annotated], *_agreement(logits, batch, (fake.shape[2], fake.shape[3])))
        if graded
        else looks_fake(fake)
    )
    adversarial, verdict = looks_real(fake), (truths + fakes) / 2
    parts |= {"adversarial": adversarial.detach(), "discriminator": verdict.detach()}
    return Losses(loss + config.adversarial * adversarial, verdict / 2, parts)


def _agreement(logits: Tensor, batch: Batch, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Of annotated slices, (n, 1, *size) each: the part of a patch that G's map gives to the truth, and of known pixels."""
    labels = batch.labels[batch.annotated]
    probs = logits.detach()[batch.annotated].softmax(1)
    right = (probs * onehot(labels, probs.shape[1])).sum(1, keepdim=True)
    shares = _means(torch.cat([right, (labels != IGNORE)[:, None].float()], 1), size)
    return shares[:, :1] / shares[:, 1:].clamp(min=1e-6), shares[:, 1:]


def _means(images: Tensor, size: tuple[int, int]) -> Tensor:
    """As ``functional.adaptive_avg_pool2d``, which on Apple's GPUs takes no size but one that divides the images' own."""
    return _means_across(_means_across(images, size[1]).mT, size[0]).mT


def _means_across(images: Tensor, count: int) -> Tensor:
    """``images`` (..., W) as (..., count): each the mean of the columns that it touches."""
    places, width = torch.arange(count, device=images.device), images.shape[-1]
    starts, ends = places * width // count, ((places + 1) * width + count - 1) // count
    sums = functional.pad(images.cumsum(-1), (1, 0))
    means: Tensor = (sums[..., ends] - sums[..., starts]) / (ends - starts)
    return means


def _patches(discriminator: nn.Module, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """D's logits on the annotated pairs and on G's, from one pass; pixels that the expert left out are blank in both.

    Without a truth to be blank beside it, nothing is: D would know predictions by the doubtful parts of pseudo-labels.
    """
    known = ((batch.labels != IGNORE) | ~batch.annotated[:, None, None])[:, None]
    truths = onehot(batch.labels[batch.annotated], logits.shape[1])
    maps = torch.cat([truths, logits.softmax(1) * known])
    images = torch.cat([batch.images[batch.annotated], batch.images])
    verdicts = discriminator(images, maps).float()
    return verdicts[: len(truths)], verdicts[len(truths) :]
