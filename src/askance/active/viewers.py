"""What ITK-SNAP and 3D Slicer want to know of a query: label names and colours, slice numbers as they show them, the way.

Knows neither the study nor its files.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from askance.colours import RGB, class_colour
from askance.records import IGNORE
from askance.volumes.geometry import PLANES, axis_named

_OPEN = ("not labelled", (128, 128, 128))

_SNAP_HEADER = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
"""

_README = """\
Cycle {cycle} of study {study}: {count} slices to label.

1. Open. {images} is the image, {labels} its labels.
   ITK-SNAP: open the image, then Segmentation > Open Segmentation, then Segmentation > Import Label Descriptions:
   labels.txt. 3D Slicer: add the image as volume, the labels as segmentation; names and colours are in labels.ctbl.
2. Correct the slices that query.csv lists, and only those. Its columns itksnap and slicer say where each is, as the voxel
   index that ITK-SNAP's cursor inspector (counted from 1) and 3D Slicer's data probe (counted from 0) show.
   {proposal}
   Slices labelled earlier are shown as they are; what is drawn on slices that are not listed is not taken.
   Use value {ignore} for parts that cannot be told. Save the labels under the same name (3D Slicer: export the
   segmentation to a file, as labelmap, with the image as reference volume).
3. Fill in the column status of query.csv: done, skip (leave it to the model) or unreadable (never learn from it), and why
   in note. Rows without status wait. Then, with your name:

   askance answer STUDY FOLDER --author NAME

   A slice marked done that looks as it was handed out is refused, in case the drawing was saved elsewhere; where it is
   right as it is, add --accept-unchanged.
"""
_ASSISTED = "What stands there is the model's proposal; slices of role validation are empty: draw them from nothing."
_UNASSISTED = "They are empty: draw them from nothing."


def snap_labels(classes: Sequence[str]) -> str:
    """labels.txt, ITK-SNAP's label descriptions."""
    lines = [
        f'{value:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name.replace(chr(34), chr(39))}"\n'
        for value, name, (red, green, blue) in _labels(classes)
    ]
    return _SNAP_HEADER + "".join(lines)


def slicer_colours(classes: Sequence[str]) -> str:
    """labels.ctbl, 3D Slicer's colour table; spaces in names become underscores, as its format wants."""
    labels = _labels(classes)
    lines = [f"{value} {'_'.join(name.split())} {red} {green} {blue} 255\n" for value, name, (red, green, blue) in labels]
    return f"# Color table file labels.ctbl\n# {len(labels) + 1} values\n0 background 0 0 0 0\n" + "".join(lines)


def readme(study: str, cycle: int, count: int, images: str, labels: str, assisted: bool) -> str:
    """README.txt: three steps; ``images`` and ``labels`` name the first case's files."""
    proposal = _ASSISTED if assisted else _UNASSISTED
    return _README.format(
        study=study, cycle=cycle, count=count, images=images, labels=labels, proposal=proposal, ignore=IGNORE
    )


def whereabouts(affine: ArrayLike, axis: int, index: int) -> dict[str, str]:
    """``plane`` in words, and the slice's voxel index as ``itksnap`` (from 1) and ``slicer`` (from 0) show it."""
    plane = next(name for name in PLANES if axis_named(name, affine) == axis)
    return {"plane": plane, "itksnap": f"{'xyz'[axis]} = {index + 1}", "slicer": f"{'IJK'[axis]} = {index}"}


def _labels(classes: Sequence[str]) -> list[tuple[int, str, RGB]]:
    known = [(value, name, class_colour(value)) for value, name in enumerate(classes) if value]
    return [*known, (IGNORE, *_OPEN)]
