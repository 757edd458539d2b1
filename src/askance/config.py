"""A study's settings: validated, TOML in and out, unknown keys refused.

Two presets fill the defaults: ``askance`` (the best accuracy per second we know) and ``paper`` (Ravanbakhsh et al. and
Isola 2017). ``study.toml`` holds every value, so that a study does not change when a later version's defaults do.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from askance.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Share = Annotated[float, Field(ge=0.0, le=1.0)]
#: Class ids are bytes, and 255 stands for what nobody labelled.
MOST_CLASSES = 255
Preset = Literal["askance", "paper"]
Precision = Literal["auto", "32-true", "bf16-mixed"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GridConfig(_Section):
    """The working grid: slices along file ``axis``, in plane ``size`` pixels of ``spacing_mm`` around the centre.

    ``spacing_mm`` and ``size`` belong to the two remaining file axes in rising order. Sides of 48 pixels and more are
    multiples of 16, so that the networks can halve them.
    """

    axis: Annotated[int, Field(ge=0, le=2)]
    spacing_mm: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    size: tuple[Annotated[int, Field(ge=8, le=4096)], Annotated[int, Field(ge=8, le=4096)]]


class BudgetConfig(_Section):
    """What is labelled, when. A whole number >= 1 counts slices, a fraction < 1 is a share of learn's slices.

    ``base`` is labelled before the first cycle, ``total`` after the last, in ``cycles`` equal queries. ``start`` says how
    the base is chosen: ``spread`` over patients (cold start), ``patients`` (those named in ``patients``, or one drawn by
    seed), ``slices`` (those named in ``slices``), ``random``. ``validation`` slices are drawn at random from learn,
    answered without a proposal and never trained on; they count. A query is chosen among ``ranked`` times its slices, in
    whole cases of the least labelled patients (0: among all of the pool).
    """

    base: Annotated[float, Field(ge=0)] = 0.025
    total: Annotated[float, Field(gt=0)] = 0.10
    cycles: Annotated[int, Field(ge=0, le=1000)] = 3
    start: Literal["spread", "patients", "slices", "random"] = "spread"
    patients: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    validation: Annotated[float, Field(ge=0)] = 0.0
    ranked: Annotated[int, Field(ge=0)] = 8  # all of a large pool took a quarter of a warm training's time (docs/log.md)

    @model_validator(mode="after")
    def _says_which(self) -> BudgetConfig:
        for name, amount in (("base", self.base), ("total", self.total), ("validation", self.validation)):
            if amount > 1 and amount != int(amount):
                raise ValueError(f"{name} is {amount:g}; wanted a whole number of slices, or a share below 1")
        for name, named in (("patients", self.patients), ("slices", self.slices)):
            if twice := sorted({one for one in named if named.count(one) > 1}):
                raise ValueError(f"{name} names {', '.join(twice[:3])} twice; wanted each once")
        if self.start == "slices" and not self.slices:
            raise ValueError("start is slices and none are named; wanted their ids in slices, as ['CASE/2/5']")
        return self

    @staticmethod
    def count(amount: float, slices: int) -> int:
        """``amount`` as a number of slices out of ``slices``: a share if < 1, else a count."""
        return min(slices, round(amount * slices) if amount < 1 else int(amount))


class NetworkConfig(_Section):
    """``generator``: ``unet`` (3x3, poolings) or ``pix2pix`` (strided 4x4, Isola 2017).

    ``width``: channels of its first layer; the unet has half of them where it works at full size, four times the pixels.
    ``stem``: it works on blocks of this many pixels squared; 0: 2 on grids of 96 pixels and more, else 1. ``dropout``:
    share of the channels that training leaves out in the unet's two deepest levels (MC-dropout needs it). ``context``:
    slices on either side that both networks see with each, as more channels, for where most are labelled and lie close.
    """

    generator: Literal["unet", "pix2pix"] = "unet"
    width: Annotated[int, Field(ge=4, le=256)] = 32
    stem: Literal[0, 1, 2] = 0
    discriminator_width: Annotated[int, Field(ge=4, le=256)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    context: Annotated[int, Field(ge=0, le=4)] = 0


class TrainingConfig(_Section):
    """One training. ``epochs`` over the labelled slices, held between ``min_steps`` and ``max_steps`` of ``batch`` crops.

    The model is the running mean of the weights over about the last ``average`` steps (0: the last weights).
    ``adversarial`` weighs D's term against the pixel-wise one (0: no D). ``warm_start`` goes on from the last cycle's
    networks with ``warm_share`` of the steps. ``one_piece``: predictions keep to the one piece that labels show,
    ``field``: they look first where labels have shown foreground; ``across``: they are averaged with the slices before
    and after, which weigh by a Gaussian of their distance, its deviation so many of the files' pixels (0: not).
    ``unlabelled``: share, of what pseudo-labels leave of a batch, from slices without label, which objective ``souly``
    alone can learn from. ``crossing``: share of the base's steps that a model of each half of its patients is trained
    for, so that the score learns from what each says of the other half. ``precision``: ``auto`` takes bf16 where a trial
    shows it is faster.
    """

    objective: Literal["askance", "pix2pix", "cgan", "luc", "souly"] = "askance"
    epochs: Annotated[int, Field(ge=1)] = 50
    min_steps: Annotated[int, Field(ge=1)] = 2400  # more steps did more than more labels (docs/log.md)
    max_steps: Annotated[int, Field(ge=1)] = 8000  # a large set of small slices gains by them (docs/log.md)
    batch: Annotated[int, Field(ge=1, le=1024)] = 16
    crop: tuple[int, int] = (96, 96)
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    average: Annotated[int, Field(ge=0)] = 200
    adversarial: Annotated[float, Field(ge=0)] = 0.01
    pixelwise: Annotated[float, Field(ge=0)] = 1.0
    unlabelled: Share = 0.5
    augment: Literal["none", "jitter", "strong"] = "strong"
    warm_start: bool = True  # a tenth of a Dice point for two thirds of the wait (docs/log.md)
    warm_share: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    views: Annotated[int, Field(ge=1, le=8)] = (
        3  # a fourth costs a fifth of ranking and gives the score 0.001 in r (docs/log.md)
    )
    one_piece: bool = True
    field: bool = True
    across: Annotated[float, Field(ge=0)] = 1.0  # 0.3 Dice points on cubes of voxels, nothing on thick slices (docs/log.md)
    crossing: Share = 0.0
    precision: Precision = "auto"


class PseudoConfig(_Section):
    """Pseudo-labels: ``share`` of every batch is drawn from them, 0 turns them off.

    ``by`` whom: ``itself``, the model that has just learnt the experts' labels and goes on with its own for ``more`` of its
    steps, from any slice and as sure as it is of each pixel; or ``last``, the model that asked (Algorithm 1, line 8), by
    triage, in the part ``until`` of the steps. Triage: a slice is trusted, with weight ``score ** power``, if score >=
    ``threshold``, else held; each patch weighs its own score ** ``power`` of that, nothing below ``patch_threshold``.
    """

    by: Literal["itself", "last"] = "itself"
    share: Share = 0.5
    more: Share = 1 / 3  # three times as many gained up to 0.4 points more (docs/log.md)
    until: Share = 0.5  # to the end, they hold back what few labels teach of rare errors (docs/log.md)
    threshold: Share = 0.7
    patch_threshold: Share = 0.8
    power: Annotated[float, Field(ge=0)] = 1.0


class ReadingConfig(_Section):
    """How people read: ``instructions`` shown on the page; ``review``: a second person sees every answer.

    ``second_reader`` of the asked slices are read by two people who do not see each other's answer; where their Dice is
    below ``agreement`` an admin settles it. A slice in hand goes back to the queue after ``lease_s`` without a sign of
    life. A slice of the case last worked on comes first where that costs at most ``same_case`` of priority (0 to 1).
    """

    instructions: Annotated[str, Field(max_length=20_000)] = ""
    review: bool = False
    second_reader: Share = 0.0
    agreement: Share = 0.8
    lease_s: Annotated[int, Field(ge=10, le=7 * 86400)] = 900
    same_case: Share = 0.25


class StudyConfig(_Section):
    """study.toml. ``classes[id]`` is a class's name, 0 is background; ``ignore``: the label file's unlabelled value."""

    name: str
    preset: Preset = "askance"
    expert: Literal["human", "simulated"] = "human"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    acquisition: str = "cover"  # the lowest scores alone were five points worse (docs/log.md)
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    ignore: int | None = None
    grid: GridConfig
    budget: BudgetConfig = BudgetConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    pseudo: PseudoConfig = PseudoConfig()
    reading: ReadingConfig = ReadingConfig()

    @model_validator(mode="after")
    def _foreground(self) -> StudyConfig:
        if len(self.classes) < 2:
            raise ValueError(f"classes holds {list(self.classes)}; wanted background and at least one more")
        if len(self.classes) > MOST_CLASSES:
            raise ValueError(f"classes holds {len(self.classes)} names; wanted at most {MOST_CLASSES}: join or drop some")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes holds {list(self.classes)}; wanted each name once")
        return self


#: What each preset sets beside the defaults; the sections a user gives win over these.
PRESETS: dict[str, dict[str, Any]] = {
    "askance": {},
    "paper": {
        "acquisition": "d_raw",
        "budget": {"start": "patients", "total": 0.3, "cycles": 1, "ranked": 0},
        "network": {"generator": "pix2pix", "width": 32, "discriminator_width": 32},
        "training": {
            "objective": "cgan",  # L1 learnt nothing on ACDC, cross-entropy alone no thin class (docs/log.md)
            "batch": 8,
            "learning_rate": 1e-3,
            "weight_decay": 0.0,
            "average": 0,
            "adversarial": 1.0,
            "pixelwise": 100.0,
            "augment": "jitter",
            "views": 1,
            "warm_start": False,
            "one_piece": False,
            "across": 0.0,
        },
        "pseudo": {"threshold": 0.0, "patch_threshold": 0.0, "power": 0.0, "until": 1.0, "by": "last"},
    },
}


def from_preset(preset: str, settings: Mapping[str, Any]) -> StudyConfig:
    """A study's settings: the preset's, overlaid by ``settings`` (nested as in TOML).

    Raises:
        ConfigError: unknown preset, unknown key, or a value out of range.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset {preset!r} is not known; wanted one of {', '.join(sorted(PRESETS))}")
    return parse(overlay({**PRESETS[preset], "preset": preset}, settings), where="settings")


def parse(settings: dict[str, Any], where: str) -> StudyConfig:
    """Validated settings, what they lack as their preset has it; ``where`` names their origin in the error.

    Raises:
        ConfigError: every problem found, one a line.
    """
    preset = settings.get("preset", "askance")
    try:
        return StudyConfig.model_validate(overlay(PRESETS.get(preset, {}) if isinstance(preset, str) else {}, settings))
    except ValidationError as error:
        problems = "\n".join(f"  {_problem(item)}" for item in error.errors())
        raise ConfigError(f"{where}: the settings cannot be used:\n{problems}") from None


def _problem(item: Any) -> str:
    """One of pydantic's findings in a line: which setting, what is wrong, what was found."""
    name = ".".join(str(part) for part in item["loc"]) or "study"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _names(StudyConfig), 1)
        hint = f"did you mean {near[0]}?" if near else "study.toml of a new study holds all"
        return f"{name}: no such setting; {hint}"
    if item["type"] in ("model_type", "dict_type"):
        return f"{name}: wanted a table, as {name}.NAME = VALUE (found {item['input']!r:.80})"
    return f"{name}: {item['msg']} (found {item['input']!r:.80})"


def _names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """All settings, those in tables as TABLE.NAME."""
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        is_table = isinstance(kind, type) and issubclass(kind, BaseModel)
        found += _names(cast("type[BaseModel]", kind), f"{prefix}{name}.") if is_table else [f"{prefix}{name}"]
    return found


def load(path: Path) -> StudyConfig:
    """The settings in ``path``.

    Raises:
        ConfigError: not TOML, unknown key, or a value out of range.
    """
    try:
        return parse(tomllib.loads(path.read_text(encoding="utf-8")), where=str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file ({error}); mend it or restore it from a backup") from None


def dump(config: StudyConfig) -> str:
    """The settings as TOML: load(dump(c)) == c."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``below`` with the values of ``above`` in their place, tables within tables value by value."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = overlay(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return merged
