"""Weights on disk: safetensors with JSON beside or inside, never pickle; a file is there whole or not at all.

A finished model is a folder ``G.safetensors, D.safetensors, model.json``. A training under way is one file that holds
weights, optimiser states and the step, so that no kill can part them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from askance.errors import FormatError, StudyError
from askance.volumes.writing import flush


def save_weights(folder: Path, networks: Mapping[str, Mapping[str, Tensor]], info: Mapping[str, Any]) -> str:
    """Write ``folder`` with a file a network and ``model.json`` (``info`` and ``weights_sha256``); give back that hash."""
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, state in networks.items():
        _write(_plain(state), draft / f"{name}.safetensors")
    digest = hash_weights(networks)
    (draft / "model.json").write_text(json.dumps({**info, "weights_sha256": digest}, indent=1, sort_keys=True))
    for file in (*draft.iterdir(), draft):
        flush(file)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    flush(folder.parent)
    return digest


def load_weights(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Networks' states by name, and model.json, of a model's folder.

    Raises:
        FormatError: not a model's folder, or its weights are not those that model.json was written for.
    """
    if not (folder / "model.json").exists():
        raise FormatError(f"{folder}: no model can be read here; wanted a folder with model.json, as STUDY/models/cycle-000")
    try:
        info = json.loads((folder / "model.json").read_text())
        if not isinstance(info, dict):
            raise ValueError(f"model.json holds {info!r:.40}")
        networks = {file.stem: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    except (OSError, ValueError, SafetensorError) as error:
        raise FormatError(
            f"{folder}: no model can be read here ({error}); restore it from a backup, or train it again"
        ) from None
    if hash_weights(networks) != info.get("weights_sha256"):
        raise FormatError(f"{folder}: the weights are not those that model.json names; train this model again")
    return networks, info


def hash_weights(networks: Mapping[str, Mapping[str, Tensor]]) -> str:
    """sha256 over names, shapes and bytes of all tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, state in sorted(networks.items()):
        for key, tensor in sorted(_plain(state).items()):
            digest.update(f"{name}.{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_progress(
    path: Path,
    networks: Mapping[str, Mapping[str, Tensor]],
    optimizers: Mapping[str, Optimizer],
    about: Mapping[str, Any],
) -> None:
    """Write a training under way to ``path``; ``about`` is what JSON can hold (the step, the fingerprint)."""
    tensors = {f"{name}.{key}": value for name, state in networks.items() for key, value in _plain(state).items()}
    for name, optimizer in optimizers.items():
        for number, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{name}.{number}.{key}"] = torch.as_tensor(value).detach().cpu().clone().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    _write(tensors, draft, {"about": json.dumps(dict(about))})
    flush(draft)
    os.replace(draft, path)


def load_progress(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and ``about`` of a training under way; None where there is none.

    Raises:
        FormatError: truncated, or not a checkpoint.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["about"])  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"{path}: the checkpoint cannot be read ({error}); delete it to train from the start") from None


def restore(name: str, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the saved state of optimiser ``name`` back into ``optimizer``, in the memory order of its parameters.

    The fused AdamW walks parameters and moments side by side in memory and does not look at strides.
    """
    whole = optimizer.state_dict()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parts = key.split(".", 3)
        if parts[:2] == ["optimizer", name]:
            parameter = parameters[int(parts[2])]
            ordered = torch.empty_like(parameter, device="cpu").copy_(value) if value.shape == parameter.shape else value
            state.setdefault(int(parts[2]), {})[parts[3]] = ordered
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def _write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file.

    Raises:
        StudyError: the disk is full, or the folder cannot be written to.
    """
    try:
        save_file(tensors, path, metadata=metadata)
    except (SafetensorError, OSError) as error:
        raise StudyError(
            f"{path}: cannot be written ({error}); make room, or check the folder's permissions, and run the command again: "
            "it goes on from the last checkpoint"
        ) from None


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU and contiguous, as safetensors wants them."""
    return {key: value.detach().cpu().contiguous().clone() for key, value in state.items()}
