"""Settings of the rivals are refused where they are out of their range."""

from __future__ import annotations

from collections.abc import Sequence

from askance.errors import ConfigError

#: Name of a setting, its least and its greatest value.
Range = tuple[str, float, float]


def require_ranges(settings: object, whose: str, ranges: Sequence[Range]) -> None:
    """Nothing, if every named field of ``settings`` is in its range.

    Raises:
        ConfigError: one is not (NaN never is).
    """
    for name, low, high in ranges:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"{whose}'s {name} is {value}; wanted {low:g} to {high:g}; change it")
