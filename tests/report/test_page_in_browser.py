"""The report in a real Chromium: everything on it is there without network or scripts, and it can be read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from made_reports import report_data
from playwright.sync_api import sync_playwright

from askance.report.page import write_report

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium on this machine; `make browser` installs it")
        pytest.skip("no Chromium on this machine")
    return found


def test_every_picture_shows_and_nothing_is_fetched(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report_data())
    asked, complaints = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((tmp_path / "report.html").as_uri())
        pictures = page.eval_on_selector_all("img", "all => all.map(one => [one.naturalWidth, one.alt])")
        width = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert len(pictures) >= 4
    assert all(size > 0 and text for size, text in pictures), "a picture is broken or has no text in its place"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
    assert width <= 1200, "the page is wider than the window"
