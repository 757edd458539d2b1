"""What the rooms hand each other: plain frozen records, no behaviour but what follows from their own fields.

What is measured in a cycle has a file of its own, ``cycle_record``. A slice is known by its id
``case/axis/index`` everywhere, never by a position in a list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Split = Literal["learn", "test", "validation"]
Affine = tuple[tuple[float, float, float, float], ...]

#: State of a slice (DESIGN): pool -> queried -> leased -> answered -> (in_review ->) accepted; or skipped, unreadable.
State = Literal["pool", "queried", "leased", "answered", "in_review", "accepted", "skipped", "unreadable"]

#: States in which a slice is out for an answer, and in which its answer waits to be seen by a second person.
OPEN: tuple[State, ...] = ("queried", "leased")
UNSEEN: tuple[State, ...] = ("answered", "in_review")

#: States of slices that a person has put aside: what had been drawn on them is kept, and neither learnt from nor exported.
SET_ASIDE: frozenset[State] = frozenset({"skipped", "unreadable"})

#: Working-grid and label-file value of a pixel that nobody labelled; excluded from every loss and metric.
IGNORE = 255


@dataclass(frozen=True)
class Source:
    """A file of the user's, known by its bytes: path, sha256 (hex), size in bytes."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Case:
    """One volume. ``shape`` in voxels, file order; ``spacing_mm[k]`` belongs to axis k; ``affine``: voxel -> RAS+ mm.

    ``label`` is the label file (None: nobody labelled it). ``labelled`` are the indices along the study's axis that
    the label file labels at least in part (all of them unless the data set has an ``ignore`` label).
    """

    id: str
    patient: str
    split: Split
    images: tuple[Source, ...]
    label: Source | None
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: Affine
    labelled: tuple[int, ...] = ()


@dataclass(frozen=True)
class Slice:
    """The unit that is labelled and budgeted. ``patient`` and ``split`` are its case's."""

    case: str
    axis: int
    index: int
    patient: str
    split: Split

    @property
    def id(self) -> str:
        """The stable id ``case/axis/index``."""
        return slice_id(self.case, self.axis, self.index)


def slice_id(case: str, axis: int, index: int) -> str:
    """The stable id ``case/axis/index``."""
    return f"{case}/{axis}/{index}"


def parse_slice_id(text: str) -> tuple[str, int, int]:
    """Case, axis and index of a slice id.

    Raises:
        ValueError: not of the form ``case/axis/index``.
    """
    case, axis, index = text.rsplit("/", 2)
    return case, int(axis), int(index)


@dataclass(frozen=True)
class Asked:
    """One slice of a query: why it was asked, what the model thought of it, and its place in the order (high first).

    ``role`` is ``train``, or ``validation`` for slices drawn at random that are answered without a proposal and never
    trained on. ``score`` is the estimate of its Dice when it was asked (None: the base, no model yet).
    """

    slice_id: str
    priority: float
    reason: str
    score: float | None = None
    role: Literal["train", "validation"] = "train"


@dataclass(frozen=True)
class Query:
    """The slices asked for in one cycle; cycle 0 is the base. ``model`` is the id of the model that ranked them."""

    cycle: int
    acquisition: str
    asked: tuple[Asked, ...]
    model: str | None = None

    @property
    def slice_ids(self) -> tuple[str, ...]:
        """Ids, highest priority first."""
        return tuple(asked.slice_id for asked in self.asked)


@dataclass(frozen=True)
class Effort:
    """Expert effort on one slice: voxels that differed from the proposal, and foreground voxels of the answer."""

    changed_voxels: int
    area_voxels: int


@dataclass(frozen=True)
class Annotation:
    """An expert's label of one slice: a version, never overwritten. ``path`` is relative to the study's folder.

    ``author``: ``dataset`` (came with the data), ``simulated``, or a person. ``proposal``: id of the model whose
    prediction was shown, None if none was. The label file holds uint8 class ids in the file's in-plane shape.
    """

    slice_id: str
    version: int
    author: str
    path: str
    sha256: str
    created_at: str
    effort: Effort | None = None
    proposal: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What a model said of one slice: an artefact of (slice, model).

    ``score``: estimate in [0, 1] of the slice's Dice; ``d_raw``: what a binary D says (logit mean), None without D;
    ``measures``: further figures by name (entropy, agreement, foreground share, ...). ``triage``: ``pseudo`` with
    ``weight`` > 0, ``hold``, or None before triage.
    """

    slice_id: str
    model: str
    score: float
    d_raw: float | None = None
    measures: dict[str, float] = field(default_factory=dict)
    triage: Literal["pseudo", "hold"] | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class LabelEntry:
    """What stood for a slice in one training: annotation ``version``, or ``model``'s pseudo-label, with ``weight``."""

    slice_id: str
    kind: Literal["annotation", "pseudo"]
    weight: float
    version: int | None = None
    model: str | None = None


@dataclass(frozen=True)
class LabelSet:
    """All that one training learnt from. ``id`` is the sha256 (first 16 hex) of its entries."""

    id: str
    entries: tuple[LabelEntry, ...]


@dataclass(frozen=True)
class Model:
    """A trained G and D: ``models/ID`` in the study. ``weights_sha256`` is over G's and D's tensors."""

    id: str
    cycle: int
    label_set: str
    weights_sha256: str
    created_at: str
    parent: str | None = None
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cycle:
    """One finished turn of the loop: number, model, and everything measured (becomes one JSON line)."""

    number: int
    model: str
    record: dict[str, Any]
