"""What a study has come to, in formats that others read: labelled volumes with provenance, an nnU-Net data set, ONNX."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askance.active.finished import Finished, Progress, finished_cases, model_to_export
from askance.active.folders import copy_source, made_whole, require_unchanged, suffix_of, write_json
from askance.active.onnx_export import export_onnx
from askance.active.study import Study
from askance.config import PseudoConfig, StudyConfig
from askance.errors import UsageError
from askance.records import Case, Model
from askance.volumes.files import write_labels_like
from askance.volumes.geometry import stitch

__all__ = ["export_nifti", "export_nnunet", "export_onnx"]


def export_nifti(study: Study, out: Path, model: str | None = None, progress: Progress | None = None) -> Path:
    """Per case of learn the labels in the image's geometry and format, and a JSON that says whose each slice is.

    The expert's labels stand where there are any, those of ``model`` (the newest) elsewhere, each slice with its score.

    Raises:
        UsageError: ``out`` is not empty, there is no such model, or nothing to export.
        SourceMissing, SourceChanged: an image file is not as the study knows it.
        StudyError: ``out`` cannot be written.
    """
    chosen = _something_to_export(study, model)
    with made_whole(out) as draft:
        for case, finished in finished_cases(study, chosen, _rule(study, None), progress):
            name = f"{case.id}{suffix_of(case.images[0].path)}"
            _write_labels(study, draft / name, finished.labels, case)
            write_json(draft / f"{case.id}.json", {"labels": name, **_provenance(study, chosen, case, finished)})
    return out


def export_nnunet(
    study: Study,
    out: Path,
    threshold: float | None = None,
    model: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """An nnU-Net v2 data set of learn; what is neither annotated nor trusted has the label ``ignore``.

    Trusted is a slice of ``model`` (the newest) with a score from ``threshold`` on; None: as the study's own
    triage has it, and none where the last answers spoke against it.
    Cases without anything trusted are left out. nnU-Net wants ``out`` to be called DatasetNNN_NAME. ``cases.csv`` names the
    patients, by whom a split has to go, ``provenance.json`` says whose each slice is. Images keep voxels and
    geometry as stored; the texts of their headers stay behind.

    Raises:
        UsageError, SourceMissing, SourceChanged, StudyError: as ``export_nifti``; or image files of several formats.
    """
    chosen = _something_to_export(study, model)
    ending, labels = _one_ending(study.store.cases("learn")), _label_numbers(study.config)
    patients, provenance = [], {}
    with made_whole(out) as draft:
        for name in ("imagesTr", "labelsTr"):
            (draft / name).mkdir()
        for case, finished in finished_cases(study, chosen, _rule(study, threshold), progress):
            if finished.trusted.any():
                for channel, source in enumerate(case.images):
                    copy_source(source, draft / "imagesTr" / f"{case.id}_{channel:04d}{ending}")
                planes = np.where(finished.trusted, finished.labels, np.uint8(labels["ignore"]))
                _write_labels(study, draft / "labelsTr" / f"{case.id}{ending}", planes, case)
                patients.append((case.id, case.patient))
                provenance[case.id] = _provenance(study, chosen, case, finished)
        if not patients:
            raise UsageError(f"{out}: no slice is labelled or trusted, so nothing was made; lower the threshold")
        _write_tables(draft, study.config, labels, ending, patients)
        write_json(draft / "provenance.json", provenance)
    return out


def _something_to_export(study: Study, model: str | None) -> Model | None:
    chosen = model_to_export(study, model)
    if chosen is None and not study.store.annotations():
        raise UsageError(f"{study.store.folder}: nothing is labelled and no model is trained; `askance run` first")
    return chosen


def _write_labels(study: Study, path: Path, planes: NDArray[np.uint8], case: Case) -> None:
    require_unchanged(case.images[0])
    write_labels_like(path, stitch(planes, study.config.grid.axis), case.images[0].path)


def _provenance(study: Study, model: Model | None, case: Case, finished: Finished) -> dict[str, Any]:
    return {
        "format": 1,
        "case": case.id,
        "image_sha256": [source.sha256 for source in case.images],
        "classes": list(study.config.classes),
        "axis": study.config.grid.axis,
        "model": model.id if model else None,
        "weights_sha256": model.weights_sha256 if model else None,
        "slices": [asdict(origin) for origin in finished.origins],
    }


def _rule(study: Study, threshold: float | None) -> PseudoConfig:
    """The study's triage; with a threshold of the user's also where the study itself uses no pseudo-labels.

    Where the last answers did not bear the model before out (``belief``), its successor is not trusted unasked either.
    """
    config, latest = study.config, study.store.latest_model()
    if threshold is None:
        doubted = latest is not None and (latest.info.get("belief") or {}).get("holds") is False
        return config.pseudo.model_copy(update={"share": 0.0}) if doubted else config.pseudo
    if not 0 <= threshold <= 1:
        raise UsageError(f"the threshold is {threshold}; wanted a score from 0 to 1")
    power = config.pseudo.power if threshold else 0.0  # from 0 on all are trusted, a score of 0 as well
    share = max(config.pseudo.share, 0.5)
    return config.pseudo.model_copy(update={"threshold": threshold, "share": share, "power": power})


def _one_ending(cases: Sequence[Case]) -> str:
    endings = sorted({suffix_of(source.path) for case in cases for source in case.images})
    if len(endings) != 1:
        raise UsageError(
            f"the images are of the formats {', '.join(endings)}; nnU-Net wants one; convert them, or export NIfTI labels"
        )
    return endings[0]


def _label_numbers(config: StudyConfig) -> dict[str, int]:
    names = ["background", *config.classes[1:], "ignore"]
    if len(set(names)) < len(names):
        raise UsageError(f"the classes are {list(config.classes)}; nnU-Net keeps the names background and ignore for itself")
    return {name: value for value, name in enumerate(names)}


def _write_tables(
    draft: Path, config: StudyConfig, labels: dict[str, int], ending: str, patients: list[tuple[str, str]]
) -> None:
    channels = {str(number): name for number, name in enumerate(config.channels)}
    header = {"channel_names": channels, "labels": labels, "numTraining": len(patients), "file_ending": ending}
    write_json(draft / "dataset.json", header)
    with (draft / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("case", "patient"), *patients])
