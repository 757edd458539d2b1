"""The generator as ONNX, with what a program needs to feed it: classes, working grid, normalisation."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from askance import __version__
from askance.active.finished import model_to_export
from askance.active.study import Study
from askance.errors import StudyError, TrainingError, UsageError
from askance.learning.architecture import make_generator
from askance.learning.checkpoints import load_weights
from askance.networks.generator import Generator
from askance.records import Model
from askance.volumes.normalisation import VERSION
from askance.volumes.writing import replacing

_OPSET = 17  # the newest that the exporter's oldest supported torch writes
_NORMALISATION = "per volume and channel: clipped to the 0.5 and 99.5 percentiles, then less the lower, by the deviation"
_TOLERANCE = 1e-4  # of the logits' largest magnitude; both compute in float32, summing in another order


def export_onnx(study: Study, out: Path, model: str | None = None) -> Path:
    """Write G of ``model`` (the newest) to ``out``: ``image`` (N, C, H, W) to ``logits`` (N, K, H, W), float32.

    N is free; H and W are too where the network allows (multiples of its stride), else the working grid's. The file is
    compared with PyTorch on random input before it is there. One view: averaging over views and
    close slices is the caller's.

    Raises:
        UsageError: the extra ``askance[onnx]`` is not installed, ``out`` does not end in .onnx or is there, no model.
        TrainingError: ONNX and PyTorch differ.
        StudyError: ``out`` cannot be written.
    """
    onnx, runtime = _packages()
    if out.suffix != ".onnx":
        raise UsageError(f"{out}: found suffix {out.suffix!r}; wanted .onnx")
    if out.exists():
        raise UsageError(f"{out}: is already there; wanted a file that does not exist yet; name another")
    chosen = model_to_export(study, model)
    if chosen is None:
        raise UsageError(f"{study.store.folder}: there is no model to export; run `askance run` first")
    network, free = _generator(study, chosen)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"{out}: cannot be written ({error.strerror}); name another place") from None
    with replacing(out) as draft:
        _export(network, study, free, draft)
        _describe(onnx, draft, study, chosen, network.stride)
        _compare(runtime, draft, network, study, free)
    return out


def _packages() -> tuple[ModuleType, ModuleType]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed; ONNX wants the extra: pip install 'askance[onnx]'") from None
    return onnx, onnxruntime


def _generator(study: Study, model: Model) -> tuple[Generator, bool]:
    """G on the CPU, ready to predict, and whether it takes slices of other sizes than the grid's."""
    states, _ = load_weights(study.store.model_folder(model.id))
    network = make_generator(study.shape, study.config.network)
    network.load_state_dict(states["G"])
    return network.eval(), study.config.network.generator == "unet"


def _export(network: nn.Module, study: Study, free: bool, path: Path) -> None:
    axes = {0: "N", 2: "H", 3: "W"} if free else {0: "N"}
    example = torch.zeros(1, study.shape.channels, *study.shape.size)
    # The exporter by tracing: 0.3 s where the newer one takes 12 s and names no axes (torch 2.13). torch warns that it
    # will go; pyproject.toml holds torch below the next release.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": axes, "logits": axes},
        )


def _describe(onnx: Any, path: Path, study: Study, model: Model, stride: int) -> None:
    """Put into the file what its numbers mean, as JSON texts."""
    config = study.config
    said = {
        "classes": config.classes,
        "channels": config.channels,
        "context": config.network.context,
        "axis": config.grid.axis,
        "spacing_mm": config.grid.spacing_mm,
        "size": config.grid.size,
        "stride": stride,
        "normalisation": f"{_NORMALISATION} (version {VERSION})",
        "model": model.id,
        "weights_sha256": model.weights_sha256,
        "askance": __version__,
    }
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {key: json.dumps(value) for key, value in said.items()})
    onnx.checker.check_model(written)
    onnx.save(written, path)


def _compare(runtime: Any, path: Path, network: Generator, study: Study, free: bool) -> None:
    rows, columns = study.shape.size
    size = (rows + network.stride, columns) if free else (rows, columns)
    images = np.random.default_rng(0).normal(size=(2, study.shape.channels, *size)).astype(np.float32)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"image": images})[0]
    with torch.inference_mode():
        wanted = network(torch.from_numpy(images)).numpy()
    off, allowed = float(np.abs(found - wanted).max()), _TOLERANCE * max(1.0, float(np.abs(wanted).max()))
    if not off <= allowed:
        raise TrainingError(
            f"{path.name}: ONNX and PyTorch differ by {off:.3g} in the logits, wanted at most {allowed:.3g}; "
            "the file was not kept; try other versions of torch and onnxruntime (docs/dependencies.md)"
        )
