"""How DenseVoxNet is trained: the published optimiser, rate and losses, made into a task for the one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import torch
from torch import nn
from torch.optim import SGD

from askance.baselines.ranges import require_ranges
from askance.config import Precision
from askance.errors import ConfigError
from askance.learning.batches import Batch
from askance.learning.plateau import Plateau
from askance.learning.task import StepLosses, Task
from askance.networks.densevoxnet import DenseVoxNet
from askance.networks.losses import cross_entropy

#: The network's name in checkpoints.
NETWORK = "N"
_SHORTEST = 100  # steps that a mean loss is taken over: with fewer, chance looks like a plateau
_RANGES = (
    ("patch", 4, 1024),  # of a side of 4, the network's halvings leave one voxel
    ("voxels", 64, math.inf),
    ("steps", 1, math.inf),
    ("batch", 1, 1024),
    ("learning_rate", 0, math.inf),
    ("power", 0, 10),
    ("momentum", 0, 0.999),
    ("weight_decay", 0, 1),
    ("auxiliary", 0, 10),
    ("near", 0, 1),
    ("overlap", 0, 0.95),
    ("smallest", 0, 1),
)


@dataclass(frozen=True)
class DenseVoxNetSettings:
    """The published training (solver.prototxt, train_densenet.prototxt); smaller machines turn down the first three.

    ``patch``: side in voxels where spacings are about equal. ``voxels``: a larger median volume is worked on at a coarser
    spacing (the published volumes were cut around the heart). ``steps``: the limit, at which the rate has fallen to zero;
    a training whose loss is flat before ends earlier. ``near``: share of patches drawn around foreground. ``overlap``: of
    neighbouring patches in prediction, a share of their sides. ``smallest``: the share of its class below which a piece of
    a prediction is dropped.

    Raises:
        ConfigError: a setting out of its range.
    """

    patch: int = 64
    voxels: int = 2_000_000
    steps: int = 15_000
    batch: int = 3
    learning_rate: float = 0.05
    power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 5e-4
    auxiliary: float = 0.33
    near: float = 2 / 3
    overlap: float = 0.5
    smallest: float = 0.2
    precision: str = "32-true"  # bf16 gained nothing in three dimensions on a CPU that doubles its speed in two
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        require_ranges(self, "DenseVoxNet", _RANGES)
        if self.precision not in get_args(Precision):
            raise ConfigError(
                f"DenseVoxNet's precision is {self.precision!r}; wanted one of {', '.join(get_args(Precision))}"
            )


def training_task(
    settings: DenseVoxNetSettings, network: Callable[[], DenseVoxNet], batches: Callable[[int], Batch], seed: int
) -> Task:
    """The training of a ``network`` on ``batches``; where it is kept and who is told is for the caller to add.

    It ends where the loss has become flat after a fifth of the steps at the earliest, with a tenth of them more in which
    the rate falls to zero. That, and that there is any end before the limit, is ours: the authors made all of 15,000 steps.
    """
    stretch = max(_SHORTEST, settings.steps // 30)
    plateau = Plateau(stretch, earliest=settings.steps // 5, cooldown=max(1, settings.steps // 10))
    return Task(
        networks=lambda: {NETWORK: network()},
        optimizer=partial(_optimizer, settings),
        batches=batches,
        losses=partial(_losses, settings.auxiliary),
        rate=lambda step: settings.learning_rate * (1 - step / settings.steps) ** settings.power,
        seed=seed,
        steps=settings.steps,
        remedy=f"lower learning_rate (now {settings.learning_rate}) or set precision = '32-true'",
        plateau=plateau,
        precision=settings.precision,
        memory_format=torch.contiguous_format,  # on a CPU 0.61 s a step of two patches of 32, channels last 0.72 s
        save_every_s=settings.save_every_s,
    )


def _optimizer(settings: DenseVoxNetSettings, module: nn.Module) -> SGD:
    """Momentum and weight decay; the heads' biases learn at twice the rate and do not decay (lr_mult 2, decay_mult 0)."""
    biases = [value for name, value in module.named_parameters() if name in DenseVoxNet.HEAD_BIASES]
    others = [value for name, value in module.named_parameters() if name not in DenseVoxNet.HEAD_BIASES]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": biases, "weight_decay": 0.0, "rate_share": 2.0}]
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay)


def _losses(auxiliary: float, networks: Mapping[str, nn.Module], batch: Batch) -> StepLosses:
    """Cross-entropy of both heads, the second times ``auxiliary`` (loss_weight 0.33), over the voxels that are labelled."""
    heads = networks[NETWORK](batch.images)
    main, second = (cross_entropy(logits.float(), batch.labels, batch.weights) for logits in heads)
    return StepLosses({NETWORK: main + auxiliary * second}, {"main": main.detach(), "auxiliary": second.detach()})
