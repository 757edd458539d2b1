"""The tissues of the phantom's chest and how they relax. Knows nothing of where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Tissue(IntEnum):
    """What a voxel of a tissue map holds."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    LUNG = 5
    VESSEL = 6
    LIVER = 7
    SPLEEN = 8
    FLUID = 9
    GLAND = 10
    MYOCARDIUM = 11
    BLOOD = 12


@dataclass(frozen=True)
class Relaxation:
    """T1 and T2 in ms, and proton density relative to water."""

    t1_ms: float
    t2_ms: float
    density: float


#: At 1.5 T, rounded: Stanisz 2005 (muscle, blood, liver), de Bazelaire 2004 (spleen, marrow, fat), Bojorquez 2017
#: (ranges); lung and cortical bone by their proton density. VESSEL is blood that no label names (lung, liver, azygos).
RELAXATION: dict[Tissue, Relaxation] = {
    Tissue.AIR: Relaxation(1000, 10, 0.0),
    Tissue.FAT: Relaxation(300, 80, 0.9),
    Tissue.MUSCLE: Relaxation(1000, 42, 0.95),
    Tissue.BONE: Relaxation(1000, 10, 0.25),
    Tissue.MARROW: Relaxation(550, 50, 0.75),
    Tissue.LUNG: Relaxation(1200, 40, 0.18),
    Tissue.VESSEL: Relaxation(1450, 220, 0.9),
    Tissue.LIVER: Relaxation(600, 45, 0.8),
    Tissue.SPLEEN: Relaxation(1060, 75, 0.9),
    Tissue.FLUID: Relaxation(3500, 1200, 1.0),
    Tissue.GLAND: Relaxation(900, 60, 0.9),
    Tissue.MYOCARDIUM: Relaxation(1000, 48, 0.95),
    Tissue.BLOOD: Relaxation(1450, 220, 0.95),
}
