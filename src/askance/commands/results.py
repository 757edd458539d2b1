"""What came out, and the embedded study to try it on: evaluate, report, predict, export, phantom, demo."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from askance.commands.printing import opened, print_cycles, print_rows, progress_bars
from askance.errors import UsageError
from askance.options import command, json_option, study_argument

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from typing import Any

    from askance.active.study import Study
    from askance.terminal import Bars

Arguments = argparse.Namespace


def add_commands(group: Any) -> None:
    """What a study gives."""
    evaluate = command(group, "evaluate", _evaluate, "what was measured after each cycle")
    study_argument(evaluate)
    json_option(evaluate)

    report = command(group, "report", _report, "write one HTML page that shows it all")
    study_argument(report)
    report.add_argument("--out", type=Path, metavar="FILE", help="where to (STUDY/report.html)")
    report.add_argument("--full", type=float, metavar="DICE", help="Dice of full supervision, drawn as a line")

    predict = command(group, "predict", _predict, "label volumes outside the study, with a score a slice")
    predict.add_argument("model", type=Path, help="a model's folder, STUDY/models/cycle-003, or a study: its newest model")
    predict.add_argument("files", type=Path, nargs="+", help="volumes; CASE_0000, CASE_0001 are channels of one case")
    predict.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    json_option(predict)

    export = command(group, "export", _export, "labels with provenance, an nnU-Net data set, or the network as ONNX")
    study_argument(export)
    export.add_argument("--to", required=True, choices=["nifti", "nnunet", "onnx"])
    export.add_argument("--out", type=Path, required=True, metavar="PATH")

    phantom = command(group, "phantom", _phantom, "write the embedded study: a data set of phantom hearts")
    phantom.add_argument("folder", type=Path)
    phantom.add_argument("--seed", type=int, default=0)
    phantom.add_argument("--patients", type=int, default=10)
    phantom.add_argument("--render", type=Path, metavar="FOLDER", help="render HVSMR 2016 label volumes instead")

    demo = command(group, "demo", _demo, "Algorithm 1 on the embedded study, with a table and a report")
    demo.add_argument(
        "folder", type=Path, nargs="?", default=Path("askance-demo"), help="made anew, or gone on with (askance-demo)"
    )
    demo.add_argument("--seed", type=int, default=0)
    json_option(demo)


def _evaluate(arguments: Arguments) -> None:
    """Print what was measured after each cycle."""
    with opened(arguments) as study:
        print_cycles(study, arguments.json)


def _report(arguments: Arguments) -> None:
    """Write the HTML page and print its path."""
    from askance import api

    if arguments.full is not None and not 0 <= arguments.full <= 1:
        raise UsageError(f"--full {arguments.full:g}: is no Dice; wanted a number from 0 to 1")
    with opened(arguments) as study:
        print(api.report(study, arguments.out, arguments.full).resolve())


def _predict(arguments: Arguments) -> None:
    """Label volumes outside the study."""
    from askance import api

    with progress_bars() as bars, bars.stage(None, "predict"):
        rows = api.predict(_model_folder(arguments.model), arguments.files, arguments.out, bars.count)
    print_rows(rows, arguments.json)


def _export(arguments: Arguments) -> None:
    """Hand labels or the network to other tools."""
    from askance import api

    with opened(arguments) as study:
        print(api.export(study, arguments.to, arguments.out))


def _phantom(arguments: Arguments) -> None:
    """Write the phantom data set, or rendered hearts."""
    from askance.volumes.phantom.study import make_phantom, render_hvsmr

    if arguments.render:
        render_hvsmr(arguments.render, arguments.folder, arguments.seed)
    else:
        make_phantom(arguments.folder, arguments.seed, arguments.patients)
    print(arguments.folder.resolve())


def _demo(arguments: Arguments) -> None:
    """Run the whole loop on the phantom, or go on with it."""
    from askance import api

    with progress_bars() as bars, _demo_study(arguments, bars) as study:
        api.run(study, bars)
        path = api.report(study)
        print_cycles(study, arguments.json)
    print(f"report: {path.resolve()}", file=sys.stderr if arguments.json else sys.stdout)


def _demo_study(arguments: Arguments, bars: Bars) -> Study:
    """The demo's study, made anew, or the one in the folder that an earlier demo of the same seed made."""
    from askance.active.study import Study

    folder: Path = arguments.folder
    if not folder.exists():
        try:
            return _new_demo(folder, arguments.seed, bars)
        except BaseException:  # nothing of it is there to go on with: the same command begins anew
            shutil.rmtree(folder, ignore_errors=True)
            raise
    if (folder / "study" / "study.toml").is_file():
        study = Study.open(folder / "study")
        if (study.config.name, study.config.expert, study.config.seed) == ("phantom", "simulated", arguments.seed):
            return study
        study.store.close()
    raise UsageError(f"{folder} is already there, and no demo of seed {arguments.seed}; remove it or name another folder")


def _new_demo(folder: Path, seed: int, bars: Bars) -> Study:
    from askance import api
    from askance.volumes.layouts import find_dataset
    from askance.volumes.phantom.study import make_phantom

    with bars.stage(None, "make ten phantom hearts"):
        make_phantom(folder / "data", seed)
    settings = {"expert": "simulated", "seed": seed, "name": "phantom", **DEMO_SETTINGS}
    return api.init(folder / "study", find_dataset(folder / "data"), settings=settings)


#: The demo asks for a tenth of the phantom's slices in two queries, with schedules short enough for a coffee on 2 cores.
DEMO_SETTINGS: dict[str, dict[str, Any]] = {
    "budget": {"base": 0.04, "total": 0.12, "cycles": 2},
    "training": {"min_steps": 150, "max_steps": 150},
}


def _model_folder(path: Path) -> Path:
    if not (path / "study.toml").exists():
        return path
    from askance.active.study import Study

    with Study.open(path) as study:
        model = study.store.latest_model()
        if model is None:
            raise UsageError(f"{path}: the study has no model yet; run `askance run` first")
        return study.store.model_folder(model.id)
