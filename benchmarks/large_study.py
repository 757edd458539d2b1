"""How much memory a study larger than memory takes: cache it, then read every slice once as ranking does.

Makes an nnU-Net-like set of uncompressed NIfTI volumes in a temporary folder, deletes it afterwards, and appends one line
to ``results/large_study.jsonl``. ``peak_mb`` is the largest anonymous memory (RssAnon) of this process, sampled in a
thread: pages of mapped files are the system's to drop and don't count. Linux only.

Run ``python benchmarks/large_study.py --gb 20``; it needs about 1.5 times as much free disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np

from askance.records import Case, slice_id
from askance.volumes.cache import SliceCache
from askance.volumes.files import hash_file, read_header
from askance.volumes.geometry import Grid, default_grid

RESULTS = Path(__file__).parent / "results" / "large_study.jsonl"
SHAPE = (512, 512, 512)
SPACING_MM = (0.7, 0.7, 1.0)
VOLUME_BYTES = 2 * SHAPE[0] * SHAPE[1] * SHAPE[2]
BATCH = 16


class AnonymousMemory:
    """The largest RssAnon of this process while ``watch`` is open, in MB."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stop = threading.Event()

    @contextmanager
    def watch(self, every_s: float = 0.01) -> Iterator[None]:
        thread = threading.Thread(target=self._sample, args=(every_s,))
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _sample(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            status = Path("/proc/self/status").read_text()
            kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
            self.peak_mb = max(self.peak_mb, kb / 1024)


def make_volume(path: Path, seed: int) -> None:
    """One volume of noise whose brightness drifts from slice to slice; no byte pattern repeats within a slice."""
    rng = np.random.default_rng(seed)
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(SHAPE)
    header.set_zooms(SPACING_MM)
    header.set_sform(np.diag((*SPACING_MM, 1.0)), 1)
    header["vox_offset"] = 352
    plane = rng.integers(257, 2000, SHAPE[:2]).astype(np.int16)
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        for index in range(SHAPE[2]):
            file.write((np.roll(plane, 7 * index) + index).tobytes())


def make_cases(folder: Path, volumes: int) -> list[Case]:
    """An nnU-Net-like imagesTr, as the cases of a study."""
    (folder / "imagesTr").mkdir()
    cases = []
    for number in range(volumes):
        path = folder / "imagesTr" / f"large_{number:03}_0000.nii"
        make_volume(path, seed=number)
        header = read_header(path)
        affine = tuple(tuple(row) for row in header.affine.tolist())
        name = f"large_{number:03}"
        cases.append(Case(name, name, "learn", (hash_file(path),), None, header.shape, header.spacing_mm, affine))
    return cases


def read_all(cache: SliceCache, cases: Sequence[Case]) -> int:
    """Every slice once, in batches; how many there were."""
    ids = [slice_id(case.id, cache.grid.axis, i) for case in cases for i in range(case.shape[cache.grid.axis])]
    for start in range(0, len(ids), BATCH):
        if not np.isfinite(cache.images(ids[start : start + BATCH]).mean()):
            raise RuntimeError(f"slices {ids[start : start + BATCH]} hold numbers that are not finite")
    return len(ids)


def measure(folder: Path, gb: float) -> dict[str, object]:
    """One line of results: anonymous memory and seconds for a study of ``gb`` gigabytes."""
    began_at = commit()  # before the work: others may commit during it
    volumes = -(-int(gb * 1e9) // VOLUME_BYTES)
    cases = make_cases(folder, volumes)
    grid = Grid.from_config(default_grid(cases, axis=2))
    memory, begin = AnonymousMemory(), time.perf_counter()
    with memory.watch():
        cache = SliceCache(folder / "cache", grid, channels=1)
        cache.build(cases, lambda done, total: print(f"cached {done}/{total}", file=sys.stderr))
        cached_s = time.perf_counter() - begin
        slices = read_all(cache, cases)
    blank = dict.fromkeys(("acquisition", "fold", "budget", "labelled_slices", "dice", "dice_per_class", "score_r", "state"))
    return blank | {
        "bench": "large_study",
        "dataset": "large",
        "method": "askance",
        "seed": 0,
        "pool_slices": slices,
        "gb": round(volumes * VOLUME_BYTES / 1e9, 2),
        "seconds": round(time.perf_counter() - begin, 1),
        "cache_seconds": round(cached_s, 1),
        "peak_mb": round(memory.peak_mb, 1),
        "grid": {"spacing_mm": grid.spacing_mm, "size": grid.size},
        "commit": began_at,
        "default": True,
    }


def commit() -> str:
    """The checkout's commit, with ``+`` where files differ from it."""
    here = Path(__file__).parent
    call = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    return subprocess.run(call, cwd=here, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Parses the command line, measures, appends the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=20.0, help="size of the study")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument("--folder", type=Path, default=None, help="where to make the study (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="large-study-") as folder:
        free_gb, wanted_gb = shutil.disk_usage(folder).free / 1e9, 1.5 * options.gb + 1
        if free_gb < wanted_gb:
            parser.error(f"found {free_gb:.0f} GB free in {folder}, wanted {wanted_gb:.0f}; use --folder or a smaller --gb")
        line = json.dumps(measure(Path(folder), options.gb))
    with options.out.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
