"""Where training runs: device, precision and data parallelism, through Lightning Fabric. The only file that knows them."""

from __future__ import annotations

import atexit
import logging
import os
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, TypeVar, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT
from torch import nn
from torch.nn import functional

_Network = TypeVar("_Network", bound=nn.Module)

_WORTH = 1.2  # times faster than float32, from which bf16 is taken: below, noise would choose


def make_fabric(precision: str) -> Fabric:
    """A Fabric on the best device there is; under torchrun it spans its processes. ``auto``: bf16 where it is fast."""
    chosen = ("bf16-mixed" if has_fast_bf16() else "32-true") if precision == "auto" else precision
    with _quiet():
        devices, nodes = _world()
        fabric = Fabric(accelerator="auto", devices=devices, num_nodes=nodes, precision=cast(_PRECISION_INPUT, chosen))
        fabric.launch()
    if fabric.world_size > 1:
        _leave_in_order()
    return fabric


def in_memory_order(network: _Network, order: torch.memory_format) -> _Network:
    """The same ``network``, its weights laid out in ``order``."""
    whole: Any = network  # torch's types do not know this call of Module.to
    laid_out: _Network = whole.to(memory_format=order)
    return laid_out


@cache
def _leave_in_order() -> None:
    """Take the process group down before the interpreter: its threads, left running, now and then abort the process."""
    atexit.register(lambda: torch.distributed.is_initialized() and torch.distributed.destroy_process_group())


def has_fast_bf16() -> bool:
    """True where the device multiplies bf16 in hardware and gains by it, which on a CPU is tried out once a process."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.mps.is_available():
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()) and _bf16_gain() > _WORTH


@cache
def _bf16_gain() -> float:
    """How many times faster one convolution of a U-Net is in bf16: 2 on a Zen 4, 0.5 on a Xeon with its AMX hidden."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        images = torch.ones((4, 64, 32, 32), dtype=dtype).contiguous(memory_format=torch.channels_last)
        weights = torch.ones((64, 64, 3, 3), dtype=dtype).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            seconds[dtype] = min(timeit.repeat(partial(functional.conv2d, images, weights), number=1, repeat=8))
    return seconds[torch.float32] / seconds[torch.bfloat16]


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
