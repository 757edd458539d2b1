"""From labelled slices to batches: which slices step ``s`` sees and where they are cropped, a function of (seed, s) alone.

That a step's batch depends on nothing that went before makes a training that was killed go on exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from askance.config import TrainingConfig
from askance.errors import TrainingError
from askance.learning.augmentation import STRENGTHS, change_intensities, crop_and_turn
from askance.records import IGNORE

#: In units of 1 / DOUBT a chance of up to a half is a uint8.
DOUBT = 510

_LABEL_STREAM = 17  # keeps the labels' draws apart from those of crops and intensities
_NEAR_FOREGROUND = 0.5  # share of crops placed over foreground; with 0.75 more was seen where nothing is (docs/log.md)


class ImageSource(Protocol):
    """Where images come from; the slice cache is one."""

    def images(self, slice_ids: list[str]) -> NDArray[np.float32]:
        """(N, C, H, W) float32 of the slices in their context, on the working grid."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """What one training learns from.

    ``labels`` (N, H, W) uint8 on the working grid; ``weights`` (N, h, w) float, one for each of h x w equal patches of a
    slice; both may be memory-mapped. ``pseudo`` (N,) bool; ``extents`` (N, 2) int: rows and columns around the grid's centre
    that the slice really covers. ``unlabelled``: U slices that are shown without label, and their extents (U, 2).
    ``seconds`` and ``doubts`` (N, H, W) uint8: the class that a label may be in the place of ``labels``, and its chance in
    units of 1 / 510, drawn anew whenever the slice is seen; None: labels are what they are.
    """

    slice_ids: tuple[str, ...]
    labels: NDArray[np.uint8]
    weights: NDArray[np.floating[Any]]
    pseudo: NDArray[np.bool_]
    extents: NDArray[np.int64]
    unlabelled: tuple[str, ...] = ()
    unlabelled_extents: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    seconds: NDArray[np.uint8] | None = None
    doubts: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Batch:
    """Images (N, C, ...) float32, labels (N, ...) uint8, weights float32 that broadcast to these, annotated (N,) bool.

    ``...`` are the rows and columns of slices, or the three sides of patches of volumes.
    """

    images: Tensor
    labels: Tensor
    weights: Tensor
    annotated: Tensor


class Batches:
    """Augmented batches of ``config.batch`` crops; ``self[step]`` is the batch of that step.

    ``share`` of each before step ``until`` are pseudo-labels and ``config.unlabelled`` of what they leave slices without
    label, where there are some, but for at least one slice that an expert labelled: D's truths are these alone.

    Raises:
        TrainingError: no slice has an expert's label.
    """

    def __init__(
        self,
        data: TrainingData,
        source: ImageSource,
        config: TrainingConfig,
        share: float,
        seed: int,
        context: int = 0,
        until: float = math.inf,
    ) -> None:
        self._data, self._source, self._config, self._seed = data, source, config, seed
        self._context, self._until = context, until
        self._real, self._pseudo = np.flatnonzero(~data.pseudo), np.flatnonzero(data.pseudo)
        if not len(self._real):
            raise TrainingError(f"{len(data.slice_ids)} slices to learn from, none with an expert's label; label one first")
        count = len(data.slice_ids)
        self._bare = np.arange(count, count + len(data.unlabelled))
        self._annotated = np.concatenate([~data.pseudo, np.zeros(len(self._bare), bool)])
        self._pseudo_each = min(round(share * config.batch), config.batch - 1) if len(self._pseudo) else 0
        self._ids = (*data.slice_ids, *data.unlabelled)
        self._extents = np.concatenate([data.extents, data.unlabelled_extents])
        self._boxes = np.zeros((len(self._ids), 2, 2))
        self._boxes[:count] = [_foreground_box(label) for label in data.labels]
        self._crop = _crop_size(config.crop, data.labels.shape[1:])

    def __getitem__(self, step: int) -> Batch:
        """The batch of ``step``, the same whenever it is asked for."""
        rng = np.random.default_rng((self._seed, step))
        generator = Generator().manual_seed(int(rng.integers(2**62)))
        chosen = np.concatenate(
            [
                self._in_turn(members, step, count, stream)
                for stream, (members, count) in enumerate(zip((self._real, self._pseudo, self._bare), self._counts(step)))
            ]
        )
        strength = STRENGTHS[self._config.augment]
        images, labels, weights = crop_and_turn(
            torch.from_numpy(self._source.images([self._ids[i] for i in chosen])),
            torch.from_numpy(self._labels(chosen, np.random.default_rng((self._seed, step, _LABEL_STREAM)))),
            torch.from_numpy(self._weights(chosen)),
            torch.from_numpy(self._centres(chosen, rng)),
            self._crop,
            strength,
            generator,
        )
        annotated = torch.from_numpy(self._annotated[chosen])
        images = change_intensities(images, strength, generator, self._context)
        return Batch(images, labels, weights, annotated)

    def _counts(self, step: int) -> tuple[int, int, int]:
        """How many crops of the batch are of experts' labels, of pseudo-labels, and of slices without label."""
        pseudo = self._pseudo_each if step < self._until else 0
        left = self._config.batch - pseudo
        bare = min(round(self._config.unlabelled * left), left - 1) if len(self._bare) else 0
        return left - bare, pseudo, bare

    def _labels(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
        """(N, H, W); doubtful pixels drawn from their two likeliest classes, IGNORE throughout a slice without label."""
        labels = np.full((len(chosen), *self._data.labels.shape[1:]), IGNORE, np.uint8)
        labelled = chosen < len(self._data.slice_ids)
        labels[labelled] = self._data.labels[chosen[labelled]]
        if self._data.seconds is not None and self._data.doubts is not None:
            doubtful = np.flatnonzero(labelled & ~self._annotated[chosen])
            at = chosen[doubtful]
            drawn = rng.random((len(at), *labels.shape[1:]), np.float32) * DOUBT < self._data.doubts[at]
            labels[doubtful] = np.where(drawn, self._data.seconds[at], labels[doubtful])
        return labels

    def _weights(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, h, w); 0 throughout a slice without label."""
        weights = np.zeros((len(chosen), *self._data.weights.shape[1:]), np.float32)
        labelled = chosen < len(self._data.slice_ids)
        weights[labelled] = self._data.weights[chosen[labelled]]
        return weights

    def _in_turn(self, members: NDArray[np.int64], step: int, count: int, stream: int) -> NDArray[np.int64]:
        """``count`` of ``members``: each once in a random order, then all again in another."""
        if not count:
            return members[:0]
        places = np.arange(step * count, (step + 1) * count)
        orders = {
            epoch: np.random.default_rng((self._seed, stream, epoch)).permutation(members)
            for epoch in np.unique(places // len(members))
        }
        return np.array([orders[place // len(members)][place % len(members)] for place in places])

    def _centres(self, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Rows and columns to crop around: mostly within the foreground's box, never looking past the slice's edge.

        Corners lie between pixels, so that a crop that is neither turned nor scaled copies its pixels.
        """
        grid = np.array(self._data.labels.shape[1:])
        half, extents = np.array(self._crop) / 2, np.maximum(self._extents[chosen], self._crop)
        low, high = (grid - extents) / 2 + half, (grid + extents) / 2 - half
        anywhere = rng.uniform(low, high)
        near = rng.uniform(self._boxes[chosen, 0], self._boxes[chosen, 1])
        use_near = (rng.random(len(chosen)) < _NEAR_FOREGROUND) & (self._boxes[chosen, 1, 0] > 0)
        corners = np.rint(np.clip(np.where(use_near[:, None], near, anywhere), low, high) - half)
        centres: NDArray[np.float32] = (corners + half).astype(np.float32)
        return centres


def _foreground_box(label: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[[first row, first column], [past last row, past last column]] of the foreground; zeros where there is none."""
    mask = (label != 0) & (label != IGNORE)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.zeros((2, 2))
    return np.array([[rows[0], columns[0]], [rows[-1] + 1, columns[-1] + 1]], dtype=float)


def _crop_size(wanted: tuple[int, int], grid: tuple[int, ...]) -> tuple[int, int]:
    return min(wanted[0], grid[0]), min(wanted[1], grid[1])
