"""The command line: parse, call one function, print. Results go to stdout, the log and progress bars to stderr.

Exit codes: 0 done, 1 failed, 2 misused, 3 waiting for the expert. argparse and late imports keep ``--help`` at the cost of
Python's own start; typer with its imports took five times that (docs/dependencies.md).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance import __version__
from askance.errors import AskanceError, UsageError

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from askance.active.study import Study
    from askance.volumes.found import Found
    from askance.volumes.patients import Division

Arguments = argparse.Namespace

_EPILOG = """\
A first study:
  askance check DATASET                       every problem of a data set in one go
  askance init STUDY --data DATASET           a study of it, with settings taken from the data in STUDY/study.toml
  askance run STUDY                           ask, learn, label the rest, repeat; stops (exit 3) where the expert is needed
  askance query STUDY --out FOLDER            the slices in question as files for ITK-SNAP or 3D Slicer
  askance answer STUDY FOLDER --author NAME   take the corrected labels back; then askance run STUDY again
Without data at hand: askance demo
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    import logging

    logging.basicConfig(format="askance: %(message)s", level=logging.WARNING)
    try:
        arguments.call(arguments)
    except AskanceError as error:
        print(f"askance: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("askance: stopped; what was done is kept, the same command goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="askance",
        description="The expert labels the slices the model looks at askance; it labels the rest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"askance {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _data_commands(commands)
    _loop_commands(commands)
    _result_commands(commands)
    return parser


def _data_commands(commands: Any) -> None:
    check = _command(commands, "check", _check, "list all problems of a data set")
    _data_options(check, positional=True)
    _json_option(check)

    init = _command(commands, "init", _init, "make a study of a data set")
    init.add_argument("study", type=Path, help="the study's folder, made anew")
    _data_options(init)
    init.add_argument("--preset", default="askance", choices=["askance", "paper"])
    init.add_argument("--expert", choices=["human", "simulated"], help="who answers (human)")
    init.add_argument("--acquisition", help="how slices are chosen (score; d_raw in preset paper)")
    init.add_argument("--seed", type=int, help="of everything random (0)")
    init.add_argument("--base", type=float, metavar="N", help="slices labelled first: a count, or a share below 1 (0.025)")
    init.add_argument("--total", type=float, metavar="N", help="slices labelled in the end: a count or a share (0.10)")
    init.add_argument("--cycles", type=int, metavar="N", help="queries between the two (3; 1 in preset paper)")
    init.add_argument("--spacing", type=float, nargs=2, metavar="MM", help="working resolution in plane (from the data)")
    init.add_argument("--size", type=int, nargs=2, metavar="PX", help="field of view in pixels of it (from the data)")
    init.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting, as training.epochs=40")

    add = _command(commands, "add", _add, "bring new cases of a data set into a study")
    _study_argument(add)
    _data_options(add)

    relocate = _command(commands, "relocate", _relocate, "find source files that were moved, by their bytes")
    _study_argument(relocate)
    relocate.add_argument("folder", type=Path, help="where to look, with all folders below")


def _loop_commands(commands: Any) -> None:
    run = _command(commands, "run", _run, "the whole loop, as far as it goes without the expert")
    _study_argument(run)
    _json_option(run)

    train = _command(commands, "train", _train, "train the next model on what is labelled")
    _study_argument(train)
    _json_option(train)

    rank = _command(commands, "rank", _rank, "what the newest model thinks of every pool slice")
    _study_argument(rank)
    rank.add_argument("--top", type=int, default=20, metavar="N", help="how many of them to print (20; 0: all)")
    _json_option(rank)

    query = _command(commands, "query", _query, "which slices are asked now, and why; as files with --out")
    _study_argument(query)
    query.add_argument("--out", type=Path, metavar="FOLDER", help="write images with proposals for ITK-SNAP or 3D Slicer")
    _json_option(query)

    answer = _command(commands, "answer", _answer, "take corrected labels back")
    _study_argument(answer)
    answer.add_argument("folder", type=Path, help="what `askance query --out` wrote, filled in")
    answer.add_argument("--author", required=True, metavar="NAME", help="who answered")
    answer.add_argument("--accept-unchanged", action="store_true", help="an untouched proposal is right as it is")
    _json_option(answer)

    status = _command(commands, "status", _status, "where the study stands")
    _study_argument(status)
    _json_option(status)


def _result_commands(commands: Any) -> None:
    evaluate = _command(commands, "evaluate", _evaluate, "what was measured after each cycle")
    _study_argument(evaluate)
    _json_option(evaluate)

    report = _command(commands, "report", _report, "write one HTML page that shows it all")
    _study_argument(report)
    report.add_argument("--out", type=Path, metavar="FILE", help="where to (STUDY/report.html)")
    report.add_argument("--full", type=float, metavar="DICE", help="Dice of full supervision, drawn as a line")

    predict = _command(commands, "predict", _predict, "label volumes outside the study, with a score a slice")
    predict.add_argument("model", type=Path, help="a model's folder, STUDY/models/cycle-003, or a study: its newest model")
    predict.add_argument("files", type=Path, nargs="+", help="volumes; CASE_0000, CASE_0001 are channels of one case")
    predict.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    _json_option(predict)

    export = _command(commands, "export", _export, "labels with provenance, an nnU-Net data set, or the network as ONNX")
    _study_argument(export)
    export.add_argument("--to", required=True, choices=["nifti", "nnunet", "onnx"])
    export.add_argument("--out", type=Path, required=True, metavar="PATH")

    phantom = _command(commands, "phantom", _phantom, "write the embedded study: a data set of phantom hearts")
    phantom.add_argument("folder", type=Path)
    phantom.add_argument("--seed", type=int, default=0)
    phantom.add_argument("--patients", type=int, default=10)
    phantom.add_argument("--render", type=Path, metavar="FOLDER", help="render HVSMR 2016 label volumes instead")

    demo = _command(commands, "demo", _demo, "Algorithm 1 on the embedded study, with a table and a report")
    demo.add_argument("folder", type=Path, nargs="?", default=Path("askance-demo"), help="made anew (askance-demo)")
    demo.add_argument("--seed", type=int, default=0)
    _json_option(demo)


def _command(commands: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(call=call)
    return parser


def _study_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="the study's folder")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _data_options(parser: argparse.ArgumentParser, positional: bool = False) -> None:
    if positional:
        parser.add_argument("data", type=Path, help="nnU-Net v2, HVSMR, or a folder with images and labels")
    else:
        parser.add_argument("--data", type=Path, required=True, help="nnU-Net v2, HVSMR, or a folder with images and labels")
    parser.add_argument("--images", type=Path, help="folder of the images, where it is not DATA's usual place")
    parser.add_argument("--labels", type=Path, help="folder of the labels, with --images")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="class names from 0 on, where the layout has none")
    parser.add_argument("--fold", type=int, help="fold of nnU-Net's splits_final.json")
    parser.add_argument("--axis", help="slice along file axis 0, 1 or 2, or axial, coronal, sagittal (coarsest spacing)")
    parser.add_argument("--patients", metavar="REGEX", help="a group in it is the patient, as '(p[0-9]+)_.*'")
    parser.add_argument("--patients-csv", type=Path, metavar="FILE", help="columns case,patient")
    parser.add_argument("--each-case-a-patient", action="store_true")
    parser.add_argument(
        "--test-share", type=float, default=0.2, help="share of patients to test on, if none are named (0.2)"
    )


def _check(arguments: Arguments) -> None:
    from askance.errors import DataError
    from askance.volumes.check import check_dataset

    with _bars() as bars, bars.stage(None, "check"):
        problems = check_dataset(_found(arguments), axis=arguments.axis, division=_division(arguments), progress=bars.count)
    if arguments.json:
        _print_json([{"case": p.case, "path": str(p.path or ""), "kind": p.kind, "message": p.message} for p in problems])
    else:
        for problem in problems:
            print(problem.message)
    if problems:
        raise DataError(f"{len(problems)} problems in {arguments.data}")
    print("no problems found", file=sys.stderr)


def _init(arguments: Arguments) -> None:
    from askance import api

    with _bars() as bars, bars.stage(None, "read and check"):
        study = api.init(
            arguments.study,
            _found(arguments),
            preset=arguments.preset,
            settings=_settings(arguments),
            axis=arguments.axis,
            division=_division(arguments),
            progress=bars.count,
        )
    with study:
        _print_study(study)


def _add(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study, _bars() as bars, bars.stage(None, "read and check"):
        added = api.add(study, _found(arguments), _division(arguments), bars.count)
    print(f"{len(added)} cases added" + (f": {', '.join(added[:10])}" if added else ""))


def _relocate(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study:
        print(f"{len(api.relocate(study, arguments.folder))} cases have new paths")


def _run(arguments: Arguments) -> None:
    from askance import api
    from askance.errors import WaitingForExpert

    with _opened(arguments) as study:
        try:
            with _bars() as bars:
                api.run(study, bars)
        except WaitingForExpert:
            _print_cycles(study, arguments.json)
            raise
        _print_cycles(study, arguments.json)
        print(f"report: {api.report(study).resolve()}", file=sys.stderr if arguments.json else sys.stdout)


def _train(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study:
        with _bars() as bars:
            record = api.train(study, bars)
        if arguments.json:
            _print_json(record)
        else:
            _print_cycles(study, as_json=False)


def _rank(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study, _bars() as bars:
        rows = api.rank(study, bars)
    _print_rows(rows[: arguments.top or None], arguments.json)


def _query(arguments: Arguments) -> None:
    from askance import api
    from askance.active.exchange import write_query

    with _opened(arguments) as study:
        with _bars() as bars:
            rows = api.query(study, bars)
        if arguments.out:
            written = write_query(study, arguments.out)
            print(f"written to {written}; open it, correct, fill in query.csv, then askance answer", file=sys.stderr)
    _print_rows(rows, arguments.json)


def _answer(arguments: Arguments) -> None:
    from dataclasses import asdict

    from askance.active.exchange import read_answers

    with _opened(arguments) as study, study.store.lock():
        taken = read_answers(study, arguments.folder, arguments.author, arguments.accept_unchanged)
    _print_rows([asdict(taken)], arguments.json) if arguments.json else print(taken)


def _status(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study:
        where = api.status(study)
    if arguments.json:
        _print_json(where)
        return
    print(f"{where['study']}: {where['next']}")
    print("slices: " + ", ".join(f"{count} {state}" for state, count in where["states"].items()))
    budget = where["budget"]
    print(f"labelled: {budget['labelled']} of {budget['slices']} slices of learn ({budget['share']:.1%})")


def _evaluate(arguments: Arguments) -> None:
    with _opened(arguments) as study:
        _print_cycles(study, arguments.json)


def _report(arguments: Arguments) -> None:
    from askance import api

    with _opened(arguments) as study:
        print(api.report(study, arguments.out, arguments.full).resolve())


def _predict(arguments: Arguments) -> None:
    from askance.active.outside import predict_files

    with _bars() as bars, bars.stage(None, "predict"):
        rows = predict_files(_model_folder(arguments.model), arguments.files, arguments.out, bars.count)
    _print_rows(rows, arguments.json)


def _export(arguments: Arguments) -> None:
    from askance.active import exporting

    calls: dict[str, Callable[[Study, Path], Path]] = {
        "nifti": exporting.export_nifti,
        "nnunet": exporting.export_nnunet,
        "onnx": exporting.export_onnx,
    }
    with _opened(arguments) as study:
        print(calls[arguments.to](study, arguments.out))


def _phantom(arguments: Arguments) -> None:
    from askance.volumes.phantom.study import make_phantom, render_hvsmr

    if arguments.render:
        render_hvsmr(arguments.render, arguments.folder, arguments.seed)
    else:
        make_phantom(arguments.folder, arguments.seed, arguments.patients)
    print(arguments.folder.resolve())


def _demo(arguments: Arguments) -> None:
    from askance import api
    from askance.volumes.layouts import find_dataset
    from askance.volumes.phantom.study import make_phantom

    if arguments.folder.exists():
        raise UsageError(f"{arguments.folder} is already there; remove it or name another folder")
    data, folder = arguments.folder / "data", arguments.folder / "study"
    with _bars() as bars:
        with bars.stage(None, "make ten phantom hearts"):
            make_phantom(data, arguments.seed)
        settings = {"expert": "simulated", "seed": arguments.seed, "name": "phantom", **DEMO_SETTINGS}
        with api.init(folder, find_dataset(data), settings=settings) as study:
            api.run(study, bars)
            path = api.report(study)
            _print_cycles(study, arguments.json)
    print(f"report: {path.resolve()}", file=sys.stderr if arguments.json else sys.stdout)


#: The demo asks for a tenth of the phantom's slices in two queries, with schedules short enough for a coffee on 2 cores.
DEMO_SETTINGS: dict[str, dict[str, Any]] = {
    "budget": {"base": 0.04, "total": 0.12, "cycles": 2},
    "training": {"min_steps": 200, "max_steps": 300, "crop": [96, 96]},
}


def _opened(arguments: Arguments) -> Study:
    from askance.active.study import Study

    return Study.open(arguments.study)


def _bars() -> Any:
    from askance.terminal import Bars

    return Bars()


def _found(arguments: Arguments) -> Found:
    from askance.volumes.layouts import find_dataset

    return find_dataset(
        arguments.data,
        images=arguments.images,
        labels=arguments.labels,
        classes=arguments.classes,
        fold=arguments.fold,
    )


def _division(arguments: Arguments) -> Division:
    from askance.volumes.patients import Division
    from askance.volumes.tables import read_patients

    table = read_patients(arguments.patients_csv) if arguments.patients_csv else None
    return Division(
        pattern=arguments.patients,
        table=table,
        each_case=arguments.each_case_a_patient,
        test_share=arguments.test_share,
    )


def _settings(arguments: Arguments) -> dict[str, Any]:
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
    settings[last] = value


def _value(text: str) -> Any:
    """A TOML value; what is none is text."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _model_folder(path: Path) -> Path:
    if not (path / "study.db").exists():
        return path
    from askance.active.study import Study

    with Study.open(path) as study:
        model = study.store.latest_model()
        if model is None:
            raise UsageError(f"{path}: the study has no model yet; run `askance run` first")
        return study.store.model_folder(model.id)


def _print_study(study: Study) -> None:
    config = study.config
    for side in ("learn", "test", "validation"):
        cases = study.store.cases(side)
        slices, patients = len(study.store.slices(side)), len({case.patient for case in cases})
        if cases:
            print(f"{side}: {len(cases)} cases of {patients} patients, {slices} slices")
    rows, columns = config.grid.size
    height, width = config.grid.spacing_mm
    print(f"slices along file axis {config.grid.axis}, {rows} x {columns} pixels of {height:g} x {width:g} mm")
    print(f"settings: {study.store.folder / 'study.toml'}")


def _print_cycles(study: Study, as_json: bool) -> None:
    from askance import api
    from askance.terminal import print_table

    records = api.records(study)
    if as_json:
        _print_json(records)
        return
    from askance.report.tables import budget_table

    print_table(budget_table(records))


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json(rows)
        return
    from askance.terminal import print_table

    print_table(rows)


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=1, default=str))
