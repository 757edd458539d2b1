"""Volumes outside the study: a model's folder labels them as they came in, and says which slices somebody should look at.

Knows model.json and files; no study is needed.
"""

from __future__ import annotations

import csv
import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from askance.active.calibration import Calibration
from askance.active.folders import made_whole, suffix_of
from askance.active.measures import MEASURES
from askance.active.ranking import Judge, describe
from askance.active.study import apart_in, load_predictor
from askance.active.viewers import whereabouts
from askance.config import StudyConfig
from askance.errors import DataError, UsageError
from askance.learning.outcome import Outcome
from askance.learning.prediction import Predictor
from askance.records import Affine, Case, Prediction, parse_slice_id, slice_id
from askance.volumes.cache import SliceCache
from askance.volumes.files import check_image, hash_file, read_header, require_same_geometry, stem_of, write_labels_like
from askance.volumes.geometry import Grid, inplane, inplane_spacing, is_stored_like, orientation_code, stitch

_log = logging.getLogger(__name__)
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


@dataclass(frozen=True)
class _Found:
    """A case outside the study: what the model says of its slices, and the share of its pixels that lie off the grid."""

    case: Case
    predictions: Sequence[Prediction]
    outside_grid: float


def predict_files(
    model_folder: Path,
    files: Sequence[Path],
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    threshold: float | None = None,
) -> list[dict[str, Any]]:
    """Label ``files`` into ``out``: ``CASE`` in the geometry and format that came in, and a row a case for a summary.

    ``scores.csv`` has a score a slice, ``to_check.csv`` those below ``threshold`` (None: the model's own for
    pseudo-labels), worst first, each with the reason. Files are channels CASE_0000, CASE_0001 of a case where the model
    wants several. Pixels beyond the model's working grid are background; the tables' ``outside_grid`` gives their share.
    Every voxel is read before the first case is labelled: no file that cannot be used costs the others their labels.

    Raises:
        FormatError: no model there, one without its settings, or a file that cannot be read or is empty; GeometryError:
            channels that do not fit each other. DataError: several such files.
        UsageError: files that are no cases of the model's channels, ``out`` is not empty, or a wrong threshold.
        StudyError: ``out`` cannot be written.
    """
    predictor, config, judge, stored_like = _load(model_folder)
    limit = config.pseudo.threshold if threshold is None else threshold
    if not 0 <= limit <= 1:
        raise UsageError(f"the threshold is {limit}; wanted a score from 0 to 1")
    grouped = _grouped(files, len(config.channels))
    grid, results = Grid.from_config(config.grid), []
    with made_whole(out) as draft:
        cases = _checked(grouped)
        _warn_of_turned(cases, stored_like)
        for done, case in enumerate(cases, start=1):
            outcome = _outcome(predictor, config, case)
            write_labels_like(draft / _labels_name(case), _labels(grid, outcome, case), case.images[0].path)
            results.append(_Found(case, _described(outcome, config, judge, case), grid.share_outside(case)))
            if progress is not None:
                progress(done, len(cases))
        _write_csv(draft / "scores.csv", [row for found in results for row in _score_rows(found)])
        _write_csv(draft / "to_check.csv", _rows_to_check(results, limit))
    return [_summary(found, limit, out) for found in results]


def predict_outside(model_folder: Path, case: Case) -> tuple[NDArray[np.uint8], list[Prediction]]:
    """Class ids (X, Y, Z) of a case that no study knows, and what the model says of each of its slices.

    Raises:
        FormatError: no model there. SourceMissing, SourceChanged: the case's images are not what they were.
    """
    predictor, config, judge, _ = _load(model_folder)
    grid = Grid.from_config(config.grid)
    outcome = _outcome(predictor, config, case)
    return _labels(grid, outcome, case), _described(outcome, config, judge, case)


def _load(folder: Path) -> tuple[Predictor, StudyConfig, Judge, ArrayLike | None]:
    """Networks ready to predict, the settings they were trained with, who judges what they predict, an affine they know."""
    predictor, config, info = load_predictor(folder)
    judge = Judge(folder.resolve().name, config.preset, Calibration.from_info(info))
    return predictor, config, judge, info.get("stored_like")


def _warn_of_turned(cases: Sequence[Case], stored_like: ArrayLike | None) -> None:
    """Say which of ``cases`` are stored in another orientation than what the model learnt from, if it says what that is."""
    if stored_like is None:
        return
    for case in cases:
        if not is_stored_like(case.affine, stored_like):
            found, wanted = orientation_code(case.affine), orientation_code(stored_like)
            _log.warning(
                "case %s is stored as %s, what the model learnt from as %s: the networks see it turned and its labels may "
                "be wrong; store it as %s and predict it again", case.id, found, wanted, wanted,
            )  # fmt: skip


def _grouped(files: Sequence[Path], channels: int) -> dict[str, tuple[Path, ...]]:
    """Files by case, in the order of their channels.

    Raises:
        UsageError: a channel is missing, too many or there twice; or no file at all.
    """
    numbered: dict[str, dict[int, Path]] = {}
    for path in files:
        match = _CHANNEL.fullmatch(stem_of(path))
        if channels > 1 and match is None:
            raise UsageError(f"{path}: has no channel number; the model has {channels} channels: CASE_0000, CASE_0001, ...")
        alone = match is None or (channels == 1 and int(match["channel"]) > 0)  # a name may end in four digits of its own
        case, channel = (stem_of(path), 0) if match is None or alone else (match["case"], int(match["channel"]))
        if channel in numbered.setdefault(case, {}):
            raise UsageError(f"{path} and {numbered[case][channel]} are both case {case}; predict them in separate calls")
        numbered[case][channel] = path
    if not numbered:
        raise UsageError("no file to predict; name volumes (.nii.gz, .nii, .nrrd, .mha)")
    for case, found in numbered.items():
        if sorted(found) != list(range(channels)):
            raise UsageError(f"case {case}: found channels {sorted(found)}; wanted {list(range(channels))}, a file each")
    return {case: tuple(found[channel] for channel in range(channels)) for case, found in numbered.items()}


def _checked(grouped: Mapping[str, Sequence[Path]]) -> list[Case]:
    """The cases, every voxel of them read; all that cannot be used are told at once."""
    looked_at = [_case_or_fault(name, paths) for name, paths in grouped.items()]
    faults = [one for one in looked_at if isinstance(one, DataError)]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = "\n".join(f"  {fault}" for fault in faults)
        raise DataError(f"{len(faults)} of {len(grouped)} cases cannot be labelled, and none was:\n{told}")
    return [one for one in looked_at if isinstance(one, Case)]


def _case_or_fault(name: str, paths: Sequence[Path]) -> Case | DataError:
    try:
        case = _case(name, paths)
        for path in paths:
            check_image(path)
    except DataError as error:
        return error
    return case


def _case(name: str, paths: Sequence[Path]) -> Case:
    headers = [read_header(path) for path in paths]
    for path, header in zip(paths, headers):
        require_same_geometry(headers[0], header, paths[0], path)
    affine = cast(Affine, tuple(tuple(float(value) for value in row) for row in headers[0].affine))
    images = tuple(hash_file(path) for path in paths)
    return Case(name, name, "test", images, None, headers[0].shape, headers[0].spacing_mm, affine)


def _outcome(predictor: Predictor, config: StudyConfig, case: Case) -> Outcome:
    """What the networks say, of slices prepared as a study's are: by the same cache, kept for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="askance-") as folder:
        grid = Grid.from_config(config.grid)
        cache = SliceCache(Path(folder), grid, len(case.images), config.network.context)
        cache.build([case])
        return predictor(cache.images_of(case.id), grid.covered(case), apart_in(grid, case))


def _labels(grid: Grid, outcome: Outcome, case: Case) -> NDArray[np.uint8]:
    """(X, Y, Z) class ids, probabilities interpolated to the file's pixels before the choice."""
    first, second = inplane(grid.axis)
    shape, spacing_mm = (case.shape[first], case.shape[second]), inplane_spacing(case.spacing_mm, grid.axis)
    planes = [grid.probs_from_grid(probs, shape, spacing_mm).argmax(0).astype(np.uint8) for probs in outcome.probs]
    return stitch(np.stack(planes), grid.axis)


def _described(outcome: Outcome, config: StudyConfig, judge: Judge, case: Case) -> list[Prediction]:
    indices = list(range(len(outcome.probs)))
    ids = [slice_id(case.id, config.grid.axis, index) for index in indices]
    return describe(outcome, judge, ids, indices, MEASURES)


def _labels_name(case: Case) -> str:
    return f"{case.id}{suffix_of(case.images[0].path)}"


def _score_rows(found: _Found) -> list[dict[str, Any]]:
    return [
        {
            "slice_id": one.slice_id,
            "case": found.case.id,
            **whereabouts(found.case.affine, *parse_slice_id(one.slice_id)[1:]),
            "score": f"{one.score:.4f}",
            **({} if one.d_raw is None else {"d_raw": f"{one.d_raw:.4f}"}),
            **{name: f"{value:.4f}" for name, value in one.measures.items()},
            "outside_grid": f"{found.outside_grid:.3f}",
        }
        for one in found.predictions
    ]


def _rows_to_check(results: Sequence[_Found], limit: float) -> list[dict[str, Any]]:
    scored = [
        (one.score, {**row, "why": _why(one)})
        for found in results
        for one, row in zip(found.predictions, _score_rows(found))
        if one.score < limit
    ]
    return [row for _, row in sorted(scored, key=lambda item: (item[0], item[1]["slice_id"]))]


def _why(prediction: Prediction) -> str:
    """Why a slice should be looked at, in words."""
    if prediction.measures["novelty"] > 1:
        return "unlike anything in learn: it may be spoilt, or of another kind"
    return "the model is in doubt"


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(rows[0]) if rows else ["slice_id", "case", "plane", "itksnap", "slicer", "score", "outside_grid", "why"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def _summary(found: _Found, limit: float, out: Path) -> dict[str, Any]:
    scores = [one.score for one in found.predictions]
    return {
        "case": found.case.id,
        "labels": str(out / _labels_name(found.case)),
        "slices": len(scores),
        "score": round(float(np.mean(scores)), 4),
        "to_check": sum(score < limit for score in scores),
        "outside_grid": round(found.outside_grid, 3),
    }
