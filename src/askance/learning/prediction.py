"""Prediction of whole slices: the mean of several views, D's verdict on it, and how far the views agree.

Where slices lie as close as pixels, each is averaged with the one before and the one after: G sees one at a time, and
where its errors differ from slice to slice the mean has fewer. The first view sees the field where labels have shown
foreground, and all of the slice where nothing is found there or foreground goes on beyond it; where foreground is in
sight, the other views see only a box around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from askance.config import NetworkConfig, TrainingConfig
from askance.learning.architecture import Shape, crop_size, make_discriminator, make_generator, patch_pixels
from askance.learning.fabric import in_memory_order, make_fabric
from askance.learning.fields import Box, centred_box, field_within, foreground_box, framed, put_back, reaches_out
from askance.learning.novelty import NOVELTY, Novelty
from askance.learning.outcome import DIRECTIONS, Outcome, classes_of, expected_overlap
from askance.learning.pieces import keep_largest
from askance.learning.task import States
from askance.learning.traits import feature_traits, image_traits
from askance.learning.views import VIEWS, View
from askance.networks.discriminator import PatchGAN
from askance.networks.generator import Generator

#: Where a model's states hold the G that it went on from with labels of its own: the last that says what it was taught.
FORMER = "G before its own labels"

_PLACE = "place"  # among the traits of the first look
_BATCH_PIXELS = 16 * 256 * 256
_LEAST = 0.05  # what a neighbour weighs beside its slice to be worth averaging with
_PERHAPS = 0.1  # chance of foreground from which a slice is looked at in all views: 0.35 cost agreement 0.02 of its r

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class Seen:
    """What labels have shown of foreground: whether it comes in ``one_piece``, and the ``field`` of the grid it lies in.

    ``patients``: how many have a label; 0 where that is not known.
    """

    one_piece: bool = False
    field: Box | None = None
    patients: int = 0

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Seen:
        """As a model's info holds it."""
        field = info.get("field")
        return cls(bool(info.get("one_piece")), Box(*field) if field else None, int(info.get("patients", 0)))


def as_trained(training: TrainingConfig, precision: str | None) -> TrainingConfig:
    """``training`` with "auto" settled as it was when the model was trained: it predicts the same wherever it is loaded.

    ``precision``: what its info holds; None: an older model's.
    """
    settled = precision is not None and training.precision == "auto"
    return training.model_copy(update={"precision": precision}) if settled else training


class Predictor:
    """G and D, ready to predict slices such as those ``seen`` in the labels."""

    def __init__(
        self, states: States, shape: Shape, network: NetworkConfig, training: TrainingConfig, seen: Seen | None = None
    ) -> None:
        self._seen = seen or Seen()
        self._fabric: Fabric = make_fabric(training.precision)
        self._views, self._across = training.views, training.across
        self._own = shape.channels // (2 * network.context + 1)  # channels of a slice without its context
        # A network that saw nothing but whole slices has learnt where in the frame things are.
        self._fixed = crop_size(shape, network, training) == shape.size
        self._generator = self._ready(make_generator(shape, network), states["G"])
        self._former = self._ready(make_generator(shape, network), states[FORMER]) if FORMER in states else None
        self._discriminator = self._ready(make_discriminator(shape, network), states["D"]) if "D" in states else None
        self._stride = 1 if self._fixed else self._generator.stride
        self._least = patch_pixels(shape)
        self._novelty = Novelty.from_state(states[NOVELTY]) if NOVELTY in states else None

    @property
    def generator(self) -> Generator:
        """G, in the mode for prediction."""
        return self._generator

    def __call__(self, images: NDArray[np.float32], extent: tuple[int, int], apart: float = math.inf) -> Outcome:
        """Predict all slices of one case, ``images`` (D, C, H, W) in their context, which cover ``extent`` rows and columns.

        ``apart``: from a slice to the next, in pixels of the case's files.
        """
        size = (images.shape[2], images.shape[3])
        seen, box = self._covered(images, extent)
        with torch.inference_mode(), self._fabric.autocast():
            first, field, features = self._first_view(seen, box)
            place = features.pop(_PLACE)
            agreement, information = torch.ones(len(seen)), torch.zeros_like(first[:, 0])
            near = self._near(self._whole(first))
            if self._views > 1 and near:
                agreement = self._add_views(seen, first, information, near)
            probs = self._whole(mix_neighbours(first, self._weight_beside(apart)))
            borne_out = self._borne_out(self._former, near.cut(seen), near.cut(probs)) if self._former and near else None
            judged = near or Box(0, 0, *seen.shape[2:])
            critic = self._discriminator
            patches = self._patches(critic, judged.cut(seen), judged.cut(probs)) if critic else None
        return Outcome(
            put_back(probs, box, size),
            agreement.numpy(),
            framed(information.numpy(), box, size),
            None if patches is None else patches.numpy(),
            field.around(near).moved(box.top, box.left),
            judged.moved(box.top, box.left),
            self._novelty.of(features | _image_traits(images[:, : self._own], extent)).numpy() if self._novelty else None,
            place.numpy(),
            self._seen.patients,
            None if borne_out is None else borne_out.numpy(),
        )

    def traits(self, images: NDArray[np.float32], extent: tuple[int, int]) -> dict[str, Tensor]:
        """Groups of traits, each (D, T), of slices as they are given to be predicted, without predicting them."""
        seen, box = self._covered(images, extent)
        with torch.inference_mode(), self._fabric.autocast():
            part = self._field(seen, box).cut(seen)
            features = [feature_traits(self._generator.encode(one)) for one in self._parts(part)]
        return _joined(features) | _image_traits(images[:, : self._own], extent)

    def _weight_beside(self, apart: float) -> float:
        """What a slice's neighbour weighs where the slice itself weighs 1."""
        weight = math.exp(-0.5 * (apart / self._across) ** 2) if self._across else 0.0
        return weight if weight >= _LEAST else 0.0

    def _covered(self, images: NDArray[np.float32], extent: tuple[int, int]) -> tuple[Tensor, Box]:
        """What the network sees of ``images`` that cover ``extent`` of the grid, and where on the grid it lies."""
        size = (images.shape[2], images.shape[3])
        box = Box(0, 0, *size) if self._fixed else centred_box(size, extent, self._stride, self._least)
        return torch.from_numpy(np.ascontiguousarray(box.cut(images))), box

    def _field(self, images: Tensor, box: Box) -> Box:
        """Where in ``images``, which are ``box`` of the grid, labels have shown foreground."""
        if self._seen.field and not self._fixed:
            return field_within(self._seen.field, box, self._stride)
        return Box(0, 0, images.shape[2], images.shape[3])

    def _whole(self, probs: Tensor) -> Tensor:
        return torch.from_numpy(keep_largest(probs.numpy())) if self._seen.one_piece else probs

    def _first_view(self, images: Tensor, box: Box) -> tuple[Tensor, Box, dict[str, Tensor]]:
        """Of ``images``, ``box`` of the grid, as they are: probabilities, where was looked at, and traits of features.

        Stray pieces are in them still, as in the other views, so that views differ in nothing but what they see.
        """
        size = (images.shape[2], images.shape[3])
        whole, field = Box(0, 0, *size), self._field(images, box)
        probs, features = self._first_look(field.cut(images))
        if field != whole and reaches_out(1 - self._whole(probs)[:, 0], field, size):
            return self._probs(images, VIEWS[0]), whole, features
        return torch.from_numpy(put_back(probs, field, size)), field, features

    def _first_look(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Probabilities of ``images`` as they are, and the features' traits and place."""
        probs, features = [], []
        for part in self._parts(images):
            levels = self._generator.encode(part)
            traits = feature_traits(levels) if self._novelty else {}
            features.append({**traits, _PLACE: _placed(levels[-1])})
            probs.append(self._generator.decode(levels).float().softmax(1).cpu())
        return torch.cat(probs), _joined(features)

    def _ready(self, module: _Network, state: dict[str, Tensor]) -> _Network:
        module.load_state_dict(state)
        self._fabric.to_device(in_memory_order(module.eval(), torch.channels_last))  # both in place
        return module

    def _near(self, probs: Tensor) -> Box | None:
        """Where the views after the first, and D, look: a box around the foreground in sight."""
        box = foreground_box(1 - probs[:, 0], self._stride)
        return Box(0, 0, *probs.shape[2:]) if box and self._fixed else box

    def _add_views(self, seen: Tensor, probs: Tensor, information: Tensor, box: Box) -> Tensor:
        """Average the other views of ``box`` into ``probs`` and note their ``information``, in place; their agreement.

        Slices on which the first view sees nothing that could be foreground are looked at once. The others are looked at
        some at a time: all views of a long case with many classes would not fit in memory.
        """
        agreement = torch.ones(len(seen))
        seen, probs, information = (box.cut(whole) for whole in (seen, probs, information))
        shown = torch.nonzero((1 - probs[:, 0]).amax((1, 2)) > _PERHAPS)[:, 0]
        for some in torch.split(shown, _at_once(seen)):
            views = [probs[some], *(self._probs(seen[some], view) for view in VIEWS[1 : self._views])]
            mean = torch.stack(views).mean(0)
            probs[some] = mean
            entropies = torch.stack([_entropy(view) for view in views]).mean(0)
            information[some] = (_entropy(mean) - entropies).clamp(min=0)
            labels = classes_of(mean)
            agreement[some] = torch.stack([_foreground_dice(classes_of(view), labels) for view in views]).mean(0)
        return agreement

    def _borne_out(self, former: Generator, images: Tensor, probs: Tensor) -> Tensor:
        """How far the G that had not yet learnt from its own labels bears out ``probs`` of ``images``: (D,).

        What G taught itself it no longer doubts, errors as well; the one before does.
        """
        return expected_overlap(classes_of(probs), self._whole(self._probs(images, VIEWS[0], former)))

    def _probs(self, images: Tensor, view: View, generator: Generator | None = None) -> Tensor:
        network = generator or self._generator
        logits = (network(view.of(part)).float() for part in self._parts(images))
        return torch.cat([view.back(part.softmax(1)).cpu() for part in logits])

    def _patches(self, discriminator: PatchGAN, images: Tensor, probs: Tensor) -> Tensor:
        parts = zip(self._parts(images), self._parts(probs))
        return torch.cat([discriminator(image, part).float()[:, 0].cpu() for image, part in parts])

    def _parts(self, images: Tensor) -> Iterator[Tensor]:
        """Pieces of a size that fits the caches, on the device, channels last."""
        for some in torch.split(images, _at_once(images)):
            part = some.contiguous(memory_format=torch.channels_last)
            yield self._fabric.to_device(part)


def mix_neighbours(probs: Tensor, weight: float) -> Tensor:
    """``probs`` (D, ...), each averaged, in place, with the one before and the one after that weigh ``weight`` each.

    Beyond an end lies the end's own.
    """
    if not weight:
        return probs
    before = probs[0].clone()
    for at, here in enumerate(probs):
        after, own = probs[min(at + 1, len(probs) - 1)], here.clone()
        here.add_(before + after, alpha=weight).div_(1 + 2 * weight)
        before = own
    return probs


def _at_once(images: Tensor) -> int:
    """How many of ``images`` (N, C, H, W) make a piece that fits the caches."""
    return max(1, _BATCH_PIXELS // (images.shape[2] * images.shape[3]))


def _placed(features: Tensor) -> Tensor:
    """(N, DIRECTIONS) of the coarsest features (N, T, h, w): their mean, projected at random, which keeps distances.

    Johnson and Lindenstrauss 1984; the projection is the same for every model of T features.
    """
    random = torch.randn(features.shape[1], DIRECTIONS, generator=torch.Generator().manual_seed(0))
    return (features.float().mean((2, 3)).cpu() @ random / math.sqrt(DIRECTIONS)).float()


def _image_traits(images: NDArray[np.float32], extent: tuple[int, int]) -> dict[str, Tensor]:
    """Traits of what ``images`` (D, C, H, W) show on the ``extent`` of the grid that they cover, some slices at a time."""
    shown = torch.from_numpy(centred_box((images.shape[2], images.shape[3]), extent, 1).cut(images))
    return _joined([image_traits(some) for some in torch.split(shown, _at_once(shown))])


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The traits of slices in ``parts`` as those of all, on the CPU."""
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]} if parts else {}


def _entropy(probs: Tensor) -> Tensor:
    """(D, H, W) of probabilities (D, K, H, W), in units of log K."""
    entropy: Tensor = torch.special.entr(probs).sum(1)
    return entropy / math.log(probs.shape[1])


def _foreground_dice(labels: Tensor, others: Tensor) -> Tensor:
    """Dice (D,) of foreground pixels with the same class; 1 where both have none."""
    same = ((labels == others) & (labels > 0)).sum((1, 2))
    total = (labels > 0).sum((1, 2)) + (others > 0).sum((1, 2))
    return torch.where(total > 0, 2 * same / total.clamp(min=1), 1.0)
