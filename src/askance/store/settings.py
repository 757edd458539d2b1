"""study.toml in a study that holds something already: which settings may change and which may not."""

from __future__ import annotations

from pathlib import Path

from askance import config
from askance.config import StudyConfig
from askance.errors import StudyError
from askance.store import atomic

NAME = "study.toml"


def load(folder: Path) -> StudyConfig:
    """The settings of the study in ``folder``.

    Raises:
        StudyError: the file cannot be read.
        ConfigError: it holds something it must not.
    """
    try:
        return config.load(folder / NAME)
    except OSError as error:
        raise StudyError(f"{folder / NAME}: cannot be read ({error.strerror}); change its permissions") from None


def save(folder: Path, settings: StudyConfig, before: StudyConfig) -> None:
    """Write study.toml anew.

    Raises:
        StudyError: another axis or another number of classes than ``before``.
    """
    check_axis(folder, settings, before.grid.axis)
    if len(settings.classes) != len(before.classes):
        raise StudyError(
            f"{folder}: {len(settings.classes)} classes, wanted {len(before.classes)} as in the labels stored; "
            f"make a new study"
        )
    atomic.write(folder / NAME, config.dump(settings).encode())


def check_axis(folder: Path, settings: StudyConfig, stored: int | None) -> None:
    """Let settings pass whose axis is the ``stored`` slices' (None: there are none yet).

    Raises:
        StudyError: another axis.
    """
    if stored is not None and settings.grid.axis != stored:
        raise StudyError(
            f"{folder}: {NAME} says grid.axis = {settings.grid.axis}, but its slices lie along axis {stored}; "
            f"put it back, or make a new study"
        )
