"""Prediction of whole slices: the mean of several views, D's verdict on it, and how far the views agree.

The first view sees the slice as far as it goes; where foreground is in sight, the other views see only a box around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from askance.config import NetworkConfig, TrainingConfig
from askance.learning.fabric import make_fabric
from askance.learning.pieces import keep_largest
from askance.learning.training import Shape, States, make_networks

_IN_SIGHT = 0.1  # foreground probability from which a pixel belongs to the box
_MARGIN = 24  # pixels of context around the foreground in sight
_BATCH_PIXELS = 16 * 256 * 256

_Array = TypeVar("_Array", NDArray[np.float32], Tensor)

#: Views as symmetries of the square: a turn and its inverse; the first is the slice as it is.
_View = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class Outcome:
    """What G and D say of the slices of one case, on the working grid.

    ``probs`` (D, K, H, W) float32: mean over the views, summing to 1 over K; ``agreement`` (D,): mean Dice of each view's
    foreground with the mean's, 1 with one view; ``information`` (D, H, W): what the views' answers say of which view was
    asked, the mean's entropy less the mean entropy, in units of log K (BALD, Houlsby 2011), 0 with one view;
    ``patch_logits`` (D, h, w): D's, None without D.
    """

    probs: NDArray[np.float32]
    agreement: NDArray[np.float32]
    information: NDArray[np.float32]
    patch_logits: NDArray[np.float32] | None


class Predictor:
    """G and D, ready to predict. ``one_piece``: the foreground of a case is its largest piece."""

    def __init__(
        self, states: States, shape: Shape, network: NetworkConfig, training: TrainingConfig, one_piece: bool = False
    ) -> None:
        self._one_piece = one_piece
        self._fabric: Fabric = make_fabric(training.precision)
        self._views = training.views
        self._fixed = network.generator == "pix2pix"
        modules = make_networks(shape, network, training)
        self._networks = {name: self._ready(modules[name], states[name]) for name in modules if name in states}
        self._stride = int(modules["G"].stride) if not self._fixed else 1  # type: ignore[arg-type]

    def __call__(self, images: NDArray[np.float32], extent: tuple[int, int]) -> Outcome:
        """Predict the slices ``images`` (D, C, H, W) of one case, which cover ``extent`` rows and columns of the grid."""
        size = (images.shape[2], images.shape[3])
        box = Box(0, 0, *size) if self._fixed else centred_box(size, extent, self._stride)
        seen = torch.from_numpy(np.ascontiguousarray(box.cut(images)))
        with torch.inference_mode(), self._fabric.autocast():
            probs = self._whole(self._probs(seen, _VIEWS[0]))
            agreement, information = torch.ones(len(seen)), torch.zeros_like(probs[:, 0])
            if self._views > 1:
                agreement = self._add_views(seen, probs, information)
                probs = self._whole(probs)
            patches = self._patches(seen, probs) if "D" in self._networks else None
        return Outcome(
            _put_back(probs, box, size),
            agreement.numpy(),
            _framed(information.numpy(), box, size),
            None if patches is None else patches.numpy(),
        )

    def _whole(self, probs: Tensor) -> Tensor:
        return torch.from_numpy(keep_largest(probs.numpy())) if self._one_piece else probs

    def _ready(self, module: nn.Module, state: dict[str, Tensor]) -> nn.Module:
        module.load_state_dict(state)
        module = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self._fabric.to_device(module)

    def _add_views(self, seen: Tensor, probs: Tensor, information: Tensor) -> Tensor:
        """Where foreground is in sight, average the other views into ``probs`` and note their ``information``, in place.

        What comes back is the agreement.
        """
        box = foreground_box(1 - probs[:, 0], self._stride)
        if box is None:
            return torch.ones(len(seen))
        if self._fixed:
            box = Box(0, 0, *seen.shape[2:])
        near = box.cut(seen)
        views = [box.cut(probs).clone(), *(self._probs(near, view) for view in _usable_views(box, self._views)[1:])]
        mean = torch.stack(views).mean(0)
        box.cut(probs)[...] = mean
        box.cut(information)[...] = (_entropy(mean) - torch.stack([_entropy(view) for view in views]).mean(0)).clamp(min=0)
        labels = mean.argmax(1)
        return torch.stack([_foreground_dice(view.argmax(1), labels) for view in views]).mean(0)

    def _probs(self, images: Tensor, view: _View) -> Tensor:
        turn, back = view
        return torch.cat([back(self._networks["G"](turn(part)).float().softmax(1)).cpu() for part in self._parts(images)])

    def _patches(self, images: Tensor, probs: Tensor) -> Tensor:
        parts = zip(self._parts(images), self._parts(probs))
        return torch.cat([self._networks["D"](image, part).float()[:, 0].cpu() for image, part in parts])

    def _parts(self, images: Tensor) -> Iterator[Tensor]:
        """Pieces of a size that fits the caches, on the device, channels last."""
        count = max(1, _BATCH_PIXELS // (images.shape[2] * images.shape[3]))
        for start in range(0, len(images), count):
            part = images[start : start + count].contiguous(memory_format=torch.channels_last)
            yield self._fabric.to_device(part)


@dataclass(frozen=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of an image."""

    top: int
    left: int
    bottom: int
    right: int

    def cut(self, array: _Array) -> _Array:
        """The box of an array (..., H, W), as a view."""
        return array[..., self.top : self.bottom, self.left : self.right]


def centred_box(size: tuple[int, int], extent: tuple[int, int], stride: int) -> Box:
    """The part of the grid that a slice of ``extent`` covers, with sides that are multiples of ``stride``."""
    sides = [min(whole, -(-min(part, whole) // stride) * stride) for whole, part in zip(size, extent)]
    top, left = (size[0] - sides[0]) // 2, (size[1] - sides[1]) // 2
    return Box(top, left, top + sides[0], left + sides[1])


def foreground_box(foreground: Tensor, stride: int) -> Box | None:
    """A box around all foreground in sight in (D, H, W) probabilities, square if that fits; None where there is none."""
    sight = (foreground > _IN_SIGHT).any(0)
    if not sight.any():
        return None
    height, width = sight.shape
    spans = [(int(line.min()), int(line.max()) + 1) for line in (sight.any(1).nonzero(), sight.any(0).nonzero())]
    wanted = max(high - low for low, high in spans) + 2 * _MARGIN
    starts, ends = [], []
    for (low, high), whole in zip(spans, (height, width)):
        side = min(-(-wanted // stride) * stride, whole)
        start = min(max((low + high - side) // 2, 0), whole - side)
        starts.append(start)
        ends.append(start + side)
    return Box(starts[0], starts[1], ends[0], ends[1])


def _rotation(quarters: int) -> _View:
    return (lambda x: torch.rot90(x, quarters, (2, 3)), lambda x: torch.rot90(x, -quarters, (2, 3)))


def _mirrored(quarters: int) -> _View:
    return (lambda x: torch.rot90(x.flip(2), quarters, (2, 3)), lambda x: torch.rot90(x, -quarters, (2, 3)).flip(2))


_VIEWS: list[_View] = [*(_rotation(quarters) for quarters in range(4)), *(_mirrored(quarters) for quarters in range(4))]
_KEEP_SHAPE = (0, 2, 4, 6)  # half turns and mirrors, for boxes that are not square


def _usable_views(box: Box, wanted: int) -> list[_View]:
    square = box.bottom - box.top == box.right - box.left
    return (_VIEWS if square else [_VIEWS[number] for number in _KEEP_SHAPE])[:wanted]


def _entropy(probs: Tensor) -> Tensor:
    """(D, H, W) of probabilities (D, K, H, W), in units of log K."""
    entropy: Tensor = torch.special.entr(probs).sum(1)
    return entropy / math.log(probs.shape[1])


def _foreground_dice(labels: Tensor, others: Tensor) -> Tensor:
    """Dice (D,) of foreground pixels with the same class; 1 where both have none."""
    same = ((labels == others) & (labels > 0)).sum((1, 2))
    total = (labels > 0).sum((1, 2)) + (others > 0).sum((1, 2))
    return torch.where(total > 0, 2 * same / total.clamp(min=1), 1.0)


def _put_back(probs: Tensor, box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """Probabilities on the whole grid; beyond the box all is background."""
    whole = _framed(probs.numpy(), box, size)
    outside = np.ones(size, bool)
    box.cut(outside)[...] = False
    whole[:, 0, outside] = 1.0
    return whole


def _framed(part: NDArray[np.float32], box: Box, size: tuple[int, int]) -> NDArray[np.float32]:
    """``part`` (..., h, w) in its box of a grid of zeros (..., *size)."""
    whole = np.zeros((*part.shape[:-2], *size), dtype=np.float32)
    box.cut(whole)[...] = part
    return whole
