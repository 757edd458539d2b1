"""What shows of a slice how it came about, label or no label: the image's spectrum, rows and grain, and G's own features.

A sound slice's spectrum falls off smoothly from its centre. What goes wrong in the scanner leaves marks there that can
hardly be seen in the image: lines that lack or stand out (lost lines), every second to tenth of them (ghosts), single
bright points (spikes), a tail that is too high or too low (noise, blur). Rows that were lost stand out in the image itself,
and what is shown, an organ of another kind, in the features. Knows no labels and nothing of what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

_CENTRE = 0.03  # cycles a pixel: below it, a spectrum says what is imaged, not how
_RINGS = (0.0, 0.05, 0.1, 0.17, 0.25, 0.33, 0.42, 0.5)  # cycles a pixel
_REACH = 5  # side of what a point of a spectrum is compared with, in points
_NEAR = 9  # lines that a line is compared with, itself among them
_COMBS = ((2, 3, 4), (5, 6, 7, 8, 9, 10))  # every so manieth line is weaker in a ghost; the many may hide the few
_APART = (2, 3)  # rows from a row to those that it is compared with
_EDGE = 3  # rows at an edge that have a neighbour on one side alone
_FEWEST = 2  # lines in a comb, and outside of it, that have a mean to speak of
_BRIGHT = 0.1  # of the brightest row's energy: from here on a row has something to be compared
_FINE = 2  # levels of G, from the finest, whose features say how a slice looks rather than what it shows
_FLOOR = 1e-3
_SMALLEST = 16  # pixels that an image is padded to, so that its spectrum has something to tell


@dataclass(frozen=True)
class _Spectrum:
    """Logarithm of a spectrum's magnitude, (N, H, W // 2 + 1) in the order of rfft2, and how high the frequencies are.

    ``rows`` (H,) and ``columns`` (W // 2 + 1,) in cycles a pixel, without sign.
    """

    values: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, images: Tensor) -> _Spectrum:
        height, width = images.shape[1:]
        values = (torch.fft.rfft2(images).abs() + _FLOOR * math.sqrt(height * width)).log()
        return cls(values, torch.fft.fftfreq(height).abs(), torch.fft.rfftfreq(width))

    def profiles(self) -> tuple[Tensor, Tensor]:
        """The means along rows, (N, H // 2 + 1), and along columns, (N, W // 2 + 1), from frequency 0 up."""
        along = self.values.mean(2)
        half = along.shape[1] // 2 + 1
        return (along[:, :half] + along.roll(-1, 1).flip(1)[:, :half]) / 2, self.values.mean(1)

    def radius(self) -> Tensor:
        """(H, W // 2 + 1) in cycles a pixel."""
        return torch.hypot(self.rows[:, None], self.columns)


def image_traits(images: Tensor) -> dict[str, Tensor]:
    """Groups of traits, each (N, T) float32, of ``images`` (N, C, H, W): of every channel the same, one after another."""
    images = functional.pad(images.float(), [0, max(0, _SMALLEST - images.shape[3]), 0, max(0, _SMALLEST - images.shape[2])])
    channels = [_traits(images[:, channel]) for channel in range(images.shape[1])]
    return {name: torch.cat([traits[name] for traits in channels], 1) for name in channels[0]}


def feature_traits(levels: Sequence[Tensor]) -> dict[str, Tensor]:
    """The same of G's feature maps (N, C, H, W), the finest first: ``texture`` of the fine, ``content`` of the coarsest."""
    fine = [level.float().flatten(2) for level in levels[:_FINE]]
    means = [level.mean(2, keepdim=True) for level in fine]
    moments = [moment for level, mean in zip(fine, means) for moment in (mean[..., 0], _spread(level - mean, 2))]
    return {"texture": torch.cat(moments, 1), "content": levels[-1].float().mean((2, 3))}


def _traits(images: Tensor) -> dict[str, Tensor]:
    level = images.mean((1, 2), keepdim=True)
    apart = images - level
    spread = _spread(apart, (1, 2))
    plain, tapered = _Spectrum.of(apart), _Spectrum.of(apart * _taper(images))
    profiles = [*plain.profiles(), *tapered.profiles()]
    return {
        "points": torch.cat([_points(plain), _points(tapered)], 1),
        "lines": torch.cat([_lines(profile) for profile in profiles], 1),
        "combs": torch.cat([_comb_depths(profile) for profile in plain.profiles()], 1),
        "grain": torch.cat([_rings(tapered), level[:, 0], (spread + _FLOOR).log()[:, None]], 1),
        "rows": torch.cat([_rows(images), _rows(images.transpose(1, 2))], 1),
    }


def _spread(apart: Tensor, over: int | tuple[int, ...]) -> Tensor:
    """Standard deviation, from deviations of the mean; on CPUs ``Tensor.std`` takes ten times as long."""
    sides = [apart.shape[side] for side in (over if isinstance(over, tuple) else (over,))]
    spread: Tensor = torch.linalg.vector_norm(apart, dim=over) / math.sqrt(math.prod(sides))
    return spread


def _taper(images: Tensor) -> Tensor:
    rows, columns = (torch.hann_window(side + 2, periodic=False)[1:-1] for side in images.shape[1:])
    return rows[:, None] * columns


def _points(spectrum: _Spectrum) -> Tensor:
    """(N, 2): how far the brightest point, and the mean of the eight brightest, stand out of what lies around them."""
    off_axis = (spectrum.rows * len(spectrum.rows) > 1.5)[:, None] & (
        spectrum.columns * (2 * len(spectrum.columns) - 2) > 1.5
    )
    told = off_axis & (spectrum.radius() > 2 * _CENTRE)
    standing_out = (spectrum.values - _around(spectrum.values)).masked_fill(~told, 0)
    brightest = standing_out.flatten(1).topk(8).values.clamp(min=0)
    return (torch.stack([brightest[:, 0], brightest.mean(1)], 1) + _FLOOR).log()


def _around(values: Tensor) -> Tensor:
    """(N, H, W): the mean of what lies around each point of ``values``, itself left out."""
    padded = functional.pad(values[:, None], [_REACH // 2] * 4, mode="replicate")
    across = functional.avg_pool2d(padded, (1, _REACH), stride=1)
    return (functional.avg_pool2d(across, (_REACH, 1), stride=1)[:, 0] * _REACH**2 - values) / (_REACH**2 - 1)


def _lines(profile: Tensor) -> Tensor:
    """(N, 4) of a profile (N, lines): how unlike their neighbours lines are."""
    apart, told = _standing_out(profile)
    apart = apart[:, told]
    sizes = [apart.std(1, correction=0), apart.abs().mean(1)]
    return torch.stack([*((size + _FLOOR).log() for size in sizes), apart.amax(1), -apart.amin(1)], 1)


def _comb_depths(profile: Tensor) -> Tensor:
    """(N, 4) of a profile (N, lines): how much weaker than the others the lines of one comb are, as it is and as a share.

    A comb is every n-th line from any one on, and its mirror image, since a magnitude's spectrum is symmetric; the deepest
    of those with small n counts, and of those with large. In plain spectra alone: a taper mixes a line with its neighbours.
    """
    apart, told = _standing_out(profile)
    spread = apart[:, told].std(1, correction=0) + _FLOOR
    deepest = [_deepest(apart, told, steps) for steps in _COMBS]
    return torch.stack([depth for one in deepest for depth in (one, one / spread)], 1)


def _deepest(apart: Tensor, told: Tensor, steps: Sequence[int]) -> Tensor:
    """(N,): the mean of all other lines less that of a comb's, in standard errors where a line's is 1; the largest."""
    line = torch.arange(apart.shape[1])
    combs = torch.stack([((line - at) % n == 0) | ((line + at) % n == 0) for n in steps for at in range(n // 2 + 1)])
    hit, spared = (combs & told).float(), (~combs & told).float()
    counted = (hit.sum(1) >= _FEWEST) & (spared.sum(1) >= _FEWEST)
    if not counted.any():
        return torch.zeros(len(apart))
    hit, spared = hit[counted], spared[counted]
    hits, others = hit.sum(1), spared.sum(1)
    deeper = (apart @ spared.T) / others - (apart @ hit.T) / hits
    return (deeper / (1 / hits + 1 / others).sqrt()).amax(1)


def _standing_out(profile: Tensor) -> tuple[Tensor, Tensor]:
    """How far each line of a profile (N, lines) stands out of those around it, and which lines (lines,) tell anything."""
    frequency = torch.linspace(0, 0.5, profile.shape[1])
    return profile - _window(profile, _NEAR).median(-1).values, (frequency > _CENTRE) & (frequency < 0.45)


def _window(profile: Tensor, side: int) -> Tensor:
    """(N, lines, side): each line with those around it."""
    return functional.pad(profile[:, None], [side // 2] * 2, mode="replicate")[:, 0].unfold(1, side, 1)


def _rings(spectrum: _Spectrum) -> Tensor:
    """(N, rings): the spectrum's mean in rings of frequencies, the first as it is, the others against it."""
    radius = spectrum.radius()
    means = [spectrum.values[:, (radius >= low) & (radius < high)].mean(1) for low, high in pairwise(_RINGS)]
    return torch.stack([means[0], *(mean - means[0] for mean in means[1:])], 1)


def _rows(images: Tensor) -> Tensor:
    """(N, 5): how far the darkest row falls short of its neighbours, or of the one it has; how abruptly rows change."""
    light = images - images.amin((1, 2), keepdim=True)
    edges = torch.minimum(_edge_kept(light), _edge_kept(light.flip(1)))
    kept = [-(least.clamp(0, 2) + 0.03).log() for least in (*(_least_kept(light, apart) for apart in _APART), edges)]
    changes = [images.diff(n=n, dim=1).abs().mean(2) for n in (1, 2)]
    sudden = [((one.amax(1) + _FLOOR) / (one.median(1).values + _FLOOR)).log() for one in changes]
    return torch.stack([*kept, *sudden], 1)


def _least_kept(light: Tensor, apart: int) -> Tensor:
    """(N,): of what both the rows ``apart`` above and below show, the least that a row shows; 1 where that is little."""
    both = torch.minimum(light[:, : -2 * apart], light[:, 2 * apart :])
    energy = (both**2).sum(2)
    kept = (light[:, apart:-apart] * both).sum(2) / (energy + _FLOOR)
    return torch.where(energy > _BRIGHT * energy.amax(1, keepdim=True), kept, 1.0).amin(1)


def _edge_kept(light: Tensor) -> Tensor:
    """(N,): of what the rows next to the first ones show on the mean, the least that one of the first shows."""
    inner = light[:, _EDGE : 2 * _EDGE].mean(1, keepdim=True)
    energy = (inner**2).sum(2)
    kept = (light[:, :_EDGE] * inner).sum(2) / (energy + _FLOOR)
    return torch.where(energy > _BRIGHT * (light**2).sum(2).amax(1, keepdim=True), kept, 1.0).amin(1)
