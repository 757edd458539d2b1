"""Brings the expert's page into a wheel, or into a checkout that is installed: npm, pinned by web/package-lock.json."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page once; a checkout without Node goes without it, a wheel does not."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatch before a wheel is made; ``version`` is ``editable`` for a checkout."""
        del build_data
        root = Path(self.root)
        if (root / "src/askance/server/assets/index.html").exists():
            return
        try:
            _build(root / "web")
        except (OSError, subprocess.CalledProcessError) as error:
            text = f"the expert's page was not built ({error}); it needs Node.js with npm: make web"
            if version != "editable":
                raise RuntimeError(text) from error
            self.app.display_warning(text)


def _build(web: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not there")
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=web, check=True)
    subprocess.run([npm, "run", "--silent", "build"], cwd=web, check=True)
