"""A toy task that a network of four channels learns in seconds: bright squares on noise, with a few slices of each kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from askance.config import NetworkConfig, TrainingConfig
from askance.learning.architecture import Shape
from askance.learning.batches import TrainingData
from askance.learning.training import Run

SIDE = 32


@dataclass(frozen=True)
class ArraySource:
    """Images by slice id, from memory."""

    by_id: dict[str, np.ndarray]

    def images(self, slice_ids: Iterable[str]) -> np.ndarray:
        return np.stack([self.by_id[slice_id] for slice_id in slice_ids])


def make_data(
    count: int = 8, pseudo: int = 0, side: int = SIDE, seed: int = 0, bare: int = 0
) -> tuple[TrainingData, ArraySource]:
    """``count`` slices with a bright square each, the last ``pseudo`` pseudo-labelled, and ``bare`` without label."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.3, (count, 1, side, side)).astype(np.float32)
    labels = np.zeros((count, side, side), np.uint8)
    for number in range(count):
        row, column = rng.integers(2, side // 2, 2)
        labels[number, row : row + side // 3, column : column + side // 3] = 1
    images += 2 * labels[:, None]
    ids = tuple(f"case/2/{number}" for number in range(count))
    is_pseudo = np.arange(count) >= count - pseudo
    weights = np.where(is_pseudo, 0.5, 1.0).astype(np.float32)[:, None, None]
    unlabelled = tuple(f"case/2/{number}" for number in range(count, count + bare))
    extents = np.full((count + bare, 2), side)
    data = TrainingData(ids, labels, weights, is_pseudo, extents[:count], unlabelled, extents[count:])
    shown = rng.normal(0, 0.3, (bare, 1, side, side)).astype(np.float32)
    return data, ArraySource(dict(zip(ids + unlabelled, [*images, *shown])))


def make_config(**changes: Any) -> TrainingConfig:
    """Settings of a training that takes a second."""
    settings = {"batch": 4, "crop": (16, 16), "learning_rate": 1e-2, "precision": "32-true", "augment": "jitter"}
    return TrainingConfig(**{**settings, **changes})


def make_run(steps: int = 6, config: TrainingConfig | None = None, generator: str = "unet", **changes: Any) -> Run:
    """A run on the toy task; ``changes`` are fields of Run."""
    data, source = make_data(pseudo=2, bare=4 if config and config.objective == "souly" else 0)
    fields = {
        "data": data,
        "source": source,
        "shape": Shape(1, 2, (SIDE, SIDE)),
        "network": NetworkConfig(generator=generator, width=4, discriminator_width=4),
        "training": config or make_config(),
        "seed": 3,
        "steps": steps,
        "pseudo_share": 0.25,
    }
    return Run(**{**fields, **changes})
