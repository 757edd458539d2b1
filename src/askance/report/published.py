"""Figures of publications that our own are printed beside. Typed from the papers, and nowhere else."""

from __future__ import annotations

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

#: Ravanbakhsh et al., Table 1: Dice by share of labels (the proposed method), HVSMR 2016, ten folds.
PROPOSED: dict[str, dict[float, float]] = {
    "myocardium": dict(zip(_SHARES, (0.41, 0.45, 0.53, 0.57, 0.62, 0.67, 0.71, 0.75, 0.73))),
    "blood pool": dict(zip(_SHARES, (0.86, 0.88, 0.89, 0.90, 0.91, 0.92, 0.92, 0.94, 0.95))),
    "average": dict(zip(_SHARES, (0.64, 0.66, 0.71, 0.74, 0.77, 0.80, 0.82, 0.85, 0.84))),
}

#: The same table's fully supervised methods, by the name that ours have.
SUPERVISED: dict[str, dict[str, float]] = {
    "isola": {"myocardium": 0.73, "blood pool": 0.94, "average": 0.84},
    "densevoxnet": {"myocardium": 0.82, "blood pool": 0.93, "average": 0.88},
    "atlas": {"myocardium": 0.75, "blood pool": 0.89, "average": 0.82},
}

#: Who they are.
AUTHORS = {"isola": "Isola 2017", "densevoxnet": "Yu 2017", "atlas": "Shahzad 2016"}

#: Sec. 4: "strong and significant correlation between Dice score and discriminator score (r = 0.98, p-value < 0.001)".
CORRELATION = 0.98
