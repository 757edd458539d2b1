"""Every state of the page, one after the other, on a study that waits for its expert; for the tests and for pictures.

``make screenshots`` runs this file: it trains a small study of phantoms and takes a picture of each state.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nibabel as nib
import numpy as np
from browsing import Visitor, chromium
from playwright.sync_api import Browser
from served import Served, link_of, serving, set_settings

from askance.active.experts import expert_of
from askance.active.loop import collaborate
from askance.api import init
from askance.errors import WaitingForExpert
from askance.metrics.dice import slice_dice
from askance.records import parse_slice_id
from askance.store.answers import Answer
from askance.store.handing_in import Handing
from askance.store.store import Store
from askance.volumes.layouts import find_dataset
from askance.volumes.phantom.study import make_phantom

NOTICE = "document.getElementById('notice').textContent.includes('{}')"
BANNER = "document.getElementById('banner').textContent.includes('{}')"
DIALOG = "document.getElementById('dialog').open"


def walk(browser: Browser, served: Served) -> Iterator[tuple[str, Visitor]]:
    """The name of a state and somebody who is in it, state after state; ``served`` asks second readers of all slices."""
    anna = Visitor(browser, link_of(served, "anna"))
    yield from _drawing(anna)
    yield from _tabs(anna, served)
    yield from _not_shown(anna)
    ben = Visitor(browser, link_of(served, "ben"))
    yield from _taken_over(anna, ben, served)
    yield from _readers(anna, ben, Visitor(browser, served.link), served)
    yield from _done(anna, served)


def _drawing(anna: Visitor) -> Iterator[tuple[str, Visitor]]:
    anna.ready()
    yield "answering", anna
    anna.press("r")
    yield "score map", anna
    anna.press("r", "p")
    anna.page.wait_for_timeout(1500)
    yield "other planes", anna
    anna.press("p", "ArrowUp")
    anna.page.wait_for_timeout(300)
    yield "neighbour", anna
    anna.press("x", "i", "?")
    anna.until(DIALOG)
    yield "help", anna
    anna.press("Escape", "s")
    anna.until(DIALOG)
    yield "skip", anna
    anna.press("Escape")
    columns, rows = anna.told("window.askance.viewer.planeShape")
    anna.press("b", "1")
    anna.told("window.askance.setSize(1)")
    anna.click((1, 1))
    anna.click((columns - 2, rows - 2))
    anna.press("Enter")
    anna.until(DIALOG)
    yield "slips", anna
    anna.press("Escape")


def _tabs(anna: Visitor, served: Served) -> Iterator[tuple[str, Visitor]]:
    first = anna.page
    anna.page = anna.open(served.url)
    anna.until(NOTICE.format("another tab"))
    yield "two tabs", anna
    anna.page.get_by_role("button", name="Work here instead").click()
    anna.ready()
    anna.page, second = first, anna.page
    anna.click((3, 3))
    anna.until(NOTICE.format("another tab"))
    yield "left behind", anna
    first.close()
    anna.page = second


def _not_shown(anna: Visitor) -> Iterator[tuple[str, Visitor]]:
    slice_id = anna.ready()
    views = "**/api/view?*"
    anna.page.route(views, lambda route: route.fulfill(status=422, json={"error": "its image is damaged"}))
    anna.page.reload()
    anna.until(NOTICE.format("cannot be shown"))
    yield "not shown", anna
    anna.page.unroute(views)
    anna.page.get_by_role("button", name="Try again").click()
    anna.until(f"window.askance.slice === '{slice_id}' && !window.askance.isBusy")


def _taken_over(anna: Visitor, ben: Visitor, served: Served) -> Iterator[tuple[str, Visitor]]:
    slice_id, tab = anna.ready(), anna.told("window.askanceTab")
    ben.ready()
    with Store.open(served.folder) as store:
        store.desk.give_back(slice_id, "anna", tab)
    anna.told("window.askance.renew()")
    anna.until(BANNER.format("went back to the queue"))
    yield "lapsed", anna
    anna.page.get_by_role("button", name="Take it again").click()
    anna.until(
        f"window.askance.slice === '{slice_id}' && !window.askance.isBusy && document.getElementById('banner').hidden"
    )
    with Store.open(served.folder) as store:
        store.desk.give_back(slice_id, "anna", tab)
        store.desk.take(slice_id, "ben", "elsewhere")
    anna.told("window.askance.renew()")
    anna.until(BANNER.format("somebody else has it now"))
    yield "taken over", anna
    anna.press("Enter")
    if anna.told(DIALOG):
        anna.press("Enter")
    anna.until(BANNER.format("kept as a version"))
    with Store.open(served.folder) as store:
        store.desk.give_back(slice_id, "ben", "elsewhere")
    anna.page.context.set_offline(True)
    anna.click((3, 3))
    anna.until(BANNER.format("connection is lost"))
    yield "offline", anna
    anna.page.context.set_offline(False)
    anna.until("document.getElementById('banner').hidden", 20)


def _readers(anna: Visitor, ben: Visitor, ada: Visitor, served: Served) -> Iterator[tuple[str, Visitor]]:
    """Two people answer the same slice differently; the admin sees both."""
    slice_id = ben.ready()
    with Store.open(served.folder) as store:
        case, axis, _ = parse_slice_id(slice_id)
        first, second = (axes for axes in range(3) if axes != axis)
        shape = store.case(case).shape
        labels = np.zeros((shape[first], shape[second]), np.uint8)
        labels[shape[first] // 3 : shape[first] // 2, shape[second] // 3 : shape[second] // 2] = 1
        disagree(store, slice_id, labels, np.roll(labels, (shape[first] // 10, shape[second] // 12), (0, 1)))
    ada.until("document.getElementById('progress').textContent.includes('Readers disagree on')", 20)
    ada.page.click("#show-people")
    ada.until(DIALOG)
    ada.page.fill("#person-name", "carla")
    ada.page.get_by_role("button", name="Add").click()
    ada.until("document.getElementById('link')")
    yield "people", ada
    ada.press("Escape")
    ada.page.click("#show-audit")
    ada.until(DIALOG)
    yield "audit log", ada
    ada.press("Escape")
    ada.page.click("#show-readers")
    ada.until(DIALOG)
    yield "two readers", ada
    ada.page.get_by_role("button", name="Compare").click()
    ada.until("window.askance.mode === 'settle' && !window.askance.isBusy")
    ada.page.wait_for_timeout(500)
    ada.press("3")
    yield "settling", ada
    ada.page.click("#choose-second")
    ada.until("window.askance.mode === 'review'")
    ada.page.context.close()
    ben.page.context.close()


def disagree(store: Store, slice_id: str, first: np.ndarray, second: np.ndarray) -> None:
    """Have ben answer a slice that he holds and carl read it again, as little alike as given."""
    desk = store.desk
    desk.add_user("carl", "expert", 1, "test")
    desk.submit(Handing("ben", None, Answer(slice_id, first, "ben", None, None)))
    given = desk.next("carl", "tab")
    while given is not None and given.lease.slice_id != slice_id:
        desk.set_aside(given.lease.slice_id, "skipped", "not this one", "carl", "tab")
        given = desk.next("carl", "tab")
    assert given is not None
    assert given.lease.purpose == "second"
    dice = float(slice_dice(second, first, len(store.config.classes)))
    desk.submit(Handing("carl", "tab", Answer(slice_id, second, "carl", None, None), (), dice))


def _done(anna: Visitor, served: Served) -> Iterator[tuple[str, Visitor]]:
    with Store.open(served.folder) as store:
        for slice_id, state in store.states().items():
            if state in ("queried", "answered", "leased") and store.desk.held(slice_id, "anna") is None:
                case, axis, _ = parse_slice_id(slice_id)
                shape = [size for k, size in enumerate(store.case(case).shape) if k != axis]
                store.save_answer(slice_id, np.zeros(shape, np.uint8), "simon")
    while anna.told("Boolean(window.askance.slice)"):
        now = anna.ready()
        anna.press("s")
        anna.until(DIALOG)
        anna.page.get_by_label("Reason").fill("motion")
        anna.press("Enter")
        anna.until(f"window.askance.slice !== '{now}'")
    anna.until(NOTICE.format("is done"))
    yield "finished", anna
    yield from _training(Visitor(anna.browser, served.link))
    with Store.open(served.folder) as store:
        store.desk.revoke_user("anna", "test")
    anna.page.reload()
    anna.until(NOTICE.format("does not work"))
    yield "signed out", anna


def _training(ada: Visitor) -> Iterator[tuple[str, Visitor]]:
    """The admin starts the next cycle, watches it and ends it."""
    ada.until("!document.getElementById('start-job').disabled && !document.getElementById('start-job').hidden")
    ada.page.click("#start-job")
    ada.until("!document.getElementById('job-progress').hidden", 120)
    ada.until(NOTICE.format("is being trained"))
    yield "training", ada
    ada.page.click("#cancel-job")
    ada.until("/was cancelled|is done/.test(document.getElementById('job-state').textContent)", 60)
    yield "training ended", ada
    ada.page.context.close()


def make_phantoms(folder: Path) -> Path:
    """A study of phantoms whose expert answered the base and one query, and has the next one before them."""
    make_phantom(folder / "data", 0, 6)
    learn = json.loads((folder / "data" / "splits.json").read_text())["learn"]
    paths = {case: folder / "data" / "labelsTr" / f"{case}.nii.gz" for case in learn}
    truth = {case: np.asarray(nib.load(path).dataobj).astype(np.uint8) for case, path in paths.items()}
    for path in paths.values():
        path.unlink()
    training = {"epochs": 1, "min_steps": 120, "max_steps": 120, "batch": 4, "precision": "32-true"}
    reading = {"instructions": "Trabeculae belong to the blood pool.\nDraw the epicardium where the fat begins."}
    budget = {"base": 12, "total": 50, "cycles": 3, "validation": 3}
    settings = {"training": training, "reading": reading, "budget": budget}
    with init(folder / "study", find_dataset(folder / "data"), settings=settings) as study:
        for _ in range(3):
            with suppress(WaitingForExpert):
                collaborate(study, expert_of(study))
            if len(study.store.queries()) < 3:
                answer(study.store, truth)
    return folder / "study"


def answer(store: Store, truth: dict[str, np.ndarray]) -> None:
    """Answer with the truth whatever is asked."""
    for slice_id, state in store.states().items():
        if state == "queried":
            case, axis, index = parse_slice_id(slice_id)
            store.save_answer(slice_id, np.ascontiguousarray(truth[case].take(index, axis)), "anna")


def main(folder: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        study = make_phantoms(Path(made))
        set_settings(study, second_reader=1.0)
        with chromium() as browser, serving(study) as served:
            for name, visitor in walk(browser, served):
                visitor.page.wait_for_timeout(500)
                visitor.page.screenshot(path=folder / f"{name.replace(' ', '-')}.png")
                print(folder / f"{name.replace(' ', '-')}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
