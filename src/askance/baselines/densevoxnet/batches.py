"""From prepared volumes to batches of patches: which and where step ``s`` sees, a function of (seed, s) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from askance.baselines.densevoxnet.plan import PatchPlan
from askance.baselines.densevoxnet.prepared import Prepared
from askance.learning.batches import Batch
from askance.records import IGNORE


class PatchBatches:
    """Batches of ``count`` patches, turned and mirrored in the plane; ``self[step]`` is the batch of that step.

    Volumes come in turn, each once in a random order, then all again. ``near`` of the patches lie around foreground.
    """

    def __init__(self, volumes: Sequence[Prepared], plan: PatchPlan, count: int, near: float, seed: int) -> None:
        self._volumes, self._plan, self._count, self._near, self._seed = volumes, plan, count, near, seed

    def __getitem__(self, step: int) -> Batch:
        """The batch of ``step``, the same whenever it is asked for."""
        rng = np.random.default_rng((self._seed, step))
        patches = [self._patch(self._volumes[number], rng) for number in self._in_turn(step)]
        images, labels = (np.stack(parts) for parts in zip(*patches))
        weights, annotated = torch.ones(self._count, 1, 1, 1), torch.ones(self._count, dtype=torch.bool)
        return Batch(torch.from_numpy(images), torch.from_numpy(labels), weights, annotated)

    def _in_turn(self, step: int) -> list[int]:
        rounds, places = np.divmod(np.arange(step * self._count, (step + 1) * self._count), len(self._volumes))
        orders = {one: np.random.default_rng((self._seed, 0, one)).permutation(len(self._volumes)) for one in set(rounds)}
        return [int(orders[one][place]) for one, place in zip(rounds, places)]

    def _patch(self, volume: Prepared, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Images (C, x, y, z) and labels (x, y, z) of one of the plane's eight turns and mirror images."""
        patch, plane = self._plan.patch, self._plan.plane
        corner = _corner(volume, patch, rng.random() < self._near, rng)
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        images, labels = cut(volume.images, corner, patch, outside=0), cut(volume.labels, corner, patch, outside=IGNORE)
        return _turned(images, plane, quarters, mirrored), _turned(labels, plane, quarters, mirrored)


def cut(volume: NDArray[Any], corner: Sequence[int], patch: Sequence[int], outside: int) -> NDArray[Any]:
    """``patch`` of ``volume`` (..., X, Y, Z) from ``corner`` on; ``outside`` where the volume does not reach."""
    sides = volume.shape[-3:]
    inside = tuple(slice(max(0, at), max(0, min(at + side, end))) for at, side, end in zip(corner, patch, sides))
    there = tuple(slice(s.start - at, s.stop - at) for s, at in zip(inside, corner))
    result = np.full((*volume.shape[:-3], *patch), outside, volume.dtype)
    result[..., there[0], there[1], there[2]] = volume[..., inside[0], inside[1], inside[2]]
    return result


def _corner(volume: Prepared, patch: Sequence[int], near: bool, rng: np.random.Generator) -> list[int]:
    """Where a patch begins, within the volume; a volume smaller than the patch lies in its middle."""
    low, high = _room(np.zeros(3, np.int64), np.array(volume.labels.shape), patch)
    if near and volume.around is not None:
        first, last = _room(volume.around[0], volume.around[1], patch)
        low, high = np.clip(first, low, high), np.clip(last, low, high)
    return [int(rng.integers(start, stop + 1)) for start, stop in zip(low, high)]


def _room(
    first: NDArray[np.int64], end: NDArray[np.int64], patch: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last corner of a patch between ``first`` and ``end``; one in its middle where it does not fit between."""
    last = end - patch
    middle = (first + last) // 2
    return np.where(last < first, middle, first), np.where(last < first, middle, last)


def _turned(patch: NDArray[Any], plane: tuple[int, int], quarters: int, mirrored: bool) -> NDArray[Any]:
    """``patch`` (..., X, Y, Z) turned by quarters from the first to the second axis of ``plane``, then mirrored."""
    first, second = (axis - 3 for axis in plane)
    turned = np.rot90(patch, quarters, (first, second))
    return np.flip(turned, first) if mirrored else turned
