"""The whole path in a real Chromium: link, next slice, mouse, submit, and the label read back where it was drawn."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import Visitor, chromium
from playwright.sync_api import Browser, Route
from served import Served, link_of, serving, set_settings

from askance.active.study import Study
from askance.records import parse_slice_id
from askance.store.store import Store
from askance.volumes.display import Display

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def saved(served: Served, slice_id: str) -> np.ndarray:
    """The label that stands, as the file has it."""
    with Store.open(served.folder) as store:
        found = store.annotation(slice_id)
        assert found is not None
        return store.read_annotation(found)


def shown(served: Served, slice_id: str, labels: np.ndarray) -> list[int]:
    """A label of the store as the page shows it, columns fastest."""
    case_id, axis, _ = parse_slice_id(slice_id)
    with Store.open(served.folder) as store:
        case = store.case(case_id)
    return Display.of(case.affine, case.shape, axis).to_plane(labels).ravel(order="F").tolist()


def submit(visitor: Visitor) -> None:
    """Submit, and confirm what the page warns of."""
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_timeout(300)
    if visitor.told("document.getElementById('dialog').open"):
        visitor.page.get_by_role("button", name="Submit", exact=True).click()


def test_what_is_drawn_with_the_mouse_is_stored_where_it_was_drawn(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    before = anna.plane()
    anna.page.keyboard.press("1")
    anna.page.keyboard.press("[")
    anna.stroke((4, 27), (19, 27))
    drawn = anna.plane()
    columns = 24
    assert {drawn[27 * columns + column] for column in range(5, 19)} == {1}
    anna.page.keyboard.press("Control+z")
    assert anna.plane() == before
    anna.page.keyboard.press("Control+y")
    assert anna.plane() == drawn
    submit(anna)
    following = anna.next_after(slice_id)
    labels = saved(served, slice_id)
    assert shown(served, slice_id, labels) == drawn
    assert (labels[5:19, 27] == 1).all(), "RAS file: display and file agree"
    ben = Visitor(browser, link_of(served, "ben"))
    assert ben.ready() not in (slice_id, following)
    assert anna.complaints == []
    assert ben.complaints == []


def test_tools_draw_what_they_say_and_drafts_survive_a_reload_and_a_killed_server(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    anna.page.keyboard.press("2")
    anna.page.keyboard.press("g")
    for voxel in ((2, 2), (8, 2), (8, 8), (2, 8)):
        anna.page.mouse.click(*anna.where(voxel))
    anna.page.keyboard.press("Enter")
    plane = np.array(anna.plane()).reshape(32, 24)
    assert (plane[3:8, 3:8] == 2).all()
    anna.page.keyboard.press("f")
    anna.page.keyboard.press("1")
    anna.page.mouse.click(*anna.where((5, 5)))
    assert np.array(anna.plane()).reshape(32, 24)[5, 5] == 1
    anna.page.keyboard.press("e")
    anna.stroke((5, 5), (5, 5))
    assert np.array(anna.plane()).reshape(32, 24)[5, 5] == 0
    anna.until("document.getElementById('saved').textContent === 'Saved'", 10)
    drawn = anna.plane()
    anna.page.reload()
    assert anna.ready() == slice_id
    assert anna.plane() == drawn
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(20)
    anna.page.keyboard.press("b")
    anna.stroke((12, 29), (18, 29))
    anna.until("document.getElementById('banner').textContent.includes('connection is lost')", 10)
    drawn = anna.plane()
    port = int(served.url.rsplit(":", 1)[1])
    with serving(served.folder, port):
        anna.until("document.getElementById('saved').textContent === 'Saved'", 20)
        anna.page.reload()
        assert anna.ready() == slice_id
        assert anna.plane() == drawn


def test_a_stroke_that_a_reload_interrupts_is_whole_up_to_there(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    anna.stroke((3, 30), (10, 30))
    first = anna.plane()
    anna.page.mouse.move(*anna.where((12, 30)))
    anna.page.mouse.down()
    anna.page.mouse.move(*anna.where((18, 30)))
    anna.page.reload()
    assert anna.ready() == slice_id
    assert anna.plane() == first


def test_an_answer_handed_in_without_a_connection_arrives_once_when_it_is_back(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    anna.stroke((4, 28), (16, 28))
    drawn = anna.plane()
    anna.until("document.getElementById('saved').textContent === 'Saved'", 10)
    anna.context.set_offline(True)
    submit(anna)
    anna.until("document.getElementById('banner').textContent.includes('handed in when the server answers')", 10)
    assert not anna.told("window.askance.drawing.enabled"), "what is handed in is what is on the screen"
    anna.context.set_offline(False)
    anna.next_after(slice_id)
    assert shown(served, slice_id, saved(served, slice_id)) == drawn
    with Store.open(served.folder) as store:
        assert len(store.desk.versions(slice_id)) == 1


def test_a_lost_connection_is_told_of_while_nothing_is_drawn_and_when_it_is_back(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.ready()
    anna.context.set_offline(True)
    anna.until("document.getElementById('banner').textContent.includes('connection is lost')", 15)
    anna.context.set_offline(False)
    anna.until("document.getElementById('banner').hidden", 15)


INSECURE = "delete Navigator.prototype.locks; delete Crypto.prototype.randomUUID; delete Navigator.prototype.clipboard"


def test_a_page_that_was_closed_is_gone_on_with_in_the_next(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    slice_id = anna.ready()
    anna.page.close()
    anna.page = anna.open(link_of(served, "anna"))
    assert anna.ready() == slice_id


@pytest.mark.parametrize("page", ["secure", "over plain http"])
def test_a_tab_that_the_browser_duplicates_is_another_tab(browser: Browser, served: Served, page: str) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    anna.ready()
    if page == "over plain http":  # what a browser takes away from a page that is neither TLS nor loopback
        anna.context.add_init_script(INSECURE)
        anna.told("sessionStorage.clear()")
        anna.page.reload()
        anna.ready()
        assert anna.told("[typeof navigator.locks, typeof crypto.randomUUID]") == ["undefined", "undefined"]
    first = anna.told("window.askanceTab")
    with anna.page.expect_popup() as opened:
        anna.told("void window.open('/')")
    anna.page = opened.value
    anna.page.wait_for_selector("#notice", state="attached")
    anna.until("document.getElementById('notice').textContent.includes('another tab')")
    assert anna.told("window.askanceTab") != first
    anna.page.reload()
    anna.until("document.getElementById('notice').textContent.includes('another tab')")


def test_accept_skip_unreadable_and_going_back(browser: Browser, served: Served) -> None:
    anna = Visitor(browser, link_of(served, "anna"))
    first = anna.ready()
    anna.page.keyboard.press("a")
    second = anna.next_after(first)
    anna.page.keyboard.press("s")
    anna.page.get_by_label("Reason").fill("motion")
    anna.page.get_by_role("button", name="Skip", exact=True).last.click()
    anna.until(f"window.askance.slice !== '{second}'")
    anna.page.keyboard.press("l")
    anna.page.get_by_role("row", name=second).get_by_role("button", name="Change").click()
    anna.until(f"window.askance.slice === '{second}' && !window.askance.isBusy")
    anna.page.keyboard.press("b")
    anna.stroke((4, 28), (16, 28))
    submit(anna)
    anna.next_after(second)
    with Store.open(served.folder) as store:
        assert store.set_asides() == {}
        effort = store.desk.versions(first)[0].effort
        assert effort is not None
        assert effort.changed_voxels == 0
        assert store.state(second) == "accepted"


@pytest.mark.slow
def test_an_admin_starts_the_next_cycle_and_new_slices_appear(browser: Browser, served: Served) -> None:
    ada = Visitor(browser, served.link)
    slice_id = ada.ready()
    with Store.open(served.folder) as store:
        for other, state in store.states().items():
            if state == "queried":
                store.save_answer(other, np.zeros((24, 32), np.uint8), "ben")
    ada.page.keyboard.press("a")
    ada.until(f"window.askance.slice !== '{slice_id}'")
    ada.until("document.getElementById('start-job') && !document.getElementById('start-job').disabled")
    ada.page.click("#start-job")
    ada.until("document.getElementById('job-state')", 20)
    ada.until("document.getElementById('job-state').textContent.includes('next slices are ready')", 120)
    ada.ready()
    assert ada.told("document.getElementById('advice').textContent")


def test_a_reviewer_accepts_and_corrects(browser: Browser, asking_study: Study) -> None:
    folder = asking_study.store.folder
    settings = folder / "study.toml"
    settings.write_text(settings.read_text().replace("review = false", "review = true"))
    asking_study.store.close()
    with serving(folder) as served:
        anna = Visitor(browser, link_of(served, "anna"))
        first = anna.ready()
        anna.page.keyboard.press("a")
        second = anna.next_after(first)
        anna.page.keyboard.press("a")
        anna.until(f"window.askance.slice !== '{second}'")
        rita = Visitor(browser, link_of(served, "rita", "reviewer"))
        rita.until("Boolean(window.askance?.me)")
        rita.page.click("#mode-review")
        assert rita.ready() == first
        unassisted = "{...window.askance.seen.header, assisted: false}"
        rita.told(f"import('/assets/panels.js').then((panels) => panels.showWhy({unassisted}))")
        assert "draw it from nothing" not in rita.page.inner_text("#why"), "the slice is drawn: it is to be looked through"
        rita.page.keyboard.press("a")
        assert rita.next_after(first) == second
        rita.page.keyboard.press("1")
        rita.stroke((4, 28), (16, 28))
        submit(rita)
        rita.until("document.getElementById('notice').textContent.includes('nothing to review')")
    with Store.open(folder) as store:
        assert {store.state(one) for one in (first, second)} == {"accepted"}
        assert [one.kind for one in store.desk.reviews()] == ["accepted", "corrected"]
        assert [one.author for one in store.desk.versions(second)] == ["anna", "rita"]


def test_what_comes_when_somebody_went_over_to_other_work_is_neither_shown_nor_kept(
    browser: Browser, asking_study: Study
) -> None:
    folder = asking_study.store.folder
    set_settings(folder, review="true")
    asking_study.store.close()
    with serving(folder) as served:
        anna = Visitor(browser, link_of(served, "anna"))
        reviewed = anna.ready()
        anna.page.keyboard.press("a")
        anna.next_after(reviewed)
        rita = Visitor(browser, link_of(served, "rita", "reviewer"))
        other = rita.ready()
        rita.page.click("#mode-review")
        assert rita.next_after(other) == reviewed
        waiting: list[Route] = []

        def hold(route: Route) -> None:
            waiting.append(route)

        rita.page.route("**/api/next", hold)
        rita.page.click("#mode-work")
        rita.until(lambda: waiting)
        rita.page.click("#mode-review")
        assert rita.ready() == reviewed
        with rita.page.expect_response("**/api/give_back") as given_back:
            waiting[0].continue_()
        assert given_back.value.ok
        assert rita.ready() == reviewed
        assert rita.told("document.getElementById('mode-review').getAttribute('aria-pressed')") == "true"
    with Store.open(folder) as store:
        assert store.state(other) in {"queried", "leased"}
        assert store.desk.counts().get("leased", 0) <= 2, "anna's, and what was fetched ahead for her"


def test_a_reviewer_who_accepts_never_loses_a_correction(browser: Browser, asking_study: Study) -> None:
    folder = asking_study.store.folder
    set_settings(folder, review="true")
    asking_study.store.close()
    with serving(folder) as served:
        anna = Visitor(browser, link_of(served, "anna"))
        slice_id = anna.ready()
        anna.page.keyboard.press("a")
        anna.next_after(slice_id)
        rita = Visitor(browser, link_of(served, "rita", "reviewer"))
        rita.until("Boolean(window.askance?.me)")
        rita.page.click("#mode-review")
        assert rita.ready() == slice_id
        rita.page.keyboard.press("1")
        rita.stroke((4, 28), (16, 28))
        rita.told("window.askance.reload()")  # what is shown of it from now on is the draft
        rita.page.keyboard.press("a")
        rita.until("document.getElementById('hint').textContent.includes('You drew on this slice')", 10)
        assert rita.told("window.askance.slice") == slice_id
        rita.page.keyboard.press("Control+z")
        rita.page.keyboard.press("a")
        rita.until("document.getElementById('notice').textContent.includes('nothing to review')", 10)
    with Store.open(folder) as store:
        assert [one.kind for one in store.desk.reviews()] == ["accepted"]


def test_without_a_built_page_the_server_says_what_is_missing() -> None:
    code = (
        "from pathlib import Path; from askance.server import page; page.ASSETS = Path('nowhere');"
        "answer = page.index(); print(answer.status_code, answer.body.decode())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("503 ")
    assert "make web" in told


def test_the_pages_own_geometry_is_tested_by_node() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js on this machine")
    ran = subprocess.run([node, "--test", "test/shapes.test.mjs"], cwd=WEB, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
