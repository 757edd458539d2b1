"""Colours of classes and of doubt.

Classes take entries of 3D Slicer's GenericAnatomyColors, in an order in which the first four also differ for eyes
without red or green receptors. Reds are left out: red says "unreliable" and nothing else.
"""

from __future__ import annotations

RGB = tuple[int, int, int]

#: GenericAnatomyColors: nerve, vein, lymph node, edema, waste, skin, capillary, urine, tissue, fluid.
_CLASSES: tuple[RGB, ...] = (
    (244, 214, 49),
    (0, 151, 206),
    (68, 172, 100),
    (140, 224, 228),
    (78, 63, 0),
    (177, 122, 101),
    (183, 156, 220),
    (214, 230, 130),
    (128, 174, 128),
    (170, 250, 250),
)

#: Where a label is not to be relied on.
UNRELIABLE: RGB = (220, 20, 30)


def class_colour(label: int) -> RGB:
    """Colour of class ``label`` >= 1, 0..255; from the eleventh class on the colours come again."""
    return _CLASSES[(label - 1) % len(_CLASSES)]


def ink(colour: RGB) -> str:
    """The colour darkened until its lines show on white paper, as ``#rrggbb``."""
    red, green, blue = (int(0.72 * part) for part in colour)
    return as_hex((red, green, blue))


def as_hex(colour: RGB) -> str:
    """The colour as ``#rrggbb``."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
