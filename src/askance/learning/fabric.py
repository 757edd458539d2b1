"""Where training runs: device, precision and data parallelism, through Lightning Fabric. The only file that knows them."""

from __future__ import annotations

from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT


def make_fabric(precision: str) -> Fabric:
    """A Fabric on the best device there is; under torchrun it spans its processes. ``auto``: bf16 where it is fast."""
    chosen = ("bf16-mixed" if has_fast_bf16() else "32-true") if precision == "auto" else precision
    return Fabric(accelerator="auto", devices=_devices(), precision=cast(_PRECISION_INPUT, chosen))


def has_fast_bf16() -> bool:
    """True where the device multiplies bf16 in hardware; emulated bf16 is slower than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _devices() -> int:
    # Under torchrun Fabric reads the world from the environment and wants the devices of this node.
    if torch.distributed.is_torchelastic_launched() and not torch.cuda.is_available():
        import os

        return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return torch.cuda.device_count() if torch.distributed.is_torchelastic_launched() else 1
