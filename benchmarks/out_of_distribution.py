"""Does the score fall where the model has no business: spoilt slices of its own kind, and slices of another anatomy.

    python benchmarks/out_of_distribution.py --study FOLDER --dataset NAME --foreign DATASET --work FOLDER --out RESULTS

Takes a finished study and does not write into it: its newest model is copied, and learns anew what is usual in learn, as
it may have been trained when other traits were looked at. Its own ``--side`` is predicted as it is and, every
``--every``-th volume, once for each artefact of ``artefacts.py`` and strength, as files from outside; so are volumes of
foreign data sets. A line says which share of the slices scores below the 5th percentile of the sound slices of that side,
with the novelty in the score and without it.
Settings are chosen on ``--side learn`` or a fold inside it; ``test`` is read for what is published.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from artefacts import ARTEFACTS
from numpy.typing import NDArray

from askance.active.calibration import FEATURES, Calibration, estimate
from askance.active.environment import describe_environment
from askance.active.outside import predict_files
from askance.active.study import Study
from askance.active.usual import usual_in_learn
from askance.learning.checkpoints import load_weights, save_weights
from askance.learning.novelty import NOVELTY
from askance.metrics.correlation import correlate, mean_absolute_error
from askance.metrics.dice import slices_dice
from askance.records import Case
from askance.volumes.files import read_header
from askance.volumes.geometry import split, stitch
from askance.volumes.layouts import find_dataset

_LOW = 5  # percentile of the sound slices' scores


@dataclass(frozen=True)
class Told:
    """What the model says of N slices: scores with and without the novelty in them, the novelty, and the true Dice."""

    score: NDArray[np.float64]
    without: NDArray[np.float64]
    novelty: NDArray[np.float64]
    dice: NDArray[np.float64]
    seconds: float


def main() -> None:
    """Append a line for the sound slices, each artefact and strength, and each foreign data set."""
    options = _options()
    with Study.open(options.study) as study:
        model = _model_that_knows_learn(study, options.work / f"{study.config.name}-model")
        lines = list(_lines(study, model, options))
    with options.out.open("a") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def _lines(study: Study, model: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    cases = [case for case in study.store.cases(options.side) if case.label is not None]
    sound = _told(study, model, options, cases, [path for case in cases for path in _files(case)])
    low = {name: float(np.percentile(getattr(sound, name), _LOW)) for name in ("score", "without")}
    about = _about(study, options)
    yield about | _figures("sound", None, sound, low)
    for name, (_, strengths) in ARTEFACTS.items():
        for strength in strengths if options.artefacts else ():
            told = _of_spoilt(study, model, options, cases[:: options.every], name, strength)
            yield about | _figures(name, strength, told, low)
    for folder in options.foreign:
        told = _told(study, model, options, (), _evenly(_foreign(folder), options.foreign_volumes))
        yield about | _figures(f"foreign:{folder.name}", None, told, low)


def _of_spoilt(
    study: Study, model: Path, options: argparse.Namespace, cases: Sequence[Case], name: str, strength: float
) -> Told:
    """What the model says of ``cases`` after every slice was spoilt."""
    folder, files = options.work / "spoilt", []
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    axis, spoil = study.config.grid.axis, ARTEFACTS[name][0]
    for case in cases:
        for path in _files(case):
            rng = np.random.default_rng(zlib.crc32(f"{name} {strength} {path.name}".encode()))
            planes = split(_volume(path), axis)
            image = nib.Nifti1Image(stitch(spoil(planes, strength, rng), axis), read_header(path).affine)
            files.append(folder / f"{path.name.partition('.')[0]}.nii")
            nib.save(image, files[-1])
    return _told(study, model, options, cases, files)


def _told(study: Study, model: Path, options: argparse.Namespace, cases: Sequence[Case], files: Sequence[Path]) -> Told:
    """What ``model`` says of ``files``, which hold ``cases``, by the same way as `askance predict`."""
    out, began = options.work / "predicted", time.perf_counter()
    shutil.rmtree(out, ignore_errors=True)
    predict_files(model, files, out)
    seconds = time.perf_counter() - began
    with (out / "scores.csv").open(newline="") as stream:
        rows = [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(stream)]
    calibration = Calibration.from_info(json.loads((model / "model.json").read_text()))
    dice = {case.id: _dice(study, next(out.glob(f"{_name(case)}.nii*")), case) for case in cases}
    return Told(
        np.array([row["score"] for row in rows]),
        estimate(calibration, [{name: row[name] for name in FEATURES} for row in rows]),
        np.array([row["novelty"] for row in rows]),
        np.concatenate([dice[case.id] for case in _as_predicted(cases, rows)]) if cases else np.full(len(rows), np.nan),
        seconds,
    )


def _as_predicted(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[Case]:
    by_name = {_name(case): case for case in cases}
    return [by_name[name] for name in dict.fromkeys(str(row["case"]) for row in rows)]


def _dice(study: Study, predicted: Path, case: Case) -> NDArray[np.float64]:
    labels = split(np.rint(_volume(predicted)).astype(np.uint8), study.config.grid.axis)
    return slices_dice(labels, study.truth(case), len(study.config.classes))


def _figures(kind: str, strength: float | None, told: Told, low: dict[str, float]) -> dict[str, Any]:
    known = bool(np.isfinite(told.dice).any())
    return {
        "kind": kind,
        "strength": strength,
        "slices": len(told.score),
        "below": float((told.score < low["score"]).mean()),
        "below_without": float((told.without < low["without"]).mean()),
        "low": low["score"],
        "low_without": low["without"],
        "novel": float((told.novelty > 1).mean()),
        "median_novelty": float(np.median(told.novelty)),
        "median_score": float(np.median(told.score)),
        "slice_dice": float(np.nanmean(told.dice)) if known else None,
        "score_r": _pearson(told.score, told.dice),
        "score_r_without": _pearson(told.without, told.dice),
        "mae": mean_absolute_error(told.score, told.dice) if known else None,
        "mae_without": mean_absolute_error(told.without, told.dice) if known else None,
        "seconds": told.seconds,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _pearson(scores: NDArray[np.float64], dice: NDArray[np.float64]) -> float | None:
    """None where nothing varies: JSON has no NaN."""
    r = correlate(scores, dice).pearson
    return None if np.isnan(r) else r


def _about(study: Study, options: argparse.Namespace) -> dict[str, Any]:
    budget = study.store.budget()
    return {
        "bench": "out_of_distribution",
        "dataset": options.dataset,
        "method": "askance",
        **dict.fromkeys(("acquisition", "fold", "dice", "dice_per_class")),
        "seed": study.config.seed,
        "budget": budget["labelled"] / len(study.store.slices("learn")),
        "labelled_slices": budget["labelled"],
        "pool_slices": len(study.store.slices("learn")),
        "commit": describe_environment()["commit"],
        "default": False,
        "state": options.state,
        "side": options.side,
        "every": options.every,
    }


def _model_that_knows_learn(study: Study, folder: Path) -> Path:
    """A copy of the study's newest model, with what is usual in learn."""
    model = study.store.latest_model()
    if model is None:
        raise SystemExit(f"{study.store.folder}: no model; wanted a finished study")
    states, info = load_weights(study.store.model_folder(model.id))
    usual = usual_in_learn(study, study.predictor(model.id))
    states |= {NOVELTY: usual.state()} if usual else {}
    save_weights(folder, states, {key: value for key, value in info.items() if key != "weights_sha256"})
    return folder


def _files(case: Case) -> list[Path]:
    return [image.path for image in case.images]


def _name(case: Case) -> str:
    """What `askance predict` calls the case, whose file may be CASE_0000."""
    return case.images[0].path.name.partition(".")[0].removesuffix("_0000")


def _foreign(folder: Path) -> list[Path]:
    return sorted(image for case in find_dataset(folder).cases for image in case.images)


def _evenly(files: Sequence[Path], count: int) -> Sequence[Path]:
    return files[:: max(1, len(files) // count)][:count]


def _volume(path: Path) -> NDArray[np.float32]:
    """(X, Y, Z) float32."""
    return np.asarray(nib.load(path).dataobj, np.float32)


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, help="a finished study")
    parser.add_argument("--dataset", required=True, help="the name of its data set, for the lines")
    parser.add_argument("--foreign", type=Path, nargs="+", default=[], help="data sets that it has no business with")
    parser.add_argument("--foreign-volumes", type=int, default=20, help="of each, at most so many volumes")
    parser.add_argument("--every", type=int, default=4, help="spoil every so manieth volume")
    parser.add_argument("--side", choices=("learn", "test"), default="learn")
    parser.add_argument("--state", choices=("1patient", "3patients", "spread5", "full"), help="what the study learnt from")
    parser.add_argument("--no-artefacts", dest="artefacts", action="store_false", help="foreign data sets alone")
    parser.add_argument("--work", type=Path, required=True, help="models and volumes live here meanwhile")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
