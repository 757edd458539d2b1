"""What one training consists of, in words that fit every network: the seam between who trains and the one loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from askance.learning.batches import Batch
from askance.learning.plateau import Plateau

#: Weights and statistics by network and by their own name.
States = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class StepLosses:
    """``by_network``: the loss whose gradient each network follows, in that order; ``parts``: what to show, detached."""

    by_network: Mapping[str, Tensor]
    parts: Mapping[str, Tensor]


@dataclass(frozen=True)
class Step:
    """What a progress bar shows: step of steps, losses by name, slices (or patches) per second of this process."""

    number: int
    steps: int
    losses: Mapping[str, float]
    slices_per_s: float


@dataclass(frozen=True)
class Task:
    """One training: what it makes, learns from and follows, and where its progress is kept.

    ``networks`` draws untrained networks from torch's global generator, seeded by ``seed``; ``start`` are weights that
    some of them begin with. ``batches``, ``losses`` and ``rate`` are functions of the step alone (and of the weights),
    dropout included: that makes a killed training go on exactly. A parameter group of ``optimizer``'s with a
    ``rate_share`` learns at that share of ``rate``. The model is the running mean of the weights over about the last
    ``average`` steps, 0: the last weights. It ends after ``steps``, or on a ``plateau``. ``fingerprint`` names data and
    settings; progress with another fingerprint is not gone on with. Progress is saved every ``save_every_s`` seconds, 0:
    after every step. ``remedy`` tells the user what to change where a loss is not a number.
    """

    networks: Callable[[], dict[str, nn.Module]]
    optimizer: Callable[[nn.Module], Optimizer]
    batches: Callable[[int], Batch]
    losses: Callable[[Mapping[str, nn.Module], Batch], StepLosses]
    rate: Callable[[int], float]
    seed: int
    steps: int
    remedy: str
    start: States | None = None
    average: int = 0
    plateau: Plateau | None = None
    precision: str = "auto"
    memory_format: torch.memory_format = torch.channels_last
    progress_file: Path | None = None
    fingerprint: str = ""
    save_every_s: float = 30.0
    report: Callable[[Step], None] | None = None


@dataclass(frozen=True)
class Trained:
    """Weights by network name, the last losses, seconds, slices (or patches) per second of this process.

    ``precision``: what "auto" had become. ``steps``: those made in all, as ``seconds`` before a kill too. Where a plateau
    was looked for: ``means``, the mean loss of each stretch, and ``flat_at``, the step at which the curve had become flat
    (None: it had not).
    """

    states: States
    losses: Mapping[str, float]
    seconds: float
    slices_per_s: float
    precision: str
    steps: int = 0
    means: tuple[float, ...] = ()
    flat_at: int | None = None
