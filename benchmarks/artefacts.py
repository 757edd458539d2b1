"""What goes wrong with a slice on its way from the scanner: pure functions of planes (D, h, w) in raw intensities.

Each takes a strength whose meaning its docstring gives and a generator, draws anew for every slice, and gives back float32
of the same shape. After TorchIO's RandomGhosting, RandomSpike and RandomMotion (Perez-Garcia 2021), a slice at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Complex = NDArray[np.complex128]

_CENTRE = 0.02  # share of the lines of k-space around its centre that is kept (TorchIO)
_BAND = 3  # rows that are lost together


def ghosting(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Every 2nd to 10th line of k-space, along rows or columns, loses ``strength`` of its signal, the centre excepted."""

    def spoil(spectrum: Complex) -> None:
        step = int(rng.integers(2, 11))
        lines = np.arange(int(rng.integers(step)), len(spectrum), step)
        spectrum[_outer(lines, len(spectrum))] *= 1 - strength

    return _in_k_space(planes, spoil, rng)


def spikes(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """One point of k-space gains ``strength`` times the largest value that the spectrum has, its mean aside."""

    def spoil(spectrum: Complex) -> None:
        rows, columns = spectrum.shape
        centre = (rows // 2, columns // 2)
        away = [int(centre[k] + rng.choice((-1, 1)) * rng.uniform(0.1, 0.45) * spectrum.shape[k]) for k in (0, 1)]
        spectrum[away[0], away[1]] += strength * np.abs(spectrum[centre])

    return _in_k_space(planes, spoil, rng)


def missing_lines(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """A share ``strength`` of the lines of k-space, along rows or columns, is lost at random, the centre excepted."""

    def spoil(spectrum: Complex) -> None:
        lines = np.flatnonzero(rng.random(len(spectrum)) < strength)
        spectrum[_outer(lines, len(spectrum))] = 0

    return _in_k_space(planes, spoil, rng)


def missing_rows(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """A share ``strength`` of the rows or columns of the image is 0, in bands of three."""
    spoilt = planes.astype(np.float32, copy=True)
    for plane in spoilt:
        rows = plane if rng.random() < 0.5 else plane.T
        bands = -(-len(rows) // _BAND)
        lost = rng.permutation(bands)[: max(1, round(strength * bands))]
        rows[np.isin(np.arange(len(rows)) // _BAND, lost)] = 0
    return spoilt


def noise(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Rician noise of ``strength`` times the 99.5th percentile of the intensities."""
    sd = strength * np.percentile(planes, 99.5)
    real, imaginary = planes + rng.normal(0, sd, planes.shape), rng.normal(0, sd, planes.shape)
    return np.hypot(real, imaginary).astype(np.float32)


def blur(planes: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Smoothed by a Gaussian of ``strength`` pixels of the file."""
    return ndimage.gaussian_filter(planes, (0, strength, strength)).astype(np.float32)


def _in_k_space(planes: Floats, spoil: Callable[[Complex], None], rng: np.random.Generator) -> Floats:
    """``planes`` after ``spoil`` changed the spectrum of each in place, its lines along rows or, as likely, columns."""
    spoilt = np.empty(planes.shape, np.float32)
    for plane, out in zip(planes, spoilt):
        turned = rng.random() < 0.5
        spectrum = np.fft.fftshift(np.fft.fft2(plane))
        spoil(spectrum.T if turned else spectrum)
        out[...] = np.abs(np.fft.ifft2(np.fft.ifftshift(spectrum)))
    return spoilt


def _outer(lines: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Those of ``lines`` out of ``count`` that do not lie at the centre."""
    return lines[np.abs(lines - count // 2) > _CENTRE / 2 * count]


#: By name, with the strengths that are measured, from what an expert may overlook to what nobody does.
ARTEFACTS: dict[str, tuple[Callable[[Floats, float, np.random.Generator], Floats], tuple[float, ...]]] = {
    "ghosting": (ghosting, (0.3, 0.6, 0.9)),
    "spikes": (spikes, (0.05, 0.15, 0.5)),
    "missing_lines": (missing_lines, (0.2, 0.4, 0.6)),
    "missing_rows": (missing_rows, (0.05, 0.1, 0.25)),
    "noise": (noise, (0.05, 0.1, 0.2)),
    "blur": (blur, (1.0, 2.0, 4.0)),
}
