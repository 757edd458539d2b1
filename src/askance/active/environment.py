"""What a figure depends on beside data, settings and seed: code, libraries, machine. No name of a host or a person."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

if sys.platform != "win32":
    import resource

_LIBRARIES = ("torch", "lightning-fabric", "numpy", "scipy", "nibabel", "SimpleITK")


@cache
def describe_environment() -> dict[str, Any]:
    """``commit`` (None outside a checkout) and ``environment``: versions, processor, threads."""
    return {
        "commit": _commit(),
        "environment": {
            "askance": version("askance"),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "capability": torch.backends.cpu.get_cpu_capability(),
            **{name: version(name) for name in _LIBRARIES},
        },
    }


def _commit() -> str | None:
    """The checkout's commit, with ``+`` where tracked files differ from it."""
    here = Path(__file__).parent
    if not (here.parents[2] / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "src"], cwd=here.parents[2], check=False)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.returncode else "")


def forget_peak() -> None:
    """Let ``peak_mb`` count anew from here, where the system lets us (Linux): one process may do one thing after another."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Peak resident memory of this process in MB, since ``forget_peak`` where there is /proc.

    Elsewhere since it began: getrusage gives kilobytes on Linux, bytes on macOS, and never less than before; Windows has
    none, and keeps count by itself.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    if sys.platform == "win32":
        return round(psutil.Process().memory_info().peak_wset / 2**20, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
