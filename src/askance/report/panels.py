"""Figure 2 of the paper, panel by panel: image, truth, prediction, and in red where the label is not to be relied on.

Each panel is one PNG; a label is a tint with a firm outline, so that the image stays readable under it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import image as mpl_image
from numpy.typing import NDArray
from scipy import ndimage

from askance.colours import UNRELIABLE, class_colour
from askance.records import IGNORE
from askance.report.data import Panel

Floats = NDArray[np.floating[Any]]
Picture = NDArray[np.float64]

#: Shortest allowed longer side of a panel in pixels; smaller slices are magnified by a whole number.
_SIDE = 300
_IN_A_ROW = 8


def image_png(panel: Panel) -> bytes:
    """The slice in grey, from its 1st to its 99th percentile."""
    return _png(_grey(panel))


def labels_png(panel: Panel, labels: NDArray[np.uint8]) -> bytes:
    """The slice with ``labels`` (h, w) laid over it in the colours of the classes."""
    picture, labels = _grey(panel), _magnified(labels, _factor(panel))
    for label in np.unique(labels):
        if label not in (0, IGNORE):
            mask = labels == label
            outline = mask & ~ndimage.binary_erosion(mask, iterations=2)
            colour = np.array(class_colour(int(label))) / 255
            picture[mask] = 0.65 * picture[mask] + 0.35 * colour
            picture[outline] = colour
    return _png(picture)


def doubt_png(panel: Panel) -> bytes:
    """The slice with red over it, the stronger the lower the patch score (1: no red)."""
    picture = _grey(panel)
    doubt = 1 - np.clip(_smooth(panel.score_map, _factor(panel)), 0, 1)
    strength = 0.85 * doubt[..., np.newaxis]
    return _png((1 - strength) * picture + strength * np.array(UNRELIABLE) / 255)


def sheet_png(images: Sequence[Floats]) -> bytes:
    """Images (h, w) side by side, _IN_A_ROW in each row, grey from the 1st to the 99th percentile of all."""
    low, high = np.percentile(np.stack(images), [1, 99])
    grey = [np.clip((image - low) / max(high - low, 1e-6), 0, 1) for image in images]
    factor = max(1, math.ceil(_SIDE / 2 / max(images[0].shape)))
    tiles = [np.pad(_smooth(image, factor), 2, constant_values=1) for image in grey]
    tiles += [np.ones_like(tiles[0])] * (-len(tiles) % _IN_A_ROW)
    rows = [np.hstack(tiles[start : start + _IN_A_ROW]) for start in range(0, len(tiles), _IN_A_ROW)]
    return _png(np.repeat(np.vstack(rows)[..., np.newaxis], 3, axis=2))


def sheet_shape(images: Sequence[Floats]) -> tuple[int, int]:
    """Rows and columns of pixels that the images on such a sheet have, in their own pixels."""
    height, width = images[0].shape
    return -(-len(images) // _IN_A_ROW) * height, _IN_A_ROW * width


def _factor(panel: Panel) -> int:
    return max(1, math.ceil(_SIDE / int(max(panel.image.shape))))


def _grey(panel: Panel) -> Picture:
    """The slice as (H, W, 3) in [0, 1], magnified; a slice of one value is black."""
    low, high = np.percentile(panel.image, [1, 99])
    grey = np.clip((panel.image - low) / (high - low), 0, 1) if high > low else np.zeros(panel.image.shape)
    return np.repeat(_smooth(grey, _factor(panel))[..., np.newaxis], 3, axis=2)


def _smooth(values: Floats, factor: int) -> Picture:
    """Linearly between pixels, so that magnified pixels do not look like structure."""
    picture: Picture = ndimage.zoom(values.astype(np.float64), factor, order=1, mode="nearest", grid_mode=True)
    return picture


def _magnified(labels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    return labels.repeat(factor, axis=0).repeat(factor, axis=1)


def _png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    pixels = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    mpl_image.imsave(stream, np.ascontiguousarray(pixels), format="png")
    return stream.getvalue()
