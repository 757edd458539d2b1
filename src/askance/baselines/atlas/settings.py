"""Everything that was chosen where the publication leaves it open; docs/baselines.md has the reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from askance.baselines.atlas.levelset import LevelSetSettings
from askance.baselines.atlas.registration import RegistrationSettings
from askance.baselines.ranges import require_ranges

_RANGES = (
    ("finest_mm", 0.1, 100),
    ("margin_mm", 0, math.inf),
    ("reach_mm", 0.1, math.inf),
    ("coarse_mm", 0.1, 100),
    ("template_margin_mm", 0, math.inf),
    ("prior_weight", 0, math.inf),
    ("voters", 1, math.inf),
    ("radius_mm", 0.1, math.inf),
    ("least_agreement", 0, 1),
    ("least_correlation", -1, 1),
    ("candidates", 1, math.inf),
    ("atlases", 1, math.inf),
    ("window_margin_mm", 0, math.inf),
    ("mask_share", 0, 1),
    ("mask_margin_mm", 0, math.inf),
)


@dataclass(frozen=True)
class AtlasSettings:
    """Settings of the whole method; lengths in mm.

    - An atlas: no finer than ``finest_mm``, with ``margin_mm`` around its foreground; images are evened over ``reach_mm``.
    - Localisation at ``coarse_mm``, where templates reach ``template_margin_mm`` beyond their foreground; ``prior_weight``
      is taken from a correlation for being one standard deviation (squared, halved) off the place where hearts lie. It has
      failed where less than ``least_agreement`` of the ``voters`` agree within ``radius_mm``, or those who do correlate less
      than ``least_correlation`` with the target.
    - Of ``candidates``, which are registered affinely, ``atlases`` are bent onto the target, in a window
      ``window_margin_mm`` larger than their foreground. Images are compared ``mask_margin_mm`` around where ``mask_share``
      of the candidates show foreground.
    - ``fusion``: majority or staple.

    Raises:
        ConfigError: a setting out of its range.
    """

    finest_mm: float = 1.5
    margin_mm: float = 30.0
    reach_mm: float = 25.0
    coarse_mm: float = 5.0
    template_margin_mm: float = 5.0
    prior_weight: float = 0.03
    voters: int = 20
    radius_mm: float = 20.0
    least_agreement: float = 0.5
    least_correlation: float = 0.3
    candidates: int = 24
    atlases: int = 8
    window_margin_mm: float = 20.0
    mask_share: float = 0.3
    mask_margin_mm: float = 9.0
    fusion: str = "majority"
    registration: RegistrationSettings = field(default_factory=RegistrationSettings)
    levelset: LevelSetSettings = field(default_factory=LevelSetSettings)

    def __post_init__(self) -> None:
        require_ranges(self, "the atlas", _RANGES)
