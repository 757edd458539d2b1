"""The methods of other rooms that experiments can name: where each lives. What needs no entry is askance's own."""

from __future__ import annotations

from askance.evaluation.method import Registered

#: Name -> module, class and settings; loaded when an experiment names it.
RIVALS: dict[str, Registered] = {
    "densevoxnet": Registered("askance.baselines.densevoxnet.method", "DenseVoxNetMethod", "DenseVoxNetSettings"),
    "atlas": Registered("askance.baselines.atlas.method", "MultiAtlas", "AtlasSettings"),
}
