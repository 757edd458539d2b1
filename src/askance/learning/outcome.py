"""What G and D say of the slices of a case: each class's chance, the likeliest, what else a pixel may be, D's word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from askance.learning.batches import DOUBT
from askance.learning.fields import Box

#: Numbers that say where G's features put a slice.
DIRECTIONS = 16


@dataclass(frozen=True)
class Outcome:
    """What G and D say of the slices of one case, on the working grid.

    ``probs`` (D, K, H, W) float32: mean over the views and close slices, summing to 1 over K; ``agreement`` (D,): mean
    Dice of each view's foreground with the mean's, 1 with one view; ``information`` (D, H, W): what the views' answers
    say of which view was asked, the mean's entropy less the mean entropy, in units of log K (BALD, Houlsby 2011), 0 with
    one view; ``patch_logits`` (D, h, w): D's of a box around the foreground in sight, of all of the slices where none
    is; None without D; ``judged`` is that box of the grid. ``looked_at``: the part of the grid that was predicted,
    beyond which all is background for sure; None: all.
    ``novelty`` (D,): how unlike the slices of learn they are, beyond 1 unlike any; None where the model cannot tell.
    ``place`` (D, DIRECTIONS): the mean over each slice of G's coarsest features, projected to few numbers.
    ``borne_out`` (D,): the overlap with the truth that can be expected by what G said before it learnt from its own
    labels; None where it never has, or where no foreground is in sight.
    ``patients``: of how many G has learnt an expert's labels; 0 where that is not known.
    """

    probs: NDArray[np.float32]
    agreement: NDArray[np.float32]
    information: NDArray[np.float32]
    patch_logits: NDArray[np.float32] | None
    looked_at: Box | None = None
    judged: Box | None = None
    novelty: NDArray[np.float32] | None = None
    place: NDArray[np.float32] | None = None
    patients: int = 0
    borne_out: NDArray[np.float32] | None = None

    def cut(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of ``array`` (..., H, W) that was predicted, as a view."""
        return self.looked_at.cut(array) if self.looked_at else array

    def labels(self) -> NDArray[np.uint8]:
        """(D, H, W) the likeliest class."""
        labels = np.zeros((len(self.probs), *self.probs.shape[2:]), np.uint8)
        (self.looked_at.cut(labels) if self.looked_at else labels)[...] = likeliest(self.cut(self.probs))
        return labels

    def doubts(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(D, H, W) each: the second likeliest class, and its chance against the likeliest's in units of 1 / DOUBT."""
        seconds, doubts = (np.zeros((len(self.probs), *self.probs.shape[2:]), np.uint8) for _ in range(2))
        for at, probs in enumerate(self.cut(self.probs)):
            part = [self.looked_at.cut(whole[at]) if self.looked_at else whole[at] for whole in (seconds, doubts)]
            part[0][...], part[1][...] = _second(probs)
        return seconds, doubts


def likeliest(probs: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(D, H, W) the likeliest class of (D, K, H, W) probabilities."""
    return classes_of(torch.from_numpy(probs)).to(torch.uint8).numpy()


def classes_of(probs: Tensor) -> Tensor:
    """(D, H, W) the likeliest class; on CPUs ``argmax`` over the first of three dimensions takes 20 times as long."""
    return probs.max(1).indices


def expected_overlap(labels: Tensor, probs: Tensor) -> Tensor:
    """(D,) in [0, 1]: the overlap with the truth that ``labels`` (D, H, W) can expect by ``probs`` (D, K, H, W).

    1 less the pixels expected to be wrong, as a share of those where foreground is predicted, or expected beside it; of at
    least one, so that a slice surely without foreground scores 1. It is ours: a soft Jaccard index of all classes at once,
    which says more of a slice's Dice than the soft Dice does (log.md).
    """
    wrong = 1 - probs.gather(1, labels[:, None].long())[:, 0]
    either = torch.where(labels > 0, 1.0, wrong)
    return 1 - wrong.sum((1, 2)) / either.sum((1, 2)).clamp(min=1)


def _second(probs: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(H, W) of (K, H, W) probabilities: the second likeliest class, and its chance against the likeliest's."""
    chances = torch.from_numpy(probs.copy())
    first, place = chances.max(0)
    chances.scatter_(0, place[None], -1.0)
    second, other = chances.max(0)
    doubt = (DOUBT * second / (first + second)).round()
    return other.to(torch.uint8).numpy(), doubt.to(torch.uint8).numpy()
