"""What each command does: call one function and print. Results go to stdout, the log and progress bars to stderr.

Imports come late, inside each command, so that ``askance --help`` waits for none of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from askance.errors import UsageError
from askance.options import division_of, found_of, settings_of

TYPE_CHECKING = False  # importing typing takes as long as all else that --help needs
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from askance.active.study import Study

Arguments = argparse.Namespace


def check(arguments: Arguments) -> None:
    """Print every problem of a data set."""
    from askance.errors import DataError
    from askance.volumes.check import check_dataset

    with _bars() as bars, bars.stage(None, "check"):
        problems = check_dataset(
            found_of(arguments), axis=arguments.axis, division=division_of(arguments), progress=bars.count
        )
    if arguments.json:
        _print_json([{"case": p.case, "path": str(p.path or ""), "kind": p.kind, "message": p.message} for p in problems])
    else:
        for problem in problems:
            print(f"warning: {problem.message}" if problem.is_warning else problem.message)
    warnings = sum(problem.is_warning for problem in problems)
    if count := len(problems) - warnings:
        raise DataError(f"{count} problem{'s' * (count > 1)} in {arguments.data}; mend them before `askance init`")
    seen = f"; {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
    print(f"no problem keeps it from being used{seen}", file=sys.stderr)


def init(arguments: Arguments) -> None:
    """Make a study and print what it holds."""
    from askance import api

    with _bars() as bars, bars.stage(None, "read and check"):
        study = api.init(
            arguments.study,
            found_of(arguments),
            preset=arguments.preset,
            settings=settings_of(arguments),
            axis=arguments.axis,
            division=division_of(arguments),
            database=arguments.database,
            progress=bars.count,
        )
    with study:
        _print_study(study)


def add(arguments: Arguments) -> None:
    """Bring new cases into a study."""
    from askance import api

    with _opened(arguments) as study, _bars() as bars, bars.stage(None, "read and check"):
        added = api.add(study, found_of(arguments), division_of(arguments), bars.count)
    print(f"{len(added)} cases added" + (f": {', '.join(added[:10])}" if added else ""))


def relocate(arguments: Arguments) -> None:
    """Find moved source files again."""
    from askance import api

    with _opened(arguments) as study:
        print(f"{len(api.relocate(study, arguments.folder))} cases have new paths")


def run(arguments: Arguments) -> None:
    """Run the loop as far as it goes, and print its cycles."""
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


def train(arguments: Arguments) -> None:
    """Train the next model and print what it is worth."""
    from askance import api

    with _opened(arguments) as study:
        with _bars() as bars:
            record = api.train(study, bars)
        if arguments.json:
            _print_json(record)
        else:
            _print_cycles(study, as_json=False)


def rank(arguments: Arguments) -> None:
    """Print what the newest model thinks of the pool."""
    from askance import api

    with _opened(arguments) as study, _bars() as bars:
        rows = api.rank(study, bars)
    _print_rows(rows[: arguments.top or None], arguments.json)


def query(arguments: Arguments) -> None:
    """Print what is asked now; write it as files where wanted."""
    from askance import api
    from askance.active.exchange import write_query

    with _opened(arguments) as study:
        with _bars() as bars:
            rows = api.query(study, bars)
        if arguments.out:
            written = write_query(study, arguments.out)
            print(f"written to {written}; open it, correct, fill in query.csv, then askance answer", file=sys.stderr)
    _print_rows(rows, arguments.json)


def answer(arguments: Arguments) -> None:
    """Take corrected labels back."""
    from dataclasses import asdict

    from askance import api
    from askance.active.exchange import read_answers

    with _opened(arguments) as study, study.store.lock():
        taken = read_answers(study, arguments.folder, arguments.author, arguments.accept_unchanged)
        still_open = api.status(study)["next"]
    if arguments.json:
        _print_json([asdict(taken)])
        return
    for what, slice_ids in asdict(taken).items():
        if slice_ids:
            print(f"{len(slice_ids)} {_TAKEN[what]}: {', '.join(slice_ids)}")
    print(f"next: {_with_command(still_open)}")


def _with_command(following: str) -> str:
    """What comes next with the command that does it."""
    doing = {"answer": "askance query --out FOLDER, askance answer", "train": "askance run", "ask": "askance run"}
    command = doing.get(following.split(maxsplit=1)[0])
    return f"{following} ({command})" if command else following


#: What became of the slices of a folder, in words.
_TAKEN = {
    "answered": "taken as answered",
    "skipped": "skipped, left to the model",
    "unreadable": "unreadable, never learnt from",
    "waiting": "without a status, still waiting",
    "ignored": "drawn on but not asked or not marked done, so not taken",
}


def status(arguments: Arguments) -> None:
    """Print where the study stands."""
    from askance import api

    with _opened(arguments) as study:
        where = api.status(study)
    if arguments.json:
        _print_json(where)
        return
    print(f"{where['study']}: {_with_command(where['next'])}")
    print("slices: " + ", ".join(f"{count} {state}" for state, count in where["states"].items()))
    budget = where["budget"]
    print(f"labelled: {budget['labelled']} of {budget['slices']} slices of learn ({budget['share']:.1%})")


def evaluate(arguments: Arguments) -> None:
    """Print what was measured after each cycle."""
    with _opened(arguments) as study:
        _print_cycles(study, arguments.json)


def report(arguments: Arguments) -> None:
    """Write the HTML page and print its path."""
    from askance import api

    if arguments.full is not None and not 0 <= arguments.full <= 1:
        raise UsageError(f"--full {arguments.full:g}: is no Dice; wanted a number from 0 to 1")
    with _opened(arguments) as study:
        print(api.report(study, arguments.out, arguments.full).resolve())


def predict(arguments: Arguments) -> None:
    """Label volumes outside the study."""
    from askance.active.outside import predict_files

    with _bars() as bars, bars.stage(None, "predict"):
        rows = predict_files(_model_folder(arguments.model), arguments.files, arguments.out, bars.count)
    _print_rows(rows, arguments.json)


def export(arguments: Arguments) -> None:
    """Hand labels or the network to other tools."""
    from askance.active import exporting

    calls: dict[str, Callable[[Study, Path], Path]] = {
        "nifti": exporting.export_nifti,
        "nnunet": exporting.export_nnunet,
        "onnx": exporting.export_onnx,
    }
    with _opened(arguments) as study:
        print(calls[arguments.to](study, arguments.out))


def phantom(arguments: Arguments) -> None:
    """Write the phantom data set, or rendered hearts."""
    from askance.volumes.phantom.study import make_phantom, render_hvsmr

    if arguments.render:
        render_hvsmr(arguments.render, arguments.folder, arguments.seed)
    else:
        make_phantom(arguments.folder, arguments.seed, arguments.patients)
    print(arguments.folder.resolve())


def demo(arguments: Arguments) -> None:
    """Run the whole loop on the phantom."""
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


def serve(arguments: Arguments) -> None:
    """Serve a study until stopped."""
    from askance.server.serving import Address, serve
    from askance.store.place import readdress
    from askance.store.store import Store

    if arguments.database:
        readdress(arguments.study, arguments.database)
    address = Address(arguments.host, arguments.port, arguments.certificate, arguments.key, arguments.behind_proxy)
    with Store.open(arguments.study) as store:
        serve(store, address, arguments.days)


def users(arguments: Arguments) -> None:
    """Give a person a link, list people, or end a person's links."""
    from dataclasses import asdict

    from askance.store.store import Store

    with Store.open(arguments.study) as store:
        if arguments.action == "list":
            _print_rows([asdict(one) for one in store.desk.users()], arguments.json)
            return
        if not arguments.name:
            raise UsageError(f"askance users {arguments.action}: wanted the person's name after the study")
        if arguments.action == "revoke":
            print(f"{store.desk.revoke_user(arguments.name, 'command line')} links of {arguments.name} ended")
            return
        token = store.desk.add_user(arguments.name, arguments.role, arguments.days, "command line")
    print(f"{arguments.url.rstrip('/')}/enter?token={token}")


def backup(arguments: Arguments) -> None:
    """Write a study to one file."""
    from askance.store.backup import backup
    from askance.store.store import Store

    with Store.open(arguments.study) as store:
        print(f"{backup(store, arguments.file)} files in {arguments.file}")


def restore(arguments: Arguments) -> None:
    """Make a study from a backup."""
    from askance.store.backup import restore

    checked = restore(arguments.file, arguments.study, arguments.database)
    print(f"{checked} labels checked; the study is in {arguments.study}")


def work(arguments: Arguments) -> None:
    """Do a job of the server's."""
    from askance.worker import work

    work(arguments.study, arguments.job)


#: The demo asks for a tenth of the phantom's slices in two queries, with schedules short enough for a coffee on 2 cores.
DEMO_SETTINGS: dict[str, dict[str, Any]] = {
    "budget": {"base": 0.04, "total": 0.12, "cycles": 2},
    "training": {"min_steps": 150, "max_steps": 150},
}


def _opened(arguments: Arguments) -> Study:
    from askance.active.study import Study

    return Study.open(arguments.study)


def _bars() -> Any:
    from askance.terminal import Bars

    return Bars()


def _model_folder(path: Path) -> Path:
    if not (path / "study.toml").exists():
        return path
    from askance.active.study import Study

    with Study.open(path) as study:
        model = study.store.latest_model()
        if model is None:
            raise UsageError(f"{path}: the study has no model yet; run `askance run` first")
        return study.store.model_folder(model.id)


def _print_study(study: Study) -> None:
    from askance.planning import outlook

    config = study.config
    for side in ("learn", "test", "validation"):
        cases = study.store.cases(side)
        slices, patients = len(study.store.slices(side)), len({case.patient for case in cases})
        if cases:
            print(f"{side}: {len(cases)} cases of {patients} patients, {slices} slices")
    rows, columns = config.grid.size
    height, width = config.grid.spacing_mm
    print(f"slices along file axis {config.grid.axis}, {rows} x {columns} pixels of {height:g} x {width:g} mm")
    for line in outlook(study):
        print(line)
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
