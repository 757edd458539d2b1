"""study.toml in a study that holds something already: which settings may change and which may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from askance import config
from askance.config import StudyConfig
from askance.errors import StudyError
from askance.records import Model
from askance.store import atomic

NAME = "study.toml"
#: What a trained model's weights and its stored predictions hang on.
_OF_A_MODEL = (
    *("grid.size", "grid.spacing_mm"),
    *("network.generator", "network.width", "network.stem", "network.discriminator_width", "network.context"),
)


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


def check_model(folder: Path, settings: StudyConfig, newest: Model | None) -> None:
    """Let settings pass that the ``newest`` model fits: names may change, numbers of channels and classes may not.

    Raises:
        StudyError: another grid, network, number of channels or of classes than the model was trained with.
    """
    before: dict[str, Any] = newest.info.get("config", {}) if newest else {}
    now = settings.model_dump(mode="json")
    for key in ("channels", "classes", *_OF_A_MODEL):
        was, said = _value(before, key), _value(now, key)
        same = len(was) == len(said) if was and key in ("channels", "classes") else was == said
        if newest and was is not None and not same:
            raise StudyError(
                f"{folder}: {NAME} says {key} = {said}, but {newest.id} was trained with {was}; put it back, or make a new "
                f"study"
            )


def _value(settings: dict[str, Any], key: str) -> Any:
    """What stands at ``key``, as grid.size; None where nothing does."""
    found: Any = settings
    for part in key.split("."):
        found = found.get(part, {})
    return None if found == {} else found
