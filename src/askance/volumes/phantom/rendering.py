"""A tissue map turned into what a balanced SSFP sequence would show of it. Knows nothing of anatomy.

The steps, in order: steady-state signal of every tissue, mottle, flow in the blood, the coil's sensitivity, partial
volume over thick slices, in-plane blur, Rician noise, the scanner's gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from askance.volumes.phantom.grid import Field, Grid, smooth_noise
from askance.volumes.phantom.tissues import RELAXATION, Relaxation, Tissue

Image = NDArray[np.int16]


#: How a patient was scanned; two sites of one study.
Protocol = Literal["enhanced", "native"]


@dataclass(frozen=True)
class Scan:
    """One patient's sequence and scanner. ``blood_t1_factor`` < 1: contrast agent; ``fat_share``: fat left unsuppressed.

    ``spread`` is the deviation of a tissue's log signal from the textbook's, heart and fat excepted; ``flow``, ``mottle``
    and ``bias`` are deviations of log fields; ``noise`` is relative to the blood's signal; ``blur_mm`` is a deviation.
    """

    tr_ms: float
    flip_deg: float
    blood_t1_factor: float
    blood_t2_factor: float
    fat_share: float
    spread: float
    flow: float
    mottle: float
    bias: float
    noise: float
    blur_mm: float
    gain: float


def draw_scan(protocol: Protocol, rng: np.random.Generator) -> Scan:
    """A scan at random: with contrast agent and dark fat, or native and with fat between muscle and blood.

    The two differ enough that who learns from one alone is misled by the other.
    """

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    enhanced = protocol == "enhanced"
    return Scan(
        tr_ms=between(3.0, 4.5),
        flip_deg=between(50, 75),
        blood_t1_factor=between(0.65, 0.9) if enhanced else 1.0,
        blood_t2_factor=between(0.7, 1.0),
        fat_share=between(0.02, 0.1) if enhanced else between(0.4, 0.5),
        spread=0.12,
        flow=between(0.03, 0.08),
        mottle=between(0.03, 0.05),
        bias=between(0.08, 0.2),
        noise=between(0.015, 0.035),
        blur_mm=between(0.5, 0.9),
        gain=between(300, 900),
    )


def bssfp_signal(tissue: Relaxation, tr_ms: float, flip_deg: float) -> float:
    """Steady-state signal on resonance with TE = TR / 2, relative to water's full magnetisation.

    Source: Freeman and Hill 1971; Scheffler and Lehnhardt 2003, eq. 1.
    """
    e1, e2 = np.exp(-tr_ms / tissue.t1_ms), np.exp(-tr_ms / tissue.t2_ms)
    alpha = np.deg2rad(flip_deg)
    steady = np.sin(alpha) * (1 - e1) / (1 - (e1 - e2) * np.cos(alpha) - e1 * e2)
    return float(tissue.density * np.sqrt(e2) * steady)


def render(
    tissues: NDArray[np.uint8], grid: Grid, scan: Scan, slice_axis: int, thick: int, rng: np.random.Generator
) -> Image:
    """An image of ``tissues``, int16; ``thick`` voxels along ``slice_axis`` become one slice.

    ``tissues`` are uint8 (X, Y, Z) of ``Tissue`` on ``grid``, their extent along ``slice_axis`` a multiple of ``thick``.
    """
    table = tissue_signals(scan, rng)
    signal = table[tissues]
    signal *= np.exp(scan.mottle * smooth_noise(grid, 4.0, rng))
    blood = tissues == Tissue.BLOOD
    signal[blood] *= np.exp(scan.flow * _flow(grid, rng)[blood])
    signal *= np.exp(scan.bias * smooth_noise(grid, 110.0, rng))
    image = thicken(signal, slice_axis, thick)
    blur = [0.0 if axis == slice_axis else scan.blur_mm / step for axis, step in enumerate(grid.spacing_mm)]
    image = ndimage.gaussian_filter(image, blur)
    image = _rician(image, scan.noise * float(table[Tissue.BLOOD]), rng)
    scaled = image * np.float32(scan.gain / float(table[Tissue.BLOOD]))
    levels: Image = np.clip(np.rint(scaled), 0, np.iinfo(np.int16).max).astype(np.int16)
    return levels


def tissue_signals(scan: Scan, rng: np.random.Generator) -> Field:
    """Every tissue's signal in ``scan``, float32 indexed by ``Tissue``."""
    signals = np.zeros(len(Tissue), dtype=np.float32)
    for tissue, relaxation in RELAXATION.items():
        if tissue in (Tissue.BLOOD, Tissue.VESSEL):
            t1, t2 = relaxation.t1_ms * scan.blood_t1_factor, relaxation.t2_ms * scan.blood_t2_factor
            relaxation = Relaxation(t1, t2, relaxation.density)
        signals[tissue] = bssfp_signal(relaxation, scan.tr_ms, scan.flip_deg)
    spread = scan.spread * rng.standard_normal(len(signals))
    spread[[Tissue.MYOCARDIUM, Tissue.BLOOD, Tissue.FAT]] = 0
    signals *= np.exp(spread).astype(np.float32)
    signals[Tissue.FAT] *= scan.fat_share
    return signals


def thicken(volume: Field, axis: int, thick: int) -> Field:
    """``volume`` with every ``thick`` voxels along ``axis`` averaged into one."""
    shape = (*volume.shape[:axis], volume.shape[axis] // thick, thick, *volume.shape[axis + 1 :])
    mean: Field = volume.reshape(shape).mean(axis=axis + 1)
    return mean


def _flow(grid: Grid, rng: np.random.Generator) -> Field:
    """Slow mixing and, downwards only, the dephasing of jets."""
    jets = np.minimum(smooth_noise(grid, 14.0, rng) + np.float32(0.5), 0)
    flow: Field = smooth_noise(grid, 40.0, rng) + 1.5 * jets
    return flow


def _rician(image: Field, deviation: float, rng: np.random.Generator) -> Field:
    """The magnitude of a complex signal with normal noise in both parts (Gudbjartsson and Patz 1995)."""
    real = image + np.float32(deviation) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(deviation) * rng.standard_normal(image.shape, dtype=np.float32)
    magnitude: Field = np.hypot(real, imaginary)
    return magnitude
