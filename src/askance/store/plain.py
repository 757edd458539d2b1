"""What JSON can hold: figures of every kind made plain, so that what is stored is what comes back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from askance.errors import StudyError


def plain(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """``values`` as JSON gives it back: lists for tuples and arrays, Python's numbers for NumPy's, null for NaN.

    Raises:
        StudyError: something that JSON cannot hold (an infinity, an object); ``what`` names the whole in the message.
    """
    try:
        result: dict[str, Any] = json.loads(json.dumps(_plain(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StudyError(f"{what} holds what JSON cannot ({error}); give numbers, texts, lists and dicts") from None
    return result


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
