"""A real Chromium at the expert's page."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from askance.server.page import ASSETS

ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
READY = "Boolean(window.askance && window.askance.slice && !window.askance.isBusy)"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; absent it is a reason to skip, but not on CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None or not ASSETS.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium, or the page is not built; `make browser web`")
        pytest.skip("no Chromium, or the page is not built: make web")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """One person in one window of their own."""

    def __init__(self, browser: Browser, link: str) -> None:
        self.browser = browser
        self.context = browser.new_context(viewport={"width": 1300, "height": 820})
        self.complaints: list[str] = []
        self.page = self.open(link)

    def open(self, link: str) -> Page:
        page = self.context.new_page()
        page.on("console", lambda one: self.complaints.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(link)
        return page

    @cached_property
    def cdp(self) -> CDPSession:
        """The browser's own protocol, for what Playwright has no call for."""
        return self.context.new_cdp_session(self.page)

    def told(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, done: Callable[[], Any] | str, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while True:
            found = self.told(done) if isinstance(done, str) else done()
            if found:
                return found
            assert time.monotonic() < end, f"it took too long: {done}; {self.page.inner_text('body')[:400]}"
            self.page.wait_for_timeout(100)

    def ready(self) -> str:
        """The slice on the screen, once it can be drawn on."""
        self.until(READY)
        return str(self.told("window.askance.slice"))

    def next_after(self, slice_id: str) -> str:
        self.until(f"{READY} && window.askance.slice !== '{slice_id}'")
        return str(self.told("window.askance.slice"))

    def stroke(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw with the mouse, from and to display voxels (column, row) of the slice."""
        (x, y), (to_x, to_y) = (self.where(one) for one in (start, end))
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(to_x, to_y, steps=6)
        self.page.mouse.up()

    def click(self, voxel: tuple[float, float]) -> None:
        self.page.mouse.click(*self.where(voxel))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def labels(self) -> np.ndarray:
        """The labels on the screen as (rows, columns)."""
        columns, rows = self.told("window.askance.viewer.planeShape")
        return np.array(self.plane()).reshape(rows, columns)

    def where(self, voxel: tuple[float, float]) -> tuple[float, float]:
        box = self.page.locator("#layer").bounding_box()
        assert box is not None
        x, y = self.told(f"window.askance.viewer.pageAt([{voxel[0]}, {voxel[1]}])")
        return box["x"] + x, box["y"] + y

    def plane(self) -> list[int]:
        """The labels on the screen, columns fastest."""
        return list(self.told("Array.from(window.askance.viewer.plane(window.askance.viewer.current))"))
