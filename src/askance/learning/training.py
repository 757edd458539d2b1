"""The training of G and D: settings and a label set made into a task for the one loop, for every preset and objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn
from torch.optim import AdamW

from askance.config import NetworkConfig, TrainingConfig
from askance.learning.architecture import Shape, crop_size, make_networks
from askance.learning.batches import Batch, Batches, ImageSource, TrainingData
from askance.learning.descent import descend
from askance.learning.objectives import OBJECTIVES, compute_losses
from askance.learning.semi_supervised import IMAGER, losses_with_made_images
from askance.learning.task import States, Step, StepLosses, Task, Trained


@dataclass(frozen=True)
class Run:
    """One training of G and D: its data, settings and seed, the weights it starts from, and where its progress is kept.

    In the first ``pseudo_until`` of the steps, ``pseudo_share`` of each batch are pseudo-labels. ``fingerprint`` names the
    label set and settings; progress with another fingerprint is not gone on with. Progress is saved every ``save_every_s``
    seconds, 0: after every step.
    """

    data: TrainingData
    source: ImageSource
    shape: Shape
    network: NetworkConfig
    training: TrainingConfig
    seed: int
    steps: int
    pseudo_share: float = 0.0
    pseudo_until: float = 1.0
    start: States | None = None
    progress_file: Path | None = None
    fingerprint: str = ""
    save_every_s: float = 30.0
    report: Callable[[Step], None] | None = None


def train(run: Run) -> Trained:
    """Networks trained on ``run.data``, from ``run.start`` or from scratch, or from where a killed run had come to.

    Raises:
        TrainingError: a loss that is not a number, or nothing labelled.
        ConfigError: a grid or crop that G cannot be made for.
    """
    config = run.training
    cropped = config.model_copy(update={"crop": crop_size(run.shape, run.network, config)})
    return descend(
        Task(
            networks=partial(make_networks, run.shape, run.network, config),
            optimizer=partial(_optimizer, config),
            batches=_batches(run, cropped).__getitem__,
            losses=partial(_losses, config),
            rate=partial(_rate, run),
            seed=run.seed,
            steps=run.steps,
            remedy=f"lower training.learning_rate (now {config.learning_rate}) or set training.precision = '32-true'",
            start=run.start,
            average=config.average,
            precision=config.precision,
            progress_file=run.progress_file,
            fingerprint=run.fingerprint,
            save_every_s=run.save_every_s,
            report=run.report,
        )
    )


def _batches(run: Run, config: TrainingConfig) -> Batches:
    until = run.pseudo_until * run.steps
    return Batches(run.data, run.source, config, run.pseudo_share, run.seed, context=run.network.context, until=until)


def step_count(labelled: int, config: TrainingConfig, warm: bool) -> int:
    """Steps of a training on ``labelled`` slices; a warm start takes its share of them."""
    steps = min(max(config.epochs * math.ceil(labelled / config.batch), config.min_steps), config.max_steps)
    return max(1, round(steps * config.warm_share)) if warm else steps


def _optimizer(config: TrainingConfig, module: nn.Module) -> AdamW:
    betas = OBJECTIVES[config.objective].betas
    return AdamW(module.parameters(), lr=config.learning_rate, betas=betas, weight_decay=config.weight_decay, fused=True)


def _losses(config: TrainingConfig, networks: Mapping[str, nn.Module], batch: Batch) -> StepLosses:
    """Each network's own loss; D's or the imager's comes first, as G's graph goes through them or theirs through G."""
    if IMAGER in networks:
        return losses_with_made_images(networks, batch, config)
    losses = compute_losses(networks["G"], networks.get("D"), batch, config)
    of_d = {} if losses.discriminator is None else {"D": losses.discriminator}
    return StepLosses({**of_d, "G": losses.generator}, losses.parts)


def _rate(run: Run, step: int) -> float:
    """Learning rate: constant for the objective's share and then linear to zero, or a warm-up of 5 % and then a cosine."""
    done, constant = step / run.steps, OBJECTIVES[run.training.objective].constant
    if constant:
        return run.training.learning_rate * min(1.0, (1 - done) / (1 - constant))
    if done < 0.05:
        return run.training.learning_rate * (step + 1) / (0.05 * run.steps + 1)
    return run.training.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))
