"""Souly 2017: slices that nobody labelled teach G to tell images from made ones, class by class.

The segmenter is itself the discriminator: of K + 1 classes, the last is "made". A labelled pixel belongs to its class, an
unlabelled one to any of the K, a pixel of an image that the imager made to the last; the imager wants its pixels to be
taken for one of the K. Here the segmenter is askance's G with its K logits: that of "made" is held at 0, which loses
nothing, as a softmax knows its logits only up to a constant (Salimans 2016, sec. 5). So a pixel's chance to be real is the
logistic function of the log of the sum of the K exponentials, and G predicts as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from askance.config import TrainingConfig
from askance.learning.batches import Batch
from askance.learning.objectives import OBJECTIVES
from askance.learning.task import States, StepLosses
from askance.networks.imager import NOISE, Imager
from askance.networks.losses import looks_fake, looks_real

#: The imager among a training's networks.
IMAGER = "imager"
#: What images it made are called among a model's states, to be shown.
MADE = "made"

_SHOWN = 16  # images that a model keeps to be shown


def losses_with_made_images(networks: Mapping[str, nn.Module], batch: Batch, config: TrainingConfig) -> StepLosses:
    """G's loss, ``pixelwise`` on labels + ``adversarial`` x telling all slices of the batch from made ones; the imager's."""
    generator, imager = networks["G"], networks[IMAGER]
    logits = generator(batch.images).float()
    pixelwise = OBJECTIVES[config.objective].pixelwise(logits, batch.labels, batch.weights)
    made = imager(torch.randn(len(batch.images), NOISE, device=batch.images.device))
    with _statistics_of_slices_alone(generator):
        verdict = reality(generator(made.to(batch.images.dtype)).float())
    telling = (looks_real(reality(logits)) + looks_fake(verdict)) / 2
    pleasing = looks_real(verdict)
    parts = {"pixelwise": pixelwise, "telling": telling, "imager": pleasing}
    return StepLosses(
        {IMAGER: pleasing, "G": config.pixelwise * pixelwise + config.adversarial * telling},
        {name: value.detach() for name, value in parts.items()},
    )


def reality(logits: Tensor) -> Tensor:
    """The logit (N, H, W) of being real: of one of the K classes of ``logits`` (N, K, H, W), not of the one held at 0."""
    return torch.logsumexp(logits, 1)


def made_images(imager: Imager, seed: int) -> States:
    """Images (_SHOWN, C, H, W) of a trained imager, as a state of the model that it was trained with."""
    noise = torch.randn(_SHOWN, NOISE, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        return {MADE: {"images": imager.eval()(noise).float().contiguous()}}


@contextmanager
def _statistics_of_slices_alone(generator: nn.Module) -> Iterator[None]:
    """Made images pass without a trace in batch norm's running statistics, which prediction goes by."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in zip(norms, momenta):
            module.momentum = momentum
