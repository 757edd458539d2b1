"""Many atlases' labels made one: by majority, or by STAPLE, which also learns whom to trust.

Labels of one shape, IGNORE where an atlas says nothing: beyond its volume, or where nobody labelled. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from askance.errors import UsageError
from askance.records import IGNORE

Labels = NDArray[np.uint8]
Probs = NDArray[np.float32]

_ROUNDS = 30  # of STAPLE's expectation and maximisation, if it has not settled before
_SETTLED = 1e-4
_TRUST = 0.99  # that STAPLE starts from
_DISPUTED = 1.0  # a voxel is disputed unless all agree


def majority(votes: Sequence[Labels], classes: int) -> Probs:
    """The share of the votes for each class, (classes, X, Y, Z); all background where nobody votes."""
    counts = np.zeros((classes, *votes[0].shape), np.float32)
    for labels in votes:
        for label in range(classes):
            counts[label] += labels == label
    total = counts.sum(axis=0)
    counts[0][total == 0] = 1
    result: Probs = counts / np.maximum(total, 1)
    return result


def staple(votes: Sequence[Labels], classes: int) -> Probs:
    """Probabilities of the hidden truth, (classes, X, Y, Z), by expectation-maximisation (Warfield 2004, several labels).

    Each atlas has a confusion matrix. Only voxels on which the voters differ take part, which keeps the large background
    from deciding; elsewhere their common label is the truth. The prior of a voxel is the majority's share there, not one
    number for the volume as in the publication: an organ's place is known here.
    """
    shares = majority(votes, classes)
    disputed = shares.max(axis=0) < _DISPUTED
    if not disputed.any():
        return shares
    said = np.stack([labels[disputed] for labels in votes])
    prior = shares[:, disputed].astype(np.float64)
    truth, trust = prior, np.zeros((len(votes), classes + 1, classes))
    for _ in range(_ROUNDS):
        trust = np.stack([_confusion(row, truth, classes) for row in said])
        before, truth = truth, _posterior(said, trust, prior, classes)
        if float(np.abs(truth - before).max()) < _SETTLED:
            break
    result: NDArray[np.float32] = shares.copy()
    result[:, disputed] = truth
    return result


#: How labels can be fused, by name.
FUSIONS: dict[str, Callable[[Sequence[Labels], int], Probs]] = {"majority": majority, "staple": staple}


def fuse(votes: Sequence[Labels], classes: int, how: str) -> Probs:
    """Class probabilities (classes, X, Y, Z) from the ``votes`` of one shape each.

    Raises:
        UsageError: no fusion of the name ``how``, or no vote at all.
    """
    if how not in FUSIONS:
        raise UsageError(f"no fusion is named {how!r}; wanted one of {', '.join(FUSIONS)}")
    if not votes:
        raise UsageError("there is no vote to fuse; wanted at least one atlas")
    return FUSIONS[how](votes, classes)


def _confusion(said: Labels, truth: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """P(an atlas says row | truth is column), (classes + 1, classes), a last row of ones standing for silence."""
    counts = np.stack([truth[:, said == label].sum(axis=1) for label in range(classes)])
    counts += (1 - _TRUST) + _TRUST * np.eye(classes)  # one voxel's worth of belief in the atlas, so that no 0 stays one
    return np.concatenate([counts / counts.sum(axis=0), np.ones((1, classes))])


def _posterior(
    said: NDArray[np.uint8], trust: NDArray[np.float64], prior: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    row = np.where(said == IGNORE, classes, said)
    logs = np.log(np.maximum(prior, 1e-6))
    for number in range(len(said)):
        logs += np.log(trust[number])[row[number]].T
    likelihood = np.exp(logs - logs.max(axis=0))
    result: NDArray[np.float64] = likelihood / likelihood.sum(axis=0)
    return result
