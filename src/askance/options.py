"""What options of several commands mean: where the data is, who the patients are, which settings win."""

from __future__ import annotations

import argparse
from pathlib import Path

from askance.errors import UsageError

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from askance.volumes.found import Found
    from askance.volumes.patients import Division


def command(group: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    """A command of ``group`` that runs ``call``, with its one-line description."""
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(call=call)
    return parser


def study_argument(parser: argparse.ArgumentParser) -> None:
    """Add the study's folder."""
    parser.add_argument("study", type=Path, help="the study's folder")


def json_option(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def database_option(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --database."""
    parser.add_argument(
        "--database", metavar="URL", help=f"{text}; as postgresql+psycopg://USER@HOST/NAME, no password in it"
    )


def data_options(parser: argparse.ArgumentParser, positional: bool = False, draws: bool = True, slices: bool = True) -> None:
    """Add what tells where the data is and how to read it.

    ``draws``: patients to test on may have to be drawn; ``slices``: the axis to slice along is not settled yet.
    """
    if positional:
        parser.add_argument("data", type=Path, help="nnU-Net v2, HVSMR, or a folder with images and labels")
    else:
        parser.add_argument("--data", type=Path, required=True, help="nnU-Net v2, HVSMR, or a folder with images and labels")
    parser.add_argument("--images", type=Path, help="folder of the images, where it is not DATA's usual place")
    parser.add_argument("--labels", type=Path, help="folder of the labels, with --images")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="class names from 0 on, where the layout has none")
    parser.add_argument("--fold", type=int, help="fold of nnU-Net's splits_final.json")
    if slices:
        parser.add_argument("--axis", help="slice along file axis 0, 1 or 2, or axial, coronal, sagittal (coarsest spacing)")
    parser.add_argument("--patients", metavar="REGEX", help="a group in it is the patient, as '(p[0-9]+)_.*'")
    parser.add_argument("--patients-csv", type=Path, metavar="FILE", help="columns case,patient")
    parser.add_argument("--each-case-a-patient", action="store_true")
    if draws:
        parser.add_argument(
            "--test-share", type=float, default=0.2, help="share of patients to test on, if none are named (0.2)"
        )
    else:
        parser.set_defaults(test_share=0.0)


def found_of(arguments: argparse.Namespace, classes: Sequence[str] | None) -> Found:
    """The data set that the options name, its classes called ``classes`` where the layout has no names."""
    from askance.volumes.layouts import find_dataset

    return find_dataset(
        arguments.data, images=arguments.images, labels=arguments.labels, classes=classes, fold=arguments.fold
    )


def division_of(arguments: argparse.Namespace) -> Division:
    """Patients and splits as the options say them."""
    from askance.volumes.patients import Division
    from askance.volumes.tables import read_patients

    table = read_patients(arguments.patients_csv) if arguments.patients_csv else None
    return Division(
        pattern=arguments.patients,
        table=table,
        each_case=arguments.each_case_a_patient,
        test_share=arguments.test_share,
    )


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that options of ``init`` name, nested as in study.toml."""
    settings: dict[str, Any] = {}
    named = {
        "expert": arguments.expert,
        "acquisition": arguments.acquisition,
        "seed": arguments.seed,
        "budget.base": arguments.base,
        "budget.total": arguments.total,
        "budget.cycles": arguments.cycles,
        "grid.spacing_mm": arguments.spacing,
        "grid.size": arguments.size,
    }
    for key, value in named.items():
        if value is not None:
            _place(settings, key, value)
    for text in arguments.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text!r}: wanted KEY=VALUE, as training.epochs=40")
        _place(settings, key.strip(), _value(value.strip()))
    return settings


def _place(settings: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise UsageError(f"--set {key}: {section} is one value ({settings!r}) and holds no other; see study.toml")
    settings[last] = value


def _value(text: str) -> Any:
    """A TOML value; what is none is text."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
