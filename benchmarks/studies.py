"""Studies of a recipe, in its folder of work; and the keys that the lines of every recipe have."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from askance.report.benchmarks import read_jsonl

_KEYS = (
    *("bench", "dataset", "method", "acquisition", "seed", "fold", "budget", "labelled_slices", "pool_slices", "dice"),
    *("dice_per_class", "score_r", "seconds", "peak_mb", "commit", "state"),
)


def blank_line(bench: str, dataset: str) -> dict[str, Any]:
    """A line in which everything else has no meaning, until it is given."""
    return {**dict.fromkeys(_KEYS), "bench": bench, "dataset": dataset, "default": False}


def known_lines(path: Path) -> list[dict[str, Any]]:
    """The lines that a recipe has written to ``path``; none where it has written nothing yet."""
    return read_jsonl(path) if path.exists() else []


def copied(study: Path, folder: Path, change: Callable[[Path], None] | None = None) -> Path:
    """``folder``, a copy of the closed ``study``, changed: there whole or not at all, and not made twice."""
    if not folder.exists():
        draft = folder.with_name(folder.name + ".copy")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(study, draft)
        if change:
            change(draft)
        draft.rename(folder)
    return folder


def digest_of(*settings: object) -> str:
    """Eight hex digits of settings: a folder or line of others is of another run."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
