"""The seam behind which everything that segments can be compared: learn from cases, label a case."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from askance.errors import UsageError
from askance.records import Case, Prediction

#: Labels of a case in the file's shape, IGNORE (255) where nobody labelled.
Truth = Callable[[Case], NDArray[np.uint8]]
#: Told what is done now, how much of it and of how much.
Report = Callable[[str, int, int], None]


class Method(Protocol):
    """One way to segment. Made with ``classes`` and ``channels`` (numbers) and settings of its own."""

    def fit(self, cases: Sequence[Case], truth: Truth, folder: Path, seed: int, report: Report | None = None) -> None:
        """Learn from cases; truth(case) are labels in the file's shape, IGNORE (255) where nobody labelled.

        Goes on where a killed fit stopped; whatever predict needs is in folder.
        """
        ...

    def predict(self, case: Case, folder: Path) -> NDArray[np.uint8]:
        """Class ids in the file's shape."""
        ...


@runtime_checkable
class Judging(Protocol):
    """A method that also says what it thinks of its labels, slice by slice."""

    def judged(self, case: Case, folder: Path) -> tuple[NDArray[np.uint8], list[Prediction]]:
        """Class ids in the file's shape, and a prediction with score and ``d_raw`` for each slice along the file's axis."""
        ...


@runtime_checkable
class Failing(Protocol):
    """A method that can fail on a case and labels it as well as it can all the same."""

    def failures(self, folder: Path) -> list[dict[str, Any]]:
        """Each case predicted from ``folder`` on which it failed: ``case``, and figures that say why."""
        ...


@dataclass(frozen=True)
class Registered:
    """Where a method lives: its module, its class and the dataclass of its settings, loaded when it is wanted."""

    module: str
    method: str
    settings: str

    def make(self, classes: int, channels: int, fields: Mapping[str, Any]) -> Method:
        """The method, with ``fields`` over its settings' defaults.

        Raises:
            UsageError: the module or what it needs is not installed, or a setting that it does not have or take.
        """
        return cast(Method, self._named(self.method)(classes, channels, self.settings_with(fields)))

    def settings_with(self, fields: Mapping[str, Any]) -> Any:
        """An instance of its settings' dataclass, ``fields`` over the defaults.

        Raises:
            UsageError: as ``make``.
        """
        return _settings(self._named(self.settings), fields)

    def _named(self, name: str) -> Any:
        try:
            return getattr(importlib.import_module(self.module), name)
        except (ImportError, AttributeError) as error:
            raise UsageError(f"the method of {self.module} is not installed here ({error}); leave it out") from None


def _settings(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    """An instance of the dataclass ``kind``; tables stand for settings within settings.

    Raises:
        UsageError: a setting that it does not have or take.
    """
    _require_known(kind, fields)
    try:
        return TypeAdapter(kind).validate_python(dict(fields))
    except (TypeError, ValueError) as error:  # pydantic's error is a ValueError
        problems = error.errors() if isinstance(error, ValidationError) else [{"loc": (), "msg": str(error)}]
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ") for one in problems)
        raise UsageError(f"{kind.__name__} cannot take {dict(fields)}: {said}") from None


def _require_known(kind: type[Any], fields: Mapping[str, Any]) -> None:
    """Nothing, if ``kind`` and the settings within it have all of ``fields``.

    Raises:
        UsageError: one that they have not.
    """
    bare, known = kind(), [field.name for field in dataclasses.fields(kind)]
    if unknown := sorted(set(fields) - set(known)):
        raise UsageError(f"{kind.__name__} has no setting {unknown[0]!r}; wanted one of {', '.join(known)}")
    for name, value in fields.items():
        within = getattr(bare, name)
        if dataclasses.is_dataclass(within) and isinstance(value, Mapping):
            _require_known(type(within), value)
