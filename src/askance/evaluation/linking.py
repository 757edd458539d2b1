"""Files that never change, in two folders at once: as one file with two names where the disk allows it, else as a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_files(source: Path, target: Path) -> None:
    """Every file directly in ``source`` in ``target``, too; what is there stays."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and not (target / path.name).exists():
            linked(str(path), str(target / path.name))


def linked(source: str, target: str) -> str:
    """``target``, which is the file ``source`` under another name, or a copy of it."""
    try:
        os.link(source, target)
    except OSError:  # another file system, or one that knows no links
        shutil.copy2(source, target)
    return target
