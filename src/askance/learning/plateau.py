"""When a loss has stopped falling: the curve of its means over stretches of steps, and what is read off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plateau:
    """A training is flat where its last ``patience`` stretches of ``stretch`` steps brought no mean loss below the best.

    Below means by more than ``fall`` of it. ``earliest`` steps are made whatever the curve says: a network that has not
    found the foreground yet is on a plateau too. Once flat, ``cooldown`` more steps are made, in which the rate falls to
    zero: at a high rate a loss is flat because the weights jump to and fro.
    """

    stretch: int
    earliest: int = 0
    patience: int = 2
    fall: float = 0.01
    cooldown: int = 0

    def reached(self, means: Sequence[float]) -> bool:
        """Whether ``means``, one a whole stretch, end on a plateau."""
        if len(means) <= self.patience or len(means) * self.stretch < self.earliest:
            return False
        before, after = means[: -self.patience], means[-self.patience :]
        return min(after) > (1 - self.fall) * min(before)


@dataclass
class Curve:
    """The mean loss of each whole stretch so far, and the sum over the stretch under way."""

    means: list[float] = field(default_factory=list)
    total: float = 0.0

    def add(self, loss: float, step: int, stretch: int) -> None:
        """Take in the loss of ``step``, the first being 1."""
        self.total += loss
        if step % stretch == 0:
            self.means.append(self.total / stretch)
            self.total = 0.0
