"""Where training runs: device, precision and data parallelism, through Lightning Fabric. The only file that knows them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT


def make_fabric(precision: str) -> Fabric:
    """A Fabric on the best device there is; under torchrun it spans its processes. ``auto``: bf16 where it is fast."""
    chosen = ("bf16-mixed" if has_fast_bf16() else "32-true") if precision == "auto" else precision
    with _quiet():
        devices, nodes = _world()
        fabric = Fabric(accelerator="auto", devices=devices, num_nodes=nodes, precision=cast(_PRECISION_INPUT, chosen))
        fabric.launch()
    return fabric


def has_fast_bf16() -> bool:
    """True where the device multiplies bf16 in hardware; emulated bf16 is slower than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _world() -> tuple[int, int]:
    """Devices of this node, and nodes: under torchrun one device for each of its processes, else one in all."""
    if not torch.distributed.is_torchelastic_launched():
        return 1, 1
    return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Fabric logs of its own setting up ("Using bfloat16 ...") off stderr, which is the progress bar's."""
    log = logging.getLogger("lightning_fabric")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
