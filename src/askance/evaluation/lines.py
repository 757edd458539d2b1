"""A trial's line, with the keys that every benchmark's lines have."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from askance.active.environment import describe_environment
from askance.evaluation.material import Material
from askance.evaluation.plan import Trial


def line_of(material: Material, trial: Trial, done: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the results: who, where, with how many labels, and ``done``, everything measured.

    ``share``: the paper's k, asked for after the base; ``queried_share``: what was asked; ``budget``: with the base.
    """
    about, correlation = describe_environment(), done["correlation"]
    score, raw = ((correlation[name] or {}).get("slice") or {} for name in ("score", "d_raw"))
    return {
        "bench": "paper",
        "trial": trial.name,
        "settings": material.digest(trial.method),
        "data": material.data_digest,
        "dataset": material.dataset,
        "method": trial.method,
        "acquisition": trial.acquisition,
        "seed": trial.seed,
        "fold": trial.fold,
        "folds": len(material.folds),
        "base": trial.base,
        "base_patient": None if trial.base is None else material.base_patient(trial),
        "share": trial.share,
        "cycles": trial.cycles,
        "pseudo": trial.pseudo,
        "state": "full" if trial.base is None else "1patient" if trial.is_base else None,
        "default": False,
        "score_r": score.get("pearson"),
        "score_spearman": score.get("spearman"),
        "d_raw_r": raw.get("pearson"),
        "commit": about["commit"],
        "threads": about["environment"]["threads"],
        "torch": about["environment"]["torch"],
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **done,
    }
